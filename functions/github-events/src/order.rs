//! From a wish to a job.

use crate::Ctx;
use domain::accounts::Payer;
use domain::events::{Issue, Origin};
use domain::ids::JobId;
use domain::jobs::steps::Order;
use domain::jobs::{self, Facts, Funding, Work};
use domain::metering::Meter;
use domain::retry::{Done, Failure};
use domain::time::Timestamp;
use domain::triggers::{Policy, Wish, is_ours};
use queues::{Message, Sending};
use store::{JobCreated, NewJob};

/// One pull request counts one on the meter.
const VALUE_OF_A_PULL: u64 = 1;

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
    let Some(account) = ctx.store.account_find(&account).await? else {
        return Ok(Done::Ignored("the account is gone"));
    };
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
        funding: Funding::Metered { customer: account.customer, meter: Meter::pull_requests(), value: VALUE_OF_A_PULL },
        created_at: now,
    };
    create(ctx, NewJob { row: jobs::queued(facts), order: Order::of(&issue.title, &issue.body) }).await
}

async fn create(ctx: &Ctx, new: NewJob) -> Result<Done, Failure> {
    let (job, done) = match ctx.store.job_create(&new).await? {
        JobCreated::New => (new.row.facts.id.clone(), Done::Applied(format!("job {}", new.row.facts.id))),
        // Perhaps we made it and died before we could send; what is sent twice is done once.
        JobCreated::Existing(job) => (job.clone(), Done::Applied(format!("job {job}"))),
        JobCreated::Joined(job) => return Ok(Done::Applied(format!("joined job {job}"))),
    };
    let account = Some(new.row.facts.account);
    let sending = |message| Sending { message, account: account.clone() };
    ctx.queues.send_all(&[sending(Message::Work(Work::Plan, job.clone())), sending(Message::Comment(job))]).await?;
    Ok(done)
}
