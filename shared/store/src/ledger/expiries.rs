//! Credit expiry: lists payments whose credits have expired, and removes what is left of them once.
//!
//! The rest of a payment is computed from all entries of its account. So it is removed only if no
//! entry was added since, and only while nothing is held, because the amount that a hold will spend
//! is not known yet. One transaction writes the entry, the balance, and the payment, and deletes
//! the expiry row. A second attempt finds the row gone.

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

/// A payment whose credits expire on a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiring {
    /// The day, for example `2026-11-20`.
    pub day: String,
    pub payment: PaymentId,
}

/// The result of expiring a payment's credits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expiry {
    /// This amount was left and has been removed from this account.
    Posted(Credits, AccountId),
    /// Nothing was left.
    Spent,
    /// The account has open holds, so the remaining amount is not known yet.
    Held,
    /// Another caller already expired the credits.
    Before,
}

/// The expiry row is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Refusal {
    Done,
}

const LIST: &str = "list what expires";
const EXPIRE: &str = "let credits expire";

/// The data that determines how much expires.
struct Books {
    account: AccountId,
    payment: Payment,
    seen: Seen,
    left: Credits,
}

impl Store {
    /// Lists payments whose credits expire before today, after the row `after`; at most `limit`.
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

    /// Expires what is left of a payment's credits. Retries on contention for a while, because
    /// contention says nothing about the credits.
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
        // If the payment or the account has changed, the next attempt reads both again.
        tx.extend(written.items.into_iter().map(|(item, _)| item));
        Ok(match tx.commit().await? {
            Committed::Written if postings.is_empty() => Expiry::Spent,
            Committed::Written => Expiry::Posted(books.left, books.account),
            Committed::Refused(Refusal::Done, _) => Expiry::Before,
        })
    }

    /// Computes what is left of a payment from the account's entries. Returns `None` while
    /// something is held.
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
            account: account.clone(),
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
