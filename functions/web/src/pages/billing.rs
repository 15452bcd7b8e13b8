//! The pages of billing: an account's plan and credits, and what can be bought.

pub mod explained;
pub mod home;
pub mod invoices;
pub mod limits;
pub mod plan;
pub mod success;
pub mod top_up;
pub mod transactions;
pub mod usage;

use crate::members::{Member, Standing};
use crate::{ApiError, Ctx};
use domain::units::{Credits, Currency, Money};
use flows::billing::purchases::ReturnTo;
use http::HeaderMap;
use maud::{Markup, html};
use pages::{Forms, Page, Tone, grouped, money, notice, tabs};
use rest::IdempotencyKey;

const TABS: &[(&str, &str)] = &[
    ("/billing", "Overview"),
    ("/billing/usage", "Usage"),
    ("/billing/top-up", "Top up"),
    ("/billing/plan", "Plan"),
    ("/billing/transactions", "Transactions"),
    ("/billing/invoices", "Invoices"),
];

/// Starts a page of billing. Its forms may lead to Stripe.
fn tab(member: &Member, standing: &Standing<'_>, heading: &str, current: &str) -> Page {
    Page::framed(heading, member.frame(standing, "/billing"))
        .forms(Forms::Stripe)
        .with(&tabs("Billing", TABS, current))
}

/// Where a Checkout sends the browser.
fn return_to(ctx: &Ctx, headers: &HeaderMap) -> ReturnTo {
    ReturnTo {
        embedded: false,
        success_url: ctx.page(headers, "/billing/success?session_id={CHECKOUT_SESSION_ID}"),
        cancel_url: ctx.page(headers, "/billing/cancelled"),
    }
}

/// The identity of what a form does, made with its page.
pub fn fresh(ctx: &Ctx) -> String {
    hex::encode(ctx.outside.random_bytes::<16>())
}

/// Reads the identity that a form carries.
pub fn identity(once: &str) -> Result<IdempotencyKey, ApiError> {
    IdempotencyKey::parse(once).ok_or_else(|| {
        ApiError::bad_request("bad_body", "Send the form exactly as the page has it.")
    })
}

/// What a form did, shown on the page that it leads to.
fn flash(done: Option<&str>) -> Markup {
    let text = match done {
        Some("automatic") => "Automatic top-up is on.",
        Some("automatic-off") => "Automatic top-up is off.",
        Some("cancelled") => "The subscription is cancelled.",
        Some("changed") => "The plan is changed.",
        Some("kept") => "The plan stays. No change is planned.",
        Some("limit") => "The spend limit is saved. It applies to work that starts from now on.",
        Some("limit-off") => "The spend limit is removed.",
        Some("planned") => "The plan changes when the period ends.",
        Some("resumed") => "The subscription continues.",
        _ => return html! {},
    };
    notice(Tone::Good, &html! { (text) })
}

/// What people see who may not buy.
fn read_only() -> Markup {
    notice(
        Tone::Plain,
        &html! { "Only admins of this account can buy and change plans. You can read everything here." },
    )
}

fn decimal(amount: Credits) -> Markup {
    html! { (grouped(&amount.to_string())) }
}

fn amount(minor: i64, currency: &str) -> Markup {
    html! {
        @match Currency::parse(currency) {
            Some(currency) => (money(Money { minor, currency })),
            None => { (minor) " minor units of " (currency) }
        }
    }
}

/// Shows an amount as people type it into a field.
fn typed(amount: Money) -> String {
    let text = amount.to_string();
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// Reads an amount of money as people type it.
fn minor_of(text: &str, currency: Currency) -> Option<i64> {
    let units = domain::units::decimal_parse(text.trim(), currency.decimals())?;
    i64::try_from(units).ok()
}
