//! Credits whose time is up: which payments have such, and what is left of them gone, once.
//!
//! What is left of a payment is read from all entries of its account, so it is taken only if none has come since, and only
//! while nothing is held: what a hold will spend nobody knows yet. Entry, balance, payment and the row that owed it are
//! written in one transaction; whoever comes second finds the row gone.

use crate::Store;
use crate::db::error::StoreError;
use crate::db::item::{Item, text};
use crate::db::keys;
use crate::db::table::page;
use crate::db::tx::{Committed, delete_when};
use crate::ledger::postings::Seen;
use domain::billing::payments::{CreditPurchase, Payment, PaymentUpdate};
use domain::ids::{AccountId, PaymentId};
use domain::ledger::{Cause, left_of};
use domain::time::Timestamp;
use domain::units::Credits;
use std::collections::BTreeMap;

/// A payment whose credits end on a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiring {
    /// The day, as `2026-11-20`.
    pub day: String,
    /// Which payment.
    pub payment: PaymentId,
}

/// What became of a payment's credits whose time is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// So much was left and is gone.
    Posted(Credits),
    /// Nothing was left.
    Spent,
    /// Something of the account is held, so that what is left is not known yet.
    Held,
    /// Somebody else has seen to it.
    Before,
}

/// The row that owed the end is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Refusal {
    Done,
}

const LIST: &str = "list what expires";
const EXPIRE: &str = "let credits expire";

/// What decides how much goes.
struct Books {
    payment: Payment,
    seen: Seen,
    left: Credits,
}

impl Store {
    /// Payments whose credits end on a day before this one, behind `after`; at most `limit`.
    pub async fn expiry_list(
        &self,
        today: Timestamp,
        after: Option<&Expiring>,
        limit: i32,
    ) -> Result<Vec<Expiring>, StoreError> {
        let query = self
            .table
            .query()
            .key_condition_expression("pk = :pk AND sk < :today")
            .expression_attribute_values(":pk", text(keys::EXPIRES))
            .expression_attribute_values(":today", text(today.day()))
            .set_exclusive_start_key(
                after.map(|row| keys::expiry(&row.day, &row.payment).attributes()),
            )
            .consistent_read(true)
            .limit(limit);
        let page = page(LIST, query).await?;
        let row = |attributes| {
            let item = Item::new(attributes, LIST);
            let (day, payment) = keys::expiry_of(item.text("sk")?).ok_or_else(|| item.bad("sk"))?;
            Ok(Expiring { day, payment })
        };
        page.iter().map(row).collect()
    }

    /// Lets go what is left of a payment's credits. Contention is waited out for a while: it says nothing about them.
    pub async fn payment_expire(
        &self,
        row: &Expiring,
        now: Timestamp,
    ) -> Result<Expiry, StoreError> {
        self.while_contended(|| self.payment_expire_once(row, now))
            .await
    }

    async fn payment_expire_once(
        &self,
        row: &Expiring,
        now: Timestamp,
    ) -> Result<Expiry, StoreError> {
        let Some(books) = self.expiry_books(row).await? else {
            return Ok(Expiry::Held);
        };
        let gone = (!books.left.is_zero())
            .then(|| books.payment.expire(books.left, now))
            .flatten();
        let done = delete_when(
            &self.table,
            keys::expiry(&row.day, &row.payment),
            "attribute_exists(pk)",
            vec![],
        );
        let mut tx = self.table.transaction(EXPIRE);
        tx.add(done).or(Refusal::Done);
        let mut postings = Vec::new();
        if let Some(PaymentUpdate {
            payment,
            postings: posted,
        }) = gone
        {
            tx.add(self.payment_put(&payment, books.payment.version));
            postings = posted;
        }
        let written = self
            .postings_if(EXPIRE, &postings, Some(books.seen))
            .await?;
        // If the payment or the account has changed, both are read again.
        tx.extend(written.items.into_iter().map(|(item, _)| item));
        Ok(match tx.commit().await? {
            Committed::Written if postings.is_empty() => Expiry::Spent,
            Committed::Written => Expiry::Posted(books.left),
            Committed::Refused(Refusal::Done, _) => Expiry::Before,
        })
    }

    /// What the account's entries leave of a payment; none while something is held.
    async fn expiry_books(&self, row: &Expiring) -> Result<Option<Books>, StoreError> {
        let wrong = |what: &str| {
            StoreError::inconsistent(EXPIRE, format!("payment {}: {what}", row.payment))
        };
        let payment = self
            .payment_find(&row.payment)
            .await?
            .ok_or_else(|| wrong("not known"))?;
        let Some(CreditPurchase { account, .. }) = &payment.purchase else {
            return Err(wrong("nothing was bought"));
        };
        let seen = self.balance_seen(account).await?;
        if seen.held != 0 {
            return Ok(None);
        }
        let entries = self.entry_all(account).await?;
        if u64::try_from(entries.len()) != Ok(seen.entries) {
            return Err(StoreError::contended(EXPIRE));
        }
        let mut ends = BTreeMap::new();
        for granted in entries
            .iter()
            .filter_map(|entry| Cause::granted_for(&entry.cause))
        {
            let known = if granted == row.payment {
                None
            } else {
                self.payment_find(&granted).await?
            };
            let purchase = known.as_ref().unwrap_or(&payment).purchase.as_ref();
            if let Some(end) = purchase.and_then(|purchase| purchase.expires_at) {
                ends.insert(granted, end);
            }
        }
        let left = left_of(&entries, &ends, &row.payment);
        Ok(Some(Books {
            payment,
            seen,
            left,
        }))
    }

    async fn balance_seen(&self, account: &AccountId) -> Result<Seen, StoreError> {
        let found = self.table.get(EXPIRE, &keys::balance(account)).await?;
        let attributes = found.unwrap_or_default();
        let item = Item::new(&attributes, EXPIRE);
        Ok(Seen {
            entries: item.number("entries")?,
            held: item.number("held")?,
        })
    }
}
