//! The merchant's dashboard: sales and payments, with buttons for refunds, disputes and the end of
//! a period.

use axum::Router;
use axum::extract::{Path, State as From};
use axum::response::Redirect;
use axum::routing::post;
use serde_json::Value;

use super::Stripe;
use super::account::{Account, number, text as field};
use super::disputes::DisputeStatus;
use super::error::ApiError;
use super::hosted_pages::money;
use super::objects::{CHARGE, DISPUTE, EVENT, INVOICE, Kind, REFUND, SESSION, SUBSCRIPTION};
use stand_in_shared::html::{Markup, all, button, heading, link, moment, table, tag, text};

const EVENTS_MAX: usize = 50;
const ROWS_MAX: usize = 50;

pub(super) fn routes() -> Router<Stripe> {
    Router::new().route("/do/{verb}/{id}", post(act))
}

async fn act(
    From(stripe): From<Stripe>,
    Path((verb, id)): Path<(String, String)>,
) -> Result<Redirect, ApiError> {
    match verb.as_str() {
        "refund" => stripe.refund(&id, None)?,
        "fail_refund" => stripe.fail_refund(&id)?,
        "dispute" => stripe.open_dispute(&id, None, DisputeStatus::NeedsResponse)?,
        "inquire" => stripe.open_dispute(&id, None, DisputeStatus::WarningNeedsResponse)?,
        "win" => stripe.move_dispute(&id, DisputeStatus::Won)?,
        "lose" => stripe.move_dispute(&id, DisputeStatus::Lost)?,
        "escalate" => stripe.move_dispute(&id, DisputeStatus::NeedsResponse)?,
        "close" => stripe.move_dispute(&id, DisputeStatus::WarningClosed)?,
        "roll" => stripe.roll_period(&id)?,
        "cancel" => stripe.cancel_subscription(&id)?,
        verb => return Err(ApiError::unknown_address(verb)),
    };
    Ok(Redirect::to(&stripe.account().site))
}

/// The upper half of the account's page.
pub(super) fn sales(account: &Account<'_>) -> Markup {
    all([
        sold(account),
        given_back(account),
        billed(account),
        heading("Events"),
        events(account),
    ])
}

fn sold(account: &Account<'_>) -> Markup {
    all([
        heading("Checkout sessions"),
        rows(
            account,
            SESSION,
            &["session", "status", "payment", "amount", "created"],
            |session| {
                let id = field(session, "id");
                vec![
                    link(&format!("{}/pay/{id}", account.site), id),
                    text(field(session, "status")),
                    text(field(session, "payment_status")),
                    money(session, "amount_total"),
                    created(session),
                ]
            },
        ),
        heading("Payments"),
        rows(
            account,
            CHARGE,
            &["payment", "status", "amount", "refunded", "created", ""],
            |charge| {
                let intent = field(charge, "payment_intent");
                let verbs: &[(&str, &str)] = match charge["status"] == "succeeded" {
                    true => &[
                        ("refund", "Refund"),
                        ("dispute", "Dispute"),
                        ("inquire", "Inquire"),
                    ],
                    false => &[],
                };
                vec![
                    tag("code", text(intent)),
                    text(field(charge, "status")),
                    money(charge, "amount"),
                    text(number(charge, "amount_refunded")),
                    created(charge),
                    buttons(account, intent, verbs),
                ]
            },
        ),
    ])
}

fn given_back(account: &Account<'_>) -> Markup {
    all([
        heading("Refunds"),
        rows(
            account,
            REFUND,
            &["refund", "status", "amount", "created", ""],
            |refund| {
                let verbs: &[(&str, &str)] = if refund["status"] == "succeeded" {
                    &[("fail_refund", "Fail")]
                } else {
                    &[]
                };
                row(account, refund, verbs)
            },
        ),
        heading("Disputes"),
        rows(
            account,
            DISPUTE,
            &["dispute", "status", "amount", "created", ""],
            |dispute| {
                let verbs: &[(&str, &str)] = match field(dispute, "status") {
                    "needs_response" | "under_review" => &[("win", "Won"), ("lose", "Lost")],
                    "warning_needs_response" | "warning_under_review" => {
                        &[("escalate", "Escalate"), ("close", "Close")]
                    }
                    _ => &[],
                };
                row(account, dispute, verbs)
            },
        ),
    ])
}

fn billed(account: &Account<'_>) -> Markup {
    all([
        heading("Subscriptions"),
        rows(
            account,
            SUBSCRIPTION,
            &["subscription", "customer", "status", "created", ""],
            |subscription| {
                let live = subscription["ended_at"].is_null();
                let verbs: &[(&str, &str)] = if live {
                    &[("roll", "End the period"), ("cancel", "Cancel")]
                } else {
                    &[]
                };
                let id = field(subscription, "id");
                vec![
                    tag("code", text(id)),
                    tag("code", text(field(subscription, "customer"))),
                    text(field(subscription, "status")),
                    created(subscription),
                    buttons(account, id, verbs),
                ]
            },
        ),
        heading("Invoices"),
        rows(
            account,
            INVOICE,
            &["invoice", "status", "amount", "created"],
            |invoice| {
                vec![
                    link(
                        field(invoice, "hosted_invoice_url"),
                        field(invoice, "number"),
                    ),
                    text(field(invoice, "status")),
                    money(invoice, "total"),
                    created(invoice),
                ]
            },
        ),
    ])
}

fn events(account: &Account<'_>) -> Markup {
    let events = account.objects.all(EVENT).take(EVENTS_MAX).map(|event| {
        let waits = if event["pending_webhooks"] == 0 {
            ""
        } else {
            "not delivered"
        };
        vec![
            created(event),
            text(field(event, "type")),
            tag("code", text(field(event, "id"))),
            text(waits),
        ]
    });
    table(&["when", "type", "event", ""], events.collect())
}

fn rows(
    account: &Account<'_>,
    kind: Kind,
    heads: &[&'static str],
    row: impl Fn(&Value) -> Vec<Markup>,
) -> Markup {
    table(
        heads,
        account.objects.all(kind).take(ROWS_MAX).map(row).collect(),
    )
}

fn row(account: &Account<'_>, object: &Value, verbs: &[(&str, &str)]) -> Vec<Markup> {
    let id = field(object, "id");
    vec![
        tag("code", text(id)),
        text(field(object, "status")),
        money(object, "amount"),
        created(object),
        buttons(account, id, verbs),
    ]
}

fn buttons(account: &Account<'_>, id: &str, verbs: &[(&str, &str)]) -> Markup {
    all(verbs
        .iter()
        .map(|(verb, label)| button(&format!("{}/do/{verb}/{id}", account.site), label)))
}

fn created(object: &Value) -> Markup {
    moment(number(object, "created") * 1000)
}
