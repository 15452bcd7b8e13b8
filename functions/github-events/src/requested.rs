//! Creates a job that the API requested: looks up its repository and issue, then orders it like any
//! other job.
//!
//! A key with the scope for jobs has its account's permission, so the policy's labels, commands and
//! associations do not apply. Its options for pull requests do, and an unreadable policy allows
//! nothing here either. Repositories of other accounts look like missing ones.
//!
//! Safe to run twice: the request is the fact that creates the job, and the first recorded outcome
//! stays.

use crate::repositories::{self, Look};
use crate::{Ctx, policy};
use domain::accounts::Payer;
use domain::ids::JobId;
use domain::inbox::events::{EventOrigin, Issue, Visibility};
use domain::jobs::requests::{JobRequest, RequestOutcome};
use domain::retry::{Done, Failure, MessageFate};
use domain::switches::Switch;
use domain::time::Timestamp;
use domain::work::NextAttempt;
use flows::jobs::github::Place;
use flows::jobs::order::{Placed, Wanted};
use flows::work;
use github_api::{Access, GithubError, IssueKind, IssueState};
use store::Written;

/// Handles a request.
pub async fn handle(ctx: &Ctx, id: &JobId) -> Result<Done, Failure> {
    let Some(request) = ctx.store.request_find(id).await? else {
        return Ok(Done::Ignored("no such request"));
    };
    if request.outcome.is_some() {
        return Ok(Done::Duplicate);
    }
    if request.tries.is_early(ctx.outside.now()) {
        return Ok(work::NOT_NOW);
    }
    if work::switch(&ctx.switches, &request.account, ctx.outside.now()).await == Switch::Off {
        return Ok(work::PAUSED);
    }
    let outcome = act(ctx, &request, ctx.outside.now()).await?;
    ctx.store.request_finish(id, &outcome).await?;
    Ok(Done::Applied(match outcome {
        RequestOutcome::Job(job) => format!("job {job}"),
        RequestOutcome::Refused(why) => format!("refused: {why}"),
    }))
}

/// Records a failed attempt and the time of the next one, or ends the request after too many.
pub async fn fail(ctx: &Ctx, id: &JobId, failure: &Failure) -> Result<MessageFate, Failure> {
    let now = ctx.outside.now();
    let found = ctx.store.request_find(id).await?;
    let open = found.filter(|request| request.outcome.is_none() && !request.tries.is_early(now));
    let Some(request) = open else {
        return Ok(MessageFate::Drop);
    };
    match request.tries.failed(failure, (ctx.outside.random)(), now) {
        NextAttempt::Again(next) => {
            let wait = next.wait(now);
            Ok(match ctx.store.request_postpone(&request, next).await? {
                Written::Now => MessageFate::Retry(wait),
                Written::Stale => MessageFate::Drop,
            })
        }
        NextAttempt::Over | NextAttempt::Last(_) => {
            // Use only the outermost message: customers read it, and its causes may name internals.
            let why = format!("{}; ask again", failure.source);
            ctx.store
                .request_finish(id, &RequestOutcome::Refused(why))
                .await?;
            Ok(MessageFate::Acknowledge)
        }
    }
}

async fn act(ctx: &Ctx, request: &JobRequest, now: Timestamp) -> Result<RequestOutcome, Failure> {
    let (origin, look) = match locate(ctx, request, now).await? {
        Ok(found) => found,
        Err(why) => return Ok(RequestOutcome::Refused(why)),
    };
    let issue = issue(ctx, request, &origin, now);
    let issue = match ctx.limits().within(origin.installation, issue).await? {
        Ok(issue) => issue,
        Err(why) => return Ok(RequestOutcome::Refused(why)),
    };
    let policy = match policy::load(ctx, &origin, look, now).await? {
        Ok(policy) => policy,
        Err(why) => return Ok(RequestOutcome::Refused(why.reason())),
    };
    let wanted = Wanted {
        id: request.id.clone(),
        trigger: request.fact(),
        wishes: policy.wishes,
        caps: policy.caps,
        // The API limits its callers by requests.
        person: None,
        caused_by: None,
        retry_of: request.retry_of.clone(),
        agent: request.agent,
    };
    let placed = crate::orders(ctx, now)
        .make(&request.account, &origin, &issue, wanted)
        .await?;
    repositories::placed(ctx, &origin, &placed).await?;
    Ok(match placed {
        Placed::Made(job) | Placed::Joined(job) | Placed::Refused(job) => RequestOutcome::Job(job),
        Placed::Closed | Placed::NoAccount => {
            RequestOutcome::Refused("the account is gone".to_owned())
        }
    })
}

/// Returns the issue's repository if the requesting account pays for it, or why there can be no
/// job.
async fn locate(
    ctx: &Ctx,
    request: &JobRequest,
    now: Timestamp,
) -> Result<Result<(EventOrigin, Look), String>, Failure> {
    let github = ctx.github.client().await?;
    let name = &request.repository;
    let found = ctx.limits().locate(&github, name).await?;
    let Some(Place {
        installation,
        details,
    }) = found
    else {
        return Ok(Err(absent(request)));
    };
    let payer = ctx.store.payer_find(details.owner_id, installation).await?;
    if payer != Payer::Account(request.account.clone()) {
        return Ok(Err(absent(request)));
    }
    if details.archived {
        return Ok(Err(format!(
            "{name} is archived and takes no pull requests"
        )));
    }
    let visibility = if details.private {
        Visibility::Private
    } else {
        Visibility::Public
    };
    let look = Look {
        visibility,
        seen_at: now,
    };
    let origin = EventOrigin {
        installation,
        owner: details.owner_id,
        owner_login: details.owner,
        repository: details.id,
        repository_name: details.name,
        default_branch: details.default_branch,
        sender_login: request.asked_by.clone(),
        via_app: None,
    };
    Ok(Ok((origin, look)))
}

fn absent(request: &JobRequest) -> String {
    let name = &request.repository;
    format!(
        "{name} is not among this account's repositories. Install the App there, or give it this repository, and ask again"
    )
}

/// Returns the issue, or why there can be no job for it.
async fn issue(
    ctx: &Ctx,
    request: &JobRequest,
    origin: &EventOrigin,
    now: Timestamp,
) -> Result<Result<Issue, String>, Failure> {
    let github = ctx.github.client().await?;
    let (owner, name) = (&origin.owner_login, &origin.repository_name);
    let opened = github
        .repository(
            origin.installation,
            owner,
            name,
            origin.repository,
            Access::ReadIssues,
            now,
        )
        .await;
    let number = request.issue_number;
    let found = match opened {
        Ok(repository) => repository.issue_find(number).await,
        Err(error) => Err(error),
    };
    let found = match found {
        Ok(Some(found)) => found,
        Ok(None) => return Ok(Err(format!("{owner}/{name} has no issue #{number}"))),
        // The App was just removed from the repository, or may not read its issues.
        Err(GithubError::NoAccess { .. } | GithubError::NotThere { .. }) => {
            return Ok(Err(absent(request)));
        }
        Err(error) => return Err(error.into()),
    };
    Ok(match (found.kind, found.state) {
        (IssueKind::Pull, _) => Err(format!("#{number} is a pull request; ask for an issue")),
        (IssueKind::Issue, IssueState::Closed | IssueState::Gone) => Err(format!(
            "issue #{number} is closed; open it again and ask again"
        )),
        (IssueKind::Issue, IssueState::Open) => Ok(found.issue),
    })
}
