//! Jobs. Each fact creates a job at most once, and each transition is written on the version that
//! it started from, so a repeated call changes nothing.
//!
//! A write leaves a mark (`w`, a random number) on the row. If the response is lost, the writer
//! recognizes its own write by the mark and does not mistake it for another writer's.

pub(crate) mod assists;
pub(crate) mod comments;
pub(crate) mod installations;
pub(crate) mod phases;
pub(crate) mod requests;
pub(crate) mod seen;
pub(crate) mod steps;
pub(crate) mod terms;
pub(crate) mod turns;

mod rows;

use crate::Store;
use crate::billing::quotas::{count_change, uncount_change, use_change};
use crate::billing::spending::SpendingRefused;
use crate::billing::usage;
use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, number, text};
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
use domain::billing::quotas::{LEVEL, QuotaUse};
use domain::billing::usage::{Meter, Tokens};
use domain::ids::{AccountId, JobId, RepositoryId};
use domain::jobs::caps::Cap;
use domain::jobs::steps::{IssueText, Step, StepOutput, Steps};
use domain::jobs::{BillingEffect, FixPaid, JobClaim, JobFacts, JobLease, JobRow, Transition};
use domain::ledger::{Balance, Posting};
use domain::units::Credits;
use rows::{row_attributes, snapshot_of, transition_change};
use std::sync::LazyLock;
use std::time::Duration;

/// A job to create.
pub struct NewJob {
    pub row: JobRow,
    /// The issue text, which becomes the job's first step.
    pub order: IssueText,
    /// The number of jobs that its period allows.
    pub limit: Limit,
    /// What it counts on the plan's other quotas.
    pub uses: Vec<QuotaUse>,
    /// The hold to place for it, if it is paid from credits.
    pub hold: Option<Posting>,
    /// The caps that it counts against.
    pub caps: Vec<Cap>,
}

/// The result of creating a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobCreated {
    /// The job was created.
    New,
    /// This fact created that job earlier.
    Existing(JobId),
    /// The issue already has that job. The fact now points to it.
    Joined(JobId),
    /// There are not enough credits; nothing was created.
    OutOfCredits(Balance),
    /// A cap is reached; nothing was created.
    Capped(Cap),
    /// The quota of the period is used up; nothing was created.
    QuotaUsed,
    /// Another quota of the plan has no room for it; nothing was created.
    OtherQuotaUsed(Meter),
    /// The account is closed because its owner moved to another one; nothing was created.
    AccountClosed,
    /// The job could cost more than what is left of the customer's spend limit for this billing
    /// period; nothing was created.
    SpendLimitReached,
}

/// The result of a transition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Advanced {
    /// Written. Contains the job after the transition.
    Applied(Box<JobRow>),
    /// Another writer moved the job first.
    Stale,
}

/// The result of a claim.
#[derive(Debug)]
pub enum Claimed<W> {
    /// The caller holds the lease.
    Yours(Box<JobLease<W>>),
    /// Another writer moved the job first.
    Stale,
}

/// Reasons to refuse a new job, in order of precedence. `Existing` comes first, because a repeated
/// delivery also finds that its issue already has a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Refusal {
    Existing,
    Joined,
    AccountClosed,
    /// The cap at this place of the job's caps.
    Capped(usize),
    QuotaUsed,
    /// By its place among the other quotas.
    OtherQuotaUsed(usize),
    Spending(SpendingRefused),
    Posting(PostingRefused),
}

const CREATE: &str = "create a job";
const MOVE: &str = "move a job";

/// The meter that counts every job against a quota.
static PULLS: LazyLock<Meter> = LazyLock::new(Meter::pull_requests);
/// The meter of the jobs that are at work.
static AGENTS: LazyLock<Meter> = LazyLock::new(Meter::agents);

impl Store {
    /// Creates a job in one transaction: the fact, the issue's current job, the row, the first
    /// step, its count in the quota, its reserved spending, and its hold. Releases the account's
    /// expired holds before it refuses for lack of credits.
    pub async fn job_create(&self, new: &NewJob) -> Result<JobCreated, StoreError> {
        let facts = &new.row.facts;
        let write = || self.job_create_once(new);
        let short = |created: &JobCreated| {
            matches!(
                created,
                JobCreated::OutOfCredits(_) | JobCreated::SpendLimitReached
            )
        };
        self.unless_short(&facts.account, facts.created_at, write, short)
            .await
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
        for (place, cap) in new.caps.iter().enumerate() {
            tx.add(cap_change(cap).item(&self.table))
                .or(Refusal::Capped(place));
        }
        tx.add(count.item(&self.table)).or(Refusal::QuotaUsed);
        for (place, used) in new.uses.iter().enumerate() {
            let Some(change) = use_change(&facts.account, used) else {
                return Ok(JobCreated::OtherQuotaUsed(used.meter.clone()));
            };
            tx.add(change.item(&self.table))
                .or(Refusal::OtherQuotaUsed(place));
        }
        tx.add(put_new(&self.table, row));
        tx.add(put_new(&self.table, first_step(new)?));
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
            Refusal::Capped(place) => new
                .caps
                .get(place)
                .map(|cap| JobCreated::Capped(cap.clone()))
                .ok_or_else(|| {
                    StoreError::inconsistent(CREATE, "a cap that is not the job's".to_owned())
                }),
            Refusal::QuotaUsed => Ok(JobCreated::QuotaUsed),
            Refusal::OtherQuotaUsed(place) => match new.uses.get(place) {
                Some(used) => Ok(JobCreated::OtherQuotaUsed(used.meter.clone())),
                None => Ok(JobCreated::QuotaUsed),
            },
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

    /// Creates a job that has already ended, so that a comment on its issue explains why. It does
    /// not count against the quota.
    pub async fn job_refuse(&self, new: &NewJob) -> Result<JobCreated, StoreError> {
        let facts = &new.row.facts;
        let mut tx = self.table.transaction(CREATE);
        tx.add(put_new(&self.table, self.trigger(facts, &facts.id)))
            .or(Refusal::Existing);
        tx.add(put_new(&self.table, row_attributes(&new.row)));
        tx.add(put_new(&self.table, first_step(new)?));
        match tx.commit().await? {
            Committed::Written => Ok(JobCreated::New),
            Committed::Refused(_, old) => held_by(&old).map(JobCreated::Existing),
        }
    }

    /// Records that a fact belongs to the existing job, so that a redelivery does not start another
    /// job later.
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

    pub async fn job_find(&self, id: &JobId) -> Result<Option<JobRow>, StoreError> {
        let found = self.table.get("read a job", &keys::job(id)).await?;
        found.as_ref().map(snapshot_of).transpose()
    }

    /// Reads a job with all its steps, in one strongly consistent query.
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

    /// Lists an account's jobs, newest first. A new job can take a moment to appear.
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

    /// Finds the current job of an issue.
    pub async fn job_find_open(
        &self,
        repository: RepositoryId,
        issue_number: u64,
    ) -> Result<Option<JobId>, StoreError> {
        let key = keys::open(repository, issue_number);
        let found = self.table.get("find an issue's job", &key).await?;
        found.as_ref().map(held_by).transpose()
    }

    /// Takes the lease of a claim, if the job is unchanged since the claim was made.
    pub async fn job_claim<W>(&self, claim: JobClaim<W>) -> Result<Claimed<W>, StoreError> {
        Ok(match self.job_advance(claim.transition()).await? {
            Advanced::Applied(_) => Claimed::Yours(Box::new(claim.granted())),
            Advanced::Stale => Claimed::Stale,
        })
    }

    /// Writes a transition with everything that belongs to it. If the fix that it bills turns out
    /// to be paid already, writes the same transition at a lower cost.
    pub async fn job_advance(&self, transition: &Transition) -> Result<Advanced, StoreError> {
        self.job_advance_with(transition, |_| None).await
    }

    /// Writes a transition, together with an item built from the transition as it is written.
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
        // Another job was billed for the fix in between. A later attempt reads the new state.
        advanced.ok_or_else(|| StoreError::contended(MOVE))
    }

    /// Writes a transition. Returns `None` if the stored payment state of its fix differs from what
    /// the transition assumes.
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

    /// Builds the items that are written together with a job's row, except for the fix that it
    /// bills.
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
        if transition.returns_agent() {
            let account = &row.facts.account;
            items.push(uncount_change(account, &AGENTS, LEVEL, 1).item(&self.table));
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

    /// Returns the job's count to the quota.
    fn place_returned(&self, row: &JobRow) -> TransactWriteItem {
        uncount_change(&row.facts.account, &PULLS, &row.facts.terms.period, 1).item(&self.table)
    }

    /// Changes a job's row if the condition holds, and returns the row after the change.
    pub(super) async fn job_change(&self, change: Change) -> Result<Option<JobRow>, StoreError> {
        let changed = self
            .table
            .update_returning(MOVE, change, ReturnValue::AllNew);
        match changed.await? {
            Updated::Done(row) => snapshot_of(&row).map(Some),
            Updated::Refused(_) => Ok(None),
        }
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

/// Counts a job in a cap's hour or day. The item expires after it.
fn cap_change(cap: &Cap) -> Change {
    const KEPT_FOR: Duration = Duration::from_secs(300);
    Change::of(keys::rate(&cap.scope.key(), cap.start))
        .set("ttl", number(cap.end.plus(KEPT_FOR).seconds()))
        .add("begun", number(1))
        .when(
            "attribute_not_exists(#begun) OR #begun < :most",
            vec![("most", number(cap.most))],
        )
}

/// Builds the first step's item. It also lists the job among those of all accounts: the job's own
/// row is listed under its account, and an item has one place in an index. This item never changes,
/// so the list costs one write of the index for each job.
fn first_step(new: &NewJob) -> Result<Attributes, StoreError> {
    let id = &new.row.facts.id;
    let mut item = step_item(id, 0, &order_step(new))?;
    let listed = keys::Listing::Jobs.of(&keys::step(id, 0));
    item.insert("owner".to_owned(), text(listed));
    Ok(item)
}

fn order_step(new: &NewJob) -> Step {
    Step {
        output: StepOutput::Issue(new.order.clone()),
        tokens: Tokens::default(),
        cost: Credits::ZERO,
        model: String::new(),
        calls: Vec::new(),
        at: new.row.facts.created_at,
    }
}
