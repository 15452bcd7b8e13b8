//! Seals: what the ledger was on each day, chained to the day before.
//!
//! A day's seal holds how many entries the day had and the sum of their digests, and a keyed digest over that and the seal
//! before it. So nobody can change, add or take away an entry of a sealed day without making every seal since anew, and
//! the key for that is in no table.

use crate::error::{StoreError, condition_failed};
use crate::expression::put_new;
use crate::item::{Attributes, Item, number, text};
use crate::postings::KeyRing;
use crate::{Finished, Store, keys};
use domain::time::Timestamp;

/// What the ledger was on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// Which day, as `2026-11-20`.
    pub day: String,
    /// How many days have been sealed with it.
    pub number: u64,
    /// How many entries the day had.
    pub entries: u64,
    /// The sum of their digests.
    pub digest_sum: u128,
    /// The link of the day before; empty for the first.
    pub previous: String,
    /// The digest over all this.
    pub link: String,
    /// By which key.
    pub key: String,
}

/// How many entries there are, and the sum of their digests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DaySum {
    /// How many.
    pub entries: u64,
    /// Their digests' sum.
    pub digest_sum: u128,
}

impl Seal {
    /// Whether its link is what its parts make by the key it names.
    pub fn holds(&self, ring: &KeyRing) -> bool {
        let parts = self.parts();
        ring.seal_by(&self.key, &parts.each_ref().map(String::as_str)).as_ref() == Some(&self.link)
    }

    fn parts(&self) -> [String; 5] {
        [
            self.day.clone(),
            self.number.to_string(),
            self.entries.to_string(),
            self.digest_sum.to_string(),
            self.previous.clone(),
        ]
    }
}

const SEAL: &str = "seal a day";

impl Store {
    /// Seals a day behind the one that was sealed last.
    pub async fn day_seal(&self, day: Timestamp, previous: Option<&Seal>) -> Result<(Finished, Seal), StoreError> {
        let side = self.ledger_side(SEAL)?;
        let ring = (side.keys)().await.map_err(|failure| StoreError::no_key(SEAL, failure))?;
        let DaySum { entries, digest_sum } = self.day_sum(&day.day()).await?;
        let mut seal = Seal {
            day: day.day(),
            number: previous.map_or(1, |previous| previous.number + 1),
            entries,
            digest_sum,
            previous: previous.map_or_else(String::new, |previous| previous.link.clone()),
            link: String::new(),
            key: String::new(),
        };
        (seal.key, seal.link) = ring.seal(&seal.parts().each_ref().map(String::as_str));
        let items = vec![put_new(&side.table, seal_attributes(&seal))];
        let Err(error) = self.client.transact_write_items().set_transact_items(Some(items)).send().await else {
            return Ok((Finished::Now, seal));
        };
        let reasons = crate::error::cancellation_reasons(&error).map(<[_]>::to_vec);
        match reasons {
            Some(reasons) => match condition_failed(reasons.first()).and_then(|held| held.item()) {
                Some(item) => Ok((Finished::Already, seal_of(&Item::new(item, SEAL))?)),
                None => Err(StoreError::cancelled(SEAL, &reasons)),
            },
            None => Err(StoreError::sdk(SEAL, error)),
        }
    }

    /// The day that was sealed last.
    pub async fn seal_last(&self) -> Result<Option<Seal>, StoreError> {
        let side = self.ledger_side("find the last seal")?;
        let found = self
            .client
            .query()
            .table_name(&side.table)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(keys::SEALS))
            .scan_index_forward(false)
            .consistent_read(true)
            .limit(1)
            .send()
            .await
            .map_err(|e| StoreError::sdk("find the last seal", e))?;
        found.items().first().map(|item| seal_of(&Item::new(item, "find the last seal"))).transpose()
    }

    /// What the entries of a day add up to. They may be listed some moments after they were written.
    async fn day_sum(&self, day: &str) -> Result<DaySum, StoreError> {
        let side = self.ledger_side("add up a day")?;
        let mut sum = DaySum::default();
        for shard in 0..keys::SHARDS {
            let mut pages = self
                .client
                .query()
                .table_name(&side.table)
                .index_name("day")
                .key_condition_expression("#day = :day")
                .expression_attribute_names("#day", "day")
                .expression_attribute_values(":day", text(keys::day_shard(day, shard)))
                .into_paginator()
                .items()
                .send();
            while let Some(item) = pages.next().await {
                let item = item.map_err(|e| StoreError::sdk("add up a day", e))?;
                sum.add(Item::new(&item, "add up a day").number("digest")?);
            }
        }
        Ok(sum)
    }
}

impl DaySum {
    pub(crate) const fn add(&mut self, digest: u128) {
        self.entries += 1;
        self.digest_sum = self.digest_sum.saturating_add(digest);
    }
}

fn seal_attributes(seal: &Seal) -> Attributes {
    let mut item = keys::seal(&seal.day).attributes();
    let more = [
        ("number", number(seal.number)),
        ("entries", number(seal.entries)),
        ("digest_sum", number(seal.digest_sum)),
        ("previous", text(&seal.previous)),
        ("link", text(&seal.link)),
        ("key", text(&seal.key)),
    ];
    item.extend(more.map(|(name, value)| (name.to_owned(), value)));
    item
}

pub(crate) fn seal_of(item: &Item<'_>) -> Result<Seal, StoreError> {
    Ok(Seal {
        day: item.text("sk")?.strip_prefix(keys::SEAL).ok_or_else(|| item.bad("sk"))?.to_owned(),
        number: item.number("number")?,
        entries: item.number("entries")?,
        digest_sum: item.number("digest_sum")?,
        previous: item.text("previous")?.to_owned(),
        link: item.text("link")?.to_owned(),
        key: item.text("key")?.to_owned(),
    })
}
