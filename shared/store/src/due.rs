//! The to-do list: index `due`, sparse and sharded.
//!
//! The index may lag, so what it names is only a hint: taking a row is a strong write on the row itself, conditional on
//! the moment the index gave, and of two sweepers that try, one wins.

use crate::Store;
use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, number, text, time};
use crate::db::keys;
use crate::db::keys::Key;
use crate::db::table::{Updated, page};
use crate::db::tx::Change;
use domain::accounts::signups::Applicant;
use domain::billing::usage::{AccountMeter, Meter};
use domain::ids::{AccountId, AssistId, JobId};
use domain::notices::NoticeKey;
use domain::switches::Switch;
use domain::switches::Switches;
use domain::time::Timestamp;
use std::time::Duration;

/// What is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DueItem {
    /// A job has to be looked at.
    Job(JobId),
    /// A request for a job has to be acted on.
    Request(JobId),
    /// An assist has to be worked on.
    Assist(AssistId),
    /// Stripe has to be told.
    Usage(AccountMeter),
    /// A customer has to be told.
    Notice(NoticeKey),
    /// A newcomer has to be given an account.
    SignUp(Applicant),
}

/// A row of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// What.
    pub item: DueItem,
    /// Since when.
    pub due_at: Timestamp,
    key: Key,
}

/// Whether a due row was ours to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// Its moment was moved on; send it.
    On,
    /// An operator has stopped it: it is looked at again in a minute.
    Waiting,
    /// It was done, or taken by another.
    Gone,
}

const WAIT_MAX_DOUBLINGS: u32 = 6;
/// Work that is stopped goes on this soon after it may.
const WAIT_WHILE_STOPPED: Duration = Duration::from_secs(60);

impl Store {
    /// Rows whose moment has come, at most `limit` of a shard.
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

    /// Takes a due row on: moves its moment, doubling the wait each time nobody has moved the row in between. What an
    /// operator has stopped is moved as well, so that it does not stand before what may go on, but no further each time.
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
        let (moved, wait) = match goes_on(due, &item, switches)? {
            Switch::On => (
                Moved::On,
                Duration::from_secs(60 << swept.min(WAIT_MAX_DOUBLINGS)),
            ),
            Switch::Off => (Moved::Waiting, WAIT_WHILE_STOPPED),
        };
        let mut change = Change::of(due.key.clone())
            .set("due_at", time(now.plus(wait)))
            .when("#due_at = :was", vec![("was", time(due.due_at))]);
        if moved == Moved::On {
            change = change.set("swept", number(swept + 1));
        }
        Ok(match self.table.update("take a due row", change).await? {
            Updated::Done(()) => moved,
            Updated::Refused(_) => Moved::Gone,
        })
    }
}

/// Whether the work that a row owes may go on. Customers are told of what has happened, whatever is stopped.
fn goes_on(due: &Due, item: &Item<'_>, switches: &Switches) -> Result<Switch, StoreError> {
    Ok(match &due.item {
        DueItem::Job(_) => switches.account(&item.parsed("owner", AccountId::parse)?),
        DueItem::Usage(debts) => switches.usage(&debts.account, Switch::On),
        DueItem::Request(_) | DueItem::Assist(_) => {
            switches.account(&item.parsed("account", AccountId::parse)?)
        }
        // Who signs up has no account yet, and whether he gets one without a person's word was decided when he came.
        DueItem::SignUp(_) | DueItem::Notice(_) => Switch::On,
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

/// What a row in index `due` owes, told by its key.
fn due_item(pk: &str, sk: &str) -> Option<DueItem> {
    match sk {
        keys::JOB => return keys::job_of(pk).map(DueItem::Job),
        keys::REQUEST => return keys::job_of(pk).map(DueItem::Request),
        keys::ASSIST => return keys::assist_of(pk).map(DueItem::Assist),
        keys::SIGN_UP => return keys::sign_up_of(pk).map(DueItem::SignUp),
        _ => {}
    }
    let account = keys::account_of(pk)?;
    if let Some(fact) = sk.strip_prefix(keys::NOTICE) {
        return Some(DueItem::Notice(NoticeKey {
            account,
            fact: fact.to_owned(),
        }));
    }
    let (meter, _) = sk.strip_prefix(keys::OWED)?.split_once('#')?;
    Some(DueItem::Usage(AccountMeter {
        account,
        meter: Meter::parse(meter).ok()?,
    }))
}
