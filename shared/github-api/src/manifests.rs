//! An App made from its manifest: what GitHub hands out for the code it sends back, once.
//!
//! Needs no App's key, since it brings one. A code opens once, so after an unclear answer the App is there and its key is
//! not: make it a new key by hand, or the App anew.

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

/// An App that has just been made, with all of its secrets.
#[derive(Deserialize)]
pub struct NewApp {
    /// Its number.
    pub id: u64,
    /// What it is called in addresses.
    pub slug: String,
    /// Its page.
    pub html_url: String,
    /// What people sign in to.
    pub client_id: String,
    /// What that is proven with.
    #[serde(deserialize_with = "secret")]
    pub client_secret: SecretString,
    /// What its webhooks are signed with; none where it has no webhook.
    #[serde(deserialize_with = "secret_maybe")]
    pub webhook_secret: Option<SecretString>,
    /// Its private key.
    #[serde(rename = "pem", deserialize_with = "secret")]
    pub private_key_pem: SecretString,
}

/// Takes the App that was made from a manifest, by the code that GitHub sent back with its maker.
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
