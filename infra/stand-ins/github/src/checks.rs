//! Check runs and commit statuses. Nothing runs: a test says which checks the repository has, and
//! each commit that is pushed to a branch gets them, timed from its push. A check can look at a file
//! of the commit. Logs are on another host, at an address that is valid for a minute (docs.github.com,
//! "Download job logs for a workflow run").

use axum::Router;
use axum::extract::{Path, Query, State as From};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::{ACTIONS, Access, CHECKS, STATUSES, Visit};
use super::archives::Link;
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
        .route("/check-runs/{run}/annotations", get(annotations))
        .route("/actions/jobs/{run}/logs", get(log_link))
}

/// A name below the domain on which GitHub keeps logs.
pub const LOGS_HOST: &str = "stand-in.actions.githubusercontent.com";

/// The host of logs. The address is the permission.
pub(super) fn log_host() -> Router<GitHub> {
    Router::new().route("/logs/{run}", get(log))
}

const LINK_MILLIS: i64 = 60_000;
/// The checks of a push have numbers of this many.
const CHECKS_MAX: u64 = 1_000;

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
    /// Whether the commit has what the check looks for.
    passes: bool,
    id: u64,
    started: i64,
    completed: Option<i64>,
}

/// The checks of one kind that a commit has now.
fn seen<'a>(repository: &'a Repository, sha: &str, kind: CheckKind, now: i64) -> Vec<Seen<'a>> {
    let Some(push) = repository.pushes.get(sha) else {
        return Vec::new();
    };
    let first = push.number * CHECKS_MAX + 1;
    let seen = (first..).zip(&repository.checks).filter_map(|(id, check)| {
        let started = push.at + check.starts_after * 1_000;
        let runs = check.kind == kind && push.branch.starts_with(&check.branches);
        (runs && started <= now).then(|| Seen {
            check,
            passes: passes(repository, sha, check),
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

fn passes(repository: &Repository, sha: &str, check: &Check) -> bool {
    check.passes_with.as_ref().is_some_and(|(path, text)| {
        let file = repository.files(sha);
        let content = file
            .get(path)
            .and_then(|file| repository.objects.blob(&file.sha));
        content.is_some_and(|content| String::from_utf8_lossy(&content).contains(text))
    })
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
            Some(_) => self.result(),
            None => "pending",
        }
    }

    fn result(&self) -> &str {
        if self.passes {
            "success"
        } else {
            &self.check.result
        }
    }

    /// What it says about a line, if it has failed.
    fn annotation(&self) -> Option<&(String, u64, String)> {
        let failed = self.completed.is_some() && self.result() == "failure";
        self.check.annotation.as_ref().filter(|_| failed)
    }
}

#[derive(Deserialize)]
struct Number {
    run: u64,
}

/// The check run of a number, in any commit.
fn numbered<'a>(repository: &'a Repository, run: u64, now: i64) -> Option<(&'a str, Seen<'a>)> {
    repository.pushes.keys().find_map(|sha| {
        let mut runs = seen(repository, sha, CheckKind::Run, now).into_iter();
        runs.find(|seen| seen.id == run)
            .map(|seen| (sha.as_str(), seen))
    })
}

async fn annotations(
    access: Access,
    Path(Number { run }): Path<Number>,
    paging: Paging,
) -> Result<Response, Refusal> {
    let visit = access.read(CHECKS)?;
    let repository = visit.repository();
    let (sha, seen) = numbered(repository, run, visit.now).ok_or_else(Refusal::not_found)?;
    let shape = |(path, line, message): &(String, u64, String)| {
        json!({
            "path": path,
            "start_line": line,
            "end_line": line,
            "start_column": null,
            "end_column": null,
            "annotation_level": "failure",
            "title": null,
            "message": message,
            "raw_details": null,
            "blob_href": format!("{}/blob/{sha}/{path}", shapes::html(visit.config, repository)),
        })
    };
    Ok(paging.respond(seen.annotation().map(shape).into_iter().collect()))
}

async fn log_link(access: Access, Path(Number { run }): Path<Number>) -> Result<Response, Refusal> {
    let mut visit = access.read(ACTIONS)?;
    let (repository, now) = (visit.repository(), visit.now);
    let (sha, seen) = numbered(repository, run, now).ok_or_else(Refusal::not_found)?;
    if seen.check.log.is_none() || seen.completed.is_none() {
        return Err(Refusal::not_found());
    }
    let link = Link {
        repository: repository.id,
        commit: sha.to_owned(),
        expires: now + LINK_MILLIS,
    };
    let secret = format!("L{:015X}", visit.state.links.len() + 1);
    visit.state.links.insert(secret.clone(), link);
    let location = format!("https://{LOGS_HOST}/logs/{run}?sig={secret}");
    Ok((StatusCode::FOUND, [(header::LOCATION, location)]).into_response())
}

#[derive(Deserialize)]
struct Secret {
    #[serde(default)]
    sig: String,
}

async fn log(
    From(github): From<GitHub>,
    Path(Number { run }): Path<Number>,
    Query(Secret { sig }): Query<Secret>,
) -> Response {
    let (now, state) = (github.now(), github.lock());
    let link = state.links.get(&sig).filter(|link| now < link.expires);
    let repository = link.and_then(|link| state.repositories.get(&link.repository));
    let found = repository.and_then(|repository| numbered(repository, run, now));
    match found.and_then(|(_, seen)| seen.check.log.clone()) {
        Some(log) => log.into_response(),
        None => (StatusCode::NOT_FOUND, "404: Not Found").into_response(),
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
        "conclusion": run.completed.map(|_| run.result()),
        "started_at": dates::iso(run.started),
        "completed_at": run.completed.map(dates::iso),
        "output": {
            "title": null,
            "summary": null,
            "text": null,
            "annotations_count": u32::from(run.annotation().is_some()),
            "annotations_url": format!("{url}/check-runs/{}/annotations", run.id),
        },
        "name": run.check.name,
        "check_suite": { "id": run.id },
        "app": run.check.log.as_ref().map(|_| shapes::actions(config)),
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
