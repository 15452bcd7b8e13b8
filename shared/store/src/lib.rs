//! The wall to DynamoDB, the only importer of its SDK.
//!
//! Owns every table, key, condition and reading. Promises that no write depends on an earlier read: each is conditional and
//! says in its outcome what it found. Naming: noun first, then verb; `find_` may be absent, `load_` must exist, `list_`
//! pages. Three handles, because three roles: receivers hold an [`Inbox`] (the `events` table) and nothing else; who moves
//! jobs and accounts holds a [`Store`] (the `main` table, and where credits move the `ledger`); who seals the ledger's days
//! holds [`Seals`] (the `ledger` table alone). Beside them stand the switches: [`Ingest`] in `events`, [`Switchboard`] in
//! `main`.

mod accounts;
mod billing;
mod db;
mod due;
mod inbox;
mod jobs;
mod ledger;
mod notices;
mod switches;

pub use db::schema;

pub use accounts::api_keys::{KEYS_MAX, KeyCreated, key_digest};
pub use accounts::members::{Left, LetIn, MEMBERS_MAX, RoleSet, TakenOut};
pub use accounts::moving::{Move, OwnerMoved, Proof};
pub use accounts::rates::{RateCounted, Requests, Window};
pub use accounts::reveals::reveal_digest;
pub use accounts::sessions::{Linked, session_digest};
pub use accounts::signups::{Provisioned, SignUpMoved, SignUpOwed, SignUpRow, mail_newcomer};
pub use accounts::{AccountBegun, AccountCreated, InstallationNoted};
pub use billing::intents::{Begun, Intent};
pub use billing::marketplace::PurchaseNoted;
pub use billing::payments::PaymentLearnt;
pub use billing::quotas::{Counted, UsageRecord, UsageRecorded};
pub use billing::stuck::{Decided, Unbilled, UsagePage, UsageRow, UsageState, WriteOff};
pub use billing::subscriptions::Noted;
pub use billing::usage::{Owed, ReportClaim};
pub use db::error::StoreError;
pub use db::pages::{Cursor, Page};
pub use db::versions::Written;
pub use due::{Due, DueItem, Moved};
pub use inbox::ingest::Ingest;
pub use inbox::{DueEvent, Event, Finished, Recorded, Taken};
pub use jobs::assists::{AssistClaimed, AssistCreated, NewAssist, SummaryPlace, WholeAssist};
pub use jobs::phases::Reported;
pub use jobs::requests::RequestMade;
pub use jobs::{Advanced, Claimed, CommentClaim, JobCreated, NewJob};
pub use ledger::audit::{Audit, Rebuilt, Unbalanced};
pub use ledger::expiries::{Expiring, Expiry};
pub use ledger::postings::{BadLedgerKey, KeyRing, KeySource};
pub use ledger::seals::{Checked, DaySum, Seal, Sealed};
pub use ledger::{OpenHold, Post};
pub use notices::mailings::{AccountChanged, Mailing, Muted, Unmuted};
pub use notices::{NoticeClaim, NoticeOwed, NoticeRow, Tried, Untold};
pub use switches::{SwitchRow, SwitchWord, Switchboard, Switched, Which};

use aws_sdk_dynamodb::Client;
use std::sync::Arc;

/// Random numbers from outside; they mark who wrote a row, so that a write whose answer was lost is known again.
pub type Random = Arc<dyn Fn() -> u64 + Send + Sync>;

/// How DynamoDB is reached.
#[derive(Clone)]
pub struct Connection {
    client: Client,
}

impl Connection {
    /// Builds the client on the process's AWS settings; `endpoint` replaces the region's own.
    pub fn new(aws: &aws_types::SdkConfig, endpoint: Option<&str>) -> Self {
        let mut config = aws_sdk_dynamodb::config::Builder::from(aws);
        if let Some(url) = endpoint {
            config = config.endpoint_url(url);
        }
        Self {
            client: Client::from_conf(config.build()),
        }
    }

    /// The event log in this table.
    pub fn inbox(&self, events_table: impl Into<String>) -> Inbox {
        Inbox {
            client: self.client.clone(),
            table: events_table.into(),
        }
    }

    /// Accounts, jobs and usage in this table.
    pub fn store(&self, main_table: impl Into<String>, random: Random) -> Store {
        Store {
            client: self.client.clone(),
            table: main_table.into(),
            random,
            ledger: None,
        }
    }

    /// The switch in this table that says whether a sender's webhooks are taken.
    pub fn ingest(
        &self,
        events_table: impl Into<String>,
        source: domain::inbox::EventSource,
    ) -> Ingest {
        Ingest::new(self.client.clone(), events_table.into(), source)
    }

    /// All other switches, in this table.
    pub fn switches(&self, main_table: impl Into<String>) -> Switchboard {
        Switchboard::new(self.client.clone(), main_table.into())
    }

    /// The days of the ledger in this table, sealed by the newest of these keys.
    pub fn seals(&self, ledger_table: impl Into<String>, keys: KeySource) -> Seals {
        Seals {
            client: self.client.clone(),
            side: ledger::postings::LedgerSide {
                table: ledger_table.into(),
                keys,
            },
        }
    }
}

/// The days of the ledger: seals in the `ledger` table.
#[derive(Clone)]
pub struct Seals {
    client: Client,
    side: ledger::postings::LedgerSide,
}

/// The event log: the `events` table.
#[derive(Clone)]
pub struct Inbox {
    client: Client,
    table: String,
}

/// Accounts, jobs and usage: the `main` table.
#[derive(Clone)]
pub struct Store {
    client: Client,
    table: String,
    random: Random,
    ledger: Option<ledger::postings::LedgerSide>,
}

impl Store {
    /// The same store for a door that moves credits: with the table of entries and the key they are digested with.
    #[must_use]
    pub fn with_ledger(self, ledger_table: impl Into<String>, keys: KeySource) -> Self {
        Self {
            ledger: Some(ledger::postings::LedgerSide {
                table: ledger_table.into(),
                keys,
            }),
            ..self
        }
    }
}
