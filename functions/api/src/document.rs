//! The OpenAPI document: what this door says of itself, made from its types.
//!
//! What holds for every route alike (the idempotency key, request ids, rate limits, problems) is written here once, so that
//! a new route has it too.

mod complete;

use serde_json::Value;
use std::sync::LazyLock;
use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};

/// What stands in the document besides the routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tallyhook",
        description = "Webhooks in, pull requests out, every unit billed exactly once.\n\n\
            Send a key of your account as `Authorization: Bearer th_live_…`. People sign in at `/signin` and have a session \
            cookie instead, with which whatever changes something needs the `csrf_token` of `/api/v1/session` as \
            `X-CSRF-Token`. Credits are decimals of at most six places, in \
            texts; times are RFC 3339 in UTC; amounts of money are in minor units. Lists come by pages: pass `next_cursor` \
            on as `cursor` until there is none. What is asked twice with the same Idempotency-Key is done once. Errors are \
            `application/problem+json` with a `code` for programs, a `detail` for people and the `request_id` to ask about.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    components(schemas(rest::Problem)),
    modifiers(&Keys),
    security(("key" = []), ("session" = []))
)]
pub struct Document;

struct Keys;

impl utoipa::Modify for Keys {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("key", scheme);
        let cookie = ApiKey::Cookie(ApiKeyValue::new("th_session"));
        components.add_security_scheme("session", SecurityScheme::ApiKey(cookie));
    }
}

/// The whole document.
pub fn document() -> &'static Value {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
        let (_, document) = crate::routes::all().split_for_parts();
        // The types of the document can always be written as JSON.
        let mut document = serde_json::to_value(document).unwrap_or_default();
        complete::complete(&mut document);
        document
    });
    &DOCUMENT
}
