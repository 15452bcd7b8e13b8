//! The OpenAPI document: what this door says of itself, made from its types.

use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};

/// What stands in the document besides the routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tallyhook",
        description = "Webhooks in, pull requests out, every unit billed exactly once.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    modifiers(&Keys),
    security(("key" = []))
)]
pub struct Document;

struct Keys;

impl utoipa::Modify for Keys {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        document.components.get_or_insert_default().add_security_scheme("key", scheme);
    }
}

/// The whole document.
pub fn document() -> utoipa::openapi::OpenApi {
    let (_, document) = crate::routes::all().split_for_parts();
    document
}
