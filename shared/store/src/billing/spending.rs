//! What accounts spend in a billing period, and the most they want to.
//!
//! An outlay is written with the work that it is for, in one transaction: the sum of the period, only if it stays within the
//! limit when work begins; the limit, only if it still is what it was read as; and for each rate with tiers how many units
//! there are, only if they still are as many. What is read before is a guess that these conditions check, so work that
//! begins at the same moment is counted one after another, and a limit that was lowered holds for whatever begins after.

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
    /// By how much the sum changes.
    pub(crate) change: i64,
}

/// What stood against an outlay, in the order in which they decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SpendingRefused {
    /// Others changed the limit or a count of units meanwhile. This decides nothing; read again.
    Changed,
    /// It would be more than the customer wants to spend.
    Beyond,
}

impl Store {
    /// The items with which work begins, if that is within the limit.
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
            // Nothing counted yet is as good as none, if there is room for it at all.
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

    /// The items with which work ends, or tells that it has been done: whatever the limit is, it is counted.
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

    /// The counts of the rates with tiers, and by how much they and the flat part change the sum.
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

    /// The limit, as long as it is what was read.
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

    /// How many units each rate with tiers has come to; strongly consistent.
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

    /// The most that an account wants to spend in a period; strongly consistent.
    pub async fn spend_limit_find(&self, account: &AccountId) -> Result<SpendLimit, StoreError> {
        let key = keys::spend_limit(account);
        let found = self.table.get(READ, &key).await?;
        found.as_ref().map_or(Ok(SpendLimit::default()), limit_of)
    }

    /// Sets what an account wants to spend at most. What is under way goes on; what begins from now on is measured by it.
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

    /// What a period has come to so far; strongly consistent.
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

    /// Owes the warning that a period's spending gives rise to, if there is a limit and it does; what is new of it.
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
    /// What was counted for work that begins, as its row keeps it.
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
