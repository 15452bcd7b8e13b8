//! Credit expiry: lists payments and typed grants whose credits have expired, and removes what is
//! left of them once.
//!
//! The rest is computed from all entries of the account. So it is removed only if no entry was added
//! since, and only while nothing is held, because the amount that a hold will spend is not known
//! yet. One transaction writes the entry, the balance, and the payment, and deletes the expiry row.
//! A second attempt finds the row gone.

use crate::Store;
use crate::db::error::StoreError;
use crate::db::item::{Item, text};
use crate::db::keys;
use crate::db::table::page;
use crate::db::tx::{Committed, delete_when, put_new};
use crate::ledger::postings::Seen;
use aws_sdk_dynamodb::types::TransactWriteItem;
use domain::billing::payments::{CreditPurchase, Payment, PaymentUpdate};
use domain::ids::{AccountId, PaymentId};
use domain::ledger::{Cause, Entry, EntryDetails, Lot, LotId, Posting, left_of, lots_of};
use domain::time::Timestamp;
use domain::units::Credits;
use std::collections::BTreeMap;

/// A payment or a typed grant whose credits expire on a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiring {
    /// The day, for example `2026-11-20`.
    pub day: String,
    pub lot: LotId,
    /// The account of a grant. That of a payment is on the payment.
    account: Option<AccountId>,
}

/// The result of expiring credits.
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

/// Whose credits expire, and what keeps that.
struct Source {
    account: AccountId,
    payment: Option<Payment>,
}

/// The data that determines how much expires.
struct Books {
    seen: Seen,
    left: Credits,
}

/// What is written when something is left.
#[derive(Default)]
struct Gone {
    postings: Vec<Posting>,
    payment: Option<Payment>,
}

impl Store {
    /// Lists payments and grants whose credits expire before today, after the row `after`; at most
    /// `limit`.
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
            .set_exclusive_start_key(after.map(|row| keys::expiry(&row.day, &row.lot).attributes()))
            .consistent_read(true)
            .limit(limit);
        let page = page(LIST, query).await?;
        let row = |attributes| {
            let item = Item::new(attributes, LIST);
            let (day, lot) = keys::expiry_of(item.text("sk")?).ok_or_else(|| item.bad("sk"))?;
            let account = item
                .find_text("account")?
                .map(AccountId::parse)
                .transpose()
                .map_err(|_| item.bad("account"))?;
            Ok(Expiring { day, lot, account })
        };
        page.iter().map(row).collect()
    }

    /// Builds the row with the day on which a typed grant expires.
    pub(crate) fn grant_expiry(&self, posting: &Posting) -> Option<TransactWriteItem> {
        let Cause::Adjustment(action) = posting.cause() else {
            return None;
        };
        let entry = posting.entry();
        let day = entry.terms?.expires_at?.day();
        let mut item = keys::expiry(&day, &LotId::Grant(action.clone())).attributes();
        item.insert("account".to_owned(), text(entry.account.as_str()));
        Some(put_new(&self.table, item))
    }

    /// Lists the credits that are left by where they came from, in the order in which they are
    /// spent. Reads all entries of the account.
    pub async fn lot_list(&self, account: &AccountId) -> Result<Vec<Lot>, StoreError> {
        let entries = self.entry_all(account).await?;
        let ends = self.ends_of(&entries).await?;
        Ok(lots_of(&entries, &ends))
    }

    /// Computes what was left of a lot before one of the account's entries. Reads all entries of the
    /// account.
    pub async fn lot_left_before(&self, lot: &LotId, entry: &Entry) -> Result<Credits, StoreError> {
        let entries = self.entry_all(&entry.account).await?;
        let before = entries.iter().take_while(|one| one.cause != entry.cause);
        let before: Vec<Entry> = before.cloned().collect();
        let ends = self.ends_of(&before).await?;
        Ok(left_of(&before, &ends, lot))
    }

    /// Expires what is left of a payment's or a grant's credits. Retries on contention for a while,
    /// because contention says nothing about the credits.
    pub async fn lot_expire(&self, row: &Expiring, now: Timestamp) -> Result<Expiry, StoreError> {
        self.while_contended(|| self.lot_expire_once(row, now))
            .await
    }

    async fn lot_expire_once(&self, row: &Expiring, now: Timestamp) -> Result<Expiry, StoreError> {
        let source = self.source(row).await?;
        let Some(books) = self.expiry_books(&source.account, &row.lot).await? else {
            return Ok(Expiry::Held);
        };
        let gone = if books.left.is_zero() {
            Gone::default()
        } else {
            gone(&source, &row.lot, books.left, now)
        };
        let done = delete_when(
            &self.table,
            keys::expiry(&row.day, &row.lot),
            "attribute_exists(pk)",
            vec![],
        );
        let mut tx = self.table.transaction(EXPIRE);
        tx.add(done).or(Refusal::Done);
        if let (Some(payment), Some(was)) = (&gone.payment, &source.payment) {
            tx.add(self.payment_put(payment, was.version));
        }
        let written = self
            .postings_if(EXPIRE, &gone.postings, Some(books.seen))
            .await?;
        // If the payment or the account has changed, the next attempt reads both again.
        tx.extend(written.items.into_iter().map(|(item, _)| item));
        Ok(match tx.commit().await? {
            Committed::Written if gone.postings.is_empty() => Expiry::Spent,
            Committed::Written => Expiry::Posted(books.left, source.account),
            Committed::Refused(Refusal::Done, _) => Expiry::Before,
        })
    }

    async fn source(&self, row: &Expiring) -> Result<Source, StoreError> {
        let wrong =
            |what: &str| StoreError::inconsistent(EXPIRE, format!("credits {}: {what}", row.lot));
        match (&row.lot, &row.account) {
            (LotId::Payment(id), _) => {
                let payment = self.payment_find(id).await?;
                let payment = payment.ok_or_else(|| wrong("the payment is not known"))?;
                let Some(CreditPurchase { account, .. }) = &payment.purchase else {
                    return Err(wrong("nothing was bought"));
                };
                Ok(Source {
                    account: account.clone(),
                    payment: Some(payment),
                })
            }
            (LotId::Grant(_), Some(account)) => Ok(Source {
                account: account.clone(),
                payment: None,
            }),
            (LotId::Grant(_), None) => Err(wrong("the row names no account")),
        }
    }

    /// Computes what is left from the account's entries. Returns `None` while something is held.
    async fn expiry_books(
        &self,
        account: &AccountId,
        lot: &LotId,
    ) -> Result<Option<Books>, StoreError> {
        let seen = self.balance_seen(account).await?;
        if seen.held != 0 {
            return Ok(None);
        }
        let entries = self.entry_all(account).await?;
        if u64::try_from(entries.len()) != Ok(seen.entries) {
            return Err(StoreError::contended(EXPIRE));
        }
        let ends = self.ends_of(&entries).await?;
        let left = left_of(&entries, &ends, lot);
        Ok(Some(Books { seen, left }))
    }

    /// Reads when the credits of the payments among these entries expire.
    async fn ends_of(
        &self,
        entries: &[Entry],
    ) -> Result<BTreeMap<PaymentId, Timestamp>, StoreError> {
        let mut ends = BTreeMap::new();
        for granted in entries
            .iter()
            .filter_map(|entry| Cause::granted_for(&entry.cause))
        {
            let known = self.payment_find(&granted).await?;
            let purchase = known.and_then(|known| known.purchase);
            if let Some(end) = purchase.and_then(|purchase| purchase.expires_at) {
                ends.insert(granted, end);
            }
        }
        Ok(ends)
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

fn gone(source: &Source, lot: &LotId, left: Credits, now: Timestamp) -> Gone {
    match &source.payment {
        Some(payment) => match payment.expire(left, now) {
            Some(PaymentUpdate { payment, postings }) => Gone {
                postings,
                payment: Some(payment),
            },
            None => Gone::default(),
        },
        None => {
            let label = EntryDetails {
                note: "the rest of the granted credits expired".to_owned(),
                source: lot.to_string(),
                priced_by: String::new(),
            };
            let posting = Posting::expiry(&source.account, lot.clone(), left, label, now);
            Gone {
                postings: vec![posting],
                payment: None,
            }
        }
    }
}
