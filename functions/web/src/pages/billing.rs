//! `/billing`: the account's credits with the arithmetic behind them, and its invoices. Read-only.

use crate::members::Member;
use crate::{ApiError, Ctx};
use axum::extract::State;
use domain::time::Timestamp;
use domain::units::{Credits, Currency, Money};
use maud::{Markup, html};
use pages::{Page, Tone, credits, moment, money, notice, table};
use rest::views::InvoiceShown;
use std::sync::Arc;

/// Shows the balance and the invoices.
pub async fn show(member: Member, State(ctx): State<Arc<Ctx>>) -> Result<Page, ApiError> {
    let balance = ctx.store.balance_find(&member.account).await?;
    let invoices = ctx.store.invoice_list(&member.account).await?;
    let rows: Vec<_> = invoices
        .iter()
        .map(|invoice| line(&InvoiceShown::of(invoice)))
        .collect();
    let total = balance.available.checked_add(balance.held);
    let content = html! {
        section.card {
            h2 { "Credits" }
            @if total.is_some_and(Credits::is_zero) {
                p { "This account has no credits. A plan that is billed through Stripe or GitHub needs none." }
            } @else {
                p.figure { (credits(balance.available)) }
                @if let Some(total) = total {
                    p.quiet {
                        "Balance " (credits(total)) " − held for work in progress " (credits(balance.held))
                        " = " (credits(balance.available)) " available"
                    }
                }
            }
            @if !balance.debt.is_zero() {
                (notice(Tone::Bad, &html! {
                    "You owe " (credits(balance.debt))
                    ": credits were taken back after they had been spent. The next top-up pays this first."
                }))
            }
        }
        section {
            h2 { "Invoices" }
            @if rows.is_empty() {
                p { "There are no invoices. Work that credits pay for is not invoiced again." }
            } @else {
                (table("Newest first", &["Invoice", "Created", "State", "#Due", "#Paid"], &rows))
            }
        }
    };
    Ok(Page::framed("Billing", member.frame(&ctx, "/billing").await?).with(&content))
}

fn line(invoice: &InvoiceShown) -> Vec<Markup> {
    let name = invoice.number.as_ref().unwrap_or(&invoice.id);
    vec![
        html! {
            @match &invoice.url {
                Some(url) => { a href=(url) rel="noreferrer" { (name) } }
                None => (name),
            }
        },
        html! {
            @match Timestamp::parse(&invoice.created_at) {
                Some(at) => (moment(at)),
                None => (invoice.created_at),
            }
        },
        html! { (invoice.status) },
        amount(invoice.amount_due_minor, &invoice.currency),
        amount(invoice.amount_paid_minor, &invoice.currency),
    ]
}

fn amount(minor: i64, currency: &str) -> Markup {
    html! {
        @match Currency::parse(currency) {
            Some(currency) => (money(Money { minor, currency })),
            None => { (minor) " minor units of " (currency) }
        }
    }
}
