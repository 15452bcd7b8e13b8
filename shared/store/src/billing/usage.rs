//! Usage to report to Stripe: a record is in one key range while it is owed, and in another once it
//! is reported. A record leaves the owed range once, so repeating a move changes nothing.
//!
//! Stripe accepts one call at a time for each customer and meter, so one worker at a time holds
//! `REPORT#<meter>` and reports the account's owed records one after another.

use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, number, text, time};
use crate::db::keys;
use crate::db::table::{Updated, page};
use crate::db::tx::{Change, Committed, delete_when, put_new};
use crate::{Finished, Store};
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, Select};
use domain::billing::plans::Rate;
use domain::billing::usage::{AccountMeter, Attempts, Meter, Usage, UsageIdentifier, UsageSource};
use domain::ids::{AccountId, ActionId, AssistId, CustomerId, JobId, UsageId};
use domain::time::Timestamp;

/// An owed usage record, and the progress of reporting it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    pub usage: Usage,
    /// When it was sent, if it was since the last look-up.
    pub attempts_made: Option<Attempts>,
    /// Whether a look-up has shown that Stripe had not counted its earlier attempts.
    pub looked_up: bool,
    /// The timestamp to report instead of the record's own, because the record's period is closed.
    /// Fixed by the first attempt until a look-up shows that Stripe has not counted it.
    pub carried_to: Option<Timestamp>,
    pub due_at: Timestamp,
    /// The earliest time to send it again.
    pub not_before: Option<Timestamp>,
    /// The number of failed attempts.
    pub attempts: u32,
}

impl Owed {
    /// Returns the timestamp to report.
    pub fn moment(&self) -> Timestamp {
        self.carried_to.unwrap_or(self.usage.at)
    }
}

/// The result of claiming the reporting lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReportClaim {
    /// The caller may report.
    Yours {
        /// Usage before this moment is on final invoices.
        billed_until: Option<Timestamp>,
    },
    /// Another worker holds the lease, at most until then.
    Held(Timestamp),
}

/// The result of recording an attempt before it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempted {
    /// The caller may send the record.
    Yours,
    /// The invoice of the record's moment has become final. Contains how far invoices are final.
    Closed(Timestamp),
    /// The lease was lost, or the record has changed.
    Lost,
}

/// The record is no longer owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Refusal {
    Gone,
}

/// Reasons not to send a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum NotSent {
    Changed,
    Closed,
}

const CLAIM: &str = "claim a report";
const ATTEMPT: &str = "record an attempt";

impl Store {
    /// Claims the lease to report an account's owed usage on a meter.
    pub async fn report_claim(
        &self,
        debts: &AccountMeter,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<ReportClaim, StoreError> {
        let change = Change::of(keys::report(&debts.account, &debts.meter))
            .set("until", time(until))
            .when(
                "attribute_not_exists(#until) OR #until <= :now",
                vec![("now", time(now))],
            );
        let claimed = self
            .table
            .update_returning(CLAIM, change, ReturnValue::AllNew);
        match claimed.await? {
            Updated::Done(row) => Ok(ReportClaim::Yours {
                billed_until: Item::new(&row, CLAIM).find_time("billed_until")?,
            }),
            Updated::Refused(held) => Item::new(&held, CLAIM).time("until").map(ReportClaim::Held),
        }
    }

    /// Releases the lease.
    pub async fn report_release(
        &self,
        debts: &AccountMeter,
        until: Timestamp,
    ) -> Result<(), StoreError> {
        let change = Change::of(keys::report(&debts.account, &debts.meter))
            .remove("until")
            .when("#until = :mine", vec![("mine", time(until))]);
        self.table
            .update("release a report", change)
            .await
            .map(drop)
    }

    /// Lists an account's owed usage on a meter, oldest first; strongly consistent.
    pub async fn owed_list(
        &self,
        debts: &AccountMeter,
        limit: i32,
    ) -> Result<Vec<Owed>, StoreError> {
        let query = self
            .table
            .prefix(
                keys::account(&debts.account).pk,
                keys::owed_prefix(&debts.meter),
            )
            .consistent_read(true)
            .limit(limit);
        let found = page("list owed usage", query).await?;
        found.iter().map(owed_of).collect()
    }

    /// Counts the records that an account owes on all meters, up to `most`; strongly consistent.
    pub async fn owed_count(&self, account: &AccountId, most: u64) -> Result<u64, StoreError> {
        let (mut count, mut from) = (0_u64, None);
        while count < most {
            let page = self
                .table
                .prefix(keys::account(account).pk, keys::OWED)
                .select(Select::Count)
                .consistent_read(true)
                .limit(i32::try_from(most - count).unwrap_or(i32::MAX))
                .set_exclusive_start_key(from)
                .send()
                .await
                .map_err(|e| StoreError::sdk("count owed usage", e))?;
            count += u64::try_from(page.count).unwrap_or_default();
            from = page.last_evaluated_key;
            if from.is_none() {
                break;
            }
        }
        Ok(count)
    }

    /// Records an attempt before it is made, with the timestamp to report, if the lease until
    /// `lease` is still held and the invoice of that timestamp is not final. The first attempt fixes
    /// the timestamp.
    pub async fn owed_attempt(
        &self,
        owed: &mut Owed,
        carried_to: Option<Timestamp>,
        (lease, now): (Timestamp, Timestamp),
    ) -> Result<Attempted, StoreError> {
        let usage = &owed.usage;
        let key = keys::owed(&usage.account, &usage.meter, &usage.id);
        let change = Change::of(key).set("last_attempt", time(now));
        let change = match owed.attempts_made {
            Some(made) => change.when(
                "attribute_exists(pk) AND #first_attempt = :first",
                vec![("first", time(made.first))],
            ),
            None => change
                .set("first_attempt", time(now))
                .set_or_remove("carried_to", carried_to.map(time))
                .when(
                    "attribute_exists(pk) AND attribute_not_exists(#first_attempt)",
                    vec![],
                ),
        };
        let first = owed.attempts_made.map_or(now, |made| made.first);
        let carried_to = owed.attempts_made.map_or(carried_to, |_| owed.carried_to);
        let moment = carried_to.unwrap_or(usage.at);
        let open = Change::of(keys::report(&usage.account, &usage.meter))
            .set("sent_at", time(now))
            .when(
                "#until = :mine AND (attribute_not_exists(#billed_until) OR #billed_until <= :moment)",
                vec![("mine", time(lease)), ("moment", time(moment))],
            );
        let mut tx = self.table.transaction(ATTEMPT);
        tx.add(change.item(&self.table)).or(NotSent::Changed);
        tx.add(open.item(&self.table)).or(NotSent::Closed);
        match tx.commit().await? {
            Committed::Written => {
                owed.attempts_made = Some(Attempts { first, last: now });
                owed.carried_to = carried_to;
                Ok(Attempted::Yours)
            }
            Committed::Refused(NotSent::Changed, _) => Ok(Attempted::Lost),
            Committed::Refused(NotSent::Closed, row) => {
                let until = Item::new(&row, ATTEMPT).find_time("billed_until")?;
                let closed = until.filter(|until| moment < *until);
                Ok(closed.map_or(Attempted::Lost, Attempted::Closed))
            }
        }
    }

    /// Voids a record's attempts after a look-up, so that it is reported as if it had never been
    /// sent. `identifier` is the one to use from now on. Returns whether the record was still as it
    /// was looked up.
    pub async fn owed_restart(
        &self,
        owed: &Owed,
        identifier: &UsageIdentifier,
        now: Timestamp,
    ) -> Result<Finished, StoreError> {
        let Some(made) = owed.attempts_made else {
            return Ok(Finished::Already);
        };
        let usage = &owed.usage;
        let change = Change::of(keys::owed(&usage.account, &usage.meter, &usage.id))
            .set("identifier", text(identifier.to_string()))
            .set("looked_up_at", time(now))
            .remove("first_attempt")
            .remove("last_attempt")
            .remove("carried_to")
            .when(
                "attribute_exists(pk) AND #last_attempt = :last",
                vec![("last", time(made.last))],
            );
        Ok(match self.table.update("void attempts", change).await? {
            Updated::Done(()) => Finished::Now,
            Updated::Refused(_) => Finished::Already,
        })
    }

    /// Records that usage was reported to Stripe: moves the record from the owed range to the
    /// reported range.
    pub async fn usage_reported(
        &self,
        owed: &Owed,
        now: Timestamp,
    ) -> Result<Finished, StoreError> {
        let usage = &owed.usage;
        let told = keys::usage(&usage.account, &usage.meter, &usage.id);
        self.owed_move(owed, told, [("reported_at", time(now))])
            .await
    }

    /// Moves a record out of the owed range, once.
    pub(crate) async fn owed_move<const N: usize>(
        &self,
        owed: &Owed,
        to: keys::Key,
        more: [(&str, AttributeValue); N],
    ) -> Result<Finished, StoreError> {
        let usage = &owed.usage;
        let mut item = usage_attributes(usage);
        item.extend(
            owed.carried_to
                .map(|moment| ("carried_to".to_owned(), time(moment))),
        );
        item.extend(to.attributes());
        item.extend(more.map(|(name, value)| (name.to_owned(), value)));
        let from = keys::owed(&usage.account, &usage.meter, &usage.id);
        let mut tx = self.table.transaction("move a usage record");
        tx.add(delete_when(
            &self.table,
            from,
            "attribute_exists(pk)",
            vec![],
        ))
        .or(Refusal::Gone);
        tx.add(put_new(&self.table, item));
        Ok(match tx.commit().await? {
            Committed::Written => Finished::Now,
            Committed::Refused(Refusal::Gone, _) => Finished::Already,
        })
    }

    /// Counts a failed attempt and sets when the next one is due.
    pub async fn owed_postpone(&self, owed: &Owed, due_at: Timestamp) -> Result<(), StoreError> {
        let usage = &owed.usage;
        let change = Change::of(keys::owed(&usage.account, &usage.meter, &usage.id))
            .set("due_at", time(due_at))
            .set("not_before", time(due_at))
            .add("attempts", number(1))
            .when("attribute_exists(pk)", vec![]);
        self.table.update("postpone usage", change).await.map(drop)
    }

    /// Sets when a record is looked at again, without counting a failed attempt.
    pub async fn owed_wait(&self, owed: &Owed, due_at: Timestamp) -> Result<(), StoreError> {
        let usage = &owed.usage;
        let change = Change::of(keys::owed(&usage.account, &usage.meter, &usage.id))
            .set("due_at", time(due_at))
            .set("not_before", time(due_at))
            .when("attribute_exists(pk)", vec![]);
        self.table.update("let usage wait", change).await.map(drop)
    }

    /// Finds the account of a usage record, whatever was used: a job or an assist has the same
    /// number as its record, and a report has a row that names the account.
    pub async fn usage_account(&self, id: &UsageId) -> Result<Option<AccountId>, StoreError> {
        const FIND: &str = "find the account of usage";
        let job = JobId::parse(&format!("{}{}", JobId::PREFIX, id.ulid()));
        if let Ok(job) = job
            && let Some(row) = self.job_find(&job).await?
        {
            return Ok(Some(row.facts.account));
        }
        let assist = AssistId::parse(&format!("{}{}", AssistId::PREFIX, id.ulid()));
        if let Ok(assist) = assist
            && let Some(account) = self.assist_account(&assist).await?
        {
            return Ok(Some(account));
        }
        let found = self.table.get(FIND, &keys::usage_account(id)).await?;
        found
            .as_ref()
            .map(|item| Item::new(item, FIND).parsed("account", AccountId::parse))
            .transpose()
    }

    /// Finds when a record was reported to Stripe, if it was.
    pub async fn usage_find(
        &self,
        debts: &AccountMeter,
        id: &UsageId,
    ) -> Result<Option<Timestamp>, StoreError> {
        let key = keys::usage(&debts.account, &debts.meter, id);
        let found = self.table.get("find reported usage", &key).await?;
        found
            .as_ref()
            .map(|item| Item::new(item, "find reported usage").time("reported_at"))
            .transpose()
    }
}

/// Builds the item that names the account of a record that no job or assist names.
pub(crate) fn account_attributes(usage: &Usage) -> Attributes {
    let mut item = keys::usage_account(&usage.id).attributes();
    item.insert("account".to_owned(), text(usage.account.as_str()));
    item
}

pub(crate) fn usage_attributes(usage: &Usage) -> Attributes {
    let of = match &usage.of {
        UsageSource::Job(job) => ("job", text(job.as_str())),
        UsageSource::Report(act) => ("report", text(act.as_str())),
        UsageSource::Assist(assist) => ("assist", text(assist.as_str())),
    };
    let attributes: [(&str, AttributeValue); 6] = [
        ("customer", text(usage.customer.as_str())),
        ("meter", text(usage.meter.as_str())),
        ("value", number(usage.value)),
        ("usage_at", time(usage.at)),
        ("identifier", text(usage.identifier.to_string())),
        of,
    ];
    let rate = usage.rate.as_ref().map(|rate| ("rate", text(rate.text())));
    attributes
        .into_iter()
        .chain(rate)
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// Builds the item of a new owed record.
pub(crate) fn owed_attributes(usage: &Usage, born: Timestamp) -> Attributes {
    let key = keys::owed(&usage.account, &usage.meter, &usage.id);
    let mut item = usage_attributes(usage);
    item.insert("dx".to_owned(), text(keys::due(&key)));
    item.insert(
        "due_at".to_owned(),
        time(born.plus(domain::jobs::RESEND_AFTER)),
    );
    item.extend(key.attributes());
    item
}

pub(crate) fn owed_of(attributes: &Attributes) -> Result<Owed, StoreError> {
    let item = Item::new(attributes, "read owed usage");
    Ok(Owed {
        attempts_made: attempts_of(&item)?,
        looked_up: item.find_time("looked_up_at")?.is_some(),
        carried_to: item.find_time("carried_to")?,
        due_at: item.time("due_at")?,
        not_before: item.find_time("not_before")?,
        attempts: item.find_number("attempts")?.unwrap_or(0),
        usage: usage_of(&item)?,
    })
}

fn attempts_of(item: &Item<'_>) -> Result<Option<Attempts>, StoreError> {
    let first = item.find_time("first_attempt")?;
    let last = item.find_time("last_attempt")?;
    Ok(first.map(|first| Attempts {
        first,
        last: last.unwrap_or(first),
    }))
}

/// Reads a record from any of the ranges.
pub(crate) fn usage_of(item: &Item<'_>) -> Result<Usage, StoreError> {
    let (_, id) = item
        .text("sk")?
        .rsplit_once('#')
        .ok_or_else(|| item.bad("sk"))?;
    Ok(Usage {
        id: UsageId::parse(id).map_err(|_| item.bad("sk"))?,
        account: keys::account_of(item.text("pk")?).ok_or_else(|| item.bad("pk"))?,
        meter: item.parsed("meter", Meter::parse)?,
        customer: item.parsed("customer", CustomerId::parse)?,
        value: item.number("value")?,
        at: item.time("usage_at")?,
        of: if item.find_text("report")?.is_some() {
            UsageSource::Report(item.parsed("report", ActionId::parse)?)
        } else if item.find_text("assist")?.is_some() {
            UsageSource::Assist(item.parsed("assist", AssistId::parse)?)
        } else {
            UsageSource::Job(item.parsed("job", JobId::parse)?)
        },
        identifier: item.parsed("identifier", |text| UsageIdentifier::parse(text).ok_or(()))?,
        rate: item.find_text("rate")?.and_then(Rate::parse),
    })
}
