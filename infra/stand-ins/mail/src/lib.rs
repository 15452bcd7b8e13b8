//! A stand-in for Amazon SES: the route of API v2 that sends a mail, and the mailboxes.
//!
//! Refuses with SES's errors in its order: signature, sender, content, limits. SES has no
//! idempotency, so the same call twice sends two mails. A mail to a bouncing address is accepted
//! and then bounces. Mails with a configuration set produce feedback events; the caller takes them
//! from [`MailBox::outbox_take`] and plays SNS. The addresses of SES's mailbox simulator work as
//! they do there.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use axum::extract::State as From;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use stand_in_shared::Now;
use stand_in_shared::html::{all, classed, linked, moment, page, tag, text};

mod events;
#[cfg(test)]
mod tests;

/// An SES account. Clones share it.
#[derive(Clone)]
pub struct MailBox {
    state: Arc<Mutex<State>>,
    now: Now,
}

/// An accepted mail.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// The message id that SES assigned.
    pub id: String,
    /// When it was accepted, in milliseconds.
    pub at: i64,
    pub from: String,
    pub to: String,
    pub subject: String,
    /// The body as plain text.
    pub text: String,
    /// The body as HTML.
    pub html: String,
    /// The sender's own reference.
    pub reference: String,
    pub fate: Fate,
    /// Without one, SES sends no feedback events.
    #[serde(default)]
    pub configuration_set: Option<String>,
}

/// What happens to an accepted mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fate {
    Delivered,
    /// A hard bounce.
    Bounced,
    /// Delivered, then marked as spam.
    Complained,
}

/// How the next call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trouble {
    /// The send rate per second is exceeded.
    Throttled,
    /// The daily quota is used up.
    QuotaUsed,
    /// SES has an internal error.
    Failing,
    /// The mail is rejected.
    Rejected,
    /// Sending is paused for the whole account.
    Paused,
}

#[derive(Default, Serialize, Deserialize)]
struct State {
    letters: Vec<Letter>,
    troubles: VecDeque<Trouble>,
    bouncing: BTreeSet<String>,
    /// Feedback events that were not taken yet.
    #[serde(default)]
    outbox: Vec<Value>,
    /// If not empty, only these senders may send.
    verified: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Order {
    from_email_address: String,
    destination: Destination,
    content: Content,
    #[serde(default)]
    email_tags: Vec<Tag>,
    configuration_set_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Destination {
    to_addresses: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Content {
    simple: Simple,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Simple {
    subject: Part,
    body: Body,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Body {
    text: Part,
    html: Part,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Part {
    data: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tag {
    name: String,
    value: String,
}

struct Refusal(StatusCode, &'static str, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(status, code, message) = self;
        let mut response = (status, Json(json!({ "message": message }))).into_response();
        response.headers_mut().insert(
            HeaderName::from_static("x-amzn-errortype"),
            HeaderValue::from_static(code),
        );
        response
    }
}

impl MailBox {
    pub fn new(now: Now) -> Self {
        Self {
            state: Arc::default(),
            now,
        }
    }

    /// The API.
    pub fn router(&self) -> Router {
        let unknown = async || {
            Refusal(
                StatusCode::NOT_FOUND,
                "NotFoundException",
                "no such route".to_owned(),
            )
        };
        Router::new()
            .route("/v2/email/outbound-emails", post(send))
            .fallback(unknown)
            .method_not_allowed_fallback(unknown)
            .with_state(self.clone())
    }

    /// A page with every mail.
    pub fn pages(&self) -> Router {
        let state = async |From(mail): From<Self>| Json(mail.export());
        Router::new()
            .route("/", get(overview))
            .route("/state.json", get(state))
            .route("/letters/{id}/bounce", post(events::bounce))
            .route("/letters/{id}/complain", post(events::complain))
            .with_state(self.clone())
    }

    /// The whole state, to keep across a restart.
    pub fn export(&self) -> Value {
        serde_json::to_value(&*self.lock()).expect("the state has text keys and no floats")
    }

    /// Restores an exported state.
    pub fn import(&self, exported: Value) -> Result<(), serde_json::Error> {
        *self.lock() = serde_json::from_value(exported)?;
        Ok(())
    }

    /// Makes the next call fail. Several troubles affect one call each.
    pub fn trouble_next(&self, trouble: Trouble) {
        self.lock().troubles.push_back(trouble);
    }

    /// Makes mail to this address bounce.
    pub fn bounce(&self, address: &str) {
        self.lock().bouncing.insert(address.to_ascii_lowercase());
    }

    /// Verifies a sender. From then on, unverified senders are refused.
    pub fn verify(&self, address: &str) {
        self.lock().verified.insert(address.to_ascii_lowercase());
    }

    /// Every accepted mail, in order.
    pub fn letters(&self) -> Vec<Letter> {
        self.lock().letters.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn send(
    From(mail): From<MailBox>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    let at = (mail.now)();
    let mut state = mail.lock();
    let order = state.order(&headers, &body)?;
    let id = format!("0100019a{:016x}-{:06}", at, state.letters.len() + 1);
    let to = order
        .destination
        .to_addresses
        .into_iter()
        .next()
        .unwrap_or_default();
    let fate = state.fate(&to.to_ascii_lowercase());
    let reference = order
        .email_tags
        .into_iter()
        .find(|tag| tag.name == "reference")
        .map(|tag| tag.value);
    let Simple { subject, body } = order.content.simple;
    state.letters.push(Letter {
        id: id.clone(),
        at,
        from: order.from_email_address,
        to,
        subject: subject.data,
        text: body.text.data,
        html: body.html.data,
        reference: reference.unwrap_or_default(),
        fate: Fate::Delivered,
        configuration_set: order.configuration_set_name,
    });
    state.meets(&id, fate, at);
    Ok(Json(json!({ "MessageId": id })))
}

impl State {
    /// Validates the request. Returns the mail to send if SES would accept it.
    fn order(&mut self, headers: &HeaderMap, body: &[u8]) -> Result<Order, Refusal> {
        let bad =
            |message: String| Refusal(StatusCode::BAD_REQUEST, "BadRequestException", message);
        let signed = headers
            .get("authorization")
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        if !signed.starts_with("AWS4-HMAC-SHA256 Credential=")
            || !signed.contains("/ses/aws4_request")
        {
            let words = "The security token included in the request is invalid.".to_owned();
            return Err(Refusal(
                StatusCode::FORBIDDEN,
                "UnrecognizedClientException",
                words,
            ));
        }
        let order: Order = serde_json::from_slice(body).map_err(|error| bad(error.to_string()))?;
        let addresses = &order.destination.to_addresses;
        if addresses.len() != 1 || addresses.iter().any(|address| !is_address(address)) {
            return Err(bad("Illegal address".to_owned()));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if order
            .email_tags
            .iter()
            .any(|tag| tag.value.is_empty() || !tag.value.chars().all(plain))
        {
            return Err(bad(
                "Invalid tag value: only letters, numbers, underscores and dashes".to_owned(),
            ));
        }
        if !self.verified.is_empty()
            && !self
                .verified
                .contains(&order.from_email_address.to_ascii_lowercase())
        {
            let words = format!(
                "Email address is not verified. The following identities failed the check in region US-EAST-1: {}",
                order.from_email_address
            );
            return Err(Refusal(StatusCode::BAD_REQUEST, "MessageRejected", words));
        }
        match self.troubles.pop_front() {
            None => Ok(order),
            Some(trouble) => Err(refused(trouble, &order)),
        }
    }
}

fn refused(trouble: Trouble, order: &Order) -> Refusal {
    let (status, code, words) = match trouble {
        Trouble::Throttled => (
            429,
            "TooManyRequestsException",
            "Maximum sending rate exceeded.".to_owned(),
        ),
        Trouble::QuotaUsed => (
            400,
            "LimitExceededException",
            "Daily message quota exceeded.".to_owned(),
        ),
        Trouble::Failing => (500, "InternalFailure", "an internal error".to_owned()),
        Trouble::Rejected => {
            let to = order.destination.to_addresses.join(", ");
            (
                400,
                "MessageRejected",
                format!(
                    "Email address is not verified. The following identities failed the check in region US-EAST-1: {to}"
                ),
            )
        }
        Trouble::Paused => (
            400,
            "SendingPausedException",
            "Sending is disabled for this account.".to_owned(),
        ),
    };
    Refusal(
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        code,
        words,
    )
}

fn is_address(text: &str) -> bool {
    text.split_once('@')
        .is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.'))
        && !text.contains(|c: char| c.is_whitespace() || c == ',' || c == '<')
}

async fn overview(From(mail): From<MailBox>) -> Response {
    let state = mail.lock();
    let letters = state.letters.iter().rev().map(|letter| {
        let fate = match letter.fate {
            Fate::Delivered => "",
            Fate::Bounced => " (bounced)",
            Fate::Complained => " (marked as spam)",
        };
        let head = format!("To {} from {}{fate}, ", letter.to, letter.from);
        all([
            tag("h2", text(&letter.subject)),
            tag(
                "p",
                all([classed("span", "by", text(head)), moment(letter.at)]),
            ),
            classed("div", "body", linked(&letter.text)),
            events::buttons(letter),
        ])
    });
    let body = all(letters);
    page(
        "Mailbox",
        if state.letters.is_empty() {
            classed("p", "none", text("no mail yet"))
        } else {
            body
        },
    )
}
