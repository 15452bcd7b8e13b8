//! The settings and clients of this function.

use boot::{Env, Keyed, Outside, Settings};
use domain::billing::plans::Catalogue;
use domain::jobs::permissions::Role;
use domain::switches::Switch;
use flows::cache::Cache;
use flows::jobs::github::Limits;
use github_api::GithubApi;
use queues::{Queue, Queues};
use settings::{
    AutoProvision, CatalogueSettings, DashboardUrl, EventsSettings, GithubSettings, LedgerSettings,
    PlatformSettings, QueueSettings,
};
use store::{Inbox, Store, Switchboard};

pub struct Config {
    platform: PlatformSettings,
    events: EventsSettings,
    ledger: LedgerSettings,
    queues: QueueSettings,
    catalogue: CatalogueSettings,
    github: GithubSettings,
    dashboard_url: DashboardUrl,
    auto_provision: AutoProvision,
}

impl Settings for Config {
    fn read(env: &mut Env) -> Self {
        let queues = [
            Queue::GithubEvents,
            Queue::Plan,
            Queue::Pulls,
            Queue::Usage,
            Queue::Notices,
            Queue::Provisioning,
        ];
        Self {
            platform: Settings::read(env),
            events: Settings::read(env),
            ledger: Settings::read(env),
            queues: QueueSettings::read(env, queues),
            catalogue: Settings::read(env),
            github: Settings::read(env),
            dashboard_url: Settings::read(env),
            auto_provision: Settings::read(env),
        }
    }
}

pub struct Ctx {
    pub(crate) inbox: Inbox,
    pub(crate) store: Store,
    pub(crate) switches: Switchboard,
    pub(crate) queues: Queues,
    pub(crate) github: Keyed<GithubApi>,
    pub(crate) app_id: u64,
    /// The roles of people by repository and login.
    pub(crate) roles: Cache<Role>,
    pub(crate) catalogue: Catalogue,
    pub(crate) dashboard_url: Option<String>,
    pub(crate) auto_provision: Switch,
    pub(crate) outside: Outside,
}

impl Ctx {
    pub fn connect(config: Config, outside: Outside) -> Self {
        let platform = config.platform.connect(&outside);
        Self {
            inbox: config.events.connect(&platform),
            store: config.ledger.connect(&platform),
            switches: config.ledger.switches(&platform),
            queues: config.queues.connect(&platform),
            app_id: config.github.app_id(),
            roles: Cache::lasting(crate::permission::KEPT_FOR),
            github: config.github.connect(&platform),
            catalogue: config.catalogue.0,
            dashboard_url: config.dashboard_url.0,
            auto_provision: config.auto_provision.0,
            outside,
        }
    }

    /// GitHub's limits, which this function shares with the others.
    pub(crate) fn limits(&self) -> Limits<'_> {
        Limits {
            store: &self.store,
            clock: &*self.outside.clock,
            random: &*self.outside.random,
        }
    }
}
