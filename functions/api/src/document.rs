//! The OpenAPI document of the API, generated from its types.
//!
//! [`rest::document`] adds the parts that every route shares.

mod welcome;

use rest::document::{Shape, complete};
use serde_json::{Value, json};
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

/// The tags of the document.
const TAGS: &[(&str, &str)] = &[
    (
        "sign-up",
        "Signing up for an account with a first key. No key needed.",
    ),
    ("account", "Your account and its limits."),
    (
        "billing",
        "Balance, movements, quotas, invoices and purchases.",
    ),
    ("credits", "Holds on credits for work of your own."),
    (
        "usage",
        "Usage of your own service, counted against its quotas.",
    ),
    ("jobs", "Issues that become pull requests."),
    ("commits", "Summaries of commits."),
    ("tests", "Scoring test files and integrating tests. Free."),
    ("keys", "Keys for your programs."),
    ("people", "Sessions and members."),
    ("sales", "Plans and packs on sale. No key needed."),
    ("service", "The API itself. No key needed."),
];

const SHAPE: Shape = Shape {
    prefix: "/api/v1/",
    tags: TAGS,
    protected: &["401", "403", "429", "500", "503"],
    statuses: &[
        (
            "202",
            "Accepted; work in progress finishes its current step first.",
        ),
        ("401", "The request has no valid key or session."),
        (
            "402",
            "The request needs a payment first: there are not enough credits, or the payment failed.",
        ),
        (
            "403",
            "This key or role lacks the scope, or the session sent no CSRF token.",
        ),
        ("404", "It does not exist, or belongs to another account."),
    ],
};

/// The prefix of the routes that also answer browsers.
const PAGES: &str = "/welcome/";

/// Returns the complete document.
pub fn document() -> &'static Value {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
        let routes = crate::routes::all().merge(crate::routes::without_keys());
        let (_, document) = routes.split_for_parts();
        // The types of the document always serialize to JSON.
        let mut document = serde_json::to_value(document).unwrap_or_default();
        complete(&mut document, &SHAPE);
        add_pages(&mut document);
        document
    });
    &DOCUMENT
}

/// A client that does not accept JSON receives a page from these routes.
fn add_pages(document: &mut Value) {
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    for (_, methods) in paths.filter(|(path, _)| path.starts_with(PAGES)) {
        for (_, operation) in methods.as_object_mut().into_iter().flatten() {
            let responses = operation["responses"].as_object_mut();
            for (_, response) in responses.into_iter().flatten() {
                response["content"]["text/html"] = json!({ "schema": { "type": "string" } });
            }
        }
    }
}
