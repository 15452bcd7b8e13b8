//! What accounts spend in a billing period, and their spend limits.
//!
//! An outlay is written in the same transaction as its work, under three conditions. When work
//! begins, the sum of the period must stay within the limit, and the limit must be the one that was
//! read. For each tiered rate, the unit count must be the one that was read. The conditions check
//! the earlier reads, so concurrent work is counted one after another, and a lowered limit applies
//! to all work that begins later.

use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, number, text, time};
use crate::db::keys;
use crate::db::tx::{Change, check_when};
use crate::jobs::terms::RESERVED;
use crate::{NoticeOwed, Store};
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use domain::billing::spending::{
    SpendChange, SpendLimit, SpendStage, SpendUnit, Spent, TierDelta, signed,
};
use domain::ids::AccountId;
use domain::notices::Notice;
use domain::time::Timestamp;
use domain::units::Credits;
use domain::units::{Currency, Money};

const SPEND: &str = "count what is spent";
const READ: &str = "read a spend limit";

/// An outlay, ready to join a transaction.
#[derive(Default)]
pub(crate) struct Reservation {
    pub(crate) items: Vec<(TransactWriteItem, SpendingRefused)>,
    /// The change of the sum.
    pub(crate) change: i64,
}

/// Reasons to refuse an outlay, in order of precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SpendingRefused {
    /// Another writer changed the limit or a unit count in the meantime. This decides nothing; read
    /// again.
    Changed,
    /// The outlay would exceed the customer's spend limit.
    Beyond,
}

impl Store {
    /// Builds the items for work that begins, if it fits the limit.
    pub(crate) async fn outlay_begin(
        &self,
        outlay: Option<&SpendChange>,
    ) -> Result<Reservation, StoreError> {
        let Some(outlay) = outlay else {
            return Ok(Reservation::default());
        };
        let limit = self.spend_limit_find(&outlay.account).await?;
        let mut reservation = self.tiers_change(outlay).await?;
        let sum = self.sum_change(outlay, reservation.change);
        let sum = match limit.of(outlay.unit).map(signed) {
            None => sum,
            // A missing row counts as zero, which is acceptable only if the change itself fits the
            // limit.
            Some(most) if most >= reservation.change => {
                let before = vec![("before", number(most - reservation.change))];
                sum.when("attribute_not_exists(#used) OR #used <= :before", before)
            }
            Some(most) => sum.when(
                "#used <= :before",
                vec![("before", number(most - reservation.change))],
            ),
        };
        let limit = self.unchanged(outlay, &limit);
        reservation.items.extend([
            (sum.item(&self.table), SpendingRefused::Beyond),
            (limit, SpendingRefused::Changed),
        ]);
        Ok(reservation)
    }

    /// Builds the items for work that ends or is reported as done. The amount is counted whatever
    /// the limit is.
    pub(crate) async fn outlay_end(
        &self,
        outlay: Option<&SpendChange>,
    ) -> Result<Reservation, StoreError> {
        let Some(outlay) = outlay else {
            return Ok(Reservation::default());
        };
        let mut reservation = self.tiers_change(outlay).await?;
        let sum = self.sum_change(outlay, reservation.change);
        let sum = (sum.item(&self.table), SpendingRefused::Beyond);
        reservation.items.push(sum);
        Ok(reservation)
    }

    /// Builds the unit counts of the tiered rates, and computes how much they and the flat part
    /// change the sum.
    async fn tiers_change(&self, outlay: &SpendChange) -> Result<Reservation, StoreError> {
        let seen = self.units_seen(outlay).await?;
        let (mut change, mut items) = (outlay.flat, Vec::new());
        for tier_delta in &outlay.tier_deltas {
            let key = keys::units(
                &outlay.account,
                &outlay.period,
                &tier_delta.meter,
                &tier_delta.rate.text(),
            );
            let before = seen
                .iter()
                .find(|(sk, _)| *sk == key.sk)
                .map(|(_, units)| *units);
            let after = before.unwrap_or(0).saturating_add_signed(tier_delta.units);
            change += cost(tier_delta, after) - cost(tier_delta, before.unwrap_or(0));
            let still = match before {
                Some(before) => ("#used = :before", vec![("before", number(before))]),
                None => ("attribute_not_exists(#used)", vec![]),
            };
            let count = Change::of(key)
                .set("used", number(after))
                .when(still.0, still.1);
            items.push((count.item(&self.table), SpendingRefused::Changed));
        }
        Ok(Reservation { items, change })
    }

    fn sum_change(&self, outlay: &SpendChange, change: i64) -> Change {
        let reserved = match outlay.stage {
            SpendStage::Begins => change,
            SpendStage::Ends { reserved } => -signed(reserved),
            SpendStage::Done => 0,
        };
        Change::of(keys::outlay(&outlay.account, &outlay.period, outlay.unit))
            .add("used", number(change))
            .add("reserved", number(reserved))
    }

    /// Checks that the limit is still the one that was read.
    fn unchanged(&self, outlay: &SpendChange, limit: &SpendLimit) -> TransactWriteItem {
        let key = keys::spend_limit(&outlay.account);
        let (condition, seen) = match outlay.unit {
            SpendUnit::Money => (
                "#money = :seen",
                limit.money.map(|money| number(money.minor)),
            ),
            SpendUnit::Credits => (
                "#credits = :seen",
                limit.credits.map(|credits| number(credits.micros())),
            ),
        };
        match (seen, outlay.unit) {
            (Some(seen), _) => check_when(&self.table, key, condition, vec![("seen", seen)]),
            (None, SpendUnit::Money) => {
                check_when(&self.table, key, "attribute_not_exists(#money)", vec![])
            }
            (None, SpendUnit::Credits) => {
                check_when(&self.table, key, "attribute_not_exists(#credits)", vec![])
            }
        }
    }

    /// Reads the unit count of each tiered rate; strongly consistent.
    async fn units_seen(&self, outlay: &SpendChange) -> Result<Vec<(String, u64)>, StoreError> {
        if outlay.tier_deltas.is_empty() {
            return Ok(Vec::new());
        }
        let mut seen = Vec::new();
        for item in self
            .table
            .query_prefix(
                SPEND,
                keys::account(&outlay.account).pk,
                keys::units_prefix(&outlay.period),
            )
            .await?
        {
            let item = Item::new(&item, SPEND);
            seen.push((item.text("sk")?.to_owned(), item.number("used")?));
        }
        Ok(seen)
    }

    /// Reads the spend limit of an account; strongly consistent.
    pub async fn spend_limit_find(&self, account: &AccountId) -> Result<SpendLimit, StoreError> {
        let key = keys::spend_limit(account);
        let found = self.table.get(READ, &key).await?;
        found.as_ref().map_or(Ok(SpendLimit::default()), limit_of)
    }

    /// Sets the spend limit of an account. Work in progress continues; the limit applies to work
    /// that begins from now on.
    pub async fn spend_limit_set(
        &self,
        account: &AccountId,
        limit: &SpendLimit,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let change = Change::of(keys::spend_limit(account))
            .set_or_remove("money", limit.money.map(|money| number(money.minor)))
            .set_or_remove(
                "currency",
                limit.money.map(|money| text(money.currency.as_str())),
            )
            .set_or_remove(
                "credits",
                limit.credits.map(|credits| number(credits.micros())),
            )
            .set("changed_at", time(at));
        self.table
            .update("set a spend limit", change)
            .await
            .map(drop)
    }

    /// Reads the spending of a period so far; strongly consistent.
    pub async fn spent_find(
        &self,
        account: &AccountId,
        period: &str,
        unit: SpendUnit,
    ) -> Result<Spent, StoreError> {
        let key = keys::outlay(account, period, unit);
        let found = self.table.get("read what was spent", &key).await?;
        let nothing = Attributes::new();
        let item = Item::new(found.as_ref().unwrap_or(&nothing), "read what was spent");
        let sum = |name| {
            Ok(item
                .find_number::<i64>(name)?
                .map_or(0, |sum| u64::try_from(sum).unwrap_or(0)))
        };
        Ok(Spent::of(sum("used")?, sum("reserved")?))
    }

    /// Whether work that begins would fit the spend limit now.
    pub async fn spending_fits(&self, outlay: Option<&SpendChange>) -> Result<bool, StoreError> {
        let Some(outlay) = outlay else {
            return Ok(true);
        };
        let limit = self.spend_limit_find(&outlay.account).await?;
        let Some(most) = limit.of(outlay.unit).map(signed) else {
            return Ok(true);
        };
        let change = self.tiers_change(outlay).await?.change;
        let spent = self
            .spent_find(&outlay.account, &outlay.period, outlay.unit)
            .await?;
        let sum = signed(spent.spent.saturating_add(spent.reserved));
        Ok(sum.saturating_add(change) <= most)
    }

    /// Creates the warning that a period's spending calls for, if the account has a limit. Returns
    /// the warning if it is new.
    pub async fn spend_warn(
        &self,
        account: &AccountId,
        (unit, period): (SpendUnit, &str),
        now: Timestamp,
    ) -> Result<Option<Notice>, StoreError> {
        let limit = self.spend_limit_find(account).await?;
        if limit.of(unit).is_none() {
            return Ok(None);
        }
        let spent = self.spent_find(account, period, unit).await?;
        let Some(notice) = limit.warning((unit, period), spent, now) else {
            return Ok(None);
        };
        Ok((self.notice_owe(account, &notice, now).await? == NoticeOwed::Now).then_some(notice))
    }
}

impl Reservation {
    /// The reserved amount of work that begins, as an attribute of its row.
    pub(crate) fn reserved(&self) -> Option<(String, AttributeValue)> {
        (!self.items.is_empty()).then(|| (RESERVED.to_owned(), number(self.change)))
    }
}

fn cost(tier_delta: &TierDelta, units: u64) -> i64 {
    signed(tier_delta.rate.micros(units))
}

fn limit_of(attributes: &Attributes) -> Result<SpendLimit, StoreError> {
    let item = Item::new(attributes, READ);
    let credits = item.find_number("credits")?;
    let money = match item.find_number("money")? {
        Some(minor) => {
            let currency = item.parsed("currency", |text| Currency::parse(text).ok_or(()))?;
            Some(Money { minor, currency })
        }
        None => None,
    };
    let credits = credits
        .map(|micros| Credits::from_micros(micros).ok_or_else(|| item.bad("credits")))
        .transpose()?;
    Ok(SpendLimit { money, credits })
}
