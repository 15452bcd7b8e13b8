//! Stripe's dashboard for whoever runs the shop: what was sold and paid, with a button for everything that happens to
//! it elsewhere: refunds, disputes, the end of a period.

use axum::Router;
use axum::extract::{Path, State as From};
use axum::response::Redirect;
use axum::routing::post;
use serde_json::Value;

use super::Stripe;
use super::desk::{Desk, number, text as field};
use super::disputes::DisputeStatus;
use super::objects::{CHARGE, DISPUTE, EVENT, INVOICE, Kind, REFUND, SESSION, SUBSCRIPTION};
use super::pages::heading;
use super::refusal::Refusal;
use super::till::money;
use stand_in_shared::html::{Markup, all, button, link, moment, table, tag, text};

const EVENTS_MAX: usize = 50;
const ROWS_MAX: usize = 50;

pub(super) fn routes() -> Router<Stripe> {
    Router::new().route("/do/{verb}/{id}", post(act))
}

async fn act(
    From(stripe): From<Stripe>,
    Path((verb, id)): Path<(String, String)>,
) -> Result<Redirect, Refusal> {
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
        verb => return Err(Refusal::unknown_address(verb)),
    };
    Ok(Redirect::to(&stripe.desk().site))
}

/// The upper half of the account's page.
pub(super) fn sales(desk: &Desk<'_>) -> Markup {
    all([
        sold(desk),
        given_back(desk),
        billed(desk),
        heading("Events"),
        events(desk),
    ])
}

fn sold(desk: &Desk<'_>) -> Markup {
    all([
        heading("Checkout sessions"),
        rows(
            desk,
            SESSION,
            &["session", "status", "payment", "amount", "created"],
            |session| {
                let id = field(session, "id");
                vec![
                    link(&format!("{}/pay/{id}", desk.site), id),
                    text(field(session, "status")),
                    text(field(session, "payment_status")),
                    money(session, "amount_total"),
                    created(session),
                ]
            },
        ),
        heading("Payments"),
        rows(
            desk,
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
                    buttons(desk, intent, verbs),
                ]
            },
        ),
    ])
}

fn given_back(desk: &Desk<'_>) -> Markup {
    all([
        heading("Refunds"),
        rows(
            desk,
            REFUND,
            &["refund", "status", "amount", "created", ""],
            |refund| {
                let verbs: &[(&str, &str)] = if refund["status"] == "succeeded" {
                    &[("fail_refund", "It fails")]
                } else {
                    &[]
                };
                row(desk, refund, verbs)
            },
        ),
        heading("Disputes"),
        rows(
            desk,
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
                row(desk, dispute, verbs)
            },
        ),
    ])
}

fn billed(desk: &Desk<'_>) -> Markup {
    all([
        heading("Subscriptions"),
        rows(
            desk,
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
                    buttons(desk, id, verbs),
                ]
            },
        ),
        heading("Invoices"),
        rows(
            desk,
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

fn events(desk: &Desk<'_>) -> Markup {
    let events = desk.objects.all(EVENT).take(EVENTS_MAX).map(|event| {
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
    desk: &Desk<'_>,
    kind: Kind,
    heads: &[&'static str],
    row: impl Fn(&Value) -> Vec<Markup>,
) -> Markup {
    table(
        heads,
        desk.objects.all(kind).take(ROWS_MAX).map(row).collect(),
    )
}

fn row(desk: &Desk<'_>, object: &Value, verbs: &[(&str, &str)]) -> Vec<Markup> {
    let id = field(object, "id");
    vec![
        tag("code", text(id)),
        text(field(object, "status")),
        money(object, "amount"),
        created(object),
        buttons(desk, id, verbs),
    ]
}

fn buttons(desk: &Desk<'_>, id: &str, verbs: &[(&str, &str)]) -> Markup {
    all(verbs
        .iter()
        .map(|(verb, label)| button(&format!("{}/do/{verb}/{id}", desk.site), label)))
}

fn created(object: &Value) -> Markup {
    moment(number(object, "created") * 1000)
}
