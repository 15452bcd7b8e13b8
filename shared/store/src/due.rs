//! The list of due work: index `due`, sparse and sharded.
//!
//! The index may lag, so its rows are only hints. Taking a row is a conditional write on the row
//! itself, based on the due time from the index. If two sweepers try to take the same row, one
//! wins.

use crate::Store;
use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, number, text, time};
use crate::db::keys;
use crate::db::keys::Key;
use crate::db::table::{Updated, page};
use crate::db::tx::Change;
use domain::accounts::signups::Applicant;
use domain::billing::refunds::RefundKey;
use domain::billing::usage::{AccountMeter, Meter};
use domain::ids::{AccountId, AssistId, JobId};
use domain::ledger::{HoldId, HoldKey};
use domain::notices::{NoticeKey, NoticeKind};
use domain::switches::Switch;
use domain::switches::Switches;
use domain::time::Timestamp;
use std::time::Duration;

/// A piece of due work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DueItem {
    /// A job to advance.
    Job(JobId),
    /// A request for a job to process.
    Request(JobId),
    /// An assist to work on.
    Assist(AssistId),
    /// Usage to report to Stripe, or to cancel or credit there.
    Usage(AccountMeter),
    /// A notice to send to a customer.
    Notice(NoticeKey),
    /// An applicant who needs an account.
    SignUp(Applicant),
    /// A hold that was not settled in time.
    Hold(HoldKey),
    /// An account whose balance is to be topped up.
    TopUp(AccountId),
    /// A refund that an operator requested.
    Refund(RefundKey),
    /// An account whose mail address Stripe does not have yet.
    CustomerMail(AccountId),
}

impl DueItem {
    /// Whether the row is written long before it is due. The sweeper finds such rows in normal
    /// operation, and other rows only after something was lost.
    pub fn is_planned(&self) -> bool {
        match self {
            Self::Hold(_) | Self::TopUp(_) => true,
            Self::Notice(key) => key.kind().is_some_and(NoticeKind::is_planned),
            Self::Job(_)
            | Self::Request(_)
            | Self::Assist(_)
            | Self::Usage(_)
            | Self::Refund(_)
            | Self::CustomerMail(_)
            | Self::SignUp(_) => false,
        }
    }
}

/// A due row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    pub item: DueItem,
    pub due_at: Timestamp,
    key: Key,
}

/// Whether this call took a due row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// The due time was moved forward; the caller must queue the row.
    On,
    /// As `On`, and the row is due for the first time, as planned.
    AsPlanned,
    /// An operator paused the work. The row is checked again in a minute.
    Waiting,
    /// The work is done, or another caller took the row.
    Gone,
}

const WAIT_MAX_DOUBLINGS: u32 = 6;
/// How soon paused work is checked again.
const WAIT_WHILE_STOPPED: Duration = Duration::from_secs(60);

impl Store {
    /// Lists rows that are due, at most `limit` from each shard.
    pub async fn due_list(&self, now: Timestamp, limit: i32) -> Result<Vec<Due>, StoreError> {
        let shards = (0..keys::SHARDS).map(|shard| async move {
            let query = self
                .table
                .query()
                .index_name("due")
                .key_condition_expression("dx = :dx AND due_at <= :now")
                .expression_attribute_values(":dx", text(keys::due_shard(shard)))
                .expression_attribute_values(":now", time(now))
                .limit(limit);
            let found = page("list due rows", query).await?;
            found.iter().map(due_of).collect::<Result<Vec<_>, _>>()
        });
        Ok(futures::future::try_join_all(shards).await?.concat())
    }

    /// Takes a due row: moves its due time forward, and doubles the wait each time the row has not
    /// changed in between. The due time of paused work also moves, so that it does not block other
    /// work in the list, but its wait does not grow.
    pub async fn due_take(
        &self,
        due: &Due,
        switches: &Switches,
        now: Timestamp,
    ) -> Result<Moved, StoreError> {
        let found = self.table.get("take a due row", &due.key).await?;
        let Some(attributes) = found else {
            return Ok(Moved::Gone);
        };
        let item = Item::new(&attributes, "take a due row");
        let swept: u32 = item.find_number("swept")?.unwrap_or(0);
        let (moved, wait) = match continues(due, &item, switches)? {
            Switch::On => (
                if swept == 0 && due.item.is_planned() {
                    Moved::AsPlanned
                } else {
                    Moved::On
                },
                Duration::from_secs(60 << swept.min(WAIT_MAX_DOUBLINGS)),
            ),
            Switch::Off => (Moved::Waiting, WAIT_WHILE_STOPPED),
        };
        let mut change = Change::of(due.key.clone())
            .set("due_at", time(now.plus(wait)))
            .when("#due_at = :was", vec![("was", time(due.due_at))]);
        if moved != Moved::Waiting {
            change = change.set("swept", number(swept + 1));
        }
        Ok(match self.table.update("take a due row", change).await? {
            Updated::Done(()) => moved,
            Updated::Refused(_) => Moved::Gone,
        })
    }
}

/// Whether the work of a row may continue. Notices about what has happened are sent even if
/// everything is paused.
fn continues(due: &Due, item: &Item<'_>, switches: &Switches) -> Result<Switch, StoreError> {
    Ok(match &due.item {
        DueItem::Job(_) => switches.account(&item.parsed("owner", AccountId::parse)?),
        DueItem::Usage(debts) => switches.usage(&debts.account, Switch::On),
        DueItem::TopUp(account) => switches.account(account),
        DueItem::Request(_) | DueItem::Assist(_) => {
            switches.account(&item.parsed("account", AccountId::parse)?)
        }
        // An applicant has no account yet, and whether they need an operator's approval was decided
        // when they signed up.
        // A hold that expires gives credits back, which is no new work.
        // A refund gives money back, also to an account that is paused.
        // Where receipts go is no work of the account.
        DueItem::SignUp(_)
        | DueItem::Notice(_)
        | DueItem::Hold(_)
        | DueItem::Refund(_)
        | DueItem::CustomerMail(_) => Switch::On,
    })
}

fn due_of(attributes: &Attributes) -> Result<Due, StoreError> {
    let item = Item::new(attributes, "list due rows");
    let key = Key {
        pk: item.text("pk")?.to_owned(),
        sk: item.text("sk")?.to_owned(),
    };
    let what = due_item(&key.pk, &key.sk).ok_or_else(|| item.bad("sk"))?;
    Ok(Due {
        item: what,
        due_at: item.time("due_at")?,
        key,
    })
}

/// Derives the work that a row in index `due` owes from its key.
fn due_item(pk: &str, sk: &str) -> Option<DueItem> {
    match sk {
        keys::JOB => return keys::job_of(pk).map(DueItem::Job),
        keys::REQUEST => return keys::job_of(pk).map(DueItem::Request),
        keys::ASSIST => return keys::assist_of(pk).map(DueItem::Assist),
        keys::SIGN_UP => return keys::sign_up_of(pk).map(DueItem::SignUp),
        _ => {}
    }
    if sk.starts_with(keys::REFUND) {
        return keys::refund_of(pk, sk).map(DueItem::Refund);
    }
    let account = keys::account_of(pk)?;
    if sk == keys::PROFILE {
        return Some(DueItem::CustomerMail(account));
    }
    if sk == keys::TOP_UP {
        return Some(DueItem::TopUp(account));
    }
    if let Some(fact) = sk.strip_prefix(keys::NOTICE) {
        return Some(DueItem::Notice(NoticeKey {
            account,
            fact: fact.to_owned(),
        }));
    }
    if let Some(hold) = sk.strip_prefix(keys::HOLD) {
        let hold = HoldId::parse(hold)?;
        return Some(DueItem::Hold(HoldKey { account, hold }));
    }
    let usage = [keys::OWED, keys::CANCELLED, keys::USAGE_CREDIT]
        .into_iter()
        .find_map(|range| sk.strip_prefix(range))?;
    let (meter, _) = usage.split_once('#')?;
    Some(DueItem::Usage(AccountMeter {
        account,
        meter: Meter::parse(meter).ok()?,
    }))
}
