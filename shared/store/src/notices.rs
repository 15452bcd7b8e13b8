//! Notices: what customers have to be told, each once.

use crate::error::StoreError;
use crate::item::{Item, text, time};
use crate::{Store, keys};
use domain::ids::AccountId;
use domain::notices::Notice;
use domain::time::Timestamp;

/// Whether a notice is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeOwed {
    /// Written; it will be told.
    Now,
    /// That fact has its notice.
    Already,
}

/// A notice as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeRow {
    /// Its kind.
    pub kind: String,
    /// What it is about.
    pub fact: String,
    /// What it says.
    pub words: String,
    /// Since when.
    pub at: Timestamp,
}

impl Store {
    /// Owes a customer a notice, once for its fact.
    pub async fn notice_owe(&self, account: &AccountId, notice: &Notice) -> Result<NoticeOwed, StoreError> {
        let mut item = keys::notice(account, &notice.topic.fact()).attributes();
        let more =
            [("kind", text(notice.topic.kind())), ("words", text(&notice.words)), ("noticed_at", time(notice.at))];
        item.extend(more.map(|(name, value)| (name.to_owned(), value)));
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)");
        match put.send().await {
            Ok(_) => Ok(NoticeOwed::Now),
            Err(error) if error.as_service_error().is_some_and(|e| e.is_conditional_check_failed_exception()) => {
                Ok(NoticeOwed::Already)
            }
            Err(error) => Err(StoreError::sdk("owe a notice", error)),
        }
    }

    /// An account's notices, newest first.
    pub async fn notice_list(&self, account: &AccountId) -> Result<Vec<NoticeRow>, StoreError> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk AND begins_with(sk, :notice)")
            .expression_attribute_values(":pk", text(keys::account(account).pk))
            .expression_attribute_values(":notice", text(keys::NOTICE))
            .into_paginator()
            .items()
            .send();
        let mut notices = Vec::new();
        while let Some(found) = pages.next().await {
            let found = found.map_err(|e| StoreError::sdk("list notices", e))?;
            let item = Item::new(&found, "list notices");
            notices.push(NoticeRow {
                kind: item.text("kind")?.to_owned(),
                fact: item.text("sk")?.strip_prefix(keys::NOTICE).ok_or_else(|| item.bad("sk"))?.to_owned(),
                words: item.text("words")?.to_owned(),
                at: item.time("noticed_at")?,
            });
        }
        notices.sort_by_key(|notice| std::cmp::Reverse(notice.at));
        Ok(notices)
    }
}
