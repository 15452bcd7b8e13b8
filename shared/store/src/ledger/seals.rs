//! Seals: the state of the ledger on each day, chained to the previous day.
//!
//! A day's seal holds the number of the day's entries, the sum of their digests, and a keyed digest
//! of these and the previous seal. Changing, adding, or removing an entry of a sealed day would
//! require forging every later seal, and the key for that is not in any table. A sealed day keeps
//! its seal, so sealing it again changes nothing.

use crate::Seals;
use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, number, text};
use crate::db::keys;
use crate::db::table::Updated;
use crate::ledger::key_ring::KeyRing;
use domain::time::Timestamp;

/// The state of the ledger on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// The day, for example `2026-11-20`.
    pub day: String,
    /// The position in the chain, starting with 1.
    pub number: u64,
    pub entries: u64,
    /// The sum of the digests of the day's entries.
    pub digest_sum: u128,
    /// The link of the previous day; empty for the first seal.
    pub previous: String,
    /// The keyed digest of all fields above.
    pub link: String,
    /// The name of the key of the link.
    pub key: String,
}

/// The result of sealing a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sealed {
    /// The seal was written.
    Now(Seal),
    /// The day already has this seal.
    Already(Seal),
    /// The day already has a seal that does not match its entries.
    Otherwise(Seal),
}

/// Whether a day still matches its seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// The day matches its seal.
    Holds,
    /// The day does not match its seal. Contains the reason.
    Broken(&'static str),
}

/// The number of entries and the sum of their digests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DaySum {
    pub entries: u64,
    pub digest_sum: u128,
}

impl Seal {
    /// Whether the link matches the other fields and the named key.
    pub fn holds(&self, ring: &KeyRing) -> bool {
        let parts = self.parts();
        ring.seal_by(&self.key, &parts.each_ref().map(String::as_str))
            .as_ref()
            == Some(&self.link)
    }

    /// Returns the start of the next day to seal.
    pub fn next_day(&self) -> Option<Timestamp> {
        Timestamp::parse(&format!("{}T00:00:00Z", self.day)).map(Timestamp::next_day)
    }

    /// Returns what does not match the entries of the day, or `None` if everything matches.
    pub(crate) fn fault(&self, ring: &KeyRing, day: DaySum) -> Option<&'static str> {
        if !self.holds(ring) {
            return Some("is not what its parts make by its key");
        }
        ((self.entries, self.digest_sum) != (day.entries, day.digest_sum))
            .then_some("covers other entries than the day has")
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
const CHECK: &str = "check a seal";
const LAST: &str = "find the last seal";

impl Seals {
    /// Seals the day after the last sealed one. A day that already has a seal keeps it.
    pub async fn day_seal(
        &self,
        day: Timestamp,
        previous: Option<&Seal>,
    ) -> Result<Sealed, StoreError> {
        let ring = self.ring(SEAL).await?;
        let DaySum {
            entries,
            digest_sum,
        } = self.day_sum(day).await?;
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
        let put = self.side.table.put_new(SEAL, seal_attributes(&seal));
        let stands = match put.await? {
            Updated::Done(()) => return Ok(Sealed::Now(seal)),
            Updated::Refused(old) => old,
        };
        let stands = seal_of(&Item::new(&stands, SEAL))?;
        // The key may have been rotated between the two writes. In that case only the links differ.
        let same = stands.parts() == seal.parts() && stands.holds(&ring);
        Ok(if same {
            Sealed::Already(stands)
        } else {
            Sealed::Otherwise(stands)
        })
    }

    /// Checks whether a day still matches its seal.
    pub async fn seal_check(&self, seal: &Seal) -> Result<Checked, StoreError> {
        let ring = self.ring(CHECK).await?;
        let Some(next) = seal.next_day() else {
            return Ok(Checked::Broken("is of no day"));
        };
        let day = self
            .day_sum(Timestamp::from_millis(next.millis() - 1))
            .await?;
        Ok(seal
            .fault(&ring, day)
            .map_or(Checked::Holds, Checked::Broken))
    }

    /// Finds the latest seal.
    pub async fn seal_last(&self) -> Result<Option<Seal>, StoreError> {
        let found = self
            .side
            .table
            .query()
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(keys::SEALS))
            .scan_index_forward(false)
            .consistent_read(true)
            .limit(1)
            .send()
            .await
            .map_err(|e| StoreError::sdk(LAST, e))?;
        found
            .items()
            .first()
            .map(|item| seal_of(&Item::new(item, LAST)))
            .transpose()
    }

    /// Sums the entries of a day. A new entry can take a moment to appear.
    pub async fn day_sum(&self, day: Timestamp) -> Result<DaySum, StoreError> {
        let (day, mut sum) = (day.day(), DaySum::default());
        for shard in 0..keys::SHARDS {
            let mut pages = self
                .side
                .table
                .query()
                .index_name("day")
                .key_condition_expression("#day = :day")
                .expression_attribute_names("#day", "day")
                .expression_attribute_values(":day", text(keys::day_shard(&day, shard)))
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

    async fn ring(&self, operation: &'static str) -> Result<KeyRing, StoreError> {
        (self.side.keys)()
            .await
            .map_err(|failure| StoreError::no_key(operation, failure))
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
        day: item
            .text("sk")?
            .strip_prefix(keys::SEAL)
            .ok_or_else(|| item.bad("sk"))?
            .to_owned(),
        number: item.number("number")?,
        entries: item.number("entries")?,
        digest_sum: item.number("digest_sum")?,
        previous: item.text("previous")?.to_owned(),
        link: item.text("link")?.to_owned(),
        key: item.text("key")?.to_owned(),
    })
}
