//! The routes of `web` that answer programs as well, as a part of this document. Nothing here is served.

use rest::IdempotencyKey;
use rest::welcome::{FirstKey, Welcome};

/// Says what the link in the welcome mail is good for: a page, or JSON for a client that accepts it. Changes nothing.
#[utoipa::path(get, path = "/welcome/{token}", tag = "sign-up", security(()),
    params(("token" = String, Path, description = "The last part of the link in the mail.")),
    responses((status = 200, body = Welcome), (status = 410), (status = 429), (status = 500), (status = 503)))]
#[expect(
    dead_code,
    reason = "only its description is used; `web` serves the route"
)]
fn show() {}

/// Makes the account's first key and shows it. The same Idempotency-Key shows the same key again, another one does not.
#[utoipa::path(post, path = "/welcome/{token}", tag = "sign-up", security(()),
    params(("token" = String, Path, description = "The last part of the link in the mail."), IdempotencyKey),
    responses((status = 201, body = FirstKey), (status = 410), (status = 429), (status = 500), (status = 503)))]
#[expect(
    dead_code,
    reason = "only its description is used; `web` serves the route"
)]
fn reveal() {}
