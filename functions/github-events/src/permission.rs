//! Asks GitHub whether a person may request a job.
//!
//! An answer is kept for ten minutes. While GitHub does not answer, the event waits: it is neither
//! granted nor refused.

use crate::Ctx;
use domain::inbox::events::IssueEvent;
use domain::jobs::permissions::{Requirement, Role, is_enough, requester};
use domain::jobs::triggers::Policy;
use domain::retry::Failure;
use domain::time::Timestamp;
use github_api::{Access, GithubError};
use std::time::Duration;

/// For how long a person's role is not asked again.
pub const KEPT_FOR: Duration = Duration::from_secs(600);

/// Whether a request is granted.
pub enum Permitted {
    Yes,
    /// The person has not the role that is needed.
    No(Role),
    /// A bot that the policy does not list.
    Bot,
}

/// Decides about a request that the policy's triggers accept.
pub async fn check(
    ctx: &Ctx,
    event: &IssueEvent,
    policy: &Policy,
    now: Timestamp,
) -> Result<Permitted, Failure> {
    let needed = match policy.requires(event) {
        Requirement::Nothing => return Ok(Permitted::Yes),
        Requirement::NoBots => return Ok(Permitted::Bot),
        Requirement::Role(needed) => needed,
    };
    let found = role(ctx, event, now).await?;
    Ok(if is_enough(found, needed, event) {
        Permitted::Yes
    } else {
        Permitted::No(needed)
    })
}

async fn role(ctx: &Ctx, event: &IssueEvent, now: Timestamp) -> Result<Option<Role>, Failure> {
    let (actor, _) = requester(event);
    // A login can pass to another person.
    let key = format!("{} {}", event.origin.repository, actor.id);
    if let Some(kept) = ctx.roles.get(&key, now) {
        return Ok(kept);
    }
    let asked = ask(ctx, event, &actor.login, now);
    let limits = ctx.limits();
    match limits.within(event.origin.installation, asked).await? {
        Asked::Told(found) => {
            ctx.roles.put(&key, found, now);
            Ok(found)
        }
        Asked::NotTold => Ok(Some(Role::None)),
    }
}

enum Asked {
    Told(Option<Role>),
    /// GitHub refuses the question, so nobody is known to have a role. The next request asks again.
    NotTold,
}

async fn ask(ctx: &Ctx, event: &IssueEvent, login: &str, now: Timestamp) -> Result<Asked, Failure> {
    let origin = &event.origin;
    let github = ctx.github.client().await?;
    let opened = github.repository(
        origin.installation,
        &origin.owner_login,
        &origin.repository_name,
        origin.repository,
        Access::ReadFiles,
        now,
    );
    let asked = match opened.await {
        Ok(repository) => repository.role_find(login).await,
        Err(error) => Err(error),
    };
    match asked {
        Ok(found) => Ok(Asked::Told(found)),
        Err(error @ GithubError::NoAccess { .. }) => {
            tracing::warn!(installation.id = %origin.installation, %error, "no role can be read, so the request is refused");
            Ok(Asked::NotTold)
        }
        Err(error) => Err(error.into()),
    }
}
