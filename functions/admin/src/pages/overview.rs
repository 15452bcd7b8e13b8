//! `/admin`: what the jobs of some days earned and cost, and what waits for an operator.

use super::{Shown, credits};
use crate::Ctx;
use crate::routes::billing::metrics::{self, FiguresShown, Filter, Invoiced, Metrics, Remaining};
use crate::session::SignedIn;
use ::pages::{chart, definitions, grouped, table};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::units::{Currency, Money};
use maud::{Markup, html};
use rest::Params;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Shows the metrics of the days of the query; today's if it names none.
pub async fn show(
    signed_in: SignedIn,
    State(ctx): State<Arc<Ctx>>,
    Params(filter): Params<Filter>,
) -> Shown {
    let Json(found) = metrics::show(signed_in.authorized(), State(ctx), Params(filter)).await?;
    let page = signed_in.page("Overview", "/admin");
    Ok(page.with(&content(&found)).into_response())
}

fn content(found: &Metrics) -> Markup {
    let days: Vec<_> = found
        .by_day
        .iter()
        .map(|(day, figures)| (day.clone(), figures.jobs))
        .collect();
    html! {
        form.fields method="get" action="/admin" {
            label { "From" input type="date" name="from" value=(found.from); }
            label { "To (UTC)" input type="date" name="to" value=(found.to); }
            button { "Show" }
        }
        @if !found.complete {
            p.notice.warn { "Only the newest 1,000 jobs and invoices of these days are counted. Choose fewer days." }
        }
        div.columns {
            (card("Jobs", &html! { (grouped(&found.total.jobs.to_string())) }, &states(&found.states)))
            (card("Revenue", &credits(&found.total.revenue), &html! {
                (counted(found.total.billed, "billed job")) "; what Stripe bills is under invoices"
            }))
            (card("Cost of models", &credits(&found.total.cost), &html! { "of all jobs" }))
            (card("Margin", &credits(&found.total.margin), &html! { "of the jobs that credits pay" }))
            (remaining(&found.credits_remaining))
            (dead_letters(found.dead_letters))
        }
        (invoices(&found.invoices))
        @if days.len() > 1 { (chart("Jobs", "jobs", &days)) }
        (figures("By plan", "Plan", &found.by_plan))
        (figures("By repository", "Repository", &found.by_repository))
        (models(found))
        (figures("By day", "Day (UTC)", &found.by_day))
    }
}

fn counted(count: u64, what: &str) -> String {
    let count_shown = grouped(&count.to_string());
    let end = if count == 1 { "" } else { "s" };
    format!("{count_shown} {what}{end}")
}

fn card(heading: &str, figure: &Markup, below: &Markup) -> Markup {
    html! { section.card { h2 { (heading) } p.figure { (figure) } p.quiet { (below) } } }
}

fn states(states: &BTreeMap<String, u64>) -> Markup {
    html! {
        @if states.is_empty() { "none on these days" }
        @for (index, (state, count)) in states.iter().enumerate() {
            @if index > 0 { ", " }
            a href=(super::with("/admin/jobs", &[("state", Some(state))])) { (count) " " (state) }
        }
    }
}

/// The credits that customers still have. What cannot be read is not shown as zero.
fn remaining(found: &Remaining) -> Markup {
    let (figure, below) = match (found.state, &found.credits, &found.held) {
        ("known", Some(left), Some(held)) => (
            credits(left),
            html! { "and " (credits(held)) " reserved, in " (counted(found.accounts.unwrap_or(0), "account")) },
        ),
        ("too_many", _, _) => (
            html! { "Unknown" },
            html! { "There are more than 1,000 accounts; they are not added up in one request." },
        ),
        _ => (
            html! { "Unknown" },
            html! { "The balances cannot be read now. Reload the page in a minute." },
        ),
    };
    card("Credits remaining", &figure, &below)
}

fn dead_letters(count: Option<u64>) -> Markup {
    match count {
        Some(count) => card(
            "Dead letters",
            &html! { (count) },
            &html! { a href="/admin/queues" { "Queues" } },
        ),
        None => card(
            "Dead letters",
            &html! { "Unknown" },
            &html! { "SQS cannot be asked now. Reload the page in a minute." },
        ),
    }
}

fn invoices(by_currency: &BTreeMap<String, Invoiced>) -> Markup {
    let amount = |minor: i64, currency: &str| match Currency::parse(currency) {
        Some(currency) => ::pages::money(Money { minor, currency }),
        None => html! { (minor) " minor units of " (currency) },
    };
    let pairs: Vec<_> = by_currency
        .iter()
        .map(|(currency, sum)| {
            let words = html! {
                (counted(sum.invoices, "invoice")) ": " (amount(sum.due_minor, currency)) " due, "
                (amount(sum.paid_minor, currency)) " paid"
            };
            (currency.as_str(), words)
        })
        .collect();
    html! {
        section {
            h2 { "Invoices" }
            @if pairs.is_empty() { p { "There are no invoices of these days." } }
            @else { (definitions(&pairs)) }
        }
    }
}

fn figures(heading: &str, of: &str, by: &BTreeMap<String, FiguresShown>) -> Markup {
    let rows: Vec<_> = by
        .iter()
        .map(|(name, figures)| {
            vec![
                html! { (name) },
                html! { (grouped(&figures.jobs.to_string())) },
                html! { (grouped(&figures.billed.to_string())) },
                credits(&figures.revenue),
                credits(&figures.cost),
                credits(&figures.margin),
            ]
        })
        .collect();
    let columns = [of, "#Jobs", "#Billed", "#Revenue", "#Cost", "#Margin"];
    html! { @if !rows.is_empty() { section { (table(heading, &columns, &rows)) } } }
}

fn models(found: &Metrics) -> Markup {
    let rows: Vec<_> = found
        .by_model
        .iter()
        .map(|(model, used)| {
            vec![
                html! { (model) },
                html! { (grouped(&used.steps.to_string())) },
                html! { (grouped(&used.tokens.to_string())) },
                credits(&used.cost),
            ]
        })
        .collect();
    let columns = ["Model", "#Steps", "#Tokens", "#Cost"];
    html! { @if !rows.is_empty() { section { (table("By model", &columns, &rows)) } } }
}
