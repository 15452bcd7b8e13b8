//! The positions of the switches, and who changed them and why.
//!
//! All switches except the receivers' are in one partition together with the paused accounts, so a
//! function reads everything with one query. A position of on is cached for a minute. A position of
//! off is re-read after a second, because the sender of a message may already know a newer
//! position. A change and its record are one transaction, which is written only if it changes the
//! position.

use crate::db::cache::Believed;
use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, text, time};
use crate::db::keys;
use crate::db::table::{Table, page};
use crate::db::tx::{Change, Committed, put_new};
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use domain::ids::{AccountId, ActionId};
use domain::switches::Switch;
use domain::switches::{SwitchName, Switches};
use domain::time::Timestamp;
use std::time::Duration;

/// How long positions are cached.
pub(crate) const BELIEVED: Duration = Duration::from_secs(60);
/// The maximum age of a position that stops work: long enough for one batch of messages.
const FRESH_FOR: Duration = Duration::from_secs(1);
/// The number of changes of a switch to list.
const CHANGES_MAX: i32 = 50;

const READ: &str = "read the switches";
const SET: &str = "switch";

/// A switch in the `main` table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// A switch for all accounts.
    Named(SwitchName),
    /// The switch that pauses an account. Off means paused.
    Account(AccountId),
}

impl Which {
    fn key(&self) -> String {
        match self {
            Self::Named(name) => name.as_str().to_owned(),
            Self::Account(id) => keys::switch_of(id),
        }
    }
}

/// An operator's change of a switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwitchWord {
    pub position: Switch,
    pub by: String,
    pub reason: String,
    pub at: Timestamp,
}

/// The current position of a switch, since when, and by whom. It is the latest change; earlier
/// changes have the same form.
pub type SwitchRow = SwitchWord;

/// The result of setting a switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switched {
    /// The position was changed.
    Now,
    /// The switch was already in this position.
    Already,
}

/// The switches in the `main` table.
pub struct Switchboard {
    table: Table,
    believed: Believed<Switches>,
}

impl Switchboard {
    pub(crate) fn new(table: Table) -> Self {
        Self {
            table,
            believed: Believed::at_first(Switches::default()),
        }
    }

    /// Returns whether something may continue.
    pub async fn switch_now(&self, now: Timestamp, of: impl Fn(&Switches) -> Switch) -> Switch {
        let believed = of(&self
            .believed
            .now(now, BELIEVED, async || self.switch_read().await)
            .await);
        match believed {
            Switch::On => Switch::On,
            Switch::Off => of(&self.switches_fresh(now).await),
        }
    }

    /// Reads all switches, at most a second old.
    pub async fn switches_fresh(&self, now: Timestamp) -> Switches {
        self.believed
            .now(now, FRESH_FOR, async || self.switch_read().await)
            .await
    }

    async fn switch_read(&self) -> Result<Switches, StoreError> {
        let with = |switches: Switches, (which, row): (Which, SwitchRow)| match which {
            Which::Named(name) => switches.with(name, row.position),
            Which::Account(id) if row.position == Switch::Off => switches.with_paused(id),
            Which::Account(_) => switches,
        };
        Ok(self
            .switch_list()
            .await?
            .into_iter()
            .fold(Switches::default(), with))
    }

    /// Lists every switch that was ever set.
    pub async fn switch_list(&self) -> Result<Vec<(Which, SwitchRow)>, StoreError> {
        let mut rows = Vec::new();
        for found in self.table.query_partition(READ, keys::SWITCHES).await? {
            let item = Item::new(&found, READ);
            // A switch that only a newer version knows is ignored here.
            if let Some(which) = which_of(item.text("sk")?) {
                rows.push((which, row_of(&item)?));
            }
        }
        Ok(rows)
    }

    /// Sets a switch, and records who changed it and why.
    pub async fn switch_set(
        &self,
        which: &Which,
        word: &SwitchWord,
        act: &ActionId,
    ) -> Result<Switched, StoreError> {
        let which = which.key();
        let mut kept = keys::switched(&which, word.at, act).attributes();
        kept.extend(attributes(word));
        let switch = change_of(keys::switch(&which), word).item(&self.table);
        switched(&self.table, switch, put_new(&self.table, kept)).await
    }

    /// Lists the latest changes of a switch, newest first.
    pub async fn switch_changes(&self, which: &Which) -> Result<Vec<SwitchRow>, StoreError> {
        let pk = keys::switched_pk(&which.key());
        let query = self.table.query().key_condition_expression("pk = :pk");
        let query = query
            .expression_attribute_values(":pk", text(pk))
            .scan_index_forward(false)
            .limit(CHANGES_MAX);
        let found = page(READ, query).await?;
        found
            .iter()
            .map(|found| row_of(&Item::new(found, READ)))
            .collect()
    }
}

fn which_of(sk: &str) -> Option<Which> {
    match keys::account_of(sk) {
        Some(id) => Some(Which::Account(id)),
        None => SwitchName::parse(sk).map(Which::Named),
    }
}

/// Builds the change of the switch itself; the condition requires that the position changes.
pub(crate) fn change_of(key: keys::Key, word: &SwitchWord) -> Change {
    Change::of(key)
        .set("on", AttributeValue::Bool(word.position.is_on()))
        .set("by", text(&word.by))
        .set("reason", text(&word.reason))
        .set("at", time(word.at))
        .when("attribute_not_exists(pk) OR #on <> :on", vec![])
}

pub(crate) fn attributes(word: &SwitchWord) -> Attributes {
    [
        ("on", AttributeValue::Bool(word.position.is_on())),
        ("by", text(&word.by)),
        ("reason", text(&word.reason)),
        ("at", time(word.at)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

pub(crate) fn row_of(item: &Item<'_>) -> Result<SwitchRow, StoreError> {
    Ok(SwitchRow {
        position: item.switch("on")?,
        by: item.text("by")?.to_owned(),
        reason: item.text("reason")?.to_owned(),
        at: item.time("at")?,
    })
}

/// Writes a change of a switch together with its record.
pub(crate) async fn switched(
    table: &Table,
    switch: TransactWriteItem,
    record: TransactWriteItem,
) -> Result<Switched, StoreError> {
    let mut tx = table.transaction(SET);
    tx.add(switch).or(Unchanged);
    tx.add(record);
    Ok(match tx.commit().await? {
        Committed::Written => Switched::Now,
        Committed::Refused(Unchanged, _) => Switched::Already,
    })
}

/// The switch is already in this position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Unchanged;
