//! `issues.*` and `issue_comment.created`: an issue requests a job, and closing it cancels the job.
//!
//! Safe to run twice: one fact creates one job, and a cancellation is written on the version that
//! it was decided on.

use crate::permission::{self, Permitted};
use crate::policy::{Broken, NoPolicy};
use crate::repositories::{self, Look};
use crate::{Ctx, policy, sign_ups};
use domain::accounts::Payer;
use domain::ids::{AccountId, JobId, UserId};
use domain::inbox::events::{IssueChange, IssueEvent};
use domain::inbox::{EventKey, EventRow};
use domain::jobs::caps::Caps;
use domain::jobs::permissions::{UNAPPROVED, requester, unapproved_text};
use domain::jobs::pulls::PullOptions;
use domain::jobs::requests::Agent;
use domain::jobs::triggers::{Policy, PolicyDecision, asked_caps, command, is_ours};
use domain::jobs::{CancelOutcome, ConcurrentMove};
use domain::retry::{Done, Failure};
use domain::switches::Switch;
use domain::time::Timestamp;
use flows::jobs::order::{Placed, Wanted};
use flows::work;
use queues::Message;
use std::time::Duration;
use store::Advanced;

const CLOSED_REASON: &str = "the issue was closed";
/// How long an event waits while its owner moves to another account.
const MOVED_WAIT: Duration = Duration::from_secs(1);

/// An event that asks for a job, and its recorded webhook.
struct Asked<'a> {
    event: &'a IssueEvent,
    cause: &'a EventKey,
}

/// Creates a job if our App did not cause the event, an account pays, the repository's policy
/// accepts the event, and the person has the role that the policy requires.
pub async fn handle(
    ctx: &Ctx,
    event: &IssueEvent,
    row: &EventRow,
    now: Timestamp,
) -> Result<Done, Failure> {
    match &event.change {
        IssueChange::Closed => return close(ctx, event, now).await,
        // Most comments are conversation; they need no account and no policy.
        IssueChange::Commented(comment) if command(&comment.text).is_none() => {
            return Ok(Done::Ignored("no command"));
        }
        IssueChange::Opened | IssueChange::Labeled(_) | IssueChange::Commented(_) => {}
    }
    let cause = &row.key;
    let asked = Asked { event, cause };
    let origin = &event.origin;
    if is_ours(origin, ctx.app_id) {
        return Ok(Done::Ignored("our own action"));
    }
    let payer = ctx.store.payer_find(origin.owner, origin.installation);
    let account = match payer.await? {
        Payer::Account(account) => account,
        Payer::Unknown => return sign_ups::postpone(ctx, origin, now).await,
        Payer::Inactive => return Ok(Done::Ignored("the App is suspended or uninstalled there")),
    };
    if work::switch(&ctx.switches, &account, now).await == Switch::Off {
        return Ok(work::PAUSED);
    }
    let look = Look {
        visibility: event.visibility,
        seen_at: row.received_at,
    };
    let policy = match policy::load(ctx, origin, look, now).await? {
        Ok(policy) => policy,
        Err(NoPolicy::Hidden) => return Ok(Done::Ignored(policy::HIDDEN)),
        Err(NoPolicy::Broken(broken)) => return refuse(ctx, &asked, &account, &broken, now).await,
    };
    let trigger = match policy.wish(event) {
        PolicyDecision::Accept(trigger) => trigger,
        PolicyDecision::Reject(why) => return Ok(Done::Ignored(why)),
    };
    match permission::check(ctx, event, &policy, now).await? {
        Permitted::Yes => {}
        // An answer to a bot may be answered by the bot.
        Permitted::Bot => return Ok(Done::Ignored("a bot that the policy does not list")),
        Permitted::No(needed) => {
            let fact = format!("{UNAPPROVED}{}", event.issue.id);
            return answer_once(ctx, &asked, &account, fact, &unapproved_text(needed), now).await;
        }
    }
    let wanted = Wanted {
        id: JobId::mint(now, ctx.outside.random_bytes()),
        trigger: trigger.fact(),
        wishes: policy.wishes,
        caps: policy.caps.lowered(comment_caps(&event.change)),
        person: Some(UserId::new(requester(event).0.id)),
        caused_by: Some(cause.clone()),
        retry_of: None,
        agent: Agent::Tallyhook,
    };
    let orders = crate::orders(ctx, now);
    let placed = orders.make(&account, origin, &event.issue, wanted).await?;
    repositories::placed(ctx, origin, &placed).await?;
    match placed {
        Placed::Made(job) => Ok(Done::Applied(format!("job {job}"))),
        Placed::Joined(job) => Ok(Done::Applied(format!("joined job {job}"))),
        Placed::Refused(job) => Ok(Done::Applied(format!("refused as job {job}"))),
        // The next attempt finds the account that the owner moved to.
        Placed::Closed => Err(Failure::after(
            MOVED_WAIT,
            "the account has just been closed",
        )),
        Placed::NoAccount => Ok(Done::Ignored("the account is gone")),
    }
}

/// Tells the people of the issue that the policy cannot be used: a job that ended before any work
/// says why in its comment. The fact behind the job is the issue with the file's content, so
/// whatever else happens on the issue, it gets one comment, and another only if the file is broken in
/// another way.
async fn refuse(
    ctx: &Ctx,
    asked: &Asked<'_>,
    account: &AccountId,
    broken: &Broken,
    now: Timestamp,
) -> Result<Done, Failure> {
    // Nobody expects an answer to an event that asks for nothing where there is no policy.
    if let PolicyDecision::Reject(why) = Policy::default().wish(asked.event) {
        return Ok(Done::Ignored(why));
    }
    let fact = format!("policy-{}-{}", asked.event.issue.id, broken.sha);
    answer_once(ctx, asked, account, fact, &broken.reason(), now).await
}

/// The caps that a comment asks for. Those in the issue's text count for every job.
fn comment_caps(change: &IssueChange) -> Caps {
    match change {
        IssueChange::Commented(comment) => asked_caps(&comment.text),
        IssueChange::Opened | IssueChange::Labeled(_) | IssueChange::Closed => Caps::default(),
    }
}

/// Says on the issue why there is no job, once for each fact, unless the issue has a job.
async fn answer_once(
    ctx: &Ctx,
    asked: &Asked<'_>,
    account: &AccountId,
    fact: String,
    reason: &str,
    now: Timestamp,
) -> Result<Done, Failure> {
    let (origin, issue) = (&asked.event.origin, &asked.event.issue);
    let open = ctx.store.job_find_open(origin.repository, issue.number);
    if open.await?.is_some() {
        return Ok(Done::Ignored(
            "the request is refused, and the issue has its job",
        ));
    }
    let wanted = Wanted {
        id: JobId::mint(now, ctx.outside.random_bytes()),
        trigger: fact,
        wishes: PullOptions::default(),
        caps: Caps::default(),
        person: None,
        caused_by: Some(asked.cause.clone()),
        retry_of: None,
        agent: Agent::Tallyhook,
    };
    let orders = crate::orders(ctx, now);
    let placed = orders
        .refuse(account, origin, issue, wanted, reason)
        .await?;
    repositories::placed(ctx, origin, &placed).await?;
    match placed {
        Placed::Refused(job) => Ok(Done::Applied(format!("refused as job {job}"))),
        Placed::Made(job) | Placed::Joined(job) => {
            Ok(Done::Applied(format!("refused before as job {job}")))
        }
        Placed::Closed | Placed::NoAccount => Ok(Done::Ignored("the account is gone")),
    }
}

/// Cancels the issue's job, unless the job already has its pull request.
async fn close(ctx: &Ctx, event: &IssueEvent, now: Timestamp) -> Result<Done, Failure> {
    let open = ctx
        .store
        .job_find_open(event.origin.repository, event.issue.number);
    let Some(id) = open.await? else {
        return Ok(Done::Ignored("the issue has no job"));
    };
    let Some(row) = ctx.store.job_find(&id).await? else {
        return Ok(Done::Ignored("the issue has no job"));
    };
    let transition = match row.staged().cancel(CLOSED_REASON, now) {
        CancelOutcome::Moved(transition) => transition,
        // Merging our pull request also closes the issue. The pull request's event ends the job.
        CancelOutcome::Delivered => return Ok(Done::Ignored("the job has its pull request")),
        CancelOutcome::Over => return Ok(Done::Duplicate),
    };
    match ctx.store.job_advance(&transition).await? {
        Advanced::Applied(row) => {
            let message = Message::Comment(id.clone());
            ctx.queues.send(&message, Some(&row.facts.account)).await?;
            Ok(Done::Applied(format!("cancelled job {id}")))
        }
        Advanced::Stale => Err(ConcurrentMove.into()),
    }
}
