//! From a wish to a job.

use crate::{Ctx, refusal, warnings};
use domain::accounts::Payer;
use domain::events::{Issue, Origin};
use domain::ids::JobId;
use domain::jobs::steps::Order;
use domain::jobs::{self, Facts, Funding, Offer, Work};
use domain::ledger::HoldId;
use domain::plans::{Limit, Plan, standing};
use domain::retry::{Done, Failure};
use domain::time::Timestamp;
use domain::triggers::{Policy, Wish, is_ours};
use queues::{Message, Sending};
use store::{JobCreated, NewJob};

/// Makes a job of an issue if its event is not our own echo, somebody pays, and the repository's policy grants the wish.
pub async fn place(
    ctx: &Ctx,
    origin: &Origin,
    issue: &Issue,
    wish: impl FnOnce(&Policy) -> Wish,
    now: Timestamp,
) -> Result<Done, Failure> {
    if is_ours(origin, ctx.app_id) {
        return Ok(Done::Ignored("our own doing"));
    }
    let account = match ctx.store.payer_find(origin.owner, origin.installation).await? {
        Payer::Account(account) => account,
        Payer::Unknown => return Ok(Done::Ignored("nobody pays for this owner: provision an account")),
        Payer::Inactive => return Ok(Done::Ignored("the App is suspended or uninstalled there")),
    };
    let policy = match crate::policy::load(ctx, origin, now).await? {
        Ok(policy) => policy,
        Err(why) => return Ok(Done::Ignored(why)),
    };
    let trigger = match wish(&policy) {
        Wish::Granted(trigger) => trigger,
        Wish::Refused(why) => return Ok(Done::Ignored(why)),
    };
    let Some((account, subscriptions)) = ctx.store.account_find_whole(&account).await? else {
        return Ok(Done::Ignored("the account is gone"));
    };
    let standing = standing(&ctx.catalogue, &account, &subscriptions, now);
    let standing = standing.ok_or_else(|| Failure::never("the catalogue lacks its default plan"))?;
    let offer = Offer::of(&ctx.catalogue, &standing, &account.customer, now);
    let facts = Facts {
        id: JobId::mint(now, ctx.outside.id_bytes()),
        account: account.id,
        installation: origin.installation,
        repository: origin.repository,
        owner_login: origin.owner_login.clone(),
        repository_name: origin.repository_name.clone(),
        base_branch: origin.default_branch.clone(),
        issue_number: issue.number,
        trigger: trigger.fact(),
        asked_by: origin.sender_login.clone(),
        wishes: policy.wishes,
        terms: offer.terms.clone(),
        created_at: now,
    };
    let what = format!("issue #{} of {}/{}", issue.number, origin.owner_login, origin.repository_name);
    let hold = offer.hold(&facts.account, HoldId::Job(facts.id.clone()), &what, now);
    let order = Order::of(&issue.title, &issue.body);
    let waiting = unbilled(ctx, standing.plan, &facts).await?;
    let new = NewJob { row: jobs::queued(facts), order, limit: offer.limit, hold };
    match waiting {
        Some(waiting) => refusal::unbilled(ctx, new, waiting).await,
        None => create(ctx, standing.plan, new).await,
    }
}

/// How many delivered jobs wait for Stripe to be told of them, if they are so many that no new one may be made. Where the
/// issue has a job already, none is made anyhow.
async fn unbilled(ctx: &Ctx, plan: &Plan, facts: &Facts) -> Result<Option<u64>, Failure> {
    let (Funding::Metered { counts, .. }, Limit::Of(most)) = (&facts.terms.funding, plan.unbilled_max) else {
        return Ok(None);
    };
    let records = u64::try_from(counts.len()).unwrap_or(u64::MAX).max(1);
    let waiting = ctx.store.owed_count(&facts.account, most.saturating_mul(records)).await? / records;
    if waiting < most || ctx.store.job_find_open(facts.repository, facts.issue_number).await?.is_some() {
        return Ok(None);
    }
    Ok(Some(waiting))
}

async fn create(ctx: &Ctx, plan: &Plan, new: NewJob) -> Result<Done, Failure> {
    let (job, done) = match ctx.store.job_create(&new).await? {
        JobCreated::OutOfCredits(balance) => return refusal::out_of_credits(ctx, plan, new, balance).await,
        JobCreated::QuotaUsed => return refusal::quota_used(ctx, plan, new).await,
        JobCreated::New => (new.row.facts.id.clone(), Done::Applied(format!("job {}", new.row.facts.id))),
        // Perhaps we made it and died before we could send; what is sent twice is done once.
        JobCreated::Existing(job) => (job.clone(), Done::Applied(format!("job {job}"))),
        JobCreated::Joined(job) => return Ok(Done::Applied(format!("joined job {job}"))),
    };
    warnings::after(ctx, plan, &new.row.facts).await?;
    let account = Some(new.row.facts.account);
    let sending = |message| Sending { message, account: account.clone() };
    ctx.queues.send_all(&[sending(Message::Work(Work::Plan, job.clone())), sending(Message::Comment(job))]).await?;
    Ok(done)
}
