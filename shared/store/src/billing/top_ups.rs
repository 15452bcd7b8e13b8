//! Automatic top-up: the settings of an account, and the crossing in progress.
//!
//! One row, which every write replaces only in the version that was read. A crossing begins after
//! the balance was read, and the row before it: a balance that is low because a top-up has not been
//! granted yet belongs to a version in which that top-up is in progress. So two concurrent
//! movements begin one crossing, and a process that dies after it leaves the row due.

use crate::Store;
use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, number, text, time};
use crate::db::keys;
use crate::db::table::Updated;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::billing::pack_terms::PackTerms;
use domain::billing::plans::PlanId;
use domain::billing::top_ups::{Charge, ChargeStage, OffReason, TopUp, TopUpTerms};
use domain::ids::{AccountId, PaymentIntentId};
use domain::time::Timestamp;
use domain::units::{Credits, Currency, Money};

const READ: &str = "read automatic top-up";
const WRITE: &str = "write automatic top-up";

/// Whether the row was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopUpSaved {
    Now,
    /// Another writer changed it first.
    Changed,
}

impl Store {
    /// Reads automatic top-up of an account; strongly consistent. `None` if it was never set.
    pub async fn top_up_find(&self, account: &AccountId) -> Result<Option<TopUp>, StoreError> {
        let found = self.table.get(READ, &keys::top_up(account)).await?;
        found.as_ref().map(top_up_of).transpose()
    }

    /// Replaces the version before `next`.
    pub async fn top_up_save(
        &self,
        account: &AccountId,
        next: &TopUp,
    ) -> Result<TopUpSaved, StoreError> {
        let item = attributes(account, next);
        let written = if next.version == 1 {
            self.table.put_new(WRITE, item).await?
        } else {
            let was = vec![("was", number(next.version - 1))];
            self.table
                .put_when(WRITE, item, "#version = :was", was)
                .await?
        };
        Ok(match written {
            Updated::Done(()) => TopUpSaved::Now,
            Updated::Refused(_) => TopUpSaved::Changed,
        })
    }

    /// Begins a top-up if the account's balance is below its threshold. Its row is due then.
    pub async fn top_up_begin(
        &self,
        account: &AccountId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.while_contended(|| self.top_up_begin_once(account, now))
            .await
    }

    async fn top_up_begin_once(
        &self,
        account: &AccountId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        // The row comes first; see the head of this file.
        let Some(top_up) = self.top_up_find(account).await? else {
            return Ok(());
        };
        let available = self.balance_find(account).await?.available;
        let Some(begun) = top_up.begin(available, now) else {
            return Ok(());
        };
        match self.top_up_save(account, &begun).await? {
            TopUpSaved::Now => Ok(()),
            TopUpSaved::Changed => Err(StoreError::contended(WRITE)),
        }
    }
}

fn attributes(account: &AccountId, top_up: &TopUp) -> Attributes {
    let key = keys::top_up(account);
    let mut item = key.attributes();
    let TopUpTerms {
        threshold,
        pack,
        sold,
        price,
        monthly_cap_minor,
    } = &top_up.terms;
    let more = [
        ("on", AttributeValue::Bool(top_up.switch.is_on())),
        ("agreed_at", time(top_up.agreed_at)),
        ("threshold", number(threshold.micros())),
        ("pack", text(pack.as_str())),
        ("name", text(&sold.name)),
        ("credits", number(sold.credits.micros())),
        ("priced_by", text(&sold.priced_by)),
        ("price_minor", number(price.minor)),
        ("currency", text(price.currency.as_str())),
        ("monthly_cap_minor", number(monthly_cap_minor)),
        ("crossings", number(top_up.crossings)),
        ("spent_minor", number(top_up.spent_minor)),
        ("version", number(top_up.version)),
    ];
    let optional = [
        ("expires_days", sold.expires_days.map(number)),
        (
            "month",
            (!top_up.month.is_empty()).then(|| text(&top_up.month)),
        ),
        (
            "off_because",
            top_up.off_because.map(|why| text(why.as_str())),
        ),
    ];
    item.extend(more.map(|(name, value)| (name.to_owned(), value)));
    item.extend(
        optional
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?))),
    );
    if let Some(charge) = &top_up.charge {
        let more = [
            ("stage", text(charge.stage.as_str())),
            ("declines", number(charge.declines)),
            ("next_at", time(charge.next_at)),
            // The sweeper sends it then.
            ("dx", text(keys::due(&key))),
            ("due_at", time(charge.next_at)),
        ];
        item.extend(more.map(|(name, value)| (name.to_owned(), value)));
        item.extend(
            charge
                .payment
                .as_ref()
                .map(|payment| ("payment".to_owned(), text(payment.as_str()))),
        );
    }
    item
}

fn top_up_of(attributes: &Attributes) -> Result<TopUp, StoreError> {
    let item = Item::new(attributes, READ);
    let charge = match item.find_text("stage")? {
        None => None,
        Some(stage) => Some(Charge {
            payment: item
                .find_text("payment")?
                .map(PaymentIntentId::parse)
                .transpose()
                .map_err(|_| item.bad("payment"))?,
            declines: item.number("declines")?,
            next_at: item.time("next_at")?,
            stage: ChargeStage::parse(stage).ok_or_else(|| item.bad("stage"))?,
        }),
    };
    let off_because = item.find_text("off_because")?.map(OffReason::parse);
    Ok(TopUp {
        switch: item.switch("on")?,
        agreed_at: item.time("agreed_at")?,
        terms: TopUpTerms {
            threshold: item.parsed_number("threshold", Credits::from_micros)?,
            pack: item.parsed("pack", |id| PlanId::parse(id).ok_or(()))?,
            sold: PackTerms {
                name: item.text("name")?.to_owned(),
                credits: item.parsed_number("credits", Credits::from_micros)?,
                expires_days: item.find_number("expires_days")?,
                priced_by: item.text("priced_by")?.to_owned(),
            },
            price: Money {
                minor: item.number("price_minor")?,
                currency: item.parsed("currency", |code| Currency::parse(code).ok_or(()))?,
            },
            monthly_cap_minor: item.number("monthly_cap_minor")?,
        },
        crossings: item.number("crossings")?,
        month: item.find_text("month")?.unwrap_or_default().to_owned(),
        spent_minor: item.number("spent_minor")?,
        charge,
        off_because: match off_because {
            Some(None) => return Err(item.bad("off_because")),
            Some(why) => why,
            None => None,
        },
        version: item.number("version")?,
    })
}
