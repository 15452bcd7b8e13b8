//! How the switches stand, who has switched them, and why.
//!
//! All but the receivers' stand side by side in one partition, with the accounts that are paused, so that a door learns of
//! all by one query. That something is on is believed for a minute; that it is off is asked anew, since whoever has sent
//! the message may know better. A change and its record are one transaction, and holds only if it changes anything.

use crate::db::cache::Believed;
use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, text, time};
use crate::db::keys;
use crate::db::table::Table;
use crate::db::tx::{Change, Committed, put_new};
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use domain::ids::{AccountId, ActionId};
use domain::switches::Switch;
use domain::switches::{SwitchName, Switches};
use domain::time::Timestamp;
use std::time::Duration;

/// How long what was read is believed.
pub(crate) const BELIEVED: Duration = Duration::from_secs(60);
/// The same for what stops work: long enough for one batch of messages.
const ANEW: Duration = Duration::from_secs(1);
/// Changes of one switch that are shown.
const CHANGES_MAX: i32 = 50;

const READ: &str = "read the switches";
const SET: &str = "switch";

/// Which switch of those in `main`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// One for all accounts.
    Named(SwitchName),
    /// The one that pauses an account; off is paused.
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

/// An operator's word about a switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwitchWord {
    /// How it is to stand.
    pub position: Switch,
    /// Who says so.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// How a switch stands since when, by whose word. It is the last change, and each change before it looks the same.
pub type SwitchRow = SwitchWord;

/// What became of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switched {
    /// It stands as said from now on.
    Now,
    /// It stood so before.
    Already,
}

/// The switches in `main`.
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

    /// Whether something may go on.
    pub async fn switch_now(&self, now: Timestamp, of: impl Fn(&Switches) -> Switch) -> Switch {
        let believed = of(&self
            .believed
            .now(now, BELIEVED, async || self.switch_read().await)
            .await);
        match believed {
            Switch::On => Switch::On,
            Switch::Off => of(&self.switches_anew(now).await),
        }
    }

    /// All of them, as they stand.
    pub async fn switches_anew(&self, now: Timestamp) -> Switches {
        self.believed
            .now(now, ANEW, async || self.switch_read().await)
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

    /// All that somebody has ever touched.
    pub async fn switch_list(&self) -> Result<Vec<(Which, SwitchRow)>, StoreError> {
        let mut pages = self
            .table
            .client
            .query()
            .table_name(&self.table.name)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(keys::SWITCHES))
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let mut rows = Vec::new();
        while let Some(found) = pages.next().await {
            let found = found.map_err(|error| StoreError::sdk(READ, error))?;
            let item = Item::new(&found, READ);
            // One that a newer version knows stops nothing here.
            if let Some(which) = which_of(item.text("sk")?) {
                rows.push((which, row_of(&item)?));
            }
        }
        Ok(rows)
    }

    /// Switches, and keeps who has and why.
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

    /// The last changes of a switch, newest first.
    pub async fn switch_changes(&self, which: &Which) -> Result<Vec<SwitchRow>, StoreError> {
        let pk = keys::switched_pk(&which.key());
        let query = self
            .table
            .client
            .query()
            .table_name(&self.table.name)
            .key_condition_expression("pk = :pk");
        let query = query
            .expression_attribute_values(":pk", text(pk))
            .scan_index_forward(false)
            .limit(CHANGES_MAX);
        let found = query
            .send()
            .await
            .map_err(|error| StoreError::sdk(READ, error))?;
        found
            .items()
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

/// The switch itself, if the word changes it.
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

/// Writes a change of a switch and the record of it.
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

/// The switch is in this position already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Unchanged;
