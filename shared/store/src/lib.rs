//! The wall to DynamoDB, the only importer of its SDK.
//!
//! Owns every table, key, condition and reading. Promises that no write depends on an earlier read: each is conditional and
//! says in its outcome what it found. Naming: noun first, then verb; `find_` may be absent, `load_` must exist, `list_`
//! pages. Three handles, because three roles: receivers hold an [`Inbox`] (the `events` table) and nothing else; who moves
//! jobs and accounts holds a [`Store`] (the `main` table, and where credits move the `ledger`); who seals the ledger's days
//! holds [`Seals`] (the `ledger` table alone). Beside them stand the switches: [`Ingest`] in `events`, [`Switchboard`] in
//! `main`.

mod accounts;
mod api_keys;
mod audit;
mod believed;
mod bodies;
mod digests;
mod due;
mod errands;
mod error;
mod expiries;
mod expression;
mod inbox;
mod ingest;
mod intents;
mod item;
mod jobs;
mod keys;
mod ledger;
mod mailings;
mod marketplace;
mod members;
mod metering;
mod moving;
mod notices;
mod outlays;
mod pages;
mod parked;
mod payments;
mod phases;
mod postings;
mod quotas;
mod rates;
mod requests;
mod reveals;
pub mod schema;
mod seals;
mod sessions;
mod signups;
mod steps;
mod subscriptions;
mod switches;
mod terms;
mod writes;

pub use accounts::{AccountBegun, AccountCreated, InstallationNoted};
pub use api_keys::{KEYS_MAX, KeyCreated, key_digest};
pub use audit::{Audit, Rebuilt, Unbalanced};
pub use due::{Due, DueItem, Moved};
pub use errands::{ErrandClaimed, ErrandCreated, NewErrand, SummaryPlace, WholeErrand};
pub use error::StoreError;
pub use expiries::{Expiring, Expiry};
pub use inbox::{Event, Finished, Recorded, Redue, Taken};
pub use ingest::Ingest;
pub use intents::{Begun, Intent};
pub use jobs::{Advanced, Claimed, CommentClaim, JobCreated, NewJob};
pub use ledger::{OpenHold, Post};
pub use mailings::{AccountChanged, Mailing, Muted, Unmuted};
pub use marketplace::PurchaseNoted;
pub use members::{Left, LetIn, MEMBERS_MAX, RoleSet, TakenOut};
pub use metering::{Owed, ReportClaim};
pub use moving::{Move, OwnerMoved, Proof};
pub use notices::{NoticeClaim, NoticeOwed, NoticeRow, Tried, Untold};
pub use pages::{Cursor, Page};
pub use parked::{Decided, Unbilled, UsagePage, UsageRow, UsageState, WriteOff};
pub use payments::PaymentLearnt;
pub use phases::Reported;
pub use postings::{BadLedgerKey, KeyRing, KeySource};
pub use quotas::{Counted, UsageRecord, UsageRecorded};
pub use rates::{RateCounted, Requests, Window};
pub use requests::RequestMade;
pub use reveals::reveal_digest;
pub use seals::{Checked, DaySum, Seal, Sealed};
pub use sessions::{Linked, session_digest};
pub use signups::{Provisioned, SignUpMoved, SignUpOwed, SignUpRow, mail_newcomer};
pub use subscriptions::Noted;
pub use switches::{SwitchRow, SwitchWord, Switchboard, Switched, Which};
pub use writes::Written;

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
    pub fn ingest(&self, events_table: impl Into<String>, source: domain::inbox::Source) -> Ingest {
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
            side: postings::LedgerSide {
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
    side: postings::LedgerSide,
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
    ledger: Option<postings::LedgerSide>,
}

impl Store {
    /// The same store for a door that moves credits: with the table of entries and the key they are digested with.
    #[must_use]
    pub fn with_ledger(self, ledger_table: impl Into<String>, keys: KeySource) -> Self {
        Self {
            ledger: Some(postings::LedgerSide {
                table: ledger_table.into(),
                keys,
            }),
            ..self
        }
    }
}
