//! The pages that Stripe hosts for customers: checkout, invoice and portal. Each button calls the
//! same stand-in method as the tests.

use axum::Router;
use axum::extract::{Path, State as From};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde_json::Value;

use super::Stripe;
use super::account::{number, text as field};
use super::checkout_actions::Settlement;
use super::error::ApiError;
use super::lines::items;
use super::objects::{INVOICE, LINE_ITEMS, METHOD, PORTAL_SESSION, SESSION, SUBSCRIPTION};
use stand_in_shared::html::{Markup, all, button, classed, heading, link, page, table, tag, text};

pub(super) fn routes() -> Router<Stripe> {
    Router::new()
        .route("/pay/{id}", get(checkout))
        .route("/pay/{id}/{verb}", post(pay))
        .route("/invoices/{id}", get(invoice))
        .route("/invoices/{id}/{verb}", post(settle_invoice))
        .route("/portal/{id}", get(portal))
        .route("/portal/{id}/{verb}/{what}", post(manage))
}

async fn checkout(
    From(stripe): From<Stripe>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let (session, site) = {
        let account = stripe.account();
        (account.find(SESSION, &id)?, account.site.clone())
    };
    let to = |verb: &str| format!("{site}/pay/{id}/{verb}");
    let rows = session[LINE_ITEMS]
        .as_array()
        .into_iter()
        .flatten()
        .map(|item| {
            let quantity = item["quantity"]
                .as_i64()
                .map_or("metered".to_owned(), |quantity| quantity.to_string());
            vec![
                text(field(item, "description")),
                text(quantity),
                money(item, "amount_total"),
            ]
        });
    let mut buttons = Vec::new();
    if session["status"] == "open" {
        buttons.push(button(&to("now"), "Pay"));
        if session["mode"] == "payment" {
            buttons.push(button(&to("later"), "Pay by bank transfer"));
        }
        buttons.push(button(&to("expire"), "Expire"));
        let back = field(&session, "cancel_url");
        if !back.is_empty() {
            buttons.push(link(back, "Back to the shop"));
        }
    } else if session["status"] == "complete" && session["payment_status"] == "unpaid" {
        buttons.push(button(&to("arrive"), "Complete the transfer"));
        buttons.push(button(&to("fail"), "Fail the transfer"));
    }
    let body = [
        classed(
            "p",
            "state",
            text(format!(
                "{}, {}",
                field(&session, "status"),
                field(&session, "payment_status")
            )),
        ),
        table(&["item", "quantity", "amount"], rows.collect()),
        tag("p", all([text("Total: "), money(&session, "amount_total")])),
        tag("p", all(buttons)),
    ];
    Ok(page("Checkout", all(body)))
}

async fn pay(
    From(stripe): From<Stripe>,
    Path((id, verb)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let session = match verb.as_str() {
        "now" => stripe.pay_session(&id)?,
        "later" => stripe.pay_session_later(&id)?,
        "expire" => stripe.expire_session(&id)?,
        "arrive" => stripe.settle_session(&id, Settlement::Paid)?,
        "fail" => stripe.settle_session(&id, Settlement::Failed)?,
        verb => return Err(ApiError::unknown_address(verb)),
    };
    // After a payment Stripe redirects to the success URL with the session's id.
    let back = ["success_url", "return_url"]
        .into_iter()
        .filter_map(|url| session[url].as_str())
        .next();
    let to = match back.filter(|_| ["now", "later"].contains(&verb.as_str())) {
        Some(url) => url.replace("{CHECKOUT_SESSION_ID}", &id),
        None => format!("{}/pay/{id}", stripe.account().site),
    };
    Ok(Redirect::to(&to).into_response())
}

async fn invoice(From(stripe): From<Stripe>, Path(id): Path<String>) -> Result<Response, ApiError> {
    let (invoice, site) = {
        let account = stripe.account();
        (account.find(INVOICE, &id)?, account.site.clone())
    };
    let rows = invoice["lines"]["data"].as_array().into_iter().flatten();
    let rows = rows.map(|line| vec![text(field(line, "description")), money(line, "amount")]);
    let open = invoice["status"] == "open";
    let buttons = [
        ("pay", "Pay"),
        ("void", "Void"),
        ("give_up", "Mark as uncollectible"),
    ];
    let buttons =
        buttons.map(|(verb, label)| button(&format!("{site}/invoices/{id}/{verb}"), label));
    let body = [
        classed("p", "state", text(field(&invoice, "status"))),
        table(&["item", "amount"], rows.collect()),
        tag(
            "p",
            all([text("Amount due: "), money(&invoice, "amount_remaining")]),
        ),
        if open {
            tag("p", all(buttons))
        } else {
            Markup::default()
        },
    ];
    Ok(page(
        format!("Invoice {}", field(&invoice, "number")),
        all(body),
    ))
}

async fn settle_invoice(
    From(stripe): From<Stripe>,
    Path((id, verb)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    match verb.as_str() {
        "pay" => stripe.pay_invoice(&id)?,
        "void" => stripe.void_invoice(&id)?,
        "give_up" => stripe.mark_uncollectible(&id)?,
        verb => return Err(ApiError::unknown_address(verb)),
    };
    Ok(Redirect::to(&format!("{}/invoices/{id}", stripe.account().site)).into_response())
}

async fn portal(From(stripe): From<Stripe>, Path(id): Path<String>) -> Result<Response, ApiError> {
    let account = stripe.account();
    let session = account.find(PORTAL_SESSION, &id)?;
    let customer = account.customer(field(&session, "customer"))?;
    let to = |verb: &str, what: &str| format!("{}/portal/{id}/{verb}/{what}", account.site);
    let own = |object: &Value| object["customer"] == customer["id"];
    let default = &customer["invoice_settings"]["default_payment_method"];
    let rows = |kind, row: &dyn Fn(&Value) -> Vec<Markup>| -> Vec<Vec<Markup>> {
        account.select(kind, own).iter().map(row).collect()
    };
    let cards = rows(METHOD, &|method| card_row(method, default, &to));
    let subscriptions = rows(SUBSCRIPTION, &|subscription| {
        subscription_row(subscription, &to)
    });
    let invoices = rows(INVOICE, &invoice_row);
    let body = [
        heading("Subscriptions"),
        table(&["subscription", "status", "items", ""], subscriptions),
        heading("Cards"),
        table(&["card", "", ""], cards),
        button(&to("add", "pm_card_visa"), "Add a valid card"),
        button(
            &to("add", "pm_card_chargeCustomerFail"),
            "Add a card that is declined",
        ),
        heading("Invoices"),
        table(&["invoice", "status", "amount"], invoices),
        session["return_url"]
            .as_str()
            .map_or_else(Markup::default, |url| {
                tag("p", link(url, "Back to the shop"))
            }),
    ];
    Ok(page(
        format!("Billing of {}", field(&customer, "email")),
        all(body),
    ))
}

/// A card of the portal, with a button that removes it.
fn card_row(method: &Value, default: &Value, to: &dyn Fn(&str, &str) -> String) -> Vec<Markup> {
    let card = &method["card"];
    let used = if method["id"] == *default {
        "default"
    } else {
        ""
    };
    vec![
        text(format!(
            "{} •••• {}",
            field(card, "brand"),
            field(card, "last4")
        )),
        text(used),
        button(&to("remove", field(method, "id")), "Remove"),
    ]
}

/// A subscription of the portal, with a button that cancels it or keeps it.
fn subscription_row(subscription: &Value, to: &dyn Fn(&str, &str) -> String) -> Vec<Markup> {
    let id = field(subscription, "id");
    let ending = !subscription["cancel_at"].is_null();
    let (verb, label) = if ending {
        ("keep", "Keep")
    } else {
        ("cancel", "Cancel at the period's end")
    };
    let action = if subscription["ended_at"].is_null() {
        button(&to(verb, id), label)
    } else {
        Markup::default()
    };
    vec![
        tag("code", text(id)),
        text(field(subscription, "status")),
        text(items(subscription).len()),
        action,
    ]
}

fn invoice_row(invoice: &Value) -> Vec<Markup> {
    vec![
        link(
            field(invoice, "hosted_invoice_url"),
            field(invoice, "number"),
        ),
        text(field(invoice, "status")),
        money(invoice, "total"),
    ]
}

async fn manage(
    From(stripe): From<Stripe>,
    Path((id, verb, what)): Path<(String, String, String)>,
) -> Result<Response, ApiError> {
    let mut account = stripe.account();
    let customer = field(&account.find(PORTAL_SESSION, &id)?, "customer").to_owned();
    // A portal session may change only objects of its own customer.
    let own = |object: Value| object["customer"] == customer.as_str();
    match verb.as_str() {
        "add" => {
            let method = account.attach(&what, &customer)?;
            account.set_default_method(&customer, &method["id"])?;
        }
        "remove" if own(account.find(METHOD, &what)?) => {
            account.detach(&what)?;
        }
        "cancel" if own(account.find(SUBSCRIPTION, &what)?) => {
            account.cancel_in_portal(&what)?;
        }
        "keep" if own(account.find(SUBSCRIPTION, &what)?) => {
            account.set_cancel_at_period_end(&what, false)?;
        }
        verb => return Err(ApiError::unknown_address(verb)),
    }
    let to = format!("{}/portal/{id}", account.site);
    Ok(Redirect::to(&to).into_response())
}

/// An amount field of an object, in the object's currency.
pub(super) fn money(object: &Value, name: &str) -> Markup {
    let minor = number(object, name);
    let sign = if minor < 0 { "−" } else { "" };
    let (whole, part) = (minor.unsigned_abs() / 100, minor.unsigned_abs() % 100);
    text(format!(
        "{sign}{whole}.{part:02} {}",
        field(object, "currency").to_uppercase()
    ))
}
