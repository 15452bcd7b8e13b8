//! The JSON responses of `/welcome/{token}`. `web` serves them, and the OpenAPI document of `api`
//! describes them.

use serde::Serialize;
use utoipa::ToSchema;

/// The state of a link that shows an account's first key.
#[derive(Serialize, ToSchema)]
pub struct Welcome {
    /// Always `ready`. A POST to the same URL shows the key.
    pub status: &'static str,
    /// When the link expires.
    pub until: String,
    pub dashboard_url: String,
}

/// The first key of an account.
#[derive(Serialize, ToSchema)]
pub struct FirstKey {
    pub id: String,
    pub account_id: String,
    pub name: String,
    /// The key itself. Store it now; it cannot be shown again.
    pub secret: String,
    pub dashboard_url: String,
}
