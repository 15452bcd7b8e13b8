//! Documents the routes of `web` that also answer programs. Nothing here is served.

use rest::IdempotencyKey;
use rest::welcome::{FirstKey, Welcome};

/// Checks the link from the welcome mail.
///
/// The response is a page, or JSON for a client that accepts it. Nothing changes.
#[utoipa::path(get, path = "/welcome/{token}", tag = "sign-up", security(()),
    params(("token" = String, Path, description = "The last part of the link in the mail.")),
    responses((status = 200, body = Welcome), (status = 410), (status = 429), (status = 500), (status = 503)))]
#[expect(
    dead_code,
    reason = "only its description is used; `web` serves the route"
)]
fn show() {}

/// Creates the account's first API key and shows it.
///
/// A repeat with the same Idempotency-Key shows the same key; a request with another one does not.
#[utoipa::path(post, path = "/welcome/{token}", tag = "sign-up", security(()),
    params(("token" = String, Path, description = "The last part of the link in the mail."), IdempotencyKey),
    responses((status = 201, body = FirstKey), (status = 410), (status = 429), (status = 500), (status = 503)))]
#[expect(
    dead_code,
    reason = "only its description is used; `web` serves the route"
)]
fn reveal() {}
