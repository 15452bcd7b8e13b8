//! Jobs: created once per fact, moved only by transitions, each written on the version it came from.
//!
//! A write whose answer was lost leaves its mark (`w`, a random number) on the row, so that its writer knows it again
//! instead of taking its own success for somebody else's.

use crate::error::{StoreError, cancellation_reasons, condition_failed};
use crate::expression::{Change, delete_when, put_new};
use crate::item::{Attributes, Item, number, text, texts, time};
use crate::steps::{step_item, step_of};
use crate::{Store, keys, metering};
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, TransactWriteItem};
use domain::ids::{AccountId, CommentId, CustomerId, InstallationId, JobId, RepositoryId};
use domain::jobs::steps::{Order, Output, Step, Steps};
use domain::jobs::{CancelRequest, Claim, Facts, Funding, Lease, Moment, Notice, PullRef, Snapshot, State, Transition};
use domain::metering::{Meter, Tokens};
use domain::pulls::PullWishes;
use domain::time::Timestamp;

/// A job that is to be.
pub struct NewJob {
    /// Its row.
    pub row: Snapshot,
    /// What was asked; it becomes the job's first step.
    pub order: Order,
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
}

/// What became of a move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Advanced {
    /// Written; the job as it is now.
    Applied(Box<Snapshot>),
    /// Somebody else moved the job first.
    Stale,
}

/// What became of a claim.
#[derive(Debug)]
pub enum Claimed<W> {
    /// The work is yours.
    Yours(Box<Lease<W>>),
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

impl Store {
    /// Creates a job: the fact, the issue's place, the row and the order, whole or not at all.
    pub async fn job_create(&self, new: &NewJob) -> Result<JobCreated, StoreError> {
        let facts = &new.row.facts;
        let order = Step {
            output: Output::Order(new.order.clone()),
            tokens: Tokens::default(),
            model: String::new(),
            at: facts.created_at,
        };
        let items = vec![
            put_new(&self.table, self.trigger(facts, &facts.id)),
            put_new(&self.table, pointer(keys::open(facts.repository, facts.issue_number), &facts.id)),
            put_new(&self.table, row_attributes(&new.row)),
            put_new(&self.table, step_item(&facts.id, 0, &order)?),
        ];
        let Err(error) = self.client.transact_write_items().set_transact_items(Some(items)).send().await else {
            return Ok(JobCreated::New);
        };
        let Some(reasons) = cancellation_reasons(&error) else { return Err(StoreError::sdk("create a job", error)) };
        // The fact comes first: a repeated delivery also finds its issue taken.
        if let Some(held) = condition_failed(reasons.first()) {
            return held_by(held.item()).map(JobCreated::Existing);
        }
        if let Some(held) = condition_failed(reasons.get(1)) {
            let job = held_by(held.item())?;
            return self.job_join(facts, job).await;
        }
        Err(StoreError::cancelled("create a job", reasons))
    }

    /// Notes that a fact means the job which stands, so that its redelivery does not start another one later.
    async fn job_join(&self, facts: &Facts, job: JobId) -> Result<JobCreated, StoreError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(self.trigger(facts, &job)))
            .condition_expression("attribute_not_exists(pk)");
        match put.send().await {
            Ok(_) => Ok(JobCreated::Joined(job)),
            Err(error) if error.as_service_error().is_some_and(|e| e.is_conditional_check_failed_exception()) => {
                Ok(JobCreated::Joined(job))
            }
            Err(error) => Err(StoreError::sdk("note a fact", error)),
        }
    }

    fn trigger(&self, facts: &Facts, job: &JobId) -> Attributes {
        pointer(keys::trigger(facts.repository, &facts.trigger), job)
    }

    /// The job, if there is one.
    pub async fn job_find(&self, id: &JobId) -> Result<Option<Snapshot>, StoreError> {
        let get = self.client.get_item().table_name(&self.table).set_key(Some(keys::job(id).attributes()));
        let found = get.consistent_read(true).send().await.map_err(|e| StoreError::sdk("read a job", e))?;
        found.item.as_ref().map(snapshot_of).transpose()
    }

    /// The job with all its steps, in one strongly consistent read.
    pub async fn job_find_whole(&self, id: &JobId) -> Result<Option<(Snapshot, Steps)>, StoreError> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(keys::job(id).pk))
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let (mut row, mut steps) = (None, Vec::new());
        while let Some(item) = pages.next().await {
            let item = item.map_err(|e| StoreError::sdk("read a job", e))?;
            if item.get("sk").and_then(|sk| sk.as_s().ok()).is_some_and(|sk| sk == keys::JOB) {
                row = Some(snapshot_of(&item)?);
            } else {
                steps.push(step_of(&item)?);
            }
        }
        Ok(row.map(|row| (row, Steps(steps))))
    }

    /// The job an issue has now.
    pub async fn job_find_open(
        &self,
        repository: RepositoryId,
        issue_number: u64,
    ) -> Result<Option<JobId>, StoreError> {
        let key = keys::open(repository, issue_number);
        let get = self.client.get_item().table_name(&self.table).set_key(Some(key.attributes())).consistent_read(true);
        let found = get.send().await.map_err(|e| StoreError::sdk("find an issue's job", e))?;
        found.item.as_ref().map(|item| held_by(Some(item))).transpose()
    }

    /// Takes the lease of a claim, if the job still is as it was when the claim was made.
    pub async fn job_claim<W>(&self, claim: Claim<W>) -> Result<Claimed<W>, StoreError> {
        Ok(match self.job_advance(claim.transition()).await? {
            Advanced::Applied(_) => Claimed::Yours(Box::new(claim.granted())),
            Advanced::Stale => Claimed::Stale,
        })
    }

    /// Writes a move with everything that belongs to it.
    pub async fn job_advance(&self, transition: &Transition) -> Result<Advanced, StoreError> {
        let mark = format!("{:016x}", (self.random)());
        let more = self.company(transition)?;
        let change = transition_change(transition, &mark);
        let old = if more.is_empty() {
            match change.call(&self.client, &self.table).send().await {
                Ok(_) => return Ok(applied(transition)),
                Err(error) => failed_item(error)?,
            }
        } else {
            let items: Vec<_> = std::iter::once(change.item(&self.table)).chain(more).collect();
            let Err(error) = self.client.transact_write_items().set_transact_items(Some(items)).send().await else {
                return Ok(applied(transition));
            };
            let Some(reasons) = cancellation_reasons(&error) else { return Err(StoreError::sdk("move a job", error)) };
            let Some(held) = condition_failed(reasons.first()) else {
                return Err(StoreError::cancelled("move a job", reasons));
            };
            held.item().cloned().unwrap_or_default()
        };
        // Our own write, applied although its answer never came.
        let ours = old.get("w").and_then(|mark| mark.as_s().ok()) == Some(&mark);
        Ok(if ours { applied(transition) } else { Advanced::Stale })
    }

    /// The items that are written together with a job's row.
    fn company(&self, transition: &Transition) -> Result<Vec<TransactWriteItem>, StoreError> {
        let row = transition.row();
        let mut items = Vec::new();
        if let Some(step) = transition.step() {
            items.push(put_new(&self.table, step_item(&row.facts.id, row.steps, step)?));
        }
        if let Some(usage) = transition.usage() {
            items.push(put_new(&self.table, metering::owed_attributes(usage)));
        }
        if transition.frees_issue() {
            let open = keys::open(row.facts.repository, row.facts.issue_number);
            let ours = vec![("job", text(row.facts.id.as_str()))];
            items.push(delete_when(&self.table, open, "attribute_not_exists(pk) OR #job = :job", ours));
        }
        Ok(items)
    }

    /// Asks to write the job's comment until `until`; one at a time, since GitHub would take two.
    pub async fn comment_claim(
        &self,
        row: &Snapshot,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<CommentClaim, StoreError> {
        let change = Change::of(keys::job(&row.facts.id)).set("telling_until", time(until)).when(
            "#state = :state AND (attribute_not_exists(#telling_until) OR #telling_until <= :now) AND (attribute_not_exists(#told) OR #told <> :notice)",
            vec![("now", time(now)), ("state", text(row.state.as_str())), ("notice", text(row.state.notice().as_str()))],
        );
        match change.call(&self.client, &self.table).send().await {
            Ok(_) => Ok(CommentClaim::Yours),
            Err(error) => failed_item(error).map(|_| CommentClaim::Held),
        }
    }

    /// Notes what the comment says now, and answers the job as it is by then. A job that owes nothing else leaves the list
    /// of due rows with it. Without a comment, GitHub will not have one there, and it is owed no longer.
    pub async fn comment_told(
        &self,
        row: &Snapshot,
        notice: Notice,
        comment: Option<CommentId>,
        until: Timestamp,
    ) -> Result<Option<Snapshot>, StoreError> {
        let told = |condition: &str, values| {
            let change =
                Change::of(keys::job(&row.facts.id)).set("told", text(notice.as_str())).remove("telling_until");
            let change = if let Some(comment) = comment { change.set("comment", number(comment)) } else { change };
            change.when(condition, values)
        };
        if row.state.work().is_none() {
            let still = vec![("until", time(until)), ("version", number(row.version))];
            let last = told("#telling_until = :until AND #version = :version", still).remove("dx").remove("due_at");
            if let Some(settled) = self.job_change(last).await? {
                return Ok(Some(settled));
            }
            // The job moved on while we wrote; the newer state owes words of its own.
        }
        self.job_change(told("#telling_until = :until", vec![("until", time(until))])).await
    }

    /// Changes a job's row, if the condition holds; the row afterwards.
    async fn job_change(&self, change: Change) -> Result<Option<Snapshot>, StoreError> {
        let call = change.call(&self.client, &self.table).return_values(ReturnValue::AllNew);
        match call.send().await {
            Ok(done) => done.attributes.as_ref().map(snapshot_of).transpose(),
            Err(error) => failed_item(error).map(|_| None),
        }
    }
}

impl Store {
    /// Gives up the wish to write the comment, after a try that failed.
    pub async fn comment_release(&self, row: &Snapshot, until: Timestamp) -> Result<(), StoreError> {
        let change = Change::of(keys::job(&row.facts.id))
            .remove("telling_until")
            .when("#telling_until = :mine", vec![("mine", time(until))]);
        self.quietly("give up a comment", change).await
    }
}

fn applied(transition: &Transition) -> Advanced {
    Advanced::Applied(Box::new(transition.row().clone()))
}

/// The item that stood against a condition, or the error it really was.
fn failed_item(
    error: SdkError<UpdateItemError, aws_smithy_runtime_api::client::orchestrator::HttpResponse>,
) -> Result<Attributes, StoreError> {
    match &error {
        SdkError::ServiceError(failed) => match failed.err() {
            UpdateItemError::ConditionalCheckFailedException(check) => Ok(check.item.clone().unwrap_or_default()),
            _ => Err(StoreError::sdk("move a job", error)),
        },
        _ => Err(StoreError::sdk("move a job", error)),
    }
}

fn held_by(item: Option<&Attributes>) -> Result<JobId, StoreError> {
    let nothing = Attributes::new();
    Item::new(item.unwrap_or(&nothing), "find who holds a place").parsed("job", JobId::parse)
}

fn pointer(key: keys::Key, job: &JobId) -> Attributes {
    let mut item = key.attributes();
    item.insert("job".to_owned(), text(job.as_str()));
    item
}

fn transition_change(transition: &Transition, mark: &str) -> Change {
    let row = transition.row();
    let key = keys::job(&row.facts.id);
    let due = row.due_at.map(|_| text(keys::due(&key)));
    let mut change = Change::of(key)
        .set("state", text(row.state.as_str()))
        .set("version", number(row.version))
        .set("attempts", number(row.attempts))
        .set("rounds", number(row.rounds))
        .set("steps", number(row.steps))
        .set("tokens_in", number(row.tokens.input))
        .set("tokens_out", number(row.tokens.output))
        .set("w", text(mark))
        .set_or_remove("dx", due)
        .set_or_remove("due_at", row.due_at.map(time))
        .set_or_remove("lease_until", row.lease_until.map(time))
        .set_or_remove("not_before", row.not_before.map(time))
        .set_or_remove("base_sha", row.base_sha.as_ref().map(text))
        .set_or_remove("pull_number", row.pull.as_ref().map(|pull| number(pull.number)))
        .set_or_remove("pull_url", row.pull.as_ref().map(|pull| text(&pull.url)))
        .set_or_remove("reason", row.reason.as_ref().map(text))
        .set_or_remove("cancel", asked(row).then(|| AttributeValue::Bool(true)))
        .remove("swept")
        .when(
            "#state = :from_state AND #version = :from_version",
            vec![
                ("from_state", text(transition.from_state().as_str())),
                ("from_version", number(transition.from_version())),
            ],
        );
    if let Some(moment) = transition.entered() {
        change = change.set_expression(
            "#timeline = list_append(#timeline, :entered)",
            vec![("entered", texts([moment_text(moment)]))],
        );
    }
    change
}

const fn asked(row: &Snapshot) -> bool {
    matches!(row.cancel_requested, CancelRequest::Asked)
}

fn moment_text(moment: &Moment) -> String {
    format!("{}@{}", moment.state.as_str(), moment.at.millis())
}

fn moment_of(text: &str) -> Option<Moment> {
    let (state, at) = text.split_once('@')?;
    Some(Moment { state: State::parse(state)?, at: Timestamp::from_millis(at.parse().ok()?) })
}

/// A new job's item.
fn row_attributes(row: &Snapshot) -> Attributes {
    let facts = &row.facts;
    let Funding::Metered { customer, meter, value } = &facts.funding;
    let key = keys::job(&facts.id);
    let mut item = key.attributes();
    let more = [
        ("state", text(row.state.as_str())),
        ("version", number(row.version)),
        ("attempts", number(row.attempts)),
        ("rounds", number(row.rounds)),
        ("steps", number(row.steps)),
        ("tokens_in", number(row.tokens.input)),
        ("tokens_out", number(row.tokens.output)),
        ("timeline", texts(row.timeline.iter().map(moment_text))),
        // `owner` and `at` are the keys of index `timeline`.
        ("owner", text(facts.account.as_str())),
        ("at", time(facts.created_at)),
        ("installation", number(facts.installation)),
        ("repository", number(facts.repository)),
        ("owner_login", text(&facts.owner_login)),
        ("repository_name", text(&facts.repository_name)),
        ("base_branch", text(&facts.base_branch)),
        ("issue_number", number(facts.issue_number)),
        ("trigger", text(&facts.trigger)),
        ("asked_by", text(&facts.asked_by)),
        ("customer", text(customer.as_str())),
        ("meter", text(meter.as_str())),
        ("value", number(value)),
    ];
    item.extend(more.map(|(name, value)| (name.to_owned(), value)));
    if let Some(due_at) = row.due_at {
        item.insert("dx".to_owned(), text(keys::due(&key)));
        item.insert("due_at".to_owned(), time(due_at));
    }
    item.extend(wish_attributes(&facts.wishes).map(|(name, value)| (name.to_owned(), value)));
    item
}

/// Only what is wished for stands there, so a job without wishes looks like one from before there were any.
fn wish_attributes(wishes: &PullWishes) -> impl Iterator<Item = (&'static str, AttributeValue)> {
    let listed = |list: &[String]| (!list.is_empty()).then(|| texts(list.iter().cloned()));
    [
        ("draft", wishes.draft().is_on().then_some(AttributeValue::Bool(true))),
        ("labels", listed(wishes.labels())),
        ("reviewers", listed(wishes.reviewers())),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
}

pub(crate) fn snapshot_of(attributes: &Attributes) -> Result<Snapshot, StoreError> {
    let item = Item::new(attributes, "read a job");
    let pull = match (item.find_number("pull_number")?, item.find_text("pull_url")?) {
        (Some(number), Some(url)) => Some(PullRef { number, url: url.to_owned() }),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => return Err(item.bad("pull_url")),
    };
    let moments = item.texts("timeline")?.into_iter().map(moment_of);
    Ok(Snapshot {
        facts: facts_of(&item)?,
        state: State::parse(item.text("state")?).ok_or_else(|| item.bad("state"))?,
        version: item.number("version")?,
        lease_until: item.find_time("lease_until")?,
        attempts: item.number("attempts")?,
        rounds: item.number("rounds")?,
        steps: item.number("steps")?,
        tokens: Tokens { input: item.number("tokens_in")?, output: item.number("tokens_out")? },
        base_sha: item.find_text("base_sha")?.map(str::to_owned),
        pull,
        reason: item.find_text("reason")?.map(str::to_owned),
        cancel_requested: if attributes.contains_key("cancel") { CancelRequest::Asked } else { CancelRequest::None },
        comment: item.find_number("comment")?.map(CommentId::new),
        told: item.find_text("told")?.map(|told| Notice::parse(told).ok_or_else(|| item.bad("told"))).transpose()?,
        due_at: item.find_time("due_at")?,
        not_before: item.find_time("not_before")?,
        timeline: moments.collect::<Option<_>>().ok_or_else(|| item.bad("timeline"))?,
    })
}

fn wishes_of(item: &Item<'_>) -> Result<PullWishes, StoreError> {
    let listed = |name| Ok(item.texts(name)?.into_iter().map(str::to_owned).collect());
    PullWishes::check(item.switch("draft")?, listed("labels")?, listed("reviewers")?).ok_or_else(|| item.bad("labels"))
}

fn facts_of(item: &Item<'_>) -> Result<Facts, StoreError> {
    Ok(Facts {
        id: keys::job_of(item.text("pk")?).ok_or_else(|| item.bad("pk"))?,
        account: item.parsed("owner", AccountId::parse)?,
        installation: InstallationId::new(item.number("installation")?),
        repository: RepositoryId::new(item.number("repository")?),
        owner_login: item.text("owner_login")?.to_owned(),
        repository_name: item.text("repository_name")?.to_owned(),
        base_branch: item.text("base_branch")?.to_owned(),
        issue_number: item.number("issue_number")?,
        trigger: item.text("trigger")?.to_owned(),
        asked_by: item.text("asked_by")?.to_owned(),
        wishes: wishes_of(item)?,
        funding: Funding::Metered {
            customer: item.parsed("customer", CustomerId::parse)?,
            meter: item.parsed("meter", Meter::parse)?,
            value: item.number("value")?,
        },
        created_at: item.time("at")?,
    })
}
