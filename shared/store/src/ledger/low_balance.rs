//! The warning about a low balance: once each time the available credits fall below the account's
//! threshold, whatever moved them.
//!
//! A row says whether the account was warned since credits last came in and lifted the balance above
//! the threshold, and counts the warnings. The row and the notice are written in one transaction, so
//! of two concurrent movements one warns, and a process that dies between them leaves both undone.
//! Credits that return from a hold do not arm the warning again, or each job would cause a mail.

use crate::Store;
use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, number};
use crate::db::keys;
use crate::db::table::Updated;
use crate::db::tx::{Change, Committed, put_new};
use crate::notices::mailings::AccountChanged;
use crate::notices::notice_attributes;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::ids::AccountId;
use domain::notices::{Notice, Topic};
use domain::time::Timestamp;
use domain::units::Credits;

const WARN: &str = "warn of a low balance";

/// Another movement has warned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Refusal {
    Warned,
}

impl Store {
    /// Begins an automatic top-up if the account has set one and its balance is below the threshold
    /// for it, and warns the account as [`Self::low_balance_warn`] does. Called after every movement
    /// that spends, holds or corrects credits.
    pub async fn balance_warn(
        &self,
        account: &AccountId,
        usual: Credits,
        now: Timestamp,
    ) -> Result<Option<Notice>, StoreError> {
        self.top_up_begin(account, now).await?;
        self.low_balance_warn(account, usual, now).await
    }

    /// Warns an account whose available credits are below its threshold, unless it was warned since
    /// credits last came in. Returns the notice if it is new. `usual` is the threshold of accounts
    /// that have not set one. A refund or a dispute only warns: to charge the card again for credits
    /// whose money went back would undo it.
    pub async fn low_balance_warn(
        &self,
        account: &AccountId,
        usual: Credits,
        now: Timestamp,
    ) -> Result<Option<Notice>, StoreError> {
        self.while_contended(|| self.balance_warn_once(account, usual, now))
            .await
    }

    async fn balance_warn_once(
        &self,
        account: &AccountId,
        usual: Credits,
        now: Timestamp,
    ) -> Result<Option<Notice>, StoreError> {
        let available = self.balance_find(account).await?.available;
        if available >= self.low_balance_find(account, usual).await? {
            return Ok(None);
        }
        let key = keys::low_balance(account);
        let found = self.table.get(WARN, &key).await?.unwrap_or_default();
        let row = Item::new(&found, WARN);
        let warnings: u64 = row.find_number("warnings")?.unwrap_or(0);
        if is_warned(&found) {
            return Ok(None);
        }
        let change = Change::of(key)
            .set("warned", AttributeValue::Bool(true))
            .set("warnings", number(warnings + 1));
        let change = if found.is_empty() {
            change.when("attribute_not_exists(pk)", vec![])
        } else {
            let seen = vec![
                ("seen", number(warnings)),
                ("no", AttributeValue::Bool(false)),
            ];
            change.when("#warnings = :seen AND #warned = :no", seen)
        };
        let words = format!("{available} credits are left to spend.");
        let notice = Notice::new(Topic::LowBalance(warnings + 1), words, now);
        let mut tx = self.table.transaction(WARN);
        tx.add(change.item(&self.table)).or(Refusal::Warned);
        tx.add(put_new(
            &self.table,
            notice_attributes(account, &notice, now),
        ))
        .or(Refusal::Warned);
        Ok(match tx.commit().await? {
            Committed::Written => Some(notice),
            Committed::Refused(Refusal::Warned, _) => None,
        })
    }

    /// Arms the warning again if the available credits are no longer below the threshold. Called
    /// after credits came in.
    pub async fn balance_restored(
        &self,
        account: &AccountId,
        usual: Credits,
    ) -> Result<(), StoreError> {
        let available = self.balance_find(account).await?.available;
        if available < self.low_balance_find(account, usual).await? {
            return Ok(());
        }
        let change = Change::of(keys::low_balance(account))
            .set("warned", AttributeValue::Bool(false))
            .when("#warned = :yes", vec![("yes", AttributeValue::Bool(true))]);
        self.table.update(WARN, change).await.map(drop)
    }

    /// Reads the threshold of an account: its own, or else the usual one.
    pub async fn low_balance_find(
        &self,
        account: &AccountId,
        usual: Credits,
    ) -> Result<Credits, StoreError> {
        let found = self.table.get(WARN, &keys::account(account)).await?;
        let attributes = found.unwrap_or_default();
        let item = Item::new(&attributes, WARN);
        match item.find_number("low_balance")? {
            Some(micros) => Credits::from_micros(micros).ok_or_else(|| item.bad("low_balance")),
            None => Ok(usual),
        }
    }

    /// Sets the threshold of an account, or removes its own.
    pub async fn low_balance_set(
        &self,
        account: &AccountId,
        threshold: Option<Credits>,
    ) -> Result<AccountChanged, StoreError> {
        let change = Change::of(keys::account(account))
            .set_or_remove(
                "low_balance",
                threshold.map(|credits| number(credits.micros())),
            )
            .when("attribute_exists(pk)", vec![]);
        Ok(match self.table.update(WARN, change).await? {
            Updated::Done(()) => AccountChanged::Now,
            Updated::Refused(_) => AccountChanged::Unknown,
        })
    }
}

fn is_warned(row: &Attributes) -> bool {
    row.get("warned") == Some(&AttributeValue::Bool(true))
}
