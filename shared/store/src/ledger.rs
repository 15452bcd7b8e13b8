//! The ledger: posting, balances, and listings. Each posting has a cause, and a cause is posted at
//! most once, so a repeated posting changes nothing. `postings` turns a posting into transaction
//! items.

pub(crate) mod audit;
pub(crate) mod expired_holds;
pub(crate) mod expiries;
pub(crate) mod key_ring;
pub(crate) mod low_balance;
pub(crate) mod postings;
pub(crate) mod seals;

use crate::Store;
use crate::billing::spending::{Reservation, SpendingRefused};
use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, text};
use crate::db::keys;
use crate::db::pages;
use crate::db::pages::{Cursor, Page, Placed};
use crate::db::tx::Committed;
use crate::ledger::postings::PostingRefused;
use aws_smithy_async::rt::sleep::AsyncSleep;
use domain::billing::spending::SpendChange;
use domain::ids::AccountId;
use domain::ledger::{Balance, Cause, Entry, EntryKind, GrantTerms, GrantType, HoldId, Posting};
use domain::retry::backoff;
use domain::time::Timestamp;
use domain::units::Credits;

/// The result of a posting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Post {
    /// The posting was written.
    Posted,
    /// The same posting was already written.
    AlreadyPosted,
    /// A different posting was already written for the same cause.
    CauseReused,
    /// There are not enough credits.
    Insufficient(Balance),
    /// There is no such hold of that amount, or it has ended.
    NoHold,
    /// The posting exceeds what is left of the customer's spend limit for this billing period.
    SpendLimitReached,
}

/// An open hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenHold {
    pub hold: HoldId,
    pub amount: Credits,
    pub held_at: Timestamp,
    /// When the hold may be released even if it has not been settled.
    pub until: Option<Timestamp>,
    /// The billing period in which its spending counts, for a hold that the customer placed.
    pub period: Option<String>,
}

const POST: &str = "post to the ledger";

/// Reasons to refuse postings, in order of precedence. A posting refusal comes first, because a
/// repeated posting may have reached the spend limit in the meantime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Refusal {
    Posting(PostingRefused),
    Spending(SpendingRefused),
}

/// Attempts of one write while concurrent writes touch the same rows.
const TRIES_MAX: u32 = 8;
/// Divides the usual backoff, which starts at one second: concurrent writes finish within
/// milliseconds.
const HASTE: u32 = 100;

impl Store {
    /// Posts to one account, all or nothing. Retries on contention for a while, because contention
    /// says nothing about the balance.
    pub async fn ledger_post(&self, postings: &[Posting]) -> Result<Post, StoreError> {
        self.while_contended(|| self.ledger_post_with(postings, Reservation::default()))
            .await
    }

    /// Posts a hold or a debit for a customer's own work, if it is within their spend limit.
    /// Releases expired holds before it refuses.
    pub async fn hold_make(
        &self,
        hold: &Posting,
        outlay: &SpendChange,
    ) -> Result<Post, StoreError> {
        let write = || async {
            let reservation = self.outlay_begin(Some(outlay)).await?;
            self.ledger_post_with(std::slice::from_ref(hold), reservation)
                .await
        };
        let short = |post: &Post| matches!(post, Post::Insufficient(_) | Post::SpendLimitReached);
        let entry = hold.entry();
        self.unless_short(&entry.account, entry.at, write, short)
            .await
    }

    /// Posts the end of such a hold, and adjusts the reserved spending to the actual amount.
    pub async fn hold_settle(
        &self,
        end: &Posting,
        outlay: Option<&SpendChange>,
    ) -> Result<Post, StoreError> {
        self.while_contended(|| async {
            let reservation = self.outlay_end(outlay).await?;
            self.ledger_post_with(std::slice::from_ref(end), reservation)
                .await
        })
        .await
    }

    /// Posts together with a change of the spending.
    async fn ledger_post_with(
        &self,
        postings: &[Posting],
        reservation: Reservation,
    ) -> Result<Post, StoreError> {
        let written = self.postings(POST, postings).await?;
        if written.items.is_empty() {
            return Ok(Post::AlreadyPosted);
        }
        let mut tx = self.table.transaction(POST);
        tx.join(&written.items, Refusal::Posting);
        tx.join(&reservation.items, Refusal::Spending);
        match tx.commit().await? {
            Committed::Written => Ok(Post::Posted),
            Committed::Refused(Refusal::Posting(refused), old) => written.post(refused, &old),
            Committed::Refused(Refusal::Spending(SpendingRefused::Beyond), _) => {
                Ok(Post::SpendLimitReached)
            }
            Committed::Refused(Refusal::Spending(SpendingRefused::Changed), _) => {
                Err(StoreError::contended(POST))
            }
        }
    }

    /// Retries a write while concurrent writes touch the same rows.
    pub(crate) async fn while_contended<T, W: Future<Output = Result<T, StoreError>>>(
        &self,
        write: impl Fn() -> W,
    ) -> Result<T, StoreError> {
        let mut tries = 0;
        loop {
            match write().await {
                Err(error) if error.is_contended() && tries + 1 < TRIES_MAX => {
                    self.pause(tries).await;
                    tries += 1;
                }
                other => return other,
            }
        }
    }

    /// Waits briefly, longer after each attempt, with random jitter.
    pub(crate) async fn pause(&self, tries: u32) {
        if let Some(sleep) = self.table.client.config().sleep_impl() {
            sleep.sleep(backoff(tries, (self.random)()) / HASTE).await;
        }
    }

    /// Reads the balance of an account; strongly consistent.
    pub async fn balance_find(&self, account: &AccountId) -> Result<Balance, StoreError> {
        Ok(self.grants_count(account).await?.0)
    }

    /// Reads the balance of an account and the number of its grants. A low-balance warning belongs
    /// to one grant.
    pub async fn grants_count(&self, account: &AccountId) -> Result<(Balance, u64), StoreError> {
        let found = self
            .table
            .get("read a balance", &keys::balance(account))
            .await?;
        let Some(attributes) = found else {
            return Ok((Balance::default(), 0));
        };
        let item = Item::new(&attributes, "read a balance");
        let balance = Balance::of(item.number("free")?, item.number("held")?)
            .ok_or_else(|| item.bad("free"))?;
        Ok((balance, item.find_number("grants")?.unwrap_or(0)))
    }

    /// Reads the entry of a cause; strongly consistent.
    pub async fn entry_find(
        &self,
        account: &AccountId,
        cause: &Cause,
    ) -> Result<Option<Entry>, StoreError> {
        const READ: &str = "read an entry";
        let key = keys::entry(account, &cause.to_string());
        let side = self.ledger_side(READ)?;
        let found = side.table.get(READ, &key).await?;
        let entry = |item| entry_of(&Item::new(item, READ));
        found.as_ref().map(entry).transpose()
    }

    /// Returns the amount of a hold, open or settled. Returns `None` if the hold never existed.
    pub async fn hold_amount(
        &self,
        account: &AccountId,
        hold: &HoldId,
    ) -> Result<Option<Credits>, StoreError> {
        let entry = self.entry_find(account, &Cause::Hold(hold.clone())).await?;
        Ok(entry.map(|entry| entry.amount))
    }

    /// Finds the accounts that have an entry of this cause. Scans the ledger.
    pub async fn entry_accounts(&self, cause: &Cause) -> Result<Vec<AccountId>, StoreError> {
        const FIND: &str = "find an entry by its cause";
        let side = self.ledger_side(FIND)?;
        let mut pages = side
            .table
            .client
            .scan()
            .table_name(&side.table.name)
            .filter_expression("sk = :entry")
            .expression_attribute_values(":entry", text(format!("{}{cause}", keys::ENTRY)))
            .into_paginator()
            .items()
            .send();
        let mut accounts = Vec::new();
        while let Some(found) = pages.next().await {
            let found = found.map_err(|e| StoreError::sdk(FIND, e))?;
            accounts.push(entry_of(&Item::new(&found, FIND))?.account);
        }
        Ok(accounts)
    }

    /// Finds an open hold.
    pub async fn hold_find(
        &self,
        account: &AccountId,
        hold: &HoldId,
    ) -> Result<Option<OpenHold>, StoreError> {
        let key = keys::hold(account, hold);
        let found = self.table.get("find a hold", &key).await?;
        found.as_ref().map(hold_of).transpose()
    }

    /// Lists the open holds of an account; strongly consistent.
    pub async fn hold_list(&self, account: &AccountId) -> Result<Vec<OpenHold>, StoreError> {
        let mut holds = Vec::new();
        for item in self
            .table
            .query_prefix("list holds", keys::account(account).pk, keys::HOLD)
            .await?
        {
            holds.push(hold_of(&item)?);
        }
        Ok(holds)
    }

    /// Lists an account's entries, newest first. A new entry can take a moment to appear.
    pub async fn entry_list(
        &self,
        account: &AccountId,
        from: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<Entry>, StoreError> {
        const LIST: &str = "list entries";
        let side = self.ledger_side(LIST)?;
        let query = side.table.query().index_name("timeline");
        let found = pages::newest(
            LIST,
            pages::of(query, account.as_str()),
            (from, limit),
            |attributes| {
                let entry = entry_of(&Item::new(attributes, LIST))?;
                Ok(Some(Placed::new(entry.at, entry.cause.clone(), entry)))
            },
        );
        Ok(pages::page(found.await?, limit))
    }

    /// Reads all entries of an account, oldest first; strongly consistent.
    pub async fn entry_all(&self, account: &AccountId) -> Result<Vec<Entry>, StoreError> {
        let side = self.ledger_side("read all entries")?;
        let mut entries = Vec::new();
        for item in side
            .table
            .query_prefix("read all entries", keys::account(account).pk, keys::ENTRY)
            .await?
        {
            entries.push(entry_of(&Item::new(&item, "read all entries"))?);
        }
        entries.sort_by(|a, b| (a.at, &a.cause).cmp(&(b.at, &b.cause)));
        Ok(entries)
    }
}

pub(crate) fn entry_of(item: &Item<'_>) -> Result<Entry, StoreError> {
    let words = |name| Ok::<_, StoreError>(item.find_text(name)?.unwrap_or_default().to_owned());
    Ok(Entry {
        account: keys::account_of(item.text("pk")?).ok_or_else(|| item.bad("pk"))?,
        cause: item
            .text("sk")?
            .strip_prefix(keys::ENTRY)
            .ok_or_else(|| item.bad("sk"))?
            .to_owned(),
        kind: item.parsed("kind", |text| EntryKind::parse(text).ok_or(()))?,
        amount: item.parsed_number("amount", Credits::from_micros)?,
        free: item.number("free")?,
        held: item.number("held")?,
        at: item.time("at")?,
        note: words("note")?,
        source: words("source")?,
        priced_by: words("priced_by")?,
        terms: terms_of(item)?,
    })
}

fn terms_of(item: &Item<'_>) -> Result<Option<GrantTerms>, StoreError> {
    let Some(kind) = item.find_text("grant_type")? else {
        return Ok(None);
    };
    Ok(Some(GrantTerms {
        kind: GrantType::parse(kind).ok_or_else(|| item.bad("grant_type"))?,
        priority: item.number("priority")?,
        expires_at: item.find_time("expires_at")?,
    }))
}

fn hold_of(attributes: &Attributes) -> Result<OpenHold, StoreError> {
    let item = Item::new(attributes, "list holds");
    let name = item
        .text("sk")?
        .strip_prefix(keys::HOLD)
        .ok_or_else(|| item.bad("sk"))?;
    Ok(OpenHold {
        hold: HoldId::parse(name).ok_or_else(|| item.bad("sk"))?,
        amount: item.parsed_number("amount", Credits::from_micros)?,
        held_at: item.time("held_at")?,
        until: item.find_time("until")?,
        period: item.find_text("period")?.map(str::to_owned),
    })
}
