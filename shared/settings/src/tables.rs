//! The three tables.

use crate::Platform;
use boot::{Env, Keyed, Secret, Setting, Settings, Source};
use domain::inbox::EventSource as Sender;
use store::{Inbox, Ingest, KeyRing, Recoveries, Seals, Store, Switchboard};

const EVENTS_TABLE: Setting = Setting::required(
    "EVENTS_TABLE",
    "The DynamoDB table of received webhook events.",
);
const MAIN_TABLE: Setting = Setting::required(
    "MAIN_TABLE",
    "The DynamoDB table of accounts, jobs, billing, usage and notices.",
);
const LEDGER_TABLE: Setting = Setting::required(
    "LEDGER_TABLE",
    "The DynamoDB table of the ledger: its entries and the seals of its days.",
);
const LEDGER_KEY: Setting = Setting::required(
    "LEDGER_KEY",
    "The key for the digests of ledger entries and the seals of days: at least 32 characters, for example from \
     `openssl rand -hex 32`. All functions need the same one. To rotate it, put the new key first, separated by a comma; \
     keep the old ones for ever, because entries name the key they were made with.",
)
.secret();

/// The table of events.
pub struct EventsSettings {
    table: String,
}

impl Settings for EventsSettings {
    fn read(env: &mut Env) -> Self {
        Self {
            table: env.text(EVENTS_TABLE),
        }
    }
}

impl EventsSettings {
    pub fn connect(&self, platform: &Platform) -> Inbox {
        platform.tables.inbox(self.table.clone())
    }

    /// Returns the switch that stops a sender's webhooks.
    pub fn ingest(&self, platform: &Platform, sender: Sender) -> Ingest {
        platform.tables.ingest(self.table.clone(), sender)
    }
}

/// The table of everything except events and ledger entries.
pub struct MainSettings {
    table: String,
}

impl Settings for MainSettings {
    fn read(env: &mut Env) -> Self {
        Self {
            table: env.text(MAIN_TABLE),
        }
    }
}

impl MainSettings {
    /// Connects the table for a function that moves no credits.
    pub fn connect(&self, platform: &Platform) -> Store {
        platform
            .tables
            .store(self.table.clone(), platform.outside.random.clone())
    }

    /// Returns the operators' switches, except those of [`EventsSettings::ingest`].
    pub fn switches(&self, platform: &Platform) -> Switchboard {
        platform.tables.switches(self.table.clone())
    }

    /// Returns what recovery knows of each sender.
    pub fn recoveries(&self, platform: &Platform) -> Recoveries {
        platform.tables.recoveries(self.table.clone())
    }
}

/// The main table and the ledger, for functions that show entries and write none.
pub struct LedgerReadSettings {
    main: MainSettings,
    table: String,
}

impl Settings for LedgerReadSettings {
    fn read(env: &mut Env) -> Self {
        Self {
            main: MainSettings::read(env),
            table: env.text(LEDGER_TABLE),
        }
    }
}

impl LedgerReadSettings {
    pub fn connect(&self, platform: &Platform) -> Store {
        let store = self.main.connect(platform);
        store.with_ledger_to_read(self.table.clone())
    }

    /// Returns the operators' switches, except those of [`EventsSettings::ingest`].
    pub fn switches(&self, platform: &Platform) -> Switchboard {
        self.main.switches(platform)
    }

    /// Returns what recovery knows of each sender.
    pub fn recoveries(&self, platform: &Platform) -> Recoveries {
        self.main.recoveries(platform)
    }
}

/// The main table and the ledger, for functions that move credits.
pub struct LedgerSettings {
    main: MainSettings,
    table: String,
    key: Secret,
}

impl Settings for LedgerSettings {
    fn read(env: &mut Env) -> Self {
        Self {
            main: MainSettings::read(env),
            table: env.text(LEDGER_TABLE),
            key: Secret::read(env, LEDGER_KEY),
        }
    }
}

impl LedgerSettings {
    pub fn connect(&self, platform: &Platform) -> Store {
        self.store(platform, self.keys(platform))
    }

    /// Also connects the seals of the ledger's days. Both share one copy of the key.
    pub fn connect_with_seals(&self, platform: &Platform) -> (Store, Seals) {
        let keys = self.keys(platform);
        let seals = platform.tables.seals(self.table.clone(), keys.clone());
        (self.store(platform, keys), seals)
    }

    /// Returns the operators' switches, except those of [`EventsSettings::ingest`].
    pub fn switches(&self, platform: &Platform) -> Switchboard {
        self.main.switches(platform)
    }

    /// Returns what recovery knows of each sender.
    pub fn recoveries(&self, platform: &Platform) -> Recoveries {
        self.main.recoveries(platform)
    }

    fn store(&self, platform: &Platform, keys: Source<KeyRing>) -> Store {
        let store = self.main.connect(platform);
        store.with_ledger(self.table.clone(), keys)
    }

    fn keys(&self, platform: &Platform) -> Source<KeyRing> {
        let secrets = platform.secrets(self.key.clone());
        Keyed::new(secrets, |values| KeyRing::read(values.first())).into_source()
    }
}
