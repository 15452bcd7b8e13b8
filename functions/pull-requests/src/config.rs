//! The settings and clients of this function.

use boot::{Env, Keyed, Outside, Settings};
use flows::jobs::github::Limits;
use github_api::GithubApi;
use queues::{Queue, Queues};
use settings::{GithubSettings, LedgerSettings, PlatformSettings, QueueSettings};
use store::{Store, Switchboard};

pub struct Config {
    platform: PlatformSettings,
    ledger: LedgerSettings,
    queues: QueueSettings,
    github: GithubSettings,
}

impl Settings for Config {
    fn read(env: &mut Env) -> Self {
        Self {
            platform: Settings::read(env),
            ledger: Settings::read(env),
            queues: QueueSettings::read(
                env,
                [Queue::Code, Queue::Pulls, Queue::Usage, Queue::Notices],
            ),
            github: Settings::read(env),
        }
    }
}

pub struct Ctx {
    pub(crate) store: Store,
    pub(crate) switches: Switchboard,
    pub(crate) queues: Queues,
    pub(crate) github: Keyed<GithubApi>,
    pub(crate) outside: Outside,
}

impl Ctx {
    pub fn connect(config: Config, outside: Outside) -> Self {
        let platform = config.platform.connect(&outside);
        Self {
            store: config.ledger.connect(&platform),
            switches: config.ledger.switches(&platform),
            queues: config.queues.connect(&platform),
            github: config.github.connect(&platform),
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
