//! Why an amount is what it is: the sum behind it, and what it was computed from.

use crate::parts::{Tone, badge, definitions, notice, steps, table};
use crate::text::{credits, grouped, moment};
use domain::billing::explanations::{
    Agreement, Evidence, Explanation, HoldExplained, UsageProgress,
};
use domain::billing::payments::Payment;
use domain::jobs::JobRow;
use domain::jobs::calls::ModelCall;
use domain::units::{Credits, Currency, Money};
use maud::{Markup, html};

/// What surrounds an explanation: where a job and a recorded webhook are shown.
pub struct Around<'a> {
    /// The path of a job's page, without its id.
    pub jobs: &'a str,
    /// The path of the page of GitHub's events, for those who may read them.
    pub events: Option<&'a str>,
}

/// Shows an explanation.
pub fn explanation(explanation: &Explanation, around: &Around<'_>) -> Markup {
    let amount = &explanation.amount;
    let sum: Vec<_> = explanation
        .sum
        .iter()
        .map(|line| vec![html! { (line.what) }, exact(&line.amount)])
        .collect();
    let calls = explanation.evidence.calls();
    html! {
        p { (explanation.sentence) }
        p.figure { data value=(amount) { (grouped(amount)) " " (explanation.unit) } }
        (agreement(explanation))
        @if !sum.is_empty() { (table("The sum", &["What", &format!("#{}", explanation.unit)], &sum)) }
        @if !calls.is_empty() { (calls_table(calls)) }
        @if let Some(hold) = &explanation.hold { (held(hold)) }
        @match &explanation.evidence {
            Evidence::Job(row, _) => (job(row, around)),
            Evidence::Payment(payment, _) => (paid(payment)),
            Evidence::Report(report) => {
                (definitions(&[
                    ("Reported by", html! { "an external agent, as " code { (report.id) } }),
                    ("Reported", moment(report.at)),
                ]))
            }
            Evidence::Assist(assist) => {
                (definitions(&[
                    ("For", html! { (assist.facts.kind.as_str()) " " code { (assist.facts.id) } }),
                    ("Requested", moment(assist.facts.created_at)),
                ]))
            }
            Evidence::Left(_) | Evidence::Named(_) | Evidence::Gone => {}
        }
    }
}

fn exact(amount: &str) -> Markup {
    html! { data value=(amount) { (grouped(amount)) } }
}

fn agreement(explanation: &Explanation) -> Markup {
    let again = explanation.recomputed.as_deref().unwrap_or("nothing");
    let (tone, text) = match explanation.agreement {
        Agreement::Equals => (
            Tone::Good,
            format!(
                "Computed again: {}. This equals the recorded amount.",
                grouped(again)
            ),
        ),
        Agreement::DoesNotEqual => (
            Tone::Bad,
            format!(
                "Computed again: {}. This does not equal the recorded amount.",
                grouped(again)
            ),
        ),
        Agreement::Named => (
            Tone::Plain,
            "The amount was named in the request, so there is nothing to compute.".to_owned(),
        ),
        Agreement::Gone => (
            Tone::Plain,
            "What the amount was computed from is no longer kept.".to_owned(),
        ),
    };
    notice(tone, &html! { (text) })
}

fn calls_table(calls: &[ModelCall]) -> Markup {
    let per_1k = |micros: Option<u64>| {
        let thousand = micros.map(|micros| Credits::from_micros(micros.saturating_mul(1_000)));
        html! { @match thousand.flatten() { Some(price) => (exact(&price.to_string())), None => "–" } }
    };
    let cached = |count: u64, price: Option<u64>, what: &str| {
        html! { @if count > 0 { br; span.quiet { (exact(&count.to_string())) " " (what) " at " (per_1k(price)) } } }
    };
    let rows: Vec<_> = calls
        .iter()
        .map(|call| {
            let (tokens, price) = (call.tokens, call.price);
            vec![
                html! { (call.model) br; span.quiet { "catalogue " (call.priced_by) } },
                html! {
                    (exact(&tokens.input.to_string()))
                    (cached(tokens.cache_read, price.map(|price| price.cache_read), "cached"))
                    (cached(tokens.cache_write, price.map(|price| price.cache_write), "put in the cache"))
                },
                per_1k(call.price.map(|price| price.input)),
                exact(&call.tokens.output.to_string()),
                per_1k(call.price.map(|price| price.output)),
                exact(&call.cost().to_string()),
            ]
        })
        .collect();
    let columns = [
        "Model",
        "#Tokens read",
        "#Credits for 1,000",
        "#Tokens written",
        "#Credits for 1,000 ",
        "#Cost in credits",
    ];
    table("Model calls, before any markup", &columns, &rows)
}

fn held(hold: &HoldExplained) -> Markup {
    let mut facts = vec![
        ("Hold", html! { code { (hold.id) } }),
        ("Reserved", credits(hold.reserved)),
    ];
    if let Some((spent, returned)) = hold.ended {
        facts.push(("Spent", credits(spent)));
        facts.push(("Came back", credits(returned)));
    }
    html! { h2 { "Reservation" } (definitions(&facts)) }
}

fn job(row: &JobRow, around: &Around<'_>) -> Markup {
    let facts = &row.facts;
    let moments: Vec<_> = row
        .timeline
        .iter()
        .map(|moment| (html! { (moment.state.as_str()) }, moment.at))
        .collect();
    let mut about = vec![
        (
            "Job",
            html! { a href={ (around.jobs) "/" (facts.id) } { (facts.id) } },
        ),
        ("State", badge(Tone::Plain, row.state.as_str())),
        (
            "Issue",
            html! { (facts.owner_login) "/" (facts.repository_name) "#" (facts.issue_number) },
        ),
        (
            "Pull request",
            html! {
                @match &row.pull {
                    Some(pull) => { a href=(pull.url) rel="noreferrer" { "#" (pull.number) } }
                    None => "none",
                }
            },
        ),
        (
            "Requested by",
            html! { (facts.asked_by) " (" (facts.trigger) ")" },
        ),
    ];
    if let Some(event) = &facts.caused_by {
        about.push((
            "GitHub's delivery",
            html! {
                @match around.events {
                    Some(path) => { a href={ (path) "/" (event.id()) } { (event.id()) } }
                    None => { code { (event.id()) } }
                }
            },
        ));
    }
    about.push(("Terms", html! { "catalogue " (facts.terms.priced_by) }));
    html! {
        h2 { "Job" }
        (definitions(&about))
        h2 { "Timeline" }
        (steps(&moments))
    }
}

fn paid(payment: &Payment) -> Markup {
    let Some(bought) = &payment.purchase else {
        return html! {};
    };
    let money = |minor| match Currency::parse(&bought.currency) {
        Some(currency) => crate::text::money(Money { minor, currency }),
        None => html! { (minor) " minor units of " (bought.currency) },
    };
    html! {
        h2 { "Payment" }
        (definitions(&[
            ("Payment", html! { code { (payment.id) } }),
            ("Bought", html! { (bought.what) }),
            ("Paid", money(bought.paid_minor)),
            ("Credits", credits(bought.credits)),
            ("Taken back so far", credits(payment.taken)),
            ("Catalogue", html! { (bought.priced_by) }),
        ]))
    }
}

/// Shows how far a usage record has come on its way to Stripe.
pub fn usage_progress(progress: &UsageProgress) -> Markup {
    let usage = &progress.usage;
    let mut facts = vec![
        ("Record", html! { code { (usage.id) } }),
        ("Meter", html! { (usage.meter) }),
        (
            "Identifier at Stripe",
            html! { code { (usage.identifier) } },
        ),
        ("State", html! { (progress.state) }),
        ("Used", moment(usage.at)),
        ("Counted in the minute of", moment(progress.reported_with)),
    ];
    facts.extend(progress.reported_at.map(|at| ("Reported", moment(at))));
    facts.extend(
        progress
            .reason
            .as_ref()
            .map(|reason| ("Why it is stuck", html! { (reason) })),
    );
    html! { h2 { "Usage record" } (definitions(&facts)) }
}
