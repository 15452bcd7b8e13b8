//! Customers request jobs and retry them.
//!
//! A request is stored under the id that the job will have, and `github-events` acts on it, because
//! the functions that customers call cannot read GitHub. Safe to run twice: the id follows from the
//! act. If a message is lost, the row is due and the sweeper finds it.

use crate::accounts::load;
use crate::jobs::lookup::{Found, find};
use crate::jobs::obstacles::quota_used;
use domain::billing::plans::Catalogue;
use domain::billing::quotas;
use domain::billing::usage::Meter;
use domain::ids::{AccountId, ActionId, JobId};
use domain::jobs::repositories::RepositoryName;
use domain::jobs::requests::{Agent, JobRequest, RequestOutcome};
use domain::jobs::{JobRow, JobState};
use domain::refusal::{FlowError, Refusal};
use domain::retry::Failure;
use domain::time::Timestamp;
use domain::work::Lifecycle;
use queues::{Message, Queues};
use store::{RequestMade, Store};

/// Who acts for an account, and with what.
pub struct Desk<'a> {
    pub store: &'a Store,
    pub queues: &'a Queues,
    pub catalogue: &'a Catalogue,
    pub account: &'a AccountId,
    /// Where the customer sees the plan, for a refusal.
    pub billing_url: &'a str,
    /// Whether this is a call of the API, which counts on the plan's quota of calls. A click on a
    /// page is none.
    pub is_call: bool,
    /// The key or session, for logs and for the request's row.
    pub by: &'a str,
    pub now: Timestamp,
}

/// Requests a job for an issue. Returns the id of the job.
pub async fn request(
    desk: &Desk<'_>,
    act: &ActionId,
    (repository, issue): (&str, u64),
    agent: Agent,
) -> Result<JobId, FlowError> {
    let repository = repository_of(repository)?;
    if issue == 0 {
        let detail = "`issue` must be the number of an issue, from 1.";
        return Err(Refusal::invalid("bad_issue", detail).into());
    }
    ask(desk, act, (repository, issue, agent), None).await
}

/// Requests a new job for the issue of one that ended without an open or merged pull request.
/// `act` is the identity of the retry of that job.
pub async fn retry(
    desk: &Desk<'_>,
    id: &str,
    act: impl FnOnce(&JobId) -> ActionId,
) -> Result<JobId, FlowError> {
    let row = begun(find(desk.store, desk.account, id).await?)?;
    may_retry(row.state)?;
    let agent = row.agent();
    let facts = row.facts;
    let repository = repository_of(&format!("{}/{}", facts.owner_login, facts.repository_name))?;
    let wanted = (repository, facts.issue_number, agent);
    ask(desk, &act(&facts.id), wanted, Some(facts.id)).await
}

/// Returns the job, or refuses if the request has not led to one.
pub fn begun(found: Found) -> Result<JobRow, Refusal> {
    match found {
        Found::Job(row) => Ok(*row),
        Found::Request(request) => Err(match request.outcome {
            None => Refusal::conflict(
                "not_begun",
                "The issue of this request is still being looked up; retry in a minute.",
            ),
            Some(RequestOutcome::Job(_) | RequestOutcome::Refused(_)) => Refusal::conflict(
                "refused",
                "This request was refused and has no job; request a new one.",
            ),
        }),
    }
}

/// Refuses a retry of a job that is in progress or has delivered.
pub fn may_retry(state: JobState) -> Result<(), Refusal> {
    let (code, detail) = match state {
        JobState::Failed | JobState::Rejected | JobState::Cancelled | JobState::Closed => {
            return Ok(());
        }
        JobState::Merged => (
            "delivered",
            "The pull request of this job was merged; open an issue for what is missing.",
        ),
        JobState::PrOpened => (
            "delivered",
            "This job has its pull request; close that first if you do not want it, then retry.",
        ),
        JobState::Delegated
        | JobState::Queued
        | JobState::Planning
        | JobState::Coding
        | JobState::Reviewing
        | JobState::ReviewApproved
        | JobState::PrCreationInitiated
        | JobState::Validating
        | JobState::Repairing => (
            "under_way",
            "This job is in progress; wait for its end, or cancel it first.",
        ),
    };
    Err(Refusal::conflict(code, detail))
}

fn repository_of(text: &str) -> Result<RepositoryName, Refusal> {
    RepositoryName::parse(text).ok_or_else(|| {
        Refusal::invalid(
            "bad_repository",
            "`repository` must be written as `owner/name`.",
        )
    })
}

async fn ask(
    desk: &Desk<'_>,
    act: &ActionId,
    (repository, issue_number, agent): (RepositoryName, u64, Agent),
    retry_of: Option<JobId>,
) -> Result<JobId, FlowError> {
    let request = JobRequest {
        id: JobId::of_act(act),
        account: desk.account.clone(),
        repository,
        issue_number,
        agent,
        asked_by: desk.by.to_owned(),
        retry_of,
        at: desk.now,
        tries: Lifecycle::owed(desk.now),
        outcome: None,
    };
    let entitled = load(desk.store, desk.catalogue, desk.account, desk.now).await?;
    let call = if desk.is_call {
        quotas::api_call(&entitled.entitlements, desk.now)
    } else {
        None
    };
    match desk.store.request_make(&request, call.as_ref()).await? {
        RequestMade::New => {
            tracing::info!(account.id = %desk.account, job.id = %request.id, by = desk.by, audit = true, "requested a job");
        }
        RequestMade::Same(_) => {}
        RequestMade::QuotaUsed => {
            let (meter, url) = (Meter::api_calls(), desk.billing_url);
            let refusal = quota_used(&entitled.entitlements, &meter, url, desk.now);
            return Err(refusal.into());
        }
        RequestMade::ActReused => {
            let detail =
                "This `Idempotency-Key` was used for another job; use a new one for each job.";
            return Err(Refusal::conflict("idempotency_key_reused", detail).into());
        }
    }
    send(desk, &Message::Request(request.id.clone())).await;
    Ok(request.id)
}

/// Sends the pointer to a row. If it cannot be sent, the row is due within a minute and the sweeper
/// sends it.
pub(crate) async fn send(desk: &Desk<'_>, message: &Message) {
    if let Err(error) = desk.queues.send(message, Some(desk.account)).await {
        let error = Failure::from(error);
        tracing::warn!(account.id = %desk.account, %error, "could not queue a job's message; the sweeper will");
    }
}
