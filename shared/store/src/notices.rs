//! Notices to customers, each sent once.
//!
//! A mail cannot be recalled or looked up, so an attempt is recorded before it is made
//! (`notice_claim`), with a lease and the mark of the sender. When the row is released, an attempt
//! that certainly sent nothing is counted as `clear`. An attempt that is neither clear nor sent is
//! in doubt, whether its response was lost or its process died.

pub(crate) mod mailings;

use crate::Store;
use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, number, text, time};
use crate::db::keys;
use crate::db::table::{Updated, all};
use crate::db::tx::Change;
use aws_sdk_dynamodb::types::ReturnValue;
use domain::ids::AccountId;
use domain::jobs::RESEND_AFTER;
use domain::notices::{Notice, NoticeKey, NoticeKind, NoticeOutcome, PlannedNotice};
use domain::time::Timestamp;
use std::fmt;

/// Whether a notice is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeOwed {
    /// The notice was written and will be sent.
    Now,
    /// The fact already has its notice.
    Already,
}

/// A notice in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeRow {
    pub kind: String,
    /// The fact that it reports.
    pub fact: String,
    /// The text of the notice.
    pub words: String,
    pub at: Timestamp,
    /// The outcome and its time, once it has one.
    pub ended: Option<(NoticeOutcome, Timestamp)>,
    /// The reason for the outcome, if there is more to say.
    pub why: Option<String>,
}

/// The result of claiming a notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoticeClaim {
    /// The caller must send the notice.
    Yours(Untold),
    /// Another caller is sending it.
    Held,
    /// There is nothing to send: the notice has ended, or never existed.
    Ended,
}

/// A notice claimed by its sender.
#[derive(Clone, PartialEq, Eq)]
pub struct Untold {
    pub key: NoticeKey,
    pub kind: NoticeKind,
    /// The text of the notice.
    pub words: String,
    /// A link that can be used once.
    pub link: Option<String>,
    /// When the first attempt was made; this never changes.
    pub first_attempt: Timestamp,
    /// When it stops being true, if ever.
    pub valid_until: Option<Timestamp>,
    /// The number of earlier attempts that may or may not have sent a mail.
    pub doubts: u32,
    /// The number of earlier attempts that failed on the mail provider's side.
    pub attempts: u32,
    mark: String,
}

/// Omits the text and the link, which belong to the customer.
impl fmt::Debug for Untold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Untold")
            .field("key", &self.key)
            .field("doubts", &self.doubts)
            .finish_non_exhaustive()
    }
}

/// The result of an attempt that did not end the notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tried {
    /// Nothing was sent, and the mail was not the cause: a throttle, or our credentials.
    Postponed,
    /// Nothing was sent, because the mail provider failed.
    Failed,
    /// It is unknown whether a mail was sent.
    InDoubt,
}

const TELL: &str = "tell a notice";

impl Store {
    /// Creates a notice for a customer, once per fact.
    pub async fn notice_owe(
        &self,
        account: &AccountId,
        notice: &Notice,
        now: Timestamp,
    ) -> Result<NoticeOwed, StoreError> {
        let item = notice_attributes(account, notice, now);
        Ok(match self.table.put_new("owe a notice", item).await? {
            Updated::Done(()) => NoticeOwed::Now,
            Updated::Refused(_) => NoticeOwed::Already,
        })
    }

    /// Creates a notice that is due later. If it exists with a later time and no attempt was made,
    /// it gets this time and these words, because the events about one fact arrive in any order.
    pub async fn notice_plan(
        &self,
        account: &AccountId,
        planned: &PlannedNotice,
    ) -> Result<(), StoreError> {
        let PlannedNotice {
            notice,
            due_at,
            valid_until,
        } = planned;
        let key = keys::notice(account, &notice.topic.fact());
        let dx = keys::due(&key);
        let change = Change::of(key)
            .set("kind", text(notice.topic.kind().as_str()))
            .set("words", text(&notice.words))
            .set("noticed_at", time(notice.at))
            .set("dx", text(dx))
            .set("due_at", time(*due_at))
            .set("planned_at", time(*due_at))
            .set_or_remove("valid_until", valid_until.map(time))
            .when(
                "attribute_not_exists(pk) OR (attribute_exists(#dx) AND attribute_not_exists(#first_attempt) \
                 AND #planned_at > :planned_at)",
                vec![],
            );
        self.table.update("plan a notice", change).await.map(drop)
    }

    /// Claims a notice until `until`, and records that an attempt is made. `mark` identifies the
    /// caller: if the response to a claim was lost, repeating it with the same mark succeeds.
    pub async fn notice_claim(
        &self,
        key: &NoticeKey,
        mark: u64,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<NoticeClaim, StoreError> {
        let mark = format!("{mark:016x}");
        let change = Change::of(keys::notice(&key.account, &key.fact))
            .set("telling_until", time(until))
            .set("teller", text(&mark))
            .set("due_at", time(until))
            .set_expression("#first_attempt = if_not_exists(#first_attempt, :now)", vec![("now", time(now))])
            .add("tries", number(1))
            .remove("swept")
            .when("attribute_exists(#dx) AND (attribute_not_exists(#telling_until) OR #telling_until <= :now)", vec![]);
        let claimed = self
            .table
            .update_returning(TELL, change, ReturnValue::AllNew);
        Ok(match claimed.await? {
            Updated::Done(row) => NoticeClaim::Yours(untold(key, mark, &row)?),
            Updated::Refused(row) if row.get("teller") == Some(&text(&mark)) => {
                NoticeClaim::Yours(untold(key, mark, &row)?)
            }
            Updated::Refused(row) if row.contains_key("dx") => NoticeClaim::Held,
            Updated::Refused(_) => NoticeClaim::Ended,
        })
    }

    /// Releases a notice that could not be sent, and sets when it is due again.
    pub async fn notice_release(
        &self,
        untold: &Untold,
        tried: Tried,
        due_at: Timestamp,
    ) -> Result<(), StoreError> {
        let change = self.handed_back(untold).set("due_at", time(due_at));
        let change = match tried {
            Tried::Postponed => change.add("clear", number(1)),
            Tried::Failed => change.add("clear", number(1)).add("attempts", number(1)),
            Tried::InDoubt => change,
        };
        self.table
            .update("give back a notice", change)
            .await
            .map(drop)
    }

    /// Ends a notice. It is no longer due, and its one-time link is removed.
    pub async fn notice_end(
        &self,
        untold: &Untold,
        outcome: NoticeOutcome,
        why: Option<&str>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let change = self
            .handed_back(untold)
            .set("outcome", text(outcome.as_str()))
            .set("ended_at", time(now));
        let change = if outcome == NoticeOutcome::Sent {
            change.set("told_at", time(now))
        } else {
            change
        };
        let change = change
            .set_or_remove("why", why.map(text))
            .remove("dx")
            .remove("due_at")
            .remove("link");
        self.table.update("end a notice", change).await.map(drop)
    }

    /// Removes the sender from the row, if the caller still is the sender.
    fn handed_back(&self, untold: &Untold) -> Change {
        Change::of(keys::notice(&untold.key.account, &untold.key.fact))
            .remove("telling_until")
            .remove("teller")
            .when("#teller = :mark", vec![("mark", text(&untold.mark))])
    }

    /// Lists an account's notices, newest first.
    pub async fn notice_list(&self, account: &AccountId) -> Result<Vec<NoticeRow>, StoreError> {
        let mut notices = Vec::new();
        let query = self.table.prefix(keys::account(account).pk, keys::NOTICE);
        for found in all("list notices", query).await? {
            notices.push(row_of(&Item::new(&found, "list notices"))?);
        }
        notices.sort_by_key(|notice| std::cmp::Reverse(notice.at));
        Ok(notices)
    }
}

/// Builds the item of a new notice.
pub(crate) fn notice_attributes(
    account: &AccountId,
    notice: &Notice,
    now: Timestamp,
) -> Attributes {
    let key = keys::notice(account, &notice.topic.fact());
    let mut item = key.attributes();
    let more = [
        ("kind", text(notice.topic.kind().as_str())),
        ("words", text(&notice.words)),
        ("noticed_at", time(notice.at)),
        ("dx", text(keys::due(&key))),
        ("due_at", time(now.plus(RESEND_AFTER))),
    ];
    item.extend(more.map(|(name, value)| (name.to_owned(), value)));
    item.extend(
        notice
            .link
            .as_ref()
            .map(|link| ("link".to_owned(), text(link))),
    );
    item
}

fn untold(key: &NoticeKey, mark: String, attributes: &Attributes) -> Result<Untold, StoreError> {
    let item = Item::new(attributes, TELL);
    let count = |name| item.find_number::<u32>(name).map(Option::unwrap_or_default);
    Ok(Untold {
        key: key.clone(),
        kind: NoticeKind::parse(item.text("kind")?).ok_or_else(|| item.bad("kind"))?,
        words: item.text("words")?.to_owned(),
        link: item.find_text("link")?.map(str::to_owned),
        first_attempt: item.time("first_attempt")?,
        valid_until: item.find_time("valid_until")?,
        doubts: count("tries")?
            .saturating_sub(1)
            .saturating_sub(count("clear")?),
        attempts: count("attempts")?,
        mark,
    })
}

fn row_of(item: &Item<'_>) -> Result<NoticeRow, StoreError> {
    let outcome = item
        .find_text("outcome")?
        .map(|word| NoticeOutcome::parse(word).ok_or_else(|| item.bad("outcome")));
    Ok(NoticeRow {
        kind: item.text("kind")?.to_owned(),
        fact: item
            .text("sk")?
            .strip_prefix(keys::NOTICE)
            .ok_or_else(|| item.bad("sk"))?
            .to_owned(),
        words: item.text("words")?.to_owned(),
        at: item.time("noticed_at")?,
        ended: outcome
            .transpose()?
            .map(|outcome| Ok((outcome, item.time("ended_at")?)))
            .transpose()?,
        why: item.find_text("why")?.map(str::to_owned),
    })
}
