//! The settings and clients of this function.

use boot::{Env, Keyed, Outside, Settings};
use domain::billing::plans::Catalogue;
use domain::switches::Switch;
use queues::{Queue, Queues};
use settings::{
    BillingEnabled, CatalogueSettings, MainSettings, PlatformSettings, QueueSettings,
    StripeSettings,
};
use store::{Store, Switchboard};
use stripe_api::StripeApi;

pub struct Config {
    platform: PlatformSettings,
    main: MainSettings,
    queues: QueueSettings,
    catalogue: CatalogueSettings,
    stripe: StripeSettings,
    billing: BillingEnabled,
}

impl Settings for Config {
    fn read(env: &mut Env) -> Self {
        Self {
            platform: Settings::read(env),
            main: Settings::read(env),
            queues: QueueSettings::read(env, [Queue::Usage]),
            catalogue: Settings::read(env),
            stripe: Settings::read(env),
            billing: Settings::read(env),
        }
    }
}

pub struct Ctx {
    pub(crate) store: Store,
    pub(crate) queues: Queues,
    pub(crate) switches: Switchboard,
    /// Whether to report usage if no operator has set the switch.
    pub(crate) billing: Switch,
    pub(crate) catalogue: Catalogue,
    /// `None` without a key.
    pub(crate) stripe: Option<Keyed<StripeApi>>,
    pub(crate) outside: Outside,
}

impl Ctx {
    pub fn connect(config: Config, outside: Outside) -> Self {
        let platform = config.platform.connect(&outside);
        Self {
            store: config.main.connect(&platform),
            switches: config.main.switches(&platform),
            queues: config.queues.connect(&platform),
            catalogue: config.catalogue.0,
            stripe: config.stripe.connect(&platform),
            billing: config.billing.0,
            outside,
        }
    }
}
