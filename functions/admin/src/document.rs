//! The OpenAPI document of the operators' API, generated from its types. [`rest::document`] adds the
//! parts that every route shares.

use rest::document::{Shape, complete};
use serde_json::Value;
use std::sync::LazyLock;
use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};

/// The base document, without the routes of this function.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tallyhook, operators",
        description = "What operators of Tallyhook can see and do.\n\n\
            Send an operator's token as `Authorization: Bearer <token>`: the part of `OPERATOR_TOKEN` after the colon. Every \
            action is logged with the operator's name. Credits are decimals with at most six places, as texts; times are \
            RFC 3339 in UTC; amounts of money are in minor units. Lists have pages: send `next_cursor` as `cursor` until it is \
            absent. A request that is sent again with the same `Idempotency-Key` is carried out once. Errors are \
            `application/problem+json` with a `code` for programs, a `detail` for people and a `request_id` to find it in the log.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    components(schemas(rest::Problem)),
    modifiers(&Tokens),
    security(("operator" = []))
)]
pub struct Document;

struct Tokens;

impl utoipa::Modify for Tokens {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("operator", scheme);
    }
}

const SHAPE: Shape = Shape {
    prefix: "/api/v1/admin/",
    tags: &[
        (
            "inbox",
            "Recorded events, dead letters, and the switches that stop work.",
        ),
        ("jobs", "Jobs, with what each step returned."),
        (
            "billing",
            "Invoices, quotas, subscriptions, and usage with what became of it.",
        ),
        ("ledger", "Balances, their entries and corrections."),
        ("accounts", "Accounts, their first keys, and sign-ups."),
        (
            "notices",
            "Notices, and the addresses that they are sent to.",
        ),
        ("service", "The API itself. No token needed."),
    ],
    protected: &["401", "500", "503"],
    statuses: &[
        ("401", "The request has no operator's token."),
        (
            "500",
            "An internal error occurred; find the `request_id` in the log.",
        ),
    ],
};

/// Returns the complete document.
pub fn document() -> &'static Value {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
        let (_, document) = crate::routes::all().split_for_parts();
        // The types of the document always serialize to JSON.
        let mut document = serde_json::to_value(document).unwrap_or_default();
        complete(&mut document, &SHAPE);
        document
    });
    &DOCUMENT
}
