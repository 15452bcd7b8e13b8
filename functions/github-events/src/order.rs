//! From a wish to a job.

use crate::{Ctx, refusal, warnings};
use domain::billing::entitlements::entitlements;
use domain::billing::plans::{Limit, Plan};
use domain::ids::{AccountId, JobId};
use domain::inbox::events::{EventOrigin, Issue};
use domain::jobs::pulls::PullOptions;
use domain::jobs::requests::Agent;
use domain::jobs::steps::IssueText;
use domain::jobs::{self, Funding, JobFacts, JobRow, JobWork, Offer};
use domain::ledger::HoldId;
use domain::retry::{Done, Failure};
use domain::switches::Switch;
use domain::time::Timestamp;
use queues::{Message, Sending};
use store::{JobCreated, NewJob};

/// What is said of a wish that has to wait.
pub const PAUSED: Done = Done::Waiting("the account is paused");

/// Whether an account's work goes on.
pub async fn goes_on(ctx: &Ctx, account: &AccountId, now: Timestamp) -> Switch {
    ctx.switches
        .switch_now(now, |switches| switches.account(account))
        .await
}

/// A job that somebody may have, if it can be paid for.
pub struct Wanted {
    /// The id that it gets.
    pub id: JobId,
    /// The fact that asks for it.
    pub trigger: String,
    /// What its pull request shall have.
    pub wishes: PullOptions,
    /// The job that it tries once more.
    pub retry_of: Option<JobId>,
    /// Who is to work on it.
    pub agent: Agent,
}

/// What came of a wish that was granted.
pub enum Placed {
    /// The fact made this job.
    Made(JobId),
    /// The issue has this job already.
    Joined(JobId),
    /// It cannot be paid for; this job was over before it began and says why.
    Refused(JobId),
    /// The account was closed at this moment: its owner has moved to another one.
    Closed,
    /// There is no such account any more.
    NoAccount,
}

/// Makes a job of an issue on the terms of its account's plan, whoever asked for it.
pub async fn make(
    ctx: &Ctx,
    account: &AccountId,
    (origin, issue): (&EventOrigin, &Issue),
    wanted: Wanted,
    now: Timestamp,
) -> Result<Placed, Failure> {
    // What the owner has bought on the Marketplace may have been told before anybody knew whose the owner is.
    ctx.store.marketplace_carry(origin.owner).await?;
    let Some((account, contracts)) = ctx.store.account_find_whole(account).await? else {
        return Ok(Placed::NoAccount);
    };
    let entitlements = entitlements(&ctx.catalogue, &account, &contracts, now);
    let entitlements =
        entitlements.ok_or_else(|| Failure::never("the catalogue lacks its default plan"))?;
    let offer = Offer::of(&ctx.catalogue, &entitlements, &account.customer, now);
    let (offer, row): (_, fn(JobFacts) -> JobRow) = match wanted.agent {
        Agent::Tallyhook => (offer, jobs::queued),
        Agent::External => (offer.outside(), jobs::delegated),
    };
    let facts = JobFacts {
        id: wanted.id,
        account: account.id,
        installation: origin.installation,
        repository: origin.repository,
        owner_login: origin.owner_login.clone(),
        repository_name: origin.repository_name.clone(),
        base_branch: origin.default_branch.clone(),
        issue_number: issue.number,
        trigger: wanted.trigger,
        asked_by: origin.sender_login.clone(),
        retry_of: wanted.retry_of,
        wishes: wanted.wishes,
        terms: offer.terms.clone(),
        created_at: now,
    };
    let what = format!(
        "issue #{} of {}/{}",
        issue.number, origin.owner_login, origin.repository_name
    );
    let hold = offer.hold(&facts.account, HoldId::Job(facts.id.clone()), &what, now);
    let order = IssueText::of(&issue.title, &issue.body);
    let waiting = unbilled(ctx, entitlements.plan, &facts).await?;
    let new = NewJob {
        row: row(facts),
        order,
        limit: offer.limit,
        hold,
    };
    match waiting {
        Some(waiting) => refusal::unbilled(ctx, new, waiting).await,
        None => create(ctx, entitlements.plan, new).await,
    }
}

/// How many delivered jobs wait for Stripe to be told of them, if they are so many that no new one may be made. Where the
/// issue has a job already, none is made anyhow.
async fn unbilled(ctx: &Ctx, plan: &Plan, facts: &JobFacts) -> Result<Option<u64>, Failure> {
    let (Funding::Metered { counts, .. }, Limit::Of(most)) =
        (&facts.terms.funding, plan.unbilled_max)
    else {
        return Ok(None);
    };
    let records = u64::try_from(counts.len()).unwrap_or(u64::MAX).max(1);
    let waiting = ctx
        .store
        .owed_count(&facts.account, most.saturating_mul(records))
        .await?
        / records;
    if waiting < most
        || ctx
            .store
            .job_find_open(facts.repository, facts.issue_number)
            .await?
            .is_some()
    {
        return Ok(None);
    }
    Ok(Some(waiting))
}

async fn create(ctx: &Ctx, plan: &Plan, new: NewJob) -> Result<Placed, Failure> {
    let job = match ctx.store.job_create(&new).await? {
        JobCreated::OutOfCredits(balance) => {
            return refusal::out_of_credits(ctx, plan, new, balance).await;
        }
        JobCreated::QuotaUsed => return refusal::quota_used(ctx, plan, new).await,
        JobCreated::AccountClosed => return Ok(Placed::Closed),
        JobCreated::SpendLimitReached => return refusal::spend_limit_reached(ctx, new).await,
        JobCreated::New => new.row.facts.id.clone(),
        // Perhaps we made it and died before we could send; what is sent twice is done once.
        JobCreated::Existing(job) => job,
        JobCreated::Joined(job) => return Ok(Placed::Joined(job)),
    };
    warnings::after(ctx, plan, &new.row.facts).await?;
    let account = Some(new.row.facts.account);
    let sending = |message| Sending {
        message,
        account: account.clone(),
    };
    ctx.queues
        .send_all(&[
            sending(Message::Work(JobWork::Plan, job.clone())),
            sending(Message::Comment(job.clone())),
        ])
        .await?;
    Ok(Placed::Made(job))
}
