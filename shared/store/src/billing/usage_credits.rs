//! Credits for usage that Stripe no longer cancels: one row for each record, due until the
//! customer's balance at Stripe has the credit or Stripe has refused it. The record itself stays
//! reported. Every change is conditional, so a repeated call changes nothing.

use crate::billing::stuck::UsageState;
use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, number, text, time};
use crate::db::keys;
use crate::db::table::Updated;
use crate::db::tx::{Change, Committed, check_when, put_when};
use crate::{Finished, Store};
use domain::billing::usage::{AccountMeter, Meter};
use domain::billing::usage_credits::{CreditProgress, UsageCredit};
use domain::ids::{AccountId, CustomerId, UsageId};
use domain::time::Timestamp;
use domain::units::{Currency, Money};

/// The result of requesting a credit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CreditRequested {
    Now,
    /// The record has this credit.
    Already(Box<UsageCredit>),
    /// Its invoice is not final, so the report can still be cancelled.
    StillCancellable,
    /// The record is in this state, or there is none.
    NotReported(Option<UsageState>),
}

/// Reasons to refuse a credit, in order of precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Refusal {
    Credited,
    NotReported,
    StillCancellable,
}

const REQUEST: &str = "request a credit for usage";
const READ: &str = "read a credit for usage";
const DUE: &str = "attribute_exists(dx)";

impl Store {
    /// Records a credit for a reported record, and makes it due. A record has one credit; one that
    /// Stripe refused may be replaced. If `unless_open_at` is given, the invoice of that moment must
    /// be final.
    pub async fn usage_credit_request(
        &self,
        credit: &UsageCredit,
        unless_open_at: Option<Timestamp>,
    ) -> Result<CreditRequested, StoreError> {
        let AccountMeter { account, meter } = &credit.debts;
        let mut tx = self.table.transaction(REQUEST);
        let free = "attribute_not_exists(pk) OR attribute_exists(#refused)";
        tx.add(put_when(&self.table, attributes(credit), free, vec![]))
            .or(Refusal::Credited);
        let record = keys::usage(account, meter, &credit.usage);
        tx.add(check_when(
            &self.table,
            record,
            "attribute_exists(pk)",
            vec![],
        ))
        .or(Refusal::NotReported);
        if let Some(moment) = unless_open_at {
            let values = vec![("moment", time(moment))];
            let is_final = "#billed_until > :moment";
            let reports = keys::report(account, meter);
            tx.add(check_when(&self.table, reports, is_final, values))
                .or(Refusal::StillCancellable);
        }
        Ok(match tx.commit().await? {
            Committed::Written => CreditRequested::Now,
            Committed::Refused(Refusal::Credited, old) => {
                CreditRequested::Already(Box::new(credit_of(&old)?))
            }
            Committed::Refused(Refusal::StillCancellable, _) => CreditRequested::StillCancellable,
            Committed::Refused(Refusal::NotReported, _) => {
                let seen = self.usage_seen(&credit.debts, &credit.usage).await?;
                CreditRequested::NotReported(seen.map(|(state, _)| state))
            }
        })
    }

    /// Lists an account's credits for usage. Operators give them one by one, so they are few.
    pub async fn usage_credit_list(
        &self,
        account: &AccountId,
    ) -> Result<Vec<UsageCredit>, StoreError> {
        let pk = keys::account(account).pk;
        let found = self.table.query_prefix(READ, pk, keys::USAGE_CREDIT);
        found.await?.iter().map(credit_of).collect()
    }

    /// Moves on to the next idempotency key, unless another run has done that.
    pub async fn usage_credit_next_key(
        &self,
        credit: &UsageCredit,
    ) -> Result<Finished, StoreError> {
        let seen = vec![("seen", number(credit.key_number))];
        let change = change(credit)
            .set("key_number", number(credit.key_number + 1))
            .when("#key_number = :seen", seen);
        self.usage_credit_change(change).await
    }

    /// Records the entry on the customer's balance.
    pub async fn usage_credit_done(
        &self,
        credit: &UsageCredit,
        entry: &str,
    ) -> Result<Finished, StoreError> {
        let change = change(credit).set("entry", text(entry));
        self.usage_credit_change(ended(change)).await
    }

    /// Records that Stripe refuses the credit.
    pub async fn usage_credit_refused(
        &self,
        credit: &UsageCredit,
        why: &str,
    ) -> Result<Finished, StoreError> {
        let change = change(credit).set("refused", text(why));
        self.usage_credit_change(ended(change)).await
    }

    async fn usage_credit_change(&self, change: Change) -> Result<Finished, StoreError> {
        let changed = self.table.update("move a credit for usage on", change);
        Ok(match changed.await? {
            Updated::Done(()) => Finished::Now,
            Updated::Refused(_) => Finished::Already,
        })
    }
}

fn change(credit: &UsageCredit) -> Change {
    let AccountMeter { account, meter } = &credit.debts;
    Change::of(keys::usage_credit(account, meter, &credit.usage))
}

fn ended(change: Change) -> Change {
    change.remove("dx").remove("due_at").when(DUE, vec![])
}

fn attributes(credit: &UsageCredit) -> Attributes {
    let AccountMeter { account, meter } = &credit.debts;
    let key = keys::usage_credit(account, meter, &credit.usage);
    let mut item = key.attributes();
    let more = [
        ("account", text(account.as_str())),
        ("meter", text(meter.as_str())),
        ("usage", text(credit.usage.as_str())),
        ("customer", text(credit.customer.as_str())),
        ("amount_minor", number(credit.amount.minor)),
        ("currency", text(credit.amount.currency.as_str())),
        ("by", text(&credit.by)),
        ("reason", text(&credit.reason)),
        ("requested_at", time(credit.requested_at)),
        ("key_number", number(credit.key_number)),
        ("dx", text(keys::due(&key))),
        ("due_at", time(credit.requested_at)),
    ];
    item.extend(more.map(|(name, value)| (name.to_owned(), value)));
    item
}

fn credit_of(attributes: &Attributes) -> Result<UsageCredit, StoreError> {
    let item = Item::new(attributes, READ);
    let progress = match (item.find_text("entry")?, item.find_text("refused")?) {
        (Some(entry), _) => CreditProgress::Credited(entry.to_owned()),
        (None, Some(why)) => CreditProgress::Refused(why.to_owned()),
        (None, None) => CreditProgress::Requested,
    };
    Ok(UsageCredit {
        debts: AccountMeter {
            account: item.parsed("account", AccountId::parse)?,
            meter: item.parsed("meter", Meter::parse)?,
        },
        usage: item.parsed("usage", UsageId::parse)?,
        customer: item.parsed("customer", CustomerId::parse)?,
        amount: Money {
            minor: item.number("amount_minor")?,
            currency: item.parsed("currency", |code| Currency::parse(code).ok_or(()))?,
        },
        by: item.text("by")?.to_owned(),
        reason: item.text("reason")?.to_owned(),
        requested_at: item.time("requested_at")?,
        progress,
        key_number: item.number("key_number")?,
    })
}
