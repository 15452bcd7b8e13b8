//! `/admin/accounts/{id}/adjust`: corrects a balance, after a look at what it would become.

use super::{Shown, credits};
use crate::routes::accounts::account::existing;
use crate::routes::ledger::credits as ledger;
use crate::session::SignedIn;
use crate::{ApiError, Ctx};
use ::pages::{definitions, once, post};
use axum::extract::State;
use axum::response::IntoResponse;
use domain::units::{Credits, decimal};
use http::HeaderMap;
use maud::{Markup, html};
use rest::browsers::see_other;
use rest::{Body, Form, IdempotencyKey, Path};
use serde::Deserialize;
use std::sync::Arc;

/// The fields of the form.
#[derive(Deserialize)]
pub struct Wanted {
    csrf_token: String,
    amount: String,
    reason: String,
    #[serde(default)]
    once: String,
}

/// The form, with what was entered before.
pub fn form(signed_in: &SignedIn, id: &str, before: Option<&Wanted>) -> Markup {
    let (amount, reason) = before.map_or(("", ""), |wanted| (&wanted.amount, &wanted.reason));
    let fields = html! {
        label {
            "Credits to give; negative to take"
            input type="text" name="amount" required inputmode="decimal" value=(amount) placeholder="12.5" autocomplete="off";
        }
        label {
            "Reason, which the customer sees"
            input type="text" name="reason" required maxlength="500" value=(reason) autocomplete="off";
        }
        button { "Preview the adjustment" }
    };
    let action = format!("/admin/accounts/{id}/adjust");
    html! { details open[before.is_some()] { summary { "Adjust" } (post(&action, &signed_in.csrf_token(), &fields)) } }
}

/// Shows what the balance would become. Nothing is changed yet.
pub async fn preview(
    signed_in: SignedIn,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(wanted): Form<Wanted>,
) -> Shown {
    signed_in.check(&headers, &wanted.csrf_token)?;
    let change = ledger::check(&wanted.adjustment())?;
    let account = existing(&ctx, &id).await?;
    let balance = ctx.store.balance_find(&account).await?;
    // One signed balance: what is owed is below zero.
    let now = signed(balance.available) - signed(balance.debt);
    let after = now.saturating_add(change);
    // The page makes the identity of the adjustment, so a double click is one adjustment.
    let key = hex::encode(ctx.outside.random_bytes::<16>());
    let fields = html! {
        (once(&key))
        input type="hidden" name="amount" value=(wanted.amount.trim());
        input type="hidden" name="reason" value=(wanted.reason);
        button.primary { "Adjust the balance" }
    };
    let action = format!("/admin/accounts/{id}/adjust/confirm");
    let content = html! {
        (definitions(&[
            ("Available now", credits(&decimal(now))),
            ("Change", credits(&decimal(change))),
            ("Available afterwards", html! { (credits(&decimal(after))) @if after < 0 { ", which the customer owes" } }),
            ("Reason", html! { (wanted.reason) }),
        ]))
        (post(&action, &signed_in.csrf_token(), &fields))
        (form(&signed_in, &id, Some(&wanted)))
        p { a href=(format!("/admin/accounts/{id}")) { "Back to the account, without a change" } }
    };
    let page = signed_in.page("Adjust a balance", "/admin/billing");
    Ok(page.with(&content).into_response())
}

/// Makes the adjustment, once for each preview.
pub async fn confirm(
    signed_in: SignedIn,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(wanted): Form<Wanted>,
) -> Shown {
    signed_in.check(&headers, &wanted.csrf_token)?;
    let key = IdempotencyKey::parse(&wanted.once).ok_or_else(|| {
        ApiError::bad_request("bad_form", "Send the form exactly as the page has it.")
    })?;
    let body = Body(wanted.adjustment());
    ledger::adjust(
        signed_in.authorized(),
        State(ctx),
        Path(id.clone()),
        key,
        body,
    )
    .await
    .map(|_| ())?;
    Ok(see_other(&format!("/admin/accounts/{id}?done=adjusted")))
}

fn signed(amount: Credits) -> i64 {
    i64::try_from(amount.micros()).unwrap_or(i64::MAX)
}

impl Wanted {
    fn adjustment(&self) -> ledger::Adjustment {
        ledger::Adjustment {
            amount: self.amount.trim().to_owned(),
            reason: self.reason.clone(),
            kind: None,
            expires_at: None,
            priority: None,
        }
    }
}
