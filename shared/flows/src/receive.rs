//! The webhook receiver: verifies the signature over the raw bytes, records the event by one
//! conditional put, queues a pointer and responds. It reads only the event's id and name from the
//! body.
//!
//! Safe to run twice: the put is conditional, and a repeat of a pending event is queued again. So is
//! a repeat of a failed one, which is pending again. A crash after the put loses nothing, because
//! the row is due and the sweeper sends it.

use boot::{Aws, Outside, Secret, SecretError, Secrets};
use bytes::Bytes;
use domain::inbox::{BODY_BYTES_MAX, EventKey, EventSource};
use domain::retry::Failure;
use domain::switches::Switch;
use domain::time::Timestamp;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use queues::{Message, Queues};
use secrecy::ExposeSecret;
use store::{Inbox, Ingest, Recorded, StoreError};
use webhooks::{BlankSecret, Rejected, Signed, SigningSecrets};

/// What is specific to one sender.
pub struct Sender {
    pub source: EventSource,
    pub name: &'static str,
    /// The paths of the receiver. The first is documented; the others are those of systems that
    /// people migrate from.
    pub paths: &'static [&'static str],
    /// Verifies the body's signature, and reads the event's id and name.
    pub verify: fn(&SigningSecrets, &HeaderMap, Vec<u8>, Timestamp) -> Result<Signed, Rejected>,
}

/// The receiver for one sender, with its connections.
pub struct Receiver {
    pub sender: Sender,
    pub inbox: Inbox,
    pub ingest: Ingest,
    pub queues: Queues,
    pub secrets: Secrets,
    pub aws: Aws,
    pub outside: Outside,
}

/// The `Retry-After` of a response while intake is paused.
const RETRY_AFTER_SECONDS: u16 = 60;

/// Returns the error of an unusable list of signing secrets, if the list is a plain value.
pub fn check(secrets: &Secret) -> Option<BlankSecret> {
    match secrets {
        Secret::Value(list) => SigningSecrets::parse(list.expose_secret()).err(),
        Secret::Parameter(_) => None,
    }
}

impl Receiver {
    /// Opens connections, fetches the secrets and reads the intake switch before the first webhook
    /// arrives.
    pub async fn warm(&self) -> Result<(), Box<dyn std::error::Error>> {
        // Reading the switch opens the connection to the table.
        let switch = self.ingest.ingest_now(self.outside.now());
        let ((), secrets, _) = tokio::join!(self.aws.warm(&self.outside), self.signing(), switch);
        secrets?.map(|_| ()).map_err(Into::into)
    }

    async fn signing(&self) -> Result<Result<SigningSecrets, BlankSecret>, SecretError> {
        let current = self.secrets.current().await?;
        let list = current.first().map_or("", |list| list.expose_secret());
        Ok(SigningSecrets::parse(list))
    }

    /// Receives one webhook.
    pub async fn receive(&self, request: Request<Bytes>) -> Response<Bytes> {
        let Sender { name, paths, .. } = self.sender;
        if !paths.contains(&request.uri().path()) {
            let path = paths.first().copied().unwrap_or_default();
            let text = format!("send {name}'s webhooks to POST {path}");
            return answer(StatusCode::NOT_FOUND, text);
        }
        if request.method() != Method::POST {
            let text = format!("send {name}'s webhooks by POST");
            return answer(StatusCode::METHOD_NOT_ALLOWED, text);
        }
        if request.body().len() > BODY_BYTES_MAX {
            let bytes = request.body().len();
            tracing::error!(body.bytes = bytes, alarm = true, "a webhook is too large");
            return answer(StatusCode::PAYLOAD_TOO_LARGE, "the body exceeds 5 MiB");
        }
        // Both are cached for a minute, so they are either fetched together or not at all.
        let ingest = self.ingest.ingest_now(self.outside.now());
        let (secrets, ingest) = tokio::join!(self.signing(), ingest);
        if ingest == Switch::Off {
            return paused();
        }
        let secrets = match secrets {
            Ok(Ok(secrets)) => secrets,
            Ok(Err(error)) => return unavailable(&error),
            Err(error) => return unavailable(&error),
        };
        let (head, body) = request.into_parts();
        let now = self.outside.now();
        match (self.sender.verify)(&secrets, &head.headers, body.into(), now) {
            Ok(signed) => match self.record(signed).await {
                Ok(response) => response,
                Err(error) => unavailable(&error),
            },
            Err(rejected) => refuse(rejected),
        }
    }

    /// Records the event first and then queues it. Only a recorded event gets a 2xx response.
    async fn record(&self, signed: Signed) -> Result<Response<Bytes>, StoreError> {
        let delivery = signed.delivery.get();
        let (key, name) = (&delivery.key, &delivery.name);
        let now = self.outside.now();
        let recorded = self.inbox.record(&signed.delivery, now).await?;
        tracing::info!(event.key = %key, event.name = name, secret.index = signed.secret_index, outcome = ?recorded, "received");
        Ok(match recorded {
            Recorded::New | Recorded::Pending | Recorded::Reopened => {
                self.enqueue(key).await;
                answer(StatusCode::ACCEPTED, "recorded")
            }
            Recorded::Settled => answer(StatusCode::ACCEPTED, "already recorded"),
            Recorded::Quarantined(kept_as) => {
                tracing::error!(event.key = %kept_as, alarm = true, "quarantined: another body arrived under a recorded id");
                let text = "recorded and quarantined: another body was recorded under this id";
                answer(StatusCode::ACCEPTED, text)
            }
        })
    }

    /// Queues a pointer to the event. A lost pointer costs only time, because the row is due.
    async fn enqueue(&self, key: &EventKey) {
        let message = Message::Event(key.clone());
        if let Err(error) = self.queues.send(&message, None).await {
            let failure = Failure::from(error);
            tracing::error!(event.key = %key, error = %failure, alarm = true, "recorded but not queued; the sweeper will queue it");
        }
    }
}

fn refuse(rejected: Rejected) -> Response<Bytes> {
    // A valid signature with a wrong time means a wrong clock, possibly ours, and not an attack.
    let clock = matches!(rejected, Rejected::OutOfTime { .. });
    tracing::warn!(reason = %rejected, signature.rejected = true, alarm = clock, "rejected");
    match rejected {
        Rejected::BadSignature | Rejected::OutOfTime { .. } => {
            let text = "the signature is missing or invalid";
            answer(StatusCode::UNAUTHORIZED, text)
        }
        Rejected::BadBody(why) => answer(StatusCode::BAD_REQUEST, why),
    }
}

/// The response while an operator has paused intake.
fn paused() -> Response<Bytes> {
    tracing::warn!("not recorded: webhook intake is paused");
    let text = "webhook intake is paused; retry later";
    let mut response = answer(StatusCode::SERVICE_UNAVAILABLE, text);
    let retry_after = HeaderValue::from(RETRY_AFTER_SECONDS);
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, retry_after);
    response
}

fn unavailable(error: &(dyn std::error::Error + 'static)) -> Response<Bytes> {
    tracing::error!(error, alarm = true, "not recorded");
    answer(StatusCode::SERVICE_UNAVAILABLE, "not recorded; retry later")
}

fn answer(status: StatusCode, text: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    response
}
