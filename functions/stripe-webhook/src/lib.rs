//! Receives Stripe's webhooks: `POST /stripe/webhook`.
//!
//! Invoked by API Gateway. `flows::receive` verifies, records, queues and answers. This function
//! may add to the event log, read the one row there that says whether intake is paused, and send to
//! one queue. Safe to run twice: the put is conditional.

use boot::{Env, Outside, Secret, Setting, Settings};
use bytes::Bytes;
use domain::inbox::EventSource;
use flows::receive::{Receiver, Sender, check};
use http::{Request, Response};
use queues::Queue;
use settings::{EventsSettings, PlatformSettings, QueueSettings};
use webhooks::stripe;

/// Only the first path is documented. The others are the paths of systems that people migrate from.
pub const PATHS: [&str; 4] = [
    "/stripe/webhook",
    "/webhooks/stripe",
    "/api/billing/webhook",
    "/api/stripe/webhook",
];

const SENDER: Sender = Sender {
    source: EventSource::Stripe,
    name: "Stripe",
    paths: &PATHS,
    verify: stripe::verify,
};

const SECRETS: Setting = Setting::required(
    "STRIPE_WEBHOOK_SECRETS",
    "The secrets with which Stripe signs webhooks: several separated by commas while they are rotated, the newest first.",
)
.with_alias("STRIPE_WEBHOOK_SECRET")
.secret();

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
            queues: QueueSettings::read(env, [Queue::StripeEvents]),
            secrets: Secret::read(env, SECRETS),
        };
        if let Some(error) = check(&config.secrets) {
            env.error(format!("STRIPE_WEBHOOK_SECRETS: {error}"));
        }
        config
    }
}

pub struct Ctx(Receiver);

impl Ctx {
    pub fn connect(config: Config, outside: Outside) -> Self {
        let platform = config.platform.connect(&outside);
        Self(Receiver {
            sender: SENDER,
            inbox: config.events.connect(&platform),
            ingest: config.events.ingest(&platform, SENDER.source),
            queues: config.queues.connect(&platform),
            secrets: platform.secrets(config.secrets),
            aws: platform.aws,
            outside,
        })
    }

    /// See [`Receiver::warm`].
    pub async fn warm(&self) -> Result<(), Box<dyn std::error::Error>> {
        self.0.warm().await
    }
}

pub async fn receive(ctx: &Ctx, request: Request<Bytes>) -> Response<Bytes> {
    ctx.0.receive(request).await
}
