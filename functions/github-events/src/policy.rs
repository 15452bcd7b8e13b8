//! Reads a repository's policy, `.tallyhook.toml`. Only the file in the base branch counts, so that
//! no pull request can change the policy.
//!
//! ```toml
//! [triggers]
//! opened = true            # a new issue requests a job
//! label = "tallyhook"      # this label requests a job
//! commands = true          # the comment `/tallyhook fix` requests a job
//! associations = ["OWNER", "MEMBER", "COLLABORATOR"]   # accepted authors; default: all
//!
//! [pull]
//! draft = false                # open pull requests as drafts, if the repository supports them
//! labels = ["tallyhook"]       # at most 10, of at most 50 characters each; default: none
//! reviewers = ["some-login"]   # at most 10 people; default: none
//! ```

use crate::Ctx;
use domain::inbox::events::EventOrigin;
use domain::jobs::pulls::{POLICY_PATH, PullOptions};
use domain::jobs::triggers::Policy;
use domain::retry::Failure;
use domain::switches::Switch;
use domain::time::Timestamp;
use github_api::{Access, File, FileContent, GithubError};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    triggers: Triggers,
    #[serde(default)]
    pull: Pull,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Triggers {
    opened: Option<bool>,
    label: Option<String>,
    commands: Option<bool>,
    #[serde(default)]
    associations: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Pull {
    draft: bool,
    labels: Vec<String>,
    reviewers: Vec<String>,
}

/// Returns the policy, or why there can be no job. A policy that cannot be read allows nothing,
/// because its author meant to restrict jobs.
pub async fn load(
    ctx: &Ctx,
    origin: &EventOrigin,
    now: Timestamp,
) -> Result<Result<Policy, &'static str>, Failure> {
    let limits = ctx.limits();
    limits
        .within(origin.installation, read_policy(ctx, origin, now))
        .await
}

async fn read_policy(
    ctx: &Ctx,
    origin: &EventOrigin,
    now: Timestamp,
) -> Result<Result<Policy, &'static str>, Failure> {
    match read(ctx, origin, now).await {
        Ok(None) => Ok(Ok(Policy::default())),
        Ok(Some(FileContent::Text(text))) => {
            Ok(parse(&text).ok_or("the repository's .tallyhook.toml cannot be read"))
        }
        Ok(Some(FileContent::Binary { .. })) => {
            Ok(Err("the repository's .tallyhook.toml is not text"))
        }
        Err(Unreadable::Github(GithubError::NoAccess { .. } | GithubError::NotThere { .. })) => {
            Ok(Err("the App may not read this repository"))
        }
        Err(Unreadable::Github(error)) => Err(error.into()),
        Err(Unreadable::Key(failure)) => Err(failure),
    }
}

enum Unreadable {
    Github(GithubError),
    Key(Failure),
}

async fn read(
    ctx: &Ctx,
    origin: &EventOrigin,
    now: Timestamp,
) -> Result<Option<FileContent>, Unreadable> {
    let github = ctx.github.client().await.map_err(Unreadable::Key)?;
    let (owner, name) = (&origin.owner_login, &origin.repository_name);
    let repository = github.repository(
        origin.installation,
        owner,
        name,
        origin.repository,
        Access::ReadFiles,
        now,
    );
    let repository = repository.await.map_err(Unreadable::Github)?;
    let file = repository
        .file_load(POLICY_PATH, &origin.default_branch)
        .await
        .map_err(Unreadable::Github)?;
    Ok(file.map(|File { content, .. }| content))
}

fn parse(text: &str) -> Option<Policy> {
    let Document { triggers, pull } = toml::from_str(text).ok()?;
    let switch = |on: Option<bool>| Switch::from(on.unwrap_or(true));
    let label = triggers.label.unwrap_or_else(|| Policy::default().label);
    Some(Policy {
        opened: switch(triggers.opened),
        commands: switch(triggers.commands),
        label,
        associations: triggers.associations,
        wishes: PullOptions::check(pull.draft.into(), pull.labels, pull.reviewers)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_narrows_and_a_broken_one_is_none() {
        assert_eq!(parse(""), Some(Policy::default()));
        let narrowed = parse("[triggers]\nopened = false\nlabel = 'bot'\nassociations = ['OWNER']")
            .expect("a policy");
        assert_eq!(
            (narrowed.opened, narrowed.commands, narrowed.label.as_str()),
            (Switch::Off, Switch::On, "bot")
        );
        assert_eq!(narrowed.associations, ["OWNER"]);
        for broken in ["[triggers]\nopend = false", "triggers = 1", "{", "[other]"] {
            assert_eq!(parse(broken), None, "{broken}");
        }
    }

    #[test]
    fn a_policy_may_wish_and_not_for_anything() {
        let policy =
            parse("[pull]\ndraft = true\nlabels = ['by tallyhook']\nreviewers = ['octocat']")
                .expect("a policy");
        assert_eq!(policy.wishes.draft(), Switch::On);
        assert_eq!(
            (policy.wishes.labels(), policy.wishes.reviewers()),
            (
                &["by tallyhook".to_owned()][..],
                &["octocat".to_owned()][..]
            )
        );
        assert_eq!(
            Policy {
                wishes: PullOptions::default(),
                ..policy
            },
            Policy::default()
        );
        let eleven = format!("[pull]\nlabels = {:?}", ["x"; 11]);
        for broken in [
            "[pull]\ndraft = 'yes'",
            "[pull]\nlabels = ['']",
            "[pull]\nreviewers = ['@me']",
            "[pull]\nteams = []",
            &eleven,
        ] {
            assert_eq!(parse(broken), None, "{broken}");
        }
    }
}
