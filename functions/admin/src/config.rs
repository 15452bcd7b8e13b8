//! The settings and clients of this function.

use boot::{Env, Keyed, Outside, Secret, Secrets, Setting, Settings};
use domain::billing::plans::Catalogue;
use domain::inbox::EventSource;
use domain::retry::Failure;
use queues::{Queue, Queues};
use settings::{
    CatalogueSettings, EventsSettings, LedgerSettings, PlatformSettings, QueueSettings,
    StripeSettings,
};
use store::{Inbox, Ingest, Recoveries, Store, Switchboard};
use stripe_api::StripeApi;

const OPERATOR_TOKEN: Setting = Setting::required(
    "OPERATOR_TOKEN",
    "The operators' tokens: `name:token`, several separated by commas. A token without a name belongs to `operator`. A token in Parameter Store has at least 32 characters, for example from `openssl rand -hex 32`; a shorter one is refused.",
)
.secret();

/// The length that a deployed operator's token has at least. Who tries the function on their own
/// machine may use any.
const DEPLOYED_LENGTH_MIN: usize = 32;

pub struct Config {
    platform: PlatformSettings,
    events: EventsSettings,
    ledger: LedgerSettings,
    queues: QueueSettings,
    catalogue: CatalogueSettings,
    stripe: StripeSettings,
    operator_token: Secret,
}

impl Settings for Config {
    fn read(env: &mut Env) -> Self {
        Self {
            platform: Settings::read(env),
            events: Settings::read(env),
            ledger: Settings::read(env),
            queues: QueueSettings::read(env, Queue::ALL),
            catalogue: Settings::read(env),
            stripe: Settings::read(env),
            operator_token: Secret::read(env, OPERATOR_TOKEN),
        }
    }
}

pub struct Ctx {
    pub(crate) inbox: Inbox,
    pub(crate) store: Store,
    pub(crate) switches: Switchboard,
    pub(crate) recoveries: Recoveries,
    ingest: [Ingest; 2],
    pub(crate) queues: Queues,
    pub(crate) tokens: Secrets,
    pub(crate) token_length_min: usize,
    pub(crate) catalogue: Catalogue,
    stripe: Option<Keyed<StripeApi>>,
    pub(crate) outside: Outside,
}

impl Ctx {
    pub fn connect(config: Config, outside: Outside) -> Self {
        let platform = config.platform.connect(&outside);
        Self {
            inbox: config.events.connect(&platform),
            store: config.ledger.connect(&platform),
            switches: config.ledger.switches(&platform),
            recoveries: config.ledger.recoveries(&platform),
            ingest: EventSource::ALL.map(|source| config.events.ingest(&platform, source)),
            queues: config.queues.connect(&platform),
            token_length_min: match config.operator_token {
                Secret::Parameter(_) => DEPLOYED_LENGTH_MIN,
                Secret::Value(_) => 1,
            },
            tokens: platform.secrets(config.operator_token),
            catalogue: config.catalogue.0,
            stripe: config.stripe.connect(&platform),
            outside,
        }
    }

    /// Returns the Stripe client, if Stripe is configured.
    pub(crate) async fn stripe(&self) -> Result<Option<StripeApi>, Failure> {
        match &self.stripe {
            Some(stripe) => stripe.client().await.map(Some),
            None => Ok(None),
        }
    }

    /// The switch that stops a sender's webhooks.
    pub(crate) fn ingest(&self, source: EventSource) -> &Ingest {
        let [github, stripe] = &self.ingest;
        match source {
            EventSource::Github => github,
            EventSource::Stripe => stripe,
        }
    }
}
