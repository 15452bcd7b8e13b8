//! Notices: what customers have to be told, each once.
//!
//! A mail cannot be taken back or looked up, so a try is written down before it is made (`notice_claim`), with a lease and
//! the mark of whoever makes it. What surely came to nothing is counted as `clear` when the row is given back; a try that is
//! neither clear nor told is a doubt, whether its answer was lost or its process died.

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
use domain::notices::{Notice, NoticeKey, NoticeKind, NoticeOutcome};
use domain::time::Timestamp;
use std::fmt;

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
    /// How it ended and when, once it has.
    pub ended: Option<(NoticeOutcome, Timestamp)>,
    /// Why it ended so, where there is more to say.
    pub why: Option<String>,
}

/// What became of the wish to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoticeClaim {
    /// Tell it.
    Yours(Untold),
    /// Somebody else does.
    Held,
    /// There is nothing to tell: it has ended, or never was.
    Ended,
}

/// A notice in the hands of whoever tells it.
#[derive(Clone, PartialEq, Eq)]
pub struct Untold {
    /// Which.
    pub key: NoticeKey,
    /// Its kind.
    pub kind: NoticeKind,
    /// What there is to say.
    pub words: String,
    /// A link that is good once.
    pub link: Option<String>,
    /// When it was first tried; it does not change.
    pub first_attempt: Timestamp,
    /// Tries before this one of which nobody knows whether they sent a mail.
    pub doubts: u32,
    /// Tries before this one that failed on the other side.
    pub attempts: u32,
    mark: String,
}

/// Without the words and the link, which are the customer's.
impl fmt::Debug for Untold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Untold")
            .field("key", &self.key)
            .field("doubts", &self.doubts)
            .finish_non_exhaustive()
    }
}

/// How far a try came that did not end the notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tried {
    /// Nothing was sent, and it was no fault of the mail's: a throttle, our credentials.
    Postponed,
    /// Nothing was sent: the other side failed.
    Failed,
    /// Nobody knows.
    InDoubt,
}

const TELL: &str = "tell a notice";

impl Store {
    /// Owes a customer a notice, once for its fact.
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

    /// Takes the place of the one who tells a notice, until then, and writes down that a try is made. `mark` is the
    /// taker's own: with the same one, a claim whose answer was lost is taken for granted.
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

    /// Gives a notice back that could not be told; it is due again then.
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

    /// Ends a notice: it owes nothing any more, and forgets the link that was good once.
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

    /// The row without its teller; whoever is not that any more changes nothing.
    fn handed_back(&self, untold: &Untold) -> Change {
        Change::of(keys::notice(&untold.key.account, &untold.key.fact))
            .remove("telling_until")
            .remove("teller")
            .when("#teller = :mark", vec![("mark", text(&untold.mark))])
    }

    /// An account's notices, newest first.
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

/// A notice that is owed from now on.
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
