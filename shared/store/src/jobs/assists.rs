//! Assists. Each action creates an assist at most once, and each transition is written on the
//! version that it started from, so a repeated call changes nothing.
//!
//! The task and the answer are stored next to the row, so that taking a lease does not rewrite
//! them.

mod parts;

use crate::Store;
use crate::billing::quotas::{count_change, use_change};
use crate::billing::spending::SpendingRefused;
use crate::billing::usage;
use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, number, text, time};
use crate::db::keys;
use crate::db::tx::{Change, Committed, put_new};
use crate::db::versions::{Write, Written, tries_attributes, tries_change, tries_of};
use crate::jobs::steps::{calls_of, calls_text, tokens_change, tokens_of};
use crate::jobs::terms::{terms_attributes, terms_of};
use crate::ledger::Post;
use crate::ledger::postings::PostingRefused;
use aws_sdk_dynamodb::types::TransactWriteItem;
use domain::billing::plans::Limit;
use domain::billing::quotas::QuotaUse;
use domain::billing::usage::Meter;
use domain::ids::{AccountId, AssistId};
use domain::jobs::BillingEffect;
use domain::jobs::assists::{
    Assist, AssistAnswer, AssistClaim, AssistFacts, AssistKind, AssistLease, AssistState,
    AssistTask, AssistTransition, CommitRef, ModelUsage,
};
use domain::ledger::{Balance, Posting};
use domain::units::Credits;
use parts::{answer_of, answer_part, task_of, task_part};

/// An assist to create.
pub struct NewAssist {
    pub row: Assist,
    pub task: AssistTask,
    /// The commit whose summary it is, if it summarizes a commit.
    pub place: Option<SummaryPlace>,
    /// The meter, the period, and the limit that it counts against. `None` if the assist is paid
    /// for.
    pub counts: Option<(Meter, String, Limit)>,
    /// What it counts on the plan's quotas.
    pub uses: Vec<QuotaUse>,
    /// The hold to place for it, if it is paid from credits.
    pub hold: Option<Posting>,
}

/// The single summary of a commit.
pub struct SummaryPlace {
    pub commit: CommitRef,
    /// The failed assist that this one replaces.
    pub instead_of: Option<AssistId>,
}

/// The result of creating an assist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AssistCreated {
    /// The assist is queued.
    New,
    /// This action already created the assist.
    Existing,
    /// Another caller already created the summary.
    Taken,
    /// There are not enough credits; nothing was created.
    OutOfCredits(Balance),
    /// The limit of this period is reached; nothing was created.
    UsedUp,
    /// A quota of the plan has no room for it; nothing was created.
    QuotaUsed(Meter),
    /// The assist could cost more than what is left of the customer's spend limit for this billing
    /// period; nothing was created.
    SpendLimitReached,
}

/// An assist with its task and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WholeAssist {
    pub row: Assist,
    pub task: AssistTask,
    /// The answer, once there is one.
    pub answer: Option<AssistAnswer>,
}

/// The result of a claim.
#[derive(Debug)]
pub enum AssistClaimed {
    /// The caller holds the lease.
    Yours(Box<AssistLease>),
    /// Another writer moved the assist first.
    Stale,
}

/// Reasons to refuse a new assist, in order of precedence. `Existing` comes first, because a
/// repeated request also finds that its summary is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Refusal {
    Existing,
    Taken,
    UsedUp,
    /// By its place among the quotas.
    QuotaUsed(usize),
    Spending(SpendingRefused),
    Posting(PostingRefused),
}

const ASK: &str = "ask for an assist";
const MOVE: &str = "move an assist";
const READ: &str = "read an assist";

impl Store {
    /// Creates an assist in one transaction: the row, the task, the summary's pointer, its count,
    /// its reserved spending, and its hold. Releases the account's expired holds before it refuses
    /// for lack of credits.
    pub async fn assist_create(&self, new: &NewAssist) -> Result<AssistCreated, StoreError> {
        let facts = &new.row.facts;
        let write = || self.assist_create_once(new);
        let short = |created: &AssistCreated| {
            matches!(
                created,
                AssistCreated::OutOfCredits(_) | AssistCreated::SpendLimitReached
            )
        };
        self.unless_short(&facts.account, facts.created_at, write, short)
            .await
    }

    async fn assist_create_once(&self, new: &NewAssist) -> Result<AssistCreated, StoreError> {
        let facts = &new.row.facts;
        let postings = self.postings(ASK, new.hold.as_slice()).await?;
        let reservation = self
            .outlay_begin(facts.terms.begins(&facts.account).as_ref())
            .await?;
        let mut row = row_attributes(&new.row);
        row.extend(reservation.reserved());
        let count = match &new.counts {
            Some((meter, period, limit)) => {
                match count_change(&facts.account, (meter, period), 1, *limit) {
                    Some(change) => Some(change.item(&self.table)),
                    None => return Ok(AssistCreated::UsedUp),
                }
            }
            None => None,
        };
        let begun = self.begun(&facts.account, facts.created_at);
        let mut tx = self.table.transaction(ASK);
        tx.add(put_new(&self.table, row)).or(Refusal::Existing);
        tx.add(put_new(&self.table, task_part(&facts.id, &new.task)?));
        tx.add(begun.item(&self.table));
        if let Some(place) = &new.place {
            tx.add(self.place_item(facts, place)).or(Refusal::Taken);
        }
        if let Some(count) = count {
            tx.add(count).or(Refusal::UsedUp);
        }
        for (place, used) in new.uses.iter().enumerate() {
            let Some(change) = use_change(&facts.account, used) else {
                return Ok(AssistCreated::QuotaUsed(used.meter.clone()));
            };
            tx.add(change.item(&self.table))
                .or(Refusal::QuotaUsed(place));
        }
        tx.join(&reservation.items, Refusal::Spending);
        tx.join(&postings.items, Refusal::Posting);
        let (refusal, old) = match tx.commit().await? {
            Committed::Written => return Ok(AssistCreated::New),
            Committed::Refused(refusal, old) => (refusal, old),
        };
        match refusal {
            Refusal::Existing => Ok(AssistCreated::Existing),
            Refusal::Taken => Ok(AssistCreated::Taken),
            Refusal::UsedUp => Ok(AssistCreated::UsedUp),
            Refusal::QuotaUsed(place) => Ok(match new.uses.get(place) {
                Some(used) => AssistCreated::QuotaUsed(used.meter.clone()),
                None => AssistCreated::UsedUp,
            }),
            Refusal::Spending(SpendingRefused::Beyond) => Ok(AssistCreated::SpendLimitReached),
            Refusal::Spending(SpendingRefused::Changed) => Err(StoreError::contended(ASK)),
            Refusal::Posting(refused) => match postings.post(refused, &old)? {
                Post::Insufficient(balance) => Ok(AssistCreated::OutOfCredits(balance)),
                post => Err(StoreError::inconsistent(
                    ASK,
                    format!("a new assist's hold: {post:?}"),
                )),
            },
        }
    }

    fn place_item(&self, facts: &AssistFacts, place: &SummaryPlace) -> TransactWriteItem {
        let change = Change::of(keys::summary(&facts.account, &place.commit))
            .set("assist", text(facts.id.as_str()));
        let change = match &place.instead_of {
            Some(failed) => {
                change.when("#assist = :failed", vec![("failed", text(failed.as_str()))])
            }
            None => change.when("attribute_not_exists(#assist)", vec![]),
        };
        change.item(&self.table)
    }

    /// Finds the assist that summarizes a commit for an account.
    pub async fn summary_find(
        &self,
        account: &AccountId,
        commit: &CommitRef,
    ) -> Result<Option<AssistId>, StoreError> {
        let key = keys::summary(account, commit);
        let found = self.table.get("find a summary", &key).await?;
        found
            .as_ref()
            .map(|item| Item::new(item, "find a summary").parsed("assist", AssistId::parse))
            .transpose()
    }

    pub async fn assist_account(&self, id: &AssistId) -> Result<Option<AccountId>, StoreError> {
        let found = self.table.get(READ, &keys::assist(id)).await?;
        found
            .as_ref()
            .map(|item| Item::new(item, READ).parsed("account", AccountId::parse))
            .transpose()
    }

    /// Reads an assist with its task and its answer, in one strongly consistent query.
    pub async fn assist_find(&self, id: &AssistId) -> Result<Option<WholeAssist>, StoreError> {
        let (mut row, mut task, mut answer) = (None, None, None);
        for found in self
            .table
            .query_partition(READ, keys::assist(id).pk)
            .await?
        {
            match Item::new(&found, READ).text("sk")? {
                keys::ASSIST => row = Some(assist_of(&found)?),
                keys::TASK => task = Some(task_of(&found)?),
                keys::ANSWER => answer = Some(answer_of(&found)?),
                other => return Err(StoreError::bad_item(READ, other, "sk")),
            }
        }
        let Some(row) = row else { return Ok(None) };
        let task = task.ok_or_else(|| StoreError::bad_item(READ, id.as_str(), "TASK"))?;
        Ok(Some(WholeAssist { row, task, answer }))
    }

    /// Takes the lease of a claim, if the assist is unchanged since the claim was made.
    pub async fn assist_claim(&self, claim: AssistClaim) -> Result<AssistClaimed, StoreError> {
        Ok(match self.assist_advance(claim.write()).await? {
            Written::Now => AssistClaimed::Yours(Box::new(claim.granted())),
            Written::Stale => AssistClaimed::Stale,
        })
    }
}

impl Store {
    /// Writes a transition with everything that belongs to it: the answer and the billing.
    pub async fn assist_advance(&self, write: &AssistTransition) -> Result<Written, StoreError> {
        self.while_contended(|| self.assist_write(write)).await
    }

    async fn assist_write(&self, write: &AssistTransition) -> Result<Written, StoreError> {
        let mark = self.mark();
        let (facts, money) = (&write.row().facts, write.money());
        let mut companions = Vec::new();
        let ttl = write.row().forget_at().map(|at| number(at.seconds()));
        if let Some(answer) = write.answer() {
            let mut item = answer_part(&facts.id, answer)?;
            item.extend(ttl.clone().map(|ttl| ("ttl".to_owned(), ttl)));
            companions.push(put_new(&self.table, item));
        }
        // The task expires together with the answer.
        companions.extend(ttl.map(|ttl| {
            Change::of(keys::assist_part(&facts.id, keys::TASK))
                .set("ttl", ttl)
                .item(&self.table)
        }));
        if let BillingEffect::Billed { capture, usage, .. } = &money {
            companions.extend(
                usage
                    .iter()
                    .map(|record| put_new(&self.table, usage::owed_attributes(record, record.at))),
            );
            if capture.is_some() || !usage.is_empty() {
                let tokens = write
                    .row()
                    .used
                    .as_ref()
                    .map(|used| used.tokens)
                    .unwrap_or_default();
                companions.extend(self.tokens_count(&facts.account, &facts.terms, tokens));
            }
        }
        let postings = self.postings(MOVE, money.posting()).await?;
        let (change, reservation) = (
            move_change(write, &mark),
            self.outlay_end(money.outlay()).await?,
        );
        let write = Write {
            operation: MOVE,
            change,
            companions,
            fix: None,
            reservation,
            postings,
        };
        let written = self.write_marked(write, &mark).await?;
        written.ok_or_else(|| StoreError::contended(MOVE))
    }
}

fn row_attributes(row: &Assist) -> Attributes {
    let facts = &row.facts;
    let key = keys::assist(&facts.id);
    let mut item = key.attributes();
    let more = [
        ("kind", text(facts.kind.as_str())),
        ("account", text(facts.account.as_str())),
        ("state", text(row.state.as_str())),
        ("version", number(row.version)),
        ("created_at", time(facts.created_at)),
    ];
    item.extend(more.map(|(name, value)| (name.to_owned(), value)));
    item.extend(tries_attributes(&key, row.tries));
    item.extend(terms_attributes(&facts.terms));
    item
}

fn move_change(write: &AssistTransition, mark: &str) -> Change {
    let row = write.row();
    let key = keys::assist(&row.facts.id);
    let change = tries_change(Change::of(key.clone()), &key, row.tries)
        .set("state", text(row.state.as_str()))
        .set("version", number(row.version))
        .set("w", text(mark))
        .set_or_remove("reason", row.reason.as_ref().map(text))
        .set_or_remove("ended_at", row.ended_at.map(time))
        .set_or_remove("ttl", row.forget_at().map(|at| number(at.seconds())))
        .when(
            "#version = :from_version",
            vec![("from_version", number(write.from_version()))],
        );
    let Some(used) = &row.used else { return change };
    tokens_change(change, used.tokens)
        .set("model", text(&used.model))
        .set("cost", number(used.cost.micros()))
        .set("calls", calls_text(&used.calls))
}

fn assist_of(attributes: &Attributes) -> Result<Assist, StoreError> {
    let item = Item::new(attributes, READ);
    let used = |model: &str| -> Result<ModelUsage, StoreError> {
        Ok(ModelUsage {
            model: model.to_owned(),
            tokens: tokens_of(&item)?,
            cost: item.parsed_number("cost", Credits::from_micros)?,
            calls: calls_of(&item)?,
        })
    };
    Ok(Assist {
        facts: AssistFacts {
            id: keys::assist_of(item.text("pk")?).ok_or_else(|| item.bad("pk"))?,
            account: item.parsed("account", AccountId::parse)?,
            kind: item.parsed("kind", |word| AssistKind::parse(word).ok_or(()))?,
            terms: terms_of(&item)?,
            created_at: item.time("created_at")?,
        },
        state: item.parsed("state", |word| AssistState::parse(word).ok_or(()))?,
        version: item.number("version")?,
        tries: tries_of(&item)?,
        used: item.find_text("model")?.map(used).transpose()?,
        reason: item.find_text("reason")?.map(str::to_owned),
        ended_at: item.find_time("ended_at")?,
    })
}
