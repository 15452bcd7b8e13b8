//! The door for GitHub's webhooks: `POST /github/webhook`.
//!
//! Verifies the signature over the raw bytes, records them by one conditional put, queues a pointer and answers; nothing
//! else happens here, and no more of the body is read than which event it is. Woken by API Gateway. It may put into the
//! event log, read the one row there that says whether webhooks are taken, and send to one queue. Safe to run twice: the put is conditional, and a repeat of what nobody has finished is
//! queued again. A crash after the put loses nothing, since the row itself is on the sweeper's list.

use boot::{Aws, Env, Outside, Secret, SecretError, Secrets, Setting, Settings};
use bytes::Bytes;
use domain::inbox::{BODY_BYTES_MAX, EventKey, EventSource};
use domain::switches::Switch;
use http::{Method, Request, Response, StatusCode};
use queues::{Message, Queue, Queues};
use secrecy::ExposeSecret;
use settings::{EventsSettings, PlatformSettings, QueueSettings};
use store::{Inbox, Ingest, Recorded, StoreError};
use webhooks::{BlankSecret, Rejected, Signed, SigningSecrets, github};

const SECRETS: Setting = Setting::required(
    "GITHUB_WEBHOOK_SECRETS",
    "The secrets with which GitHub signs webhooks: several separated by commas while they are rotated, the newest first.",
)
.with_alias("GITHUB_WEBHOOK_SECRET")
.secret();

/// The settings of this function.
pub struct Config {
    platform: PlatformSettings,
    events: EventsSettings,
    queues: QueueSettings,
    secrets: Secret,
}

impl Settings for Config {
    fn read(env: &mut Env) -> Self {
        let config = Self {
            platform: Settings::read(env),
            events: Settings::read(env),
            queues: QueueSettings::read(env, [Queue::GithubEvents]),
            secrets: Secret::read(env, SECRETS),
        };
        if let Secret::Value(list) = &config.secrets
            && let Err(error) = SigningSecrets::parse(list.expose_secret())
        {
            env.error(format!("GITHUB_WEBHOOK_SECRETS: {error}"));
        }
        config
    }
}

/// What this door works with.
pub struct Ctx {
    inbox: Inbox,
    ingest: Ingest,
    queues: Queues,
    secrets: Secrets,
    aws: Aws,
    outside: Outside,
}

impl Ctx {
    pub fn connect(config: Config, outside: Outside) -> Self {
        let platform = config.platform.connect(&outside);
        Self {
            inbox: config.events.connect(&platform),
            ingest: config.events.ingest(&platform, EventSource::Github),
            queues: config.queues.connect(&platform),
            secrets: platform.secrets(config.secrets),
            aws: platform.aws,
            outside,
        }
    }

    /// Opens connections, fetches the secrets and reads the switch before the first webhook comes.
    pub async fn warm(&self) -> Result<(), Box<dyn std::error::Error>> {
        // The switch is the first that the table is asked, so reading it is what opens the connection there.
        let switch = self.ingest.ingest_now(self.outside.now());
        let ((), secrets, _) = tokio::join!(self.aws.warm(&self.outside), self.signing(), switch);
        secrets?.map(|_| ()).map_err(Into::into)
    }

    async fn signing(&self) -> Result<Result<SigningSecrets, BlankSecret>, SecretError> {
        let current = self.secrets.current().await?;
        Ok(SigningSecrets::parse(
            current.first().map_or("", |list| list.expose_secret()),
        ))
    }
}

/// How soon a sender may look again whether webhooks are taken.
const RETRY_AFTER_SECONDS: u16 = 60;

/// Takes one webhook.
pub async fn receive(ctx: &Ctx, request: Request<Bytes>) -> Response<Bytes> {
    if request.uri().path() != "/github/webhook" {
        return answer(
            StatusCode::NOT_FOUND,
            "GitHub's webhooks go to POST /github/webhook",
        );
    }
    if request.method() != Method::POST {
        return answer(
            StatusCode::METHOD_NOT_ALLOWED,
            "GitHub's webhooks come by POST",
        );
    }
    if request.body().len() > BODY_BYTES_MAX {
        tracing::error!(
            body.bytes = request.body().len(),
            alarm = true,
            "a webhook larger than we take"
        );
        return answer(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the body is larger than 5 MiB",
        );
    }
    // Both are kept for a minute, so they are fetched together or not at all.
    let (secrets, ingest) = tokio::join!(ctx.signing(), ctx.ingest.ingest_now(ctx.outside.now()));
    if ingest == Switch::Off {
        return stopped();
    }
    let secrets = match secrets {
        Ok(Ok(secrets)) => secrets,
        Ok(Err(error)) => return unavailable(&error),
        Err(error) => return unavailable(&error),
    };
    let (head, body) = request.into_parts();
    match github::verify(&secrets, &head.headers, body.into()) {
        Ok(signed) => record(ctx, signed)
            .await
            .unwrap_or_else(|error| unavailable(&error)),
        Err(rejected) => refuse(rejected),
    }
}

/// Stores first and queues then; only what is stored is answered with a 2xx.
async fn record(ctx: &Ctx, signed: Signed) -> Result<Response<Bytes>, StoreError> {
    let delivery = signed.delivery.get();
    let (key, name) = (&delivery.key, &delivery.name);
    let recorded = ctx
        .inbox
        .record(&signed.delivery, ctx.outside.now())
        .await?;
    tracing::info!(event.key = %key, event.name = name, secret.index = signed.secret_index, outcome = ?recorded, "received");
    Ok(match recorded {
        Recorded::New | Recorded::Pending => {
            enqueue(ctx, key).await;
            answer(StatusCode::ACCEPTED, "recorded")
        }
        Recorded::Settled => answer(StatusCode::ACCEPTED, "recorded before"),
        Recorded::Quarantined(kept_as) => {
            tracing::error!(event.key = %kept_as, alarm = true, "same id, other body: quarantined");
            answer(
                StatusCode::ACCEPTED,
                "recorded, but set aside: another body came under this id",
            )
        }
    })
}

/// The row owes the work from now on, so a pointer that gets lost only costs time.
async fn enqueue(ctx: &Ctx, key: &EventKey) {
    if let Err(error) = ctx.queues.send(&Message::Event(key.clone()), None).await {
        let failure = domain::retry::Failure::from(error);
        tracing::error!(event.key = %key, error = %failure, alarm = true, "recorded but not queued; the sweeper will");
    }
}

fn refuse(rejected: Rejected) -> Response<Bytes> {
    tracing::warn!(reason = %rejected, signature.rejected = true, "refused");
    match rejected {
        Rejected::BadSignature | Rejected::OutOfTime { .. } => answer(
            StatusCode::UNAUTHORIZED,
            "the signature is missing or wrong",
        ),
        Rejected::BadBody(why) => answer(StatusCode::BAD_REQUEST, why),
    }
}

/// An operator has switched it off.
fn stopped() -> Response<Bytes> {
    tracing::warn!("not taken: webhooks are switched off");
    let mut response = answer(
        StatusCode::SERVICE_UNAVAILABLE,
        "webhooks are not taken at present; send it again",
    );
    response.headers_mut().insert(
        http::header::RETRY_AFTER,
        http::HeaderValue::from(RETRY_AFTER_SECONDS),
    );
    response
}

fn unavailable(error: &(dyn std::error::Error + 'static)) -> Response<Bytes> {
    tracing::error!(error, alarm = true, "not recorded");
    answer(
        StatusCode::SERVICE_UNAVAILABLE,
        "not recorded; send it again",
    )
}

fn answer(status: StatusCode, text: &'static str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(text.as_bytes()));
    *response.status_mut() = status;
    response
}
