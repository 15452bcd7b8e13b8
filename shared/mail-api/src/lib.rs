//! The wall to mail: Amazon SES, version 2 of its API, one mail a call.
//!
//! Owns the request, what SES answers to it, and what SES says of a mail afterwards (`feedback.rs`); whoever signs requests to AWS is handed in. Promises one try per call, and
//! that no address, subject or body is ever printed, SES's own sentences included, since they quote addresses.
//!
//! Never safe to run twice: SES knows no key by which a second call would be the same mail. [`MailError::is_doubt`] says
//! when a mail may have gone out although nobody was told so; whoever sends decides beforehand what that leads to.

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

/// The house's way out: absolute URLs in, no redirects followed, time and size bounded. Its errors leave open whether
/// the call was carried out.
pub type Web = tower::util::BoxCloneSyncService<Request<Bytes>, Response<Bytes>, BoxError>;

/// Whoever signs a request for SES.
pub type Sign = Arc<dyn Fn(Request<Bytes>) -> Result<Request<Bytes>, BoxError> + Send + Sync>;

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// SES in one region.
#[derive(Clone)]
pub struct MailApi {
    /// None where the configured URL is none.
    address: Option<Uri>,
    sign: Sign,
    web: Web,
    /// SES's name for what becomes of our mails being told; none where nobody is told.
    configuration_set: Option<String>,
}

/// A mail.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail<'a> {
    /// To whom.
    pub to: &'a MailAddress,
    /// From whom; SES must have verified it.
    pub from: &'a MailAddress,
    /// Its subject.
    pub subject: &'a str,
    /// Its body as plain text.
    pub text: &'a str,
    /// The same as HTML.
    pub html: &'a str,
    /// By what the mail is found again in SES's own records; nobody is in it.
    pub reference: &'a str,
}

/// A mail that SES has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// SES's id for it, if it gave one.
    pub id: Option<String>,
}

/// Where mails are taken, below the configured URL.
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
    /// A client; it calls nobody. The URL is `https://email.<region>.amazonaws.com`, or another one.
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

    /// The same, and what becomes of its mails is told as this configuration set says.
    #[must_use]
    pub fn with_configuration_set(self, name: Option<String>) -> Self {
        Self {
            configuration_set: name,
            ..self
        }
    }

    /// Hands a mail over, once.
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
        // Taken is taken, whatever else the answer says.
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

/// A tag's value knows letters, digits, `_` and `-` only.
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

/// Without address, subject and body, which are a customer's.
impl fmt::Debug for Mail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail")
            .field("reference", &self.reference)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
