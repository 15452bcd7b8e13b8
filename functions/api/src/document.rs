//! The OpenAPI document of the API, generated from its types.
//!
//! The parts that every route shares (the idempotency key, request ids, rate limits, problems) are
//! added here once, so that a new route has them, too.

mod complete;
mod welcome;

use serde_json::Value;
use std::sync::LazyLock;
use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};

/// The base document, without the routes of this function.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tallyhook",
        description = "Webhooks in, pull requests out, every unit billed exactly once.\n\n\
            Send a key of your account as `Authorization: Bearer th_live_…`. People sign in at `/signin` and get a session \
            cookie instead; every change with a session needs the `csrf_token` of `/api/v1/session` as `X-CSRF-Token`. Credits \
            are decimals with at most six places, as texts; times are RFC 3339 in UTC; amounts of money are in minor units. \
            Lists have pages: send `next_cursor` as `cursor` until it is absent. A request that is sent again with the same \
            `Idempotency-Key` is carried out once. Errors are `application/problem+json` with a `code` for programs, a `detail` \
            for people and a `request_id` for support.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    paths(welcome::show, welcome::reveal),
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

/// Returns the complete document.
pub fn document() -> &'static Value {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
        let (_, document) = crate::routes::all().split_for_parts();
        // The types of the document always serialize to JSON.
        let mut document = serde_json::to_value(document).unwrap_or_default();
        complete::complete(&mut document);
        document
    });
    &DOCUMENT
}
