//! The connection to DynamoDB, and one handle for each role a function can have.
//!
//! A receiver holds an [`Inbox`] and an [`Ingest`]. A function that moves jobs and accounts holds a
//! [`Store`]; if it moves credits, the store also has the ledger. The function that seals the
//! ledger's days holds [`Seals`].

use crate::db::table::{Table, UnrelatedItem};
use crate::ledger::key_ring::{KeySource, LedgerSide};
use crate::{Ingest, Switchboard};
use aws_sdk_dynamodb::Client;
use domain::retry::Failure;
use std::sync::Arc;

/// A source of random numbers. A write marks its row with one, so that it can recognize itself if
/// the response was lost.
pub type Random = Arc<dyn Fn() -> u64 + Send + Sync>;

#[derive(Clone)]
pub struct Connection {
    pub(crate) client: Client,
    unrelated_item: UnrelatedItem,
}

impl Connection {
    /// Builds the client from the AWS settings of the process. `endpoint` overrides the endpoint of
    /// the region.
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

    /// Returns the same connection, except that every transaction begins with an unrelated item. No
    /// result may depend on that item: a test compares the results of both connections.
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

    /// Opens the event log in this table.
    pub fn inbox(&self, events_table: impl Into<String>) -> Inbox {
        Inbox {
            table: self.table(events_table),
        }
    }

    /// Opens the accounts, jobs, and usage in this table.
    pub fn store(&self, main_table: impl Into<String>, random: Random) -> Store {
        Store {
            table: self.table(main_table),
            random,
            ledger: None,
        }
    }

    /// Opens the switch in this table that controls whether webhooks from a source are accepted.
    pub fn ingest(
        &self,
        events_table: impl Into<String>,
        source: domain::inbox::EventSource,
    ) -> Ingest {
        Ingest::new(self.table(events_table), source)
    }

    /// Opens all other switches in this table.
    pub fn switches(&self, main_table: impl Into<String>) -> Switchboard {
        Switchboard::new(self.table(main_table))
    }

    /// Opens what recovery knows in this table.
    pub fn recoveries(&self, main_table: impl Into<String>) -> Recoveries {
        Recoveries {
            table: self.table(main_table),
        }
    }

    /// Opens the days of the ledger in this table. The newest of these keys seals them.
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

/// What recovery knows of each sender, in two partitions of the `main` table.
#[derive(Clone)]
pub struct Recoveries {
    pub(crate) table: Table,
}

/// The event log, in the `events` table.
#[derive(Clone)]
pub struct Inbox {
    pub(crate) table: Table,
}

/// Accounts, jobs, and usage, in the `main` table.
#[derive(Clone)]
pub struct Store {
    pub(crate) table: Table,
    pub(crate) random: Random,
    pub(crate) ledger: Option<LedgerSide>,
}

impl Store {
    /// Returns the same store for a function that moves credits, with the table of entries and the
    /// keys that digest the entries.
    #[must_use]
    pub fn with_ledger(self, ledger_table: impl Into<String>, keys: KeySource) -> Self {
        let table = self.table.beside(ledger_table.into());
        Self {
            ledger: Some(LedgerSide { table, keys }),
            ..self
        }
    }

    /// Returns the same store for a function that only shows entries. Without a key it can write
    /// none.
    #[must_use]
    pub fn with_ledger_to_read(self, ledger_table: impl Into<String>) -> Self {
        let keys: KeySource = Arc::new(|| {
            Box::pin(async { Err(Failure::never("this function has no key of the ledger")) })
        });
        self.with_ledger(ledger_table, keys)
    }
}
