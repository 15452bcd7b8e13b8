//! `/billing/invoices`: the account's invoices, where to pay them, and their PDF files.

use crate::members::Member;
use crate::pages::billing::{amount, tab};
use crate::{ApiError, Ctx};
use axum::extract::State;
use axum::response::Response;
use domain::billing::subscriptions::Invoice;
use domain::ids::InvoiceId;
use domain::units::Credits;
use flows::billing::prices::from_stripe;
use maud::{Markup, html};
use pages::{Page, Tone, badge, empty, moment, table};
use rest::Path;
use rest::browsers::see_other;
use std::sync::Arc;

/// Lists the invoices.
pub async fn show(member: Member, State(ctx): State<Arc<Ctx>>) -> Result<Page, ApiError> {
    let standing = member.standing(&ctx).await?;
    let invoices = ctx.store.invoice_list(&member.account).await?;
    let rows: Vec<_> = invoices.iter().map(line).collect();
    let content = html! {
        @if rows.is_empty() {
            (empty("No invoices", &html! {
                @if standing.balance.available == Credits::ZERO {
                    "A plan with a fee or with metered usage is invoiced at the end of each billing period."
                } @else {
                    "Work that credits pay for is not invoiced again. See " a href="/billing/transactions" { "transactions" } "."
                }
            }))
        } @else {
            (table("Newest first", &["Invoice", "Created", "State", "#Due", "#Paid", "Actions"], &rows))
        }
    };
    Ok(tab(&member, &standing, "Invoices", "/billing/invoices").with(&content))
}

fn line(invoice: &Invoice) -> Vec<Markup> {
    let name = invoice.number.as_deref().unwrap_or(invoice.id.as_str());
    let is_payable = invoice.is_unpaid() && invoice.status != "draft";
    vec![
        html! {
            @match &invoice.url {
                Some(url) => { a href=(url) rel="noreferrer" { (name) } }
                None => (name),
            }
        },
        moment(invoice.created_at),
        state(&invoice.status),
        amount(invoice.amount_due_minor, &invoice.currency),
        amount(invoice.amount_paid_minor, &invoice.currency),
        html! {
            @if let (Some(url), true) = (&invoice.url, is_payable) {
                a href=(url) rel="noreferrer" { "Pay now" } " "
            }
            @if invoice.number.is_some() { a href={ "/billing/invoices/" (invoice.id) "/pdf" } { "PDF" } }
        },
    ]
}

fn state(status: &str) -> Markup {
    match status {
        "paid" => badge(Tone::Good, "Paid"),
        "open" => badge(Tone::Warn, "Open"),
        "draft" => badge(Tone::Plain, "In preparation"),
        "void" => badge(Tone::Plain, "Void"),
        "uncollectible" => badge(Tone::Bad, "Not collected"),
        other => badge(Tone::Plain, other),
    }
}

/// Leads to the PDF file of an invoice at Stripe, whose address is not kept because it expires.
pub async fn pdf(
    member: Member,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let absent = || ApiError::not_found("There is no such invoice, or it has no PDF yet.");
    let id = InvoiceId::parse(&id).map_err(|_| absent())?;
    // Only the account's own invoices are listed.
    let mine = ctx.store.invoice_list(&member.account).await?;
    if !mine.iter().any(|invoice| invoice.id == id) {
        return Err(absent());
    }
    let stripe = ctx.stripe().await?;
    let found = stripe.invoice_find(&id).await.map_err(from_stripe)?;
    let url = found.and_then(|invoice| invoice.invoice_pdf);
    Ok(see_other(&url.ok_or_else(absent)?))
}
