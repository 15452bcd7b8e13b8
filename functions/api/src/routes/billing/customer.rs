//! `PATCH /api/v1/billing/customer`: whom invoices name, and where mail about the account goes.
//!
//! The name and the billing address are kept at Stripe alone. The mail address is kept at Stripe,
//! for receipts, and here, for notices. Safe to run twice: the same request says the same. A program
//! may not change the mail address: a stolen key could redirect the links in mails.

use crate::caller::{By, MayBill};
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::accounts::addresses::MailAddress;
use flows::billing::prices::from_stripe;
use rest::{Body, IdempotencyKey};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use stripe_api::{BillingAddress, CustomerChange};
use utoipa::ToSchema;

/// What to change. Absent fields stay as they are.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CustomerWanted {
    /// The name on invoices.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"\S",
        example = "Acme Inc."
    )]
    name: Option<String>,
    /// The mail address for notices and receipts. Only with a session.
    #[schema(max_length = 254)]
    email: Option<String>,
    /// The billing address. Its absent fields stay as they are, too.
    address: Option<AddressWanted>,
}

/// A billing address.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddressWanted {
    #[schema(min_length = 1, max_length = 200, example = "1 Main Street")]
    line1: String,
    #[schema(max_length = 200)]
    line2: Option<String>,
    #[schema(max_length = 200, example = "Springfield")]
    city: Option<String>,
    /// The state, county, province or region.
    #[schema(max_length = 200)]
    state: Option<String>,
    #[schema(max_length = 200, example = "12345")]
    postal_code: Option<String>,
    /// The country, as two letters (ISO 3166-1).
    #[schema(pattern = "^[A-Z]{2}$", example = "US")]
    country: String,
}

/// What was changed.
#[derive(Serialize, ToSchema)]
pub struct CustomerChanged {
    name: bool,
    email: bool,
    address: bool,
}

const CHARS_MAX: usize = 200;

/// Changes the name and address on your invoices, and the mail address of the account.
#[utoipa::path(patch, path = "/api/v1/billing/customer", tag = "billing", request_body = CustomerWanted,
    params(IdempotencyKey),
    responses((status = 200, body = CustomerChanged), (status = 409), (status = 422),
        (status = 403, description = "The key lacks the scope, or `email` was sent with a key.")))]
pub async fn change(
    MayBill(caller): MayBill,
    State(ctx): State<Arc<Ctx>>,
    once: IdempotencyKey,
    Body(wanted): Body<CustomerWanted>,
) -> Result<Json<CustomerChanged>, ApiError> {
    let name = wanted
        .name
        .as_deref()
        .map(|name| text("name", name))
        .transpose()?;
    let address = wanted.address.as_ref().map(address).transpose()?;
    let email = match (&wanted.email, &caller.by) {
        (None, _) => None,
        (Some(_), By::Key(_)) => {
            let detail = "A key cannot change `email`; sign in and change it there.";
            return Err(ApiError::forbidden("session_required", detail));
        }
        (Some(email), By::Session(..)) => Some(MailAddress::parse(email).map_err(|error| {
            ApiError::bad_request("bad_address", format!("`email` is {error}."))
        })?),
    };
    if name.is_none() && email.is_none() && address.is_none() {
        let detail = "Provide at least one of `name`, `email` and `address`.";
        return Err(ApiError::bad_request("bad_body", detail));
    }
    let account = ctx.store.account_find(&caller.account).await?;
    let account =
        account.ok_or_else(|| ApiError::not_found("The account does not exist any more."))?;
    let change = CustomerChange {
        email: email.as_ref().map(MailAddress::as_str),
        name,
        address: address.as_ref(),
    };
    let key = once.act(&account.id, "billing/customer").key();
    let stripe = ctx.stripe().await?;
    stripe
        .customer_update(&account.customer, &change, &key)
        .await
        .map_err(from_stripe)?;
    if email.is_some() {
        // A repeated request gets Stripe's first answer, and somebody may have changed the address
        // since. So the account follows what Stripe has now.
        let customer = stripe.customer_find(&account.customer).await;
        let customer = customer.map_err(from_stripe)?;
        let present = customer.and_then(|customer| MailAddress::parse(&customer.email?).ok());
        ctx.store
            .account_mail_set(&account.id, present.as_ref())
            .await?;
    }
    let changed = CustomerChanged {
        name: name.is_some(),
        email: email.is_some(),
        address: address.is_some(),
    };
    tracing::info!(account.id = %account.id, by = %caller.by, name = changed.name, email = changed.email,
        address = changed.address, audit = true, "changed whom invoices name");
    Ok(Json(changed))
}

fn text<'a>(field: &str, text: &'a str) -> Result<&'a str, ApiError> {
    let trimmed = text.trim();
    if trimmed.is_empty() || text.chars().count() > CHARS_MAX {
        let detail = format!("`{field}` must have 1 to {CHARS_MAX} characters.");
        return Err(ApiError::bad_request("bad_text", detail));
    }
    Ok(trimmed)
}

fn address(wanted: &AddressWanted) -> Result<BillingAddress<'_>, ApiError> {
    let AddressWanted {
        line1,
        line2,
        city,
        state,
        postal_code,
        country,
    } = wanted;
    if country.len() != 2 || !country.bytes().all(|letter| letter.is_ascii_uppercase()) {
        let detail = "`country` must be two capital letters, such as `US`.";
        return Err(ApiError::bad_request("bad_country", detail));
    }
    for (field, value) in [
        ("line2", line2),
        ("city", city),
        ("state", state),
        ("postal_code", postal_code),
    ] {
        if let Some(value) = value {
            text(field, value)?;
        }
    }
    Ok(BillingAddress {
        line1: text("line1", line1)?,
        line2: line2.as_deref(),
        city: city.as_deref(),
        state: state.as_deref(),
        postal_code: postal_code.as_deref(),
        country,
    })
}
