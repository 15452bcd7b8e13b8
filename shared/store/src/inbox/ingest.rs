//! Whether webhooks from a source are accepted: one small row in the `events` table, the only table
//! that a receiver can access.
//!
//! A receiver reads the row at most once a minute, together with its secrets, so no webhook waits
//! for it.

use crate::db::cache::Believed;
use crate::db::error::StoreError;
use crate::db::item::Item;
use crate::db::keys;
use crate::db::table::{Table, page};
use crate::db::tx::put_new;
use crate::switches::{
    BELIEVED, SwitchRow, SwitchWord, Switched, attributes, change_of, row_of, switched,
};
use domain::ids::ActionId;
use domain::inbox::EventSource;
use domain::switches::Switch;
use domain::time::Timestamp;

/// The number of changes to list.
const CHANGES_MAX: i32 = 50;
const READ: &str = "read whether webhooks are taken";

/// The switch of one source's receiver.
pub struct Ingest {
    table: Table,
    source: EventSource,
    believed: Believed<Switch>,
}

impl Ingest {
    pub(crate) fn new(table: Table, source: EventSource) -> Self {
        Self {
            table,
            source,
            believed: Believed::at_first(Switch::On),
        }
    }

    /// Returns whether webhooks are accepted. The value is at most a minute old.
    pub async fn ingest_now(&self, now: Timestamp) -> Switch {
        let read = async || {
            Ok(self
                .ingest_find()
                .await?
                .map_or(Switch::On, |row| row.position))
        };
        self.believed.now(now, BELIEVED, read).await
    }

    /// Reads the switch. Returns `None` if it was never set.
    pub async fn ingest_find(&self) -> Result<Option<SwitchRow>, StoreError> {
        let found = self
            .table
            .get_eventual(READ, &keys::ingest(self.source))
            .await?;
        found
            .map(|item| row_of(&Item::new(&item, READ)))
            .transpose()
    }

    /// Sets the switch, and records who changed it and why.
    pub async fn ingest_set(
        &self,
        word: &SwitchWord,
        act: &ActionId,
    ) -> Result<Switched, StoreError> {
        let mut kept = keys::ingest_changed(self.source, word.at, act).attributes();
        kept.extend(attributes(word));
        let switch = change_of(keys::ingest(self.source), word).item(&self.table);
        switched(&self.table, switch, put_new(&self.table, kept)).await
    }

    /// Lists the latest changes, newest first.
    pub async fn ingest_changes(&self) -> Result<Vec<SwitchRow>, StoreError> {
        let query = self
            .table
            .prefix(keys::ingest(self.source).pk, keys::CHANGE)
            .scan_index_forward(false)
            .limit(CHANGES_MAX);
        let found = page(READ, query).await?;
        found
            .iter()
            .map(|found| row_of(&Item::new(found, READ)))
            .collect()
    }
}
