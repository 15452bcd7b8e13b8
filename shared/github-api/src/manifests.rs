//! Apps created from a manifest: exchanges the code that GitHub sends back for the App's secrets.
//!
//! No App key is needed. A code works once. If the answer is lost, the App exists but its key is
//! unknown: create a new key by hand, or a new App.

use crate::Web;
use crate::call::{Call, crab_over};
use crate::error::GithubError;
use crate::route::Route;
use domain::time::Timestamp;
use http::Uri;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer};
use serde_json::json;

const CONVERT: &str = "take the new App";

/// A new App with all its secrets.
#[derive(Deserialize)]
pub struct NewApp {
    pub id: u64,
    pub slug: String,
    pub html_url: String,
    pub client_id: String,
    #[serde(deserialize_with = "secret")]
    pub client_secret: SecretString,
    /// Absent if the App has no webhook.
    #[serde(deserialize_with = "secret_maybe")]
    pub webhook_secret: Option<SecretString>,
    #[serde(rename = "pem", deserialize_with = "secret")]
    pub private_key_pem: SecretString,
}

/// Exchanges a manifest's code for the new App.
pub async fn app_take(
    url: &str,
    code: &str,
    web: Web,
    now: Timestamp,
) -> Result<NewApp, GithubError> {
    let base: Uri = url.parse().map_err(|_| GithubError::Url)?;
    if base.scheme().is_none() || base.authority().is_none() {
        return Err(GithubError::Url);
    }
    let route = Route::new("/app-manifests/")
        .segment(code)
        .fixed("/conversions");
    Call::post(CONVERT, route, json!({}))
        .send(&crab_over(web, base), &Route::new(""), now)
        .await?
        .read()
}

fn secret<'de, D: Deserializer<'de>>(text: D) -> Result<SecretString, D::Error> {
    String::deserialize(text).map(SecretString::from)
}

fn secret_maybe<'de, D: Deserializer<'de>>(text: D) -> Result<Option<SecretString>, D::Error> {
    Option::<String>::deserialize(text).map(|text| text.map(SecretString::from))
}
