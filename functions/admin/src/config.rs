//! The settings and clients of this function.

use boot::{Env, Outside, Secret, Secrets, Setting, Settings};
use domain::billing::plans::Catalogue;
use domain::inbox::EventSource;
use queues::{Queue, Queues};
use settings::{
    CatalogueSettings, EventsSettings, LedgerSettings, PlatformSettings, QueueSettings,
};
use store::{Inbox, Ingest, Store, Switchboard};

const OPERATOR_TOKEN: Setting = Setting::required(
    "OPERATOR_TOKEN",
    "The operators' tokens: `name:token`, several separated by commas. A token without a name belongs to `operator`.",
)
.secret();

pub struct Config {
    platform: PlatformSettings,
    events: EventsSettings,
    ledger: LedgerSettings,
    queues: QueueSettings,
    catalogue: CatalogueSettings,
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
            operator_token: Secret::read(env, OPERATOR_TOKEN),
        }
    }
}

pub struct Ctx {
    pub(crate) inbox: Inbox,
    pub(crate) store: Store,
    pub(crate) switches: Switchboard,
    ingest: [Ingest; 2],
    pub(crate) queues: Queues,
    pub(crate) tokens: Secrets,
    pub(crate) catalogue: Catalogue,
    pub(crate) outside: Outside,
}

impl Ctx {
    pub fn connect(config: Config, outside: Outside) -> Self {
        let platform = config.platform.connect(&outside);
        Self {
            inbox: config.events.connect(&platform),
            store: config.ledger.connect(&platform),
            switches: config.ledger.switches(&platform),
            ingest: EventSource::ALL.map(|source| config.events.ingest(&platform, source)),
            queues: config.queues.connect(&platform),
            tokens: platform.secrets(config.operator_token),
            catalogue: config.catalogue.0,
            outside,
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
