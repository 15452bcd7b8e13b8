//! Seals: what the ledger was on each day, chained to the day before.
//!
//! A day's seal holds how many entries the day had and the sum of their digests, and a keyed digest over that and the seal
//! before it. So nobody can change, add or take away an entry of a sealed day without making every seal since anew, and
//! the key for that is in no table.

use crate::Seals;
use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, number, text};
use crate::db::keys;
use crate::ledger::postings::KeyRing;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
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

/// What became of the wish to seal a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sealed {
    /// Written.
    Now(Seal),
    /// The day has this very seal.
    Already(Seal),
    /// The day has a seal, and it is another one than its entries make.
    Otherwise(Seal),
}

/// Whether a day still is what its seal says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// It is.
    Holds,
    /// It is not, and what is wrong.
    Broken(&'static str),
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
        ring.seal_by(&self.key, &parts.each_ref().map(String::as_str))
            .as_ref()
            == Some(&self.link)
    }

    /// The first moment of the day that has to be sealed next.
    pub fn next_day(&self) -> Option<Timestamp> {
        Timestamp::parse(&format!("{}T00:00:00Z", self.day)).map(Timestamp::next_day)
    }

    /// What does not agree with these entries of its day; none if all does.
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
    /// Seals a day behind the one that was sealed last. A day that has its seal keeps it.
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
        let put = self
            .side
            .table
            .client
            .put_item()
            .table_name(&self.side.table.name)
            .set_item(Some(seal_attributes(&seal)))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let stands = match put.send().await {
            Ok(_) => return Ok(Sealed::Now(seal)),
            Err(error) => stands(error)?,
        };
        let stands = seal_of(&Item::new(&stands, SEAL))?;
        // The key may have been rotated between the two; then the links differ and nothing else.
        let same = stands.parts() == seal.parts() && stands.holds(&ring);
        Ok(if same {
            Sealed::Already(stands)
        } else {
            Sealed::Otherwise(stands)
        })
    }

    /// Whether a day still is what its seal says.
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

    /// The day that was sealed last.
    pub async fn seal_last(&self) -> Result<Option<Seal>, StoreError> {
        let found = self
            .side
            .table
            .client
            .query()
            .table_name(&self.side.table.name)
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

    /// What the entries of a day add up to. They may be listed some moments after they were written.
    pub async fn day_sum(&self, day: Timestamp) -> Result<DaySum, StoreError> {
        let (day, mut sum) = (day.day(), DaySum::default());
        for shard in 0..keys::SHARDS {
            let mut pages = self
                .side
                .table
                .client
                .query()
                .table_name(&self.side.table.name)
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

/// The seal that stood in the way of a put, or the error it really was.
fn stands(
    error: SdkError<PutItemError, aws_smithy_runtime_api::client::orchestrator::HttpResponse>,
) -> Result<Attributes, StoreError> {
    match &error {
        SdkError::ServiceError(failed) => match failed.err() {
            PutItemError::ConditionalCheckFailedException(check) => {
                Ok(check.item.clone().unwrap_or_default())
            }
            _ => Err(StoreError::sdk(SEAL, error)),
        },
        _ => Err(StoreError::sdk(SEAL, error)),
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
