//! Jobs: created once per fact, moved only by transitions, each written on the version it came from.
//!
//! A write whose answer was lost leaves its mark (`w`, a random number) on the row, so that its writer knows it again
//! instead of taking its own success for somebody else's.

pub(crate) mod assists;
pub(crate) mod phases;
pub(crate) mod requests;
pub(crate) mod steps;
pub(crate) mod terms;

mod rows;

use crate::Store;
use crate::billing::quotas::{count_change, uncount_change};
use crate::billing::spending::SpendingRefused;
use crate::billing::usage;
use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, number, text, time};
use crate::db::keys;
use crate::db::pages;
use crate::db::pages::{Cursor, Page, Placed};
use crate::db::table::Updated;
use crate::db::tx::{Change, Committed, delete_when, put_new};
use crate::db::versions::{Write, Written};
use crate::jobs::steps::{step_item, step_of};
use crate::ledger::Post;
use crate::ledger::postings::PostingRefused;
use aws_sdk_dynamodb::types::{ReturnValue, TransactWriteItem};
use domain::billing::plans::Limit;
use domain::billing::usage::{Meter, Tokens};
use domain::ids::{AccountId, CommentId, JobId, RepositoryId};
use domain::jobs::steps::{IssueText, Step, StepOutput, Steps};
use domain::jobs::{
    BillingEffect, CommentState, FixPaid, JobClaim, JobFacts, JobLease, JobRow, Transition,
};
use domain::ledger::{Balance, Posting};
use domain::time::Timestamp;
use domain::units::Credits;
use rows::{row_attributes, snapshot_of, transition_change};
use std::sync::LazyLock;

/// A job that is to be.
pub struct NewJob {
    /// Its row.
    pub row: JobRow,
    /// What was asked; it becomes the job's first step.
    pub order: IssueText,
    /// How many jobs its period allows.
    pub limit: Limit,
    /// What has to be reserved for it, if it is paid from credits.
    pub hold: Option<Posting>,
}

/// What became of a wish for a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobCreated {
    /// There is a new job.
    New,
    /// This very fact made that job before.
    Existing(JobId),
    /// The issue has that job already; the fact is noted to mean it.
    Joined(JobId),
    /// There are not enough credits; nothing was made.
    OutOfCredits(Balance),
    /// The period's jobs are used up; nothing was made.
    QuotaUsed,
    /// The account is closed, since its owner has moved to another one; nothing was made.
    AccountClosed,
    /// It could cost more than the customer still wants to spend in this billing period; nothing was made.
    SpendLimitReached,
}

/// What became of a move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Advanced {
    /// Written; the job as it is now.
    Applied(Box<JobRow>),
    /// Somebody else moved the job first.
    Stale,
}

/// What became of a claim.
#[derive(Debug)]
pub enum Claimed<W> {
    /// The work is yours.
    Yours(Box<JobLease<W>>),
    /// Somebody else moved the job first.
    Stale,
}

/// What became of the wish to write the comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommentClaim {
    /// Write it.
    Yours,
    /// Somebody is at it, or it is written.
    Held,
}

/// What may stand against a new job, in the order in which they decide. The fact comes first: a repeated delivery also
/// finds its issue taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Refusal {
    Existing,
    Joined,
    QuotaUsed,
    AccountClosed,
    Spending(SpendingRefused),
    Posting(PostingRefused),
}

const CREATE: &str = "create a job";
const MOVE: &str = "move a job";

/// The meter on which every job takes its place in a quota.
static PULLS: LazyLock<Meter> = LazyLock::new(Meter::pull_requests);

impl Store {
    /// Creates a job: the fact, the issue's place, the row, the order, its place in the quota, what it may spend and its
    /// hold, whole or not at all.
    pub async fn job_create(&self, new: &NewJob) -> Result<JobCreated, StoreError> {
        self.while_contended(|| self.job_create_once(new)).await
    }

    async fn job_create_once(&self, new: &NewJob) -> Result<JobCreated, StoreError> {
        let facts = &new.row.facts;
        let Some(count) = count_change(&facts.account, (&PULLS, &facts.terms.period), 1, new.limit)
        else {
            return Ok(JobCreated::QuotaUsed);
        };
        let postings = self.postings(CREATE, new.hold.as_slice()).await?;
        let reservation = self
            .outlay_begin(facts.terms.begins(&facts.account).as_ref())
            .await?;
        let mut row = row_attributes(&new.row);
        row.extend(reservation.reserved());
        let open = pointer(keys::open(facts.repository, facts.issue_number), &facts.id);
        let begun = self.begun(&facts.account, facts.created_at);
        let mut tx = self.table.transaction(CREATE);
        tx.add(put_new(&self.table, self.trigger(facts, &facts.id)))
            .or(Refusal::Existing);
        tx.add(put_new(&self.table, open)).or(Refusal::Joined);
        tx.add(count.item(&self.table)).or(Refusal::QuotaUsed);
        tx.add(put_new(&self.table, row));
        tx.add(put_new(
            &self.table,
            step_item(&facts.id, 0, &order_step(new))?,
        ));
        tx.add(begun.item(&self.table)).or(Refusal::AccountClosed);
        tx.join(&reservation.items, Refusal::Spending);
        tx.join(&postings.items, Refusal::Posting);
        let (refusal, old) = match tx.commit().await? {
            Committed::Written => return Ok(JobCreated::New),
            Committed::Refused(refusal, old) => (refusal, old),
        };
        match refusal {
            Refusal::Existing => held_by(&old).map(JobCreated::Existing),
            Refusal::Joined => self.job_join(facts, held_by(&old)?).await,
            Refusal::QuotaUsed => Ok(JobCreated::QuotaUsed),
            Refusal::AccountClosed => Ok(JobCreated::AccountClosed),
            Refusal::Spending(SpendingRefused::Beyond) => Ok(JobCreated::SpendLimitReached),
            Refusal::Spending(SpendingRefused::Changed) => Err(StoreError::contended(CREATE)),
            Refusal::Posting(refused) => match postings.post(refused, &old)? {
                Post::Insufficient(balance) => Ok(JobCreated::OutOfCredits(balance)),
                post => Err(StoreError::inconsistent(
                    CREATE,
                    format!("a new job's hold: {post:?}"),
                )),
            },
        }
    }

    /// Creates a job that is over before any work, so that its issue is commented why. It takes no place.
    pub async fn job_refuse(&self, new: &NewJob) -> Result<JobCreated, StoreError> {
        let facts = &new.row.facts;
        let mut tx = self.table.transaction(CREATE);
        tx.add(put_new(&self.table, self.trigger(facts, &facts.id)))
            .or(Refusal::Existing);
        tx.add(put_new(&self.table, row_attributes(&new.row)));
        tx.add(put_new(
            &self.table,
            step_item(&facts.id, 0, &order_step(new))?,
        ));
        match tx.commit().await? {
            Committed::Written => Ok(JobCreated::New),
            Committed::Refused(_, old) => held_by(&old).map(JobCreated::Existing),
        }
    }

    /// Notes that a fact means the job which stands, so that its redelivery does not start another one later.
    async fn job_join(&self, facts: &JobFacts, job: JobId) -> Result<JobCreated, StoreError> {
        Ok(
            match self
                .table
                .put_new("note a fact", self.trigger(facts, &job))
                .await?
            {
                Updated::Done(()) => JobCreated::Joined(job),
                Updated::Refused(_) => JobCreated::Joined(job),
            },
        )
    }

    fn trigger(&self, facts: &JobFacts, job: &JobId) -> Attributes {
        pointer(keys::trigger(facts.repository, &facts.trigger), job)
    }

    /// The job, if there is one.
    pub async fn job_find(&self, id: &JobId) -> Result<Option<JobRow>, StoreError> {
        let found = self.table.get("read a job", &keys::job(id)).await?;
        found.as_ref().map(snapshot_of).transpose()
    }

    /// The job with all its steps, in one strongly consistent read.
    pub async fn job_find_whole(&self, id: &JobId) -> Result<Option<(JobRow, Steps)>, StoreError> {
        let (mut row, mut steps) = (None, Vec::new());
        for item in self
            .table
            .query_partition("read a job", keys::job(id).pk)
            .await?
        {
            match item
                .get("sk")
                .and_then(|sk| sk.as_s().ok())
                .map(String::as_str)
            {
                Some(keys::JOB) => row = Some(snapshot_of(&item)?),
                Some(keys::REQUEST) => {}
                Some(_) | None => steps.push(step_of(&item)?),
            }
        }
        Ok(row.map(|row| (row, Steps(steps))))
    }

    /// An account's jobs, newest first. They may be listed some moments after they were made.
    pub async fn job_list(
        &self,
        account: &AccountId,
        from: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<JobRow>, StoreError> {
        const LIST: &str = "list jobs";
        let query = self.table.query().index_name("timeline");
        let found = pages::newest(
            LIST,
            pages::of(query, account.as_str()),
            (from, limit),
            |attributes| {
                let item = Item::new(attributes, LIST);
                let Some(id) = keys::job_of(item.text("pk")?) else {
                    return Ok(None);
                };
                Ok(Some(Placed::new(item.time("at")?, id.to_string(), id)))
            },
        );
        let Page { rows, next } = pages::page(found.await?, limit);
        let jobs = futures::future::try_join_all(rows.iter().map(|id| self.job_find(id))).await?;
        Ok(Page {
            rows: jobs.into_iter().flatten().collect(),
            next,
        })
    }

    /// The job an issue has now.
    pub async fn job_find_open(
        &self,
        repository: RepositoryId,
        issue_number: u64,
    ) -> Result<Option<JobId>, StoreError> {
        let key = keys::open(repository, issue_number);
        let found = self.table.get("find an issue's job", &key).await?;
        found.as_ref().map(held_by).transpose()
    }

    /// Takes the lease of a claim, if the job still is as it was when the claim was made.
    pub async fn job_claim<W>(&self, claim: JobClaim<W>) -> Result<Claimed<W>, StoreError> {
        Ok(match self.job_advance(claim.transition()).await? {
            Advanced::Applied(_) => Claimed::Yours(Box::new(claim.granted())),
            Advanced::Stale => Claimed::Stale,
        })
    }

    /// Writes a move with everything that belongs to it. Where the fix that it bills turns out to have been paid for, it is
    /// the same move at less cost.
    pub async fn job_advance(&self, transition: &Transition) -> Result<Advanced, StoreError> {
        self.job_advance_with(transition, |_| None).await
    }

    /// The same, with an item that tells of the move as it is written.
    pub(crate) async fn job_advance_with(
        &self,
        transition: &Transition,
        beside: impl Fn(&Transition) -> Option<TransactWriteItem>,
    ) -> Result<Advanced, StoreError> {
        if let Some(advanced) = self
            .while_contended(|| self.job_write(transition, beside(transition)))
            .await?
        {
            return Ok(advanced);
        }
        let paid = transition.with_fix_paid();
        let advanced = self
            .while_contended(|| self.job_write(&paid, beside(&paid)))
            .await?;
        // Another job was billed for the fix in between; whoever tries again finds it so.
        advanced.ok_or_else(|| StoreError::contended(MOVE))
    }

    /// Writes a move; none if its fix is not paid for as the move has it.
    async fn job_write(
        &self,
        transition: &Transition,
        beside: Option<TransactWriteItem>,
    ) -> Result<Option<Advanced>, StoreError> {
        let mark = self.mark();
        let money = transition.money();
        let postings = self.postings(MOVE, money.posting()).await?;
        let write = Write {
            operation: MOVE,
            change: transition_change(transition, &mark),
            fix: matches!(money, BillingEffect::Billed { .. })
                .then(|| self.fix_billed(transition.row())),
            companions: self
                .companions(transition, &money)?
                .into_iter()
                .chain(beside)
                .collect(),
            reservation: self.outlay_end(money.outlay()).await?,
            postings,
        };
        let written = self.write_marked(write, &mark).await?;
        Ok(written.map(|written| match written {
            Written::Now => Advanced::Applied(Box::new(transition.row().clone())),
            Written::Stale => Advanced::Stale,
        }))
    }

    /// The items that are written together with a job's row, besides the fix that it bills.
    fn companions(
        &self,
        transition: &Transition,
        money: &BillingEffect,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let row = transition.row();
        let mut items = Vec::new();
        if let Some(step) = transition.step() {
            items.push(put_new(
                &self.table,
                step_item(&row.facts.id, row.steps, step)?,
            ));
        }
        match money {
            BillingEffect::None => {}
            BillingEffect::Billed { usage, .. } => {
                items.extend(
                    usage
                        .iter()
                        .map(|usage| put_new(&self.table, usage::owed_attributes(usage, usage.at))),
                );
                items.extend(self.tokens_count(&row.facts.account, &row.facts.terms, row.tokens));
                if row.fix_paid == FixPaid::Before {
                    items.push(self.place_returned(row));
                }
            }
            BillingEffect::Released { .. } => items.push(self.place_returned(row)),
        }
        if transition.frees_issue() {
            let open = keys::open(row.facts.repository, row.facts.issue_number);
            let ours = vec![("job", text(row.facts.id.as_str()))];
            items.push(delete_when(
                &self.table,
                open,
                "attribute_not_exists(pk) OR #job = :job",
                ours,
            ));
        }
        Ok(items)
    }

    /// Gives back the place in the quota that a job took.
    fn place_returned(&self, row: &JobRow) -> TransactWriteItem {
        uncount_change(&row.facts.account, &PULLS, &row.facts.terms.period, 1).item(&self.table)
    }

    /// Asks to write the job's comment until `until`; one at a time, since GitHub would take two.
    pub async fn comment_claim(
        &self,
        row: &JobRow,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<CommentClaim, StoreError> {
        let change = Change::of(keys::job(&row.facts.id)).set("commenting_until", time(until)).when(
            "#state = :state AND (attribute_not_exists(#commenting_until) OR #commenting_until <= :now) AND (attribute_not_exists(#commented) OR #commented <> :notice)",
            vec![("now", time(now)), ("state", text(row.state.as_str())), ("notice", text(row.state.notice().as_str()))],
        );
        Ok(match self.table.update(MOVE, change).await? {
            Updated::Done(()) => CommentClaim::Yours,
            Updated::Refused(_) => CommentClaim::Held,
        })
    }

    /// Notes what the comment says now, and answers the job as it is by then. A job that owes nothing else leaves the list
    /// of due rows with it. Without a comment, GitHub will not have one there, and it is owed no longer.
    pub async fn comment_told(
        &self,
        row: &JobRow,
        notice: CommentState,
        comment: Option<CommentId>,
        until: Timestamp,
    ) -> Result<Option<JobRow>, StoreError> {
        let commented = |condition: &str, values| {
            let change = Change::of(keys::job(&row.facts.id))
                .set("commented", text(notice.as_str()))
                .remove("commenting_until");
            let change = if let Some(comment) = comment {
                change.set("comment", number(comment))
            } else {
                change
            };
            change.when(condition, values)
        };
        if row.state.work().is_none() {
            let still = vec![("until", time(until)), ("version", number(row.version))];
            let last = commented("#commenting_until = :until AND #version = :version", still)
                .remove("dx")
                .remove("due_at");
            if let Some(settled) = self.job_change(last).await? {
                return Ok(Some(settled));
            }
            // The job moved on while we wrote; the newer state owes words of its own.
        }
        self.job_change(commented(
            "#commenting_until = :until",
            vec![("until", time(until))],
        ))
        .await
    }

    /// Changes a job's row, if the condition holds; the row afterwards.
    async fn job_change(&self, change: Change) -> Result<Option<JobRow>, StoreError> {
        let changed = self
            .table
            .update_returning(MOVE, change, ReturnValue::AllNew);
        match changed.await? {
            Updated::Done(row) => snapshot_of(&row).map(Some),
            Updated::Refused(_) => Ok(None),
        }
    }
}

impl Store {
    /// Gives up the wish to write the comment, after a try that failed.
    pub async fn comment_release(&self, row: &JobRow, until: Timestamp) -> Result<(), StoreError> {
        let change = Change::of(keys::job(&row.facts.id))
            .remove("commenting_until")
            .when("#commenting_until = :mine", vec![("mine", time(until))]);
        self.table
            .update("give up a comment", change)
            .await
            .map(drop)
    }
}

fn held_by(item: &Attributes) -> Result<JobId, StoreError> {
    Item::new(item, "find who holds a place").parsed("job", JobId::parse)
}

fn pointer(key: keys::Key, job: &JobId) -> Attributes {
    let mut item = key.attributes();
    item.insert("job".to_owned(), text(job.as_str()));
    item
}

fn order_step(new: &NewJob) -> Step {
    Step {
        output: StepOutput::Issue(new.order.clone()),
        tokens: Tokens::default(),
        cost: Credits::ZERO,
        model: String::new(),
        at: new.row.facts.created_at,
    }
}
