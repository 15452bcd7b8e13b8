//! `/admin/billing` and `/admin/accounts/{id}`: the accounts with what they use and owe, and one of
//! them in full.

use super::{DoneNow, Shown, at, credits, done, or_dash, with};
use crate::Ctx;
use crate::routes::accounts::account::{self, AccountShown};
use crate::routes::accounts::list::{self as listing, AccountListed};
use crate::routes::billing::invoices::{self, DatedInvoice};
use crate::routes::billing::invoices_all;
use crate::routes::ledger::credits as ledger;
use crate::session::SignedIn;
use ::pages::{Tone, badge, definitions, empty, grouped, pager, table};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::units::{Currency, Money};
use maud::{Markup, html};
use rest::views::QuotaUse;
use rest::{Params, Path};
use std::sync::Arc;

/// Lists the accounts, and the newest invoices of all of them.
pub async fn list(
    signed_in: SignedIn,
    State(ctx): State<Arc<Ctx>>,
    Params(filter): Params<listing::Filter>,
) -> Shown {
    let (search, is_later) = (filter.search.clone(), filter.cursor.is_some());
    let found = listing::list(
        signed_in.authorized(),
        State(Arc::clone(&ctx)),
        Params(filter),
    );
    let Json(found) = found.await?;
    let newest = Params(invoices_all::Filter::default());
    let Json(billed) = invoices_all::list(signed_in.authorized(), State(ctx), newest).await?;
    let rows: Vec<_> = found.accounts.iter().map(line).collect();
    let columns = [
        "Account",
        "Plan",
        "Service",
        "Subscription",
        "Usage",
        "#Available",
        "#Held",
        "#Owed",
        "Since",
    ];
    let next = found.next_cursor.as_deref();
    let next = next.map(|cursor| with("/admin/billing", &[("cursor", Some(cursor))]));
    let content = html! {
        form.fields method="get" action="/admin/billing" role="search" {
            label {
                "Find an account"
                input type="search" name="search" value=(search.as_deref().unwrap_or_default()) maxlength="320"
                    placeholder="acc_…, cus_…, GitHub owner, mail address";
            }
            button { "Find" }
        }
        section {
            @if rows.is_empty() && search.is_some() {
                (empty("No account has this id, customer, owner or address.", &html! { a href="/admin/billing" { "Show all accounts" } }))
            } @else if rows.is_empty() {
                (empty("There are no accounts yet.", &html! { "They come by sign-up, by the App's installation, or by the API." }))
            } @else {
                (table("Accounts, newest first", &columns, &rows))
                (pager(is_later.then_some("/admin/billing"), next.as_deref()))
            }
        }
        section {
            h2 { "Invoices of all accounts" }
            @let lines = billed.invoices.iter().map(|one| {
                let mut line = vec![account_link(&one.account)];
                line.extend(invoice_line(&one.invoice));
                line
            }).collect::<Vec<_>>();
            @if lines.is_empty() { p { "There are no invoices yet." } }
            @else { (table("Newest first", &["Account", "Invoice", "Created", "State", "#Due", "#Paid"], &lines)) }
        }
    };
    let page = signed_in.page("Accounts", "/admin/billing");
    Ok(page.with(&content).into_response())
}

pub fn account_link(id: &str) -> Markup {
    html! { a href=(format!("/admin/accounts/{id}")) { (id) } }
}

fn line(account: &AccountListed) -> Vec<Markup> {
    vec![
        html! { (account_link(&account.id)) br; span.quiet { (account.stripe_customer_id) } },
        or_dash(account.plan.as_deref()),
        html! { @if let Some(service) = account.service { (badge(tone(service), service)) } },
        or_dash(account.subscription.as_deref()),
        usage(&account.usage),
        credits(&account.available),
        credits(&account.held),
        credits(&account.debt),
        at(&account.created_at),
    ]
}

fn tone(service: &str) -> Tone {
    match service {
        "full" => Tone::Good,
        "grace" => Tone::Warn,
        _ => Tone::Bad,
    }
}

fn usage(quotas: &[QuotaUse]) -> Markup {
    html! {
        @if quotas.is_empty() { "–" }
        @for quota in quotas {
            div {
                (grouped(&quota.used.to_string()))
                @if quota.limit > 0 { " of " (grouped(&quota.limit.to_string())) }
                " " (quota.meter)
            }
        }
    }
}

fn invoice_line(dated: &DatedInvoice) -> Vec<Markup> {
    let invoice = &dated.invoice;
    let name = invoice.number.as_ref().unwrap_or(&invoice.id);
    let amount = |minor| match Currency::parse(&invoice.currency) {
        Some(currency) => ::pages::money(Money { minor, currency }),
        None => html! { (minor) " minor units of " (invoice.currency) },
    };
    vec![
        html! {
            @match &invoice.url {
                Some(url) => { a href=(url) rel="noreferrer" { (name) } }
                None => (name),
            }
        },
        at(&invoice.created_at),
        html! { (invoice.status) },
        amount(invoice.amount_due_minor),
        amount(invoice.amount_paid_minor),
    ]
}

/// Shows an account with its balance, subscriptions, invoices and newest ledger entries.
pub async fn show(
    signed_in: SignedIn,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
    Params(now): Params<DoneNow>,
) -> Shown {
    let state = || State(Arc::clone(&ctx));
    let path = || Path(id.clone());
    let Json(shown) = account::show(signed_in.authorized(), state(), path()).await?;
    let Json(balance) = ledger::balance(signed_in.authorized(), state(), path()).await?;
    let Json(billed) = invoices::list(signed_in.authorized(), state(), path()).await?;
    let newest = Params(ledger::Filter::default());
    let Json(entries) = ledger::ledger(signed_in.authorized(), state(), path(), newest).await?;
    let moves: Vec<_> = entries
        .entries
        .iter()
        .map(|entry| entry_line(&id, entry))
        .collect();
    let bills: Vec<_> = billed.invoices.iter().map(invoice_line).collect();
    let content = html! {
        (done(&now, &[("adjusted", "The balance is adjusted. The entry is the first one below.")]))
        (facts(&shown))
        section.card {
            h2 { "Credits" }
            p.figure { (credits(&balance.available)) }
            p.quiet { "held for work in progress " (credits(&balance.held)) ", owed " (credits(&balance.debt)) }
            (super::adjust::form(&signed_in, &id, None))
        }
        section {
            h2 { "Ledger" }
            @if moves.is_empty() { p { "No credits have moved yet." } }
            @else { (table("The newest entries first", &["When", "What", "Description", "Source", "#Amount", "#Change of available"], &moves)) }
        }
        section {
            h2 { "Invoices" }
            @if bills.is_empty() { p { "There are no invoices." } }
            @else { (table("Newest first", &["Invoice", "Created", "State", "#Due", "#Paid"], &bills)) }
        }
    };
    let page = signed_in.page(&id, "/admin/billing");
    Ok(page.with(&content).into_response())
}

fn facts(account: &AccountShown) -> Markup {
    let plan = account
        .effective_plan
        .as_deref()
        .unwrap_or("no plan of the catalogue");
    let subscriptions: Vec<_> = account
        .subscriptions
        .iter()
        .map(|one| {
            vec![
                html! { (one.id) },
                html! { (one.status) },
                html! { @if let Some(end) = &one.period_end { (at(end)) } @else { "–" } },
                html! {
                    @if let Some(end) = &one.ends_at { "ends " (at(end)) }
                    @else if let Some(planned) = &one.planned_change {
                        (planned.plan.as_deref().unwrap_or("another plan")) " from " (at(&planned.at))
                    } @else { "–" }
                },
            ]
        })
        .collect();
    html! {
        section {
            (definitions(&[
                ("Plan", html! { (plan) @if plan != account.plan { span.quiet { " (provisioned with " (account.plan) ")" } } }),
                ("Service", html! {
                    @match &account.service {
                        Some(service) => {
                            (badge(tone(service.state), service.state))
                            @if let Some(until) = &service.until { " until " (at(until)) }
                        }
                        None => "unknown",
                    }
                }),
                ("Metered work is billed to", or_dash(account.metered_to)),
                ("Customer at Stripe", html! { (account.stripe_customer_id) }),
                ("Since", at(&account.created_at)),
            ]))
            @if let Some(to) = &account.moved_to { p { "This account is closed. Its owner moved to " (account_link(to)) "." } }
        }
        @if !subscriptions.is_empty() {
            section { h2 { "Subscriptions" } (table("At Stripe", &["Subscription", "State", "Period ends", "What comes then"], &subscriptions)) }
        }
    }
}

fn entry_line(account: &str, entry: &ledger::EntryShown) -> Vec<Markup> {
    let moved = &entry.transaction;
    vec![
        at(&moved.at),
        html! { a href=(super::explained::path_of(account, &moved.id)) { (moved.kind) } },
        html! { (moved.description) },
        html! { (moved.source) },
        credits(&moved.amount),
        credits(&moved.available_change),
    ]
}
