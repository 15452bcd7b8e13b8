//! Receives Stripe's webhooks: `POST /stripe/webhook`.
//!
//! Woken by API Gateway. `flows::receive` verifies, records, queues and answers. This function may add to the event log, read
//! the one row there that says whether intake is paused, and send to one queue. Safe to run twice: the put is conditional.

use boot::{Aws, AwsSettings, Env, EnvError, Outside, Secret, Secrets, Trust};
use bytes::Bytes;
use domain::inbox::Source;
use flows::receive::{Receiver, Sender, check};
use http::{Request, Response};
use queues::{Queue, Queues};
use store::Connection;
use webhooks::stripe;

/// The first path is documented; the others are those of systems that people migrate from.
pub const PATHS: [&str; 4] = [
    "/stripe/webhook",
    "/webhooks/stripe",
    "/api/billing/webhook",
    "/api/stripe/webhook",
];

const SENDER: Sender = Sender {
    source: Source::Stripe,
    name: "Stripe",
    paths: &PATHS,
    verify: stripe::verify,
};

/// The settings of this function.
///
/// - `EVENTS_TABLE`: the event log
/// - `STRIPE_EVENTS_QUEUE_URL`: where pointers to events go
/// - `STRIPE_WEBHOOK_SECRETS` (or `STRIPE_WEBHOOK_SECRET`): the secrets that Stripe signs with; several while they are rotated,
///   the newest first
pub struct Config {
    events_table: String,
    queue_url: String,
    secrets: Secret,
    aws: AwsSettings,
}

impl Config {
    /// Reads the settings, or reports everything that is wrong with them.
    pub fn read(mut env: Env) -> Result<Self, EnvError> {
        let names = ["STRIPE_WEBHOOK_SECRETS", "STRIPE_WEBHOOK_SECRET"];
        let config = Self {
            events_table: env.text("EVENTS_TABLE"),
            queue_url: env.text("STRIPE_EVENTS_QUEUE_URL"),
            secrets: Secret::read(&mut env, &names),
            aws: AwsSettings::read(&mut env),
        };
        if let Some(error) = check(&config.secrets) {
            env.error(format!("STRIPE_WEBHOOK_SECRETS: {error}"));
        }
        env.finish().map(|()| config)
    }

    /// The TLS roots that this function trusts.
    pub fn trust(&self) -> Trust {
        self.aws.trust(Trust::Amazon)
    }
}

/// What this function works with.
pub struct Ctx(Receiver);

impl Ctx {
    pub fn connect(config: Config, outside: Outside) -> Self {
        let aws = Aws::new(config.aws, &outside);
        let connection = Connection::new(&aws.sdk, aws.dynamodb.as_deref());
        let urls = [(Queue::StripeEvents, config.queue_url)];
        Self(Receiver {
            sender: SENDER,
            ingest: connection.ingest(config.events_table.clone(), SENDER.source),
            inbox: connection.inbox(config.events_table),
            queues: Queues::new(&aws.sdk, aws.sqs.as_deref(), urls),
            secrets: Secrets::new(vec![config.secrets], aws.clone(), outside.clone()),
            aws,
            outside,
        })
    }

    /// See [`Receiver::warm`].
    pub async fn warm(&self) -> Result<(), Box<dyn std::error::Error>> {
        self.0.warm().await
    }
}

/// Answers one request.
pub async fn receive(ctx: &Ctx, request: Request<Bytes>) -> Response<Bytes> {
    ctx.0.receive(request).await
}
