//! How a function reaches DynamoDB: one connection, and one handle for each role that a function may have.
//!
//! A receiver holds an [`Inbox`] and an [`Ingest`]. A function that moves jobs and accounts holds a [`Store`]; if it moves
//! credits, the store also has the ledger. The function that seals the days of the ledger holds [`Seals`].

use crate::db::table::{Table, UnrelatedItem};
use crate::ledger::postings::{KeySource, LedgerSide};
use crate::{Ingest, Switchboard};
use aws_sdk_dynamodb::Client;
use std::sync::Arc;

/// Random numbers from outside. A write marks its row with one, so that it recognizes itself if its answer was lost.
pub type Random = Arc<dyn Fn() -> u64 + Send + Sync>;

/// A connection to DynamoDB.
#[derive(Clone)]
pub struct Connection {
    pub(crate) client: Client,
    unrelated_item: UnrelatedItem,
}

impl Connection {
    /// Builds the client from the AWS settings of the process. `endpoint` replaces the endpoint of the region.
    pub fn new(aws: &aws_types::SdkConfig, endpoint: Option<&str>) -> Self {
        let mut config = aws_sdk_dynamodb::config::Builder::from(aws);
        if let Some(url) = endpoint {
            config = config.endpoint_url(url);
        }
        Self {
            client: Client::from_conf(config.build()),
            unrelated_item: UnrelatedItem::Absent,
        }
    }

    /// The same connection, whose transactions all begin with an item that has nothing to do with them. No answer may
    /// depend on it: a test compares the answers of both.
    #[must_use]
    pub fn with_unrelated_item(self) -> Self {
        Self {
            unrelated_item: UnrelatedItem::First,
            ..self
        }
    }

    fn table(&self, name: impl Into<String>) -> Table {
        Table::new(self.client.clone(), name.into(), self.unrelated_item)
    }

    /// The event log in this table.
    pub fn inbox(&self, events_table: impl Into<String>) -> Inbox {
        Inbox {
            table: self.table(events_table),
        }
    }

    /// Accounts, jobs and usage in this table.
    pub fn store(&self, main_table: impl Into<String>, random: Random) -> Store {
        Store {
            table: self.table(main_table),
            random,
            ledger: None,
        }
    }

    /// The switch in this table that says whether the webhooks of a source are accepted.
    pub fn ingest(
        &self,
        events_table: impl Into<String>,
        source: domain::inbox::EventSource,
    ) -> Ingest {
        Ingest::new(self.table(events_table), source)
    }

    /// All other switches, in this table.
    pub fn switches(&self, main_table: impl Into<String>) -> Switchboard {
        Switchboard::new(self.table(main_table))
    }

    /// The days of the ledger in this table, sealed with the newest of these keys.
    pub fn seals(&self, ledger_table: impl Into<String>, keys: KeySource) -> Seals {
        Seals {
            side: LedgerSide {
                table: self.table(ledger_table),
                keys,
            },
        }
    }
}

/// The seals of the ledger's days, in the `ledger` table.
#[derive(Clone)]
pub struct Seals {
    pub(crate) side: LedgerSide,
}

/// The event log, in the `events` table.
#[derive(Clone)]
pub struct Inbox {
    pub(crate) table: Table,
}

/// Accounts, jobs and usage, in the `main` table.
#[derive(Clone)]
pub struct Store {
    pub(crate) table: Table,
    pub(crate) random: Random,
    pub(crate) ledger: Option<LedgerSide>,
}

impl Store {
    /// The same store for a function that moves credits, with the table of entries and the keys that digest them.
    #[must_use]
    pub fn with_ledger(self, ledger_table: impl Into<String>, keys: KeySource) -> Self {
        let table = self.table.beside(ledger_table.into());
        Self {
            ledger: Some(LedgerSide { table, keys }),
            ..self
        }
    }
}
