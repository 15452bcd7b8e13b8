//! The settings and clients of this function.

use boot::{Env, Keyed, Outside, Settings};
use domain::billing::plans::Catalogue;
use domain::retry::{Failure, Retry};
use flows::billing::Shop;
use flows::cache::Cache;
use queues::{Queue, Queues};
use settings::{
    CatalogueSettings, DashboardUrl, EventsSettings, LedgerSettings, PlatformSettings,
    QueueSettings, StripeSettings,
};
use std::time::Duration;
use store::{Inbox, Store, Switchboard};
use stripe_api::{PriceChoice, StripeApi};

pub struct Config {
    platform: PlatformSettings,
    events: EventsSettings,
    ledger: LedgerSettings,
    queues: QueueSettings,
    catalogue: CatalogueSettings,
    stripe: StripeSettings,
    dashboard_url: DashboardUrl,
}

impl Settings for Config {
    fn read(env: &mut Env) -> Self {
        Self {
            platform: Settings::read(env),
            events: Settings::read(env),
            ledger: Settings::read(env),
            queues: QueueSettings::read(env, [Queue::StripeEvents, Queue::Notices]),
            catalogue: Settings::read(env),
            stripe: Settings::read(env),
            dashboard_url: Settings::read(env),
        }
    }
}

pub struct Ctx {
    pub(crate) inbox: Inbox,
    pub(crate) store: Store,
    pub(crate) switches: Switchboard,
    pub(crate) queues: Queues,
    pub(crate) catalogue: Catalogue,
    /// `None` without a key.
    pub(crate) stripe: Option<Keyed<StripeApi>>,
    pub(crate) prices: Cache<Vec<PriceChoice>>,
    /// Where a customer returns after confirming a payment.
    pub(crate) dashboard_url: Option<String>,
    pub(crate) outside: Outside,
}

/// How long an event waits for the key if it cannot be handled without one.
const KEYLESS_WAIT: Duration = Duration::from_secs(3_600);

impl Ctx {
    pub fn connect(config: Config, outside: Outside) -> Self {
        let platform = config.platform.connect(&outside);
        Self {
            inbox: config.events.connect(&platform),
            store: config.ledger.connect(&platform),
            switches: config.ledger.switches(&platform),
            queues: config.queues.connect(&platform),
            catalogue: config.catalogue.0,
            stripe: config.stripe.connect(&platform),
            prices: Cache::default(),
            dashboard_url: config.dashboard_url.0,
            outside,
        }
    }

    /// Returns the client, or fails with an alarm if there is no key.
    pub(crate) async fn stripe(&self) -> Result<StripeApi, Failure> {
        match self.stripe_maybe().await? {
            Some(stripe) => Ok(stripe),
            None => Err(Failure {
                retry: Retry::Alarm(KEYLESS_WAIT),
                source: "this event needs an answer from Stripe; set `STRIPE_SECRET_KEY`".into(),
            }),
        }
    }

    pub(crate) fn shop<'a>(&'a self, stripe: &'a StripeApi) -> Shop<'a> {
        Shop {
            store: &self.store,
            stripe,
            catalogue: &self.catalogue,
            prices: &self.prices,
            now: self.outside.now(),
        }
    }

    /// Returns the client if there is a key.
    pub(crate) async fn stripe_maybe(&self) -> Result<Option<StripeApi>, Failure> {
        match &self.stripe {
            Some(stripe) => stripe.client().await.map(Some),
            None => Ok(None),
        }
    }
}
