//! Webhooks as their senders create them and as API Gateway wraps them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use std::time::{SystemTime, UNIX_EPOCH};

/// The webhook secret with which the receiver under test is configured.
pub const SECRET: &str = "bench-secret";

/// The sender.
#[derive(Clone, Copy)]
pub enum Vendor {
    /// GitHub: the id is in a header, and the body has no whitespace.
    Github,
    /// Stripe: the id is in the body, which is indented, and the signature has a timestamp.
    Stripe,
}

impl Vendor {
    /// The vendor of a receiver, from the name of its binary.
    pub fn of(binary: &std::path::Path) -> Self {
        let name = binary.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("stripe") {
            Self::Stripe
        } else {
            Self::Github
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Github => "/github/webhook",
            Self::Stripe => "/stripe/webhook",
        }
    }

    /// The repository's own sample, in the format in which the vendor sends it.
    pub fn sample(self) -> (&'static str, String) {
        match self {
            Self::Github => (
                "issues",
                compact(include_str!("../../../events/github/issues.opened.json")),
            ),
            Self::Stripe => (
                "invoice.paid",
                include_str!("../../../events/stripe/invoice.paid.json").to_owned(),
            ),
        }
    }
}

/// JSON without whitespace between tokens, otherwise unchanged.
pub fn compact(json: &str) -> String {
    let (mut quoted, mut escaped) = (false, false);
    json.chars()
        .filter(|&c| {
            let keep = quoted || !c.is_ascii_whitespace();
            quoted ^= c == '"' && !escaped;
            escaped = quoted && c == '\\' && !escaped;
            keep
        })
        .collect()
}

/// One unsigned webhook.
#[derive(Clone)]
pub struct Webhook {
    vendor: Vendor,
    event: String,
    /// The sender's id.
    pub id: String,
    body: String,
}

/// How a webhook is signed and encoded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Coming {
    /// Signed, as text.
    Signed,
    /// Signed, as the gateway's base64.
    Base64,
    /// Signed with another secret.
    Forged,
    /// Not signed.
    Unsigned,
}

impl Webhook {
    /// The webhook number `n` with this body.
    pub fn new(vendor: Vendor, event: &str, body: &str, n: u32) -> Self {
        let (id, body) = match vendor {
            Vendor::Github => (
                format!("5d1c0f7e-c5ee-11f1-8d2b-0a58{n:08x}"),
                body.to_owned(),
            ),
            Vendor::Stripe => {
                let id = format!("evt_1Bench{n:018}");
                let body_now: Value = serde_json::from_str(body).unwrap_or_default();
                let old = body_now["id"].as_str().unwrap_or_default();
                (id.clone(), body.replacen(old, &id, 1))
            }
        };
        Self {
            vendor,
            event: event.to_owned(),
            id,
            body,
        }
    }

    /// The same id with a different body.
    pub fn tampered(&self) -> Self {
        Self {
            body: format!("{}\n", self.body),
            ..self.clone()
        }
    }

    /// The size of the body in bytes.
    pub fn bytes(&self) -> usize {
        self.body.len()
    }

    /// The event that API Gateway creates from it.
    pub fn wrap(&self, coming: Coming) -> String {
        let mut headers = json!({
            "accept": "*/*",
            "content-length": self.body.len().to_string(),
            "content-type": "application/json",
            "host": "abc123defg.execute-api.eu-central-1.amazonaws.com",
            "user-agent": "Sender/1.0",
            "x-amzn-trace-id": "Root=1-6a0f2c3b-4d5e6f708192a3b4c5d6e7f8",
            "x-forwarded-for": "192.0.2.10",
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
        });
        if let Vendor::Github = self.vendor {
            headers["x-github-delivery"] = json!(self.id);
            headers["x-github-event"] = json!(self.event);
            headers["x-github-hook-id"] = json!("520001");
        }
        if coming != Coming::Unsigned {
            let (name, value) = self.signature(if coming == Coming::Forged {
                "not-our-secret"
            } else {
                SECRET
            });
            headers[name] = json!(value);
        }
        let base64 = coming == Coming::Base64;
        json!({
            "version": "2.0",
            "routeKey": format!("POST {}", self.vendor.path()),
            "rawPath": self.vendor.path(),
            "rawQueryString": "",
            "headers": headers,
            "requestContext": {
                "accountId": "123456789012",
                "apiId": "abc123defg",
                "domainName": "abc123defg.execute-api.eu-central-1.amazonaws.com",
                "domainPrefix": "abc123defg",
                "http": {
                    "method": "POST",
                    "path": self.vendor.path(),
                    "protocol": "HTTP/1.1",
                    "sourceIp": "192.0.2.10",
                    "userAgent": "Sender/1.0",
                },
                "requestId": "JKJaXmPLvHcESHA=",
                "routeKey": format!("POST {}", self.vendor.path()),
                "stage": "$default",
                "time": "20/Nov/2026:09:01:31 +0000",
                "timeEpoch": 1_795_165_291_000_u64,
            },
            "body": if base64 { STANDARD.encode(&self.body) } else { self.body.clone() },
            "isBase64Encoded": base64,
        })
        .to_string()
    }

    fn signature(&self, secret: &str) -> (&'static str, String) {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key will do");
        match self.vendor {
            Vendor::Github => {
                mac.update(self.body.as_bytes());
                (
                    "x-hub-signature-256",
                    format!("sha256={}", hex::encode(mac.finalize().into_bytes())),
                )
            }
            Vendor::Stripe => {
                let time = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default()
                    .as_secs();
                mac.update(format!("{time}.{}", self.body).as_bytes());
                (
                    "stripe-signature",
                    format!("t={time},v1={}", hex::encode(mac.finalize().into_bytes())),
                )
            }
        }
    }
}
