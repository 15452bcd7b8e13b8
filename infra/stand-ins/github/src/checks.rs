//! Check runs and commit statuses. Nothing runs: a test says which checks the repository has, and
//! each commit that is pushed to a branch gets them, timed from its push.

use axum::Router;
use axum::extract::Path;
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::{Access, CHECKS, STATUSES, Visit};
use super::ci::{Check, CheckKind};
use super::paging::Paging;
use super::refusal::Refusal;
use super::state::{Account, Repository};
use super::{GitHub, shapes};
use stand_in_shared::dates;

pub(super) fn routes() -> Router<GitHub> {
    Router::new()
        .route("/commits/{revision}/check-runs", get(runs))
        .route("/commits/{revision}/status", get(combined))
}

impl GitHub {
    /// From now on, the repository has these checks.
    pub fn set_checks(&self, owner: &str, repo: &str, checks: Vec<Check>) {
        let mut state = self.lock();
        let found = state.repository_named_mut(owner, repo);
        found.expect("the repository exists").checks = checks;
    }
}

#[derive(Deserialize)]
struct At {
    revision: String,
}

/// A check of one commit at one moment.
struct Seen<'a> {
    check: &'a Check,
    id: u64,
    started: i64,
    completed: Option<i64>,
}

/// The checks of one kind that a commit has now.
fn seen<'a>(repository: &'a Repository, sha: &str, kind: CheckKind, now: i64) -> Vec<Seen<'a>> {
    let Some(push) = repository.pushes.get(sha) else {
        return Vec::new();
    };
    let seen = (1..).zip(&repository.checks).filter_map(|(id, check)| {
        let started = push.at + check.starts_after * 1_000;
        let runs = check.kind == kind && push.branch.starts_with(&check.branches);
        (runs && started <= now).then(|| Seen {
            check,
            id,
            started,
            completed: check
                .takes
                .map(|takes| started + takes * 1_000)
                .filter(|completed| *completed <= now),
        })
    });
    seen.collect()
}

/// The commit that a request names. GitHub answers 422 if there is none.
fn resolved(visit: &Visit, at: &At) -> Result<String, Refusal> {
    let missing = || Refusal::unprocessable(format!("No commit found for SHA: {}", at.revision));
    visit.repository().resolve(&at.revision).ok_or_else(missing)
}

async fn runs(access: Access, Path(at): Path<At>, paging: Paging) -> Result<Response, Refusal> {
    let visit = access.read(CHECKS)?;
    let sha = resolved(&visit, &at)?;
    let found = seen(visit.repository(), &sha, CheckKind::Run, visit.now);
    let total = found.len();
    let shown: Vec<_> = found
        .iter()
        .map(|run| run_shape(&visit, &sha, run))
        .collect();
    Ok(paging.respond_in(
        shown,
        |page| json!({ "total_count": total, "check_runs": page }),
    ))
}

async fn combined(access: Access, Path(at): Path<At>, paging: Paging) -> Result<Response, Refusal> {
    let visit = access.read(STATUSES)?;
    let sha = resolved(&visit, &at)?;
    let found = seen(visit.repository(), &sha, CheckKind::Status, visit.now);
    let url = shapes::url(visit.config, visit.repository());
    let states: Vec<_> = found.iter().map(Seen::state).collect();
    let total = found.len();
    let shown: Vec<_> = found
        .iter()
        .map(|status| status_shape(&visit, &sha, status))
        .collect();
    let repository = shapes::repository(visit.config, visit.repository());
    Ok(paging.respond_in(shown, |page| {
        json!({
            "state": overall(&states),
            "statuses": page,
            "sha": sha,
            "total_count": total,
            "repository": repository,
            "commit_url": format!("{url}/commits/{sha}"),
            "url": format!("{url}/commits/{sha}/status"),
        })
    }))
}

/// "`failure` if any of the contexts report as `error` or `failure`, `pending` if there are no
/// statuses or a context is `pending`, `success` if the latest status for all contexts is `success`"
/// (docs.github.com, "Get the combined status for a specific reference").
fn overall(states: &[&str]) -> &'static str {
    if states
        .iter()
        .any(|state| ["error", "failure"].contains(state))
    {
        "failure"
    } else if states.is_empty() || states.contains(&"pending") {
        "pending"
    } else {
        "success"
    }
}

impl Seen<'_> {
    fn state(&self) -> &str {
        match self.completed {
            Some(_) => &self.check.result,
            None => "pending",
        }
    }
}

fn run_shape(visit: &Visit, sha: &str, run: &Seen<'_>) -> Value {
    let (config, repository) = (visit.config, visit.repository());
    let url = shapes::url(config, repository);
    let page = format!("{}/runs/{}", shapes::html(config, repository), run.id);
    json!({
        "id": run.id,
        "head_sha": sha,
        "node_id": shapes::node("CR", run.id),
        "external_id": "",
        "url": format!("{url}/check-runs/{}", run.id),
        "html_url": page,
        "details_url": page,
        "status": if run.completed.is_some() { "completed" } else { "in_progress" },
        "conclusion": run.completed.map(|_| &run.check.result),
        "started_at": dates::iso(run.started),
        "completed_at": run.completed.map(dates::iso),
        "output": {
            "title": null,
            "summary": null,
            "text": null,
            "annotations_count": 0,
            "annotations_url": format!("{url}/check-runs/{}/annotations", run.id),
        },
        "name": run.check.name,
        "check_suite": { "id": run.id },
        "app": null,
        "pull_requests": [],
    })
}

fn status_shape(visit: &Visit, sha: &str, status: &Seen<'_>) -> Value {
    let url = shapes::url(visit.config, visit.repository());
    let at = status.completed.unwrap_or(status.started);
    let setter = shapes::user(visit.config, &Account::bot("ci"));
    json!({
        "url": format!("{url}/statuses/{sha}"),
        "id": status.id,
        "node_id": shapes::node("SC", status.id),
        "state": status.state(),
        "description": null,
        "target_url": null,
        "context": status.check.name,
        "avatar_url": setter["avatar_url"],
        "created_at": dates::iso(status.started),
        "updated_at": dates::iso(at),
    })
}
