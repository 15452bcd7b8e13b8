//! Sends mail through Amazon SES (API version 2), one mail per call.
//!
//! The crate owns the request, SES's response, and SES's later feedback on a mail (`feedback.rs`).
//! The caller provides the function that signs requests. Each call is one attempt. Addresses,
//! subjects and bodies are never printed, and neither are SES's messages, which quote addresses.
//!
//! Sending is never safe to repeat, because SES has no idempotency key. [`MailError::is_doubt`]
//! reports whether a mail may have been sent although no answer arrived; the caller decides in
//! advance what to do then.

mod error;
mod feedback;
#[cfg(test)]
mod testing;

pub use error::MailError;
pub use feedback::{BadFeedback, Feedback};

use bytes::Bytes;
use domain::accounts::addresses::MailAddress;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{Request, Response, Uri};
use serde::Deserialize;
use serde_json::{Value, json};
use std::fmt;
use std::sync::Arc;
use tower::ServiceExt;

/// The HTTP transport: absolute URLs, no redirects, bounded time and size. After an error, the
/// request may or may not have been carried out.
pub type Web = tower::util::BoxCloneSyncService<Request<Bytes>, Response<Bytes>, BoxError>;

pub type Sign = Arc<dyn Fn(Request<Bytes>) -> Result<Request<Bytes>, BoxError> + Send + Sync>;

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The client for SES in one region.
#[derive(Clone)]
pub struct MailApi {
    /// Absent if the configured URL is invalid.
    address: Option<Uri>,
    sign: Sign,
    web: Web,
    /// The SES configuration set that publishes feedback, if any.
    configuration_set: Option<String>,
}

#[derive(Clone, PartialEq, Eq)]
pub struct Mail<'a> {
    pub to: &'a MailAddress,
    pub from: &'a MailAddress,
    pub subject: &'a str,
    pub text: &'a str,
    pub html: &'a str,
    /// Identifies the mail in SES's records, without personal data.
    pub reference: &'a str,
}

/// A mail that SES accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    pub id: Option<String>,
}

/// The path below the configured URL.
const PATH: &str = "/v2/email/outbound-emails";
const UTF_8: &str = "UTF-8";
const TAG_BYTES_MAX: usize = 256;
const ID_BYTES_MAX: usize = 200;

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "MessageId")]
    message_id: Option<String>,
}

impl MailApi {
    /// Creates the client without sending a request. The URL is usually
    /// `https://email.<region>.amazonaws.com`.
    pub fn new(url: &str, sign: Sign, web: Web) -> Self {
        let address: Option<Uri> = format!("{}{PATH}", url.trim_end_matches('/')).parse().ok();
        let address = address.filter(|uri| uri.scheme().is_some() && uri.authority().is_some());
        Self {
            address,
            sign,
            web,
            configuration_set: None,
        }
    }

    /// Publishes feedback through this configuration set.
    #[must_use]
    pub fn with_configuration_set(self, name: Option<String>) -> Self {
        Self {
            configuration_set: name,
            ..self
        }
    }

    /// Sends a mail, once.
    pub async fn send(&self, mail: &Mail<'_>) -> Result<Sent, MailError> {
        let address = self.address.clone().ok_or(MailError::Url)?;
        let request = Request::post(address)
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("tallyhook/", env!("CARGO_PKG_VERSION")))
            .body(Bytes::from(self.order(mail).to_string()))
            .map_err(|_| MailError::Url)?;
        let request = (self.sign)(request).map_err(|_| MailError::Unsigned)?;
        let response = self
            .web
            .clone()
            .oneshot(request)
            .await
            .map_err(|source| MailError::Unclear { source })?;
        if !response.status().is_success() {
            return Err(error::refusal(&response, mail.from));
        }
        // SES has accepted the mail, even if the rest of the response is malformed.
        let answer: Option<Answer> = serde_json::from_slice(response.body()).ok();
        let id = answer.and_then(|answer| answer.message_id);
        Ok(Sent {
            id: id
                .filter(|id| id.len() <= ID_BYTES_MAX && id.bytes().all(|c| c.is_ascii_graphic())),
        })
    }

    fn order(&self, mail: &Mail<'_>) -> Value {
        let part = |data: &str| json!({ "Data": data, "Charset": UTF_8 });
        let mut order = json!({
            "FromEmailAddress": mail.from.as_str(),
            "Destination": { "ToAddresses": [mail.to.as_str()] },
            "Content": { "Simple": {
                "Subject": part(mail.subject),
                "Body": { "Text": part(mail.text), "Html": part(mail.html) },
            } },
            "EmailTags": [{ "Name": "reference", "Value": tag(mail.reference) }],
        });
        if let Some(name) = &self.configuration_set {
            order["ConfigurationSetName"] = name.as_str().into();
        }
        order
    }
}

/// SES accepts only letters, digits, `_` and `-` in a tag's value.
fn tag(reference: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == '_' {
            c
        } else {
            '-'
        }
    };
    reference.chars().take(TAG_BYTES_MAX).map(plain).collect()
}

/// Omits the address, subject and body, which are personal data.
impl fmt::Debug for Mail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail")
            .field("reference", &self.reference)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
