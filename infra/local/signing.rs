//! Signs webhooks the way GitHub and Stripe do.

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::Request;
use sha2::Sha256;

fn hmac_hex(secret: &str, parts: &[&[u8]]) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    hex::encode(mac.finalize().into_bytes())
}

/// The `X-Hub-Signature-256` header for a body.
pub fn github_signature(secret: &str, body: &[u8]) -> String {
    format!("sha256={}", hmac_hex(secret, &[body]))
}

/// The `Stripe-Signature` header for a body at a moment.
pub fn stripe_signature(secret: &str, body: &[u8], at_seconds: i64) -> String {
    let at = at_seconds.to_string();
    format!(
        "t={at},v1={}",
        hmac_hex(secret, &[at.as_bytes(), b".", body])
    )
}

/// A signed GitHub webhook.
pub fn github_request(
    base: &str,
    secret: &str,
    event: &str,
    delivery: &str,
    body: &[u8],
) -> Request<Bytes> {
    Request::post(format!("{base}/github/webhook"))
        .header("content-type", "application/json")
        .header("user-agent", "GitHub-Hookshot/local")
        .header("x-github-event", event)
        .header("x-github-delivery", delivery)
        .header("x-hub-signature-256", github_signature(secret, body))
        .body(Bytes::copy_from_slice(body))
        .expect("plain headers")
}

/// A signed Stripe webhook.
pub fn stripe_request(base: &str, secret: &str, at_seconds: i64, body: &[u8]) -> Request<Bytes> {
    Request::post(format!("{base}/stripe/webhook"))
        .header("content-type", "application/json; charset=utf-8")
        .header(
            "stripe-signature",
            stripe_signature(secret, body, at_seconds),
        )
        .body(Bytes::copy_from_slice(body))
        .expect("plain headers")
}
