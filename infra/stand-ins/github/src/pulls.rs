//! Pull requests. Each pair of head and base has at most one open pull request. A second one is
//! refused in GitHub's words, because callers rely on exactly that refusal to recover from a lost
//! answer.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::{Access, PULLS, Visit};
use super::compare::{self, Comparison};
use super::paging::Paging;
use super::refusal::{Input, Refusal};
use super::state::{Freshness, Issue, Pull, Repository, Via};
use super::{GitHub, GitHubConfig, shapes};

pub(super) fn routes() -> Router<GitHub> {
    Router::new()
        .route("/pulls", get(list).post(create))
        .route("/pulls/{number}", get(show).patch(update).post(update))
        .route("/pulls/{number}/files", get(files))
        .route(
            "/pulls/{number}/requested_reviewers",
            post(request_reviewers),
        )
}

const RESOURCE: &str = "PullRequest";

#[derive(Deserialize)]
struct Numbered {
    number: u64,
}

#[derive(Deserialize)]
struct New {
    title: Option<String>,
    body: Option<String>,
    head: String,
    base: String,
    #[serde(default)]
    draft: bool,
}

async fn create(
    access: Access,
    Input(new): Input<New>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let mut visit = access.write(PULLS)?;
    let title = new.title.filter(|title| !title.is_empty());
    let title = title.ok_or_else(|| Refusal::field(RESOURCE, "title", "missing_field"))?;
    let pull = opened(visit.repository(), &new.head, new.base, new.draft)?;
    let (id, author, now) = (visit.state.fresh_id(), visit.bot(), visit.now);
    let repository = visit.repository_mut();
    let number = repository.next_number();
    let issue = Issue {
        id,
        number,
        title,
        body: new.body,
        author,
        via: Via::App,
        labels: vec![],
        reactions: vec![],
        created: now,
        updated: now,
        closed: None,
        pull: Some(pull),
    };
    repository.issues.insert(number, issue);
    Ok((StatusCode::CREATED, Json(in_full(&visit, number)?)))
}

/// Builds the pull request from a head to a base, if GitHub allows it.
fn opened(repository: &Repository, head: &str, base: String, draft: bool) -> Result<Pull, Refusal> {
    let owner = &repository.owner.login;
    let head = match head.split_once(':') {
        None => head,
        Some((user, branch)) if user.eq_ignore_ascii_case(owner) => branch,
        Some(_) => return Err(Refusal::field(RESOURCE, "head", "invalid")),
    };
    let base_sha = repository
        .branch(&base)
        .ok_or_else(|| Refusal::field(RESOURCE, "base", "invalid"))?
        .clone();
    let head_sha = repository
        .branch(head)
        .ok_or_else(|| Refusal::field(RESOURCE, "head", "invalid"))?
        .clone();
    let same = |issue: &Issue| {
        issue
            .pull
            .as_ref()
            .is_some_and(|pull| pull.head == head && pull.base == base)
    };
    if repository
        .issues
        .values()
        .any(|issue| issue.closed.is_none() && same(issue))
    {
        return Err(Refusal::custom(
            RESOURCE,
            format!("A pull request already exists for {owner}:{head}."),
        ));
    }
    let comparison = Comparison::of(repository, &base_sha, &head_sha);
    if comparison.merge_base.is_none() {
        let message = format!("The {head} branch has no history in common with {base}");
        return Err(Refusal::custom(RESOURCE, message));
    }
    if comparison.ahead.is_empty() {
        return Err(Refusal::custom(
            RESOURCE,
            format!("No commits between {base} and {head}"),
        ));
    }
    Ok(Pull {
        head: head.to_owned(),
        base,
        head_sha,
        base_sha,
        draft,
        reviewers: vec![],
        merged: None,
    })
}

async fn list(access: Access, paging: Paging) -> Result<Response, Refusal> {
    let mut visit = access.read(PULLS)?;
    let freshness = visit.state.read_list();
    let shown = visit.now - visit.state.list_lag;
    let repository = visit.repository();
    let mut pulls: Vec<(&Issue, &Pull)> = repository
        .issues
        .values()
        .filter_map(|issue| Some((issue, issue.pull.as_ref()?)))
        .filter(|(issue, _)| issue.created <= shown)
        .collect();
    if freshness == Freshness::WithoutNewest {
        pulls.pop();
    }
    let state = paging.query("state").unwrap_or("open");
    // GitHub ignores a head without an owner instead of refusing it.
    let head = paging.query("head").filter(|head| head.contains(':'));
    let base = paging.query("base");
    pulls.retain(|(issue, pull)| {
        let own = format!("{}:{}", repository.owner.login, pull.head);
        (state == "all" || (state == "closed") == issue.closed.is_some())
            && head.is_none_or(|head| head.eq_ignore_ascii_case(&own))
            && base.is_none_or(|base| base == pull.base)
    });
    if paging.query("direction") != Some("asc") {
        pulls.reverse();
    }
    let shapes = pulls
        .into_iter()
        .map(|(issue, pull)| shapes::pull(visit.config, repository, issue, pull));
    Ok(paging.respond(shapes.collect()))
}

async fn show(access: Access, Path(numbered): Path<Numbered>) -> Result<Json<Value>, Refusal> {
    Ok(Json(in_full(&access.read(PULLS)?, numbered.number)?))
}

#[derive(Deserialize)]
struct Update {
    title: Option<String>,
    body: Option<String>,
    state: Option<String>,
    base: Option<String>,
}

async fn update(
    access: Access,
    Path(numbered): Path<Numbered>,
    Input(update): Input<Update>,
) -> Result<Json<Value>, Refusal> {
    let mut visit = access.write(PULLS)?;
    let now = visit.now;
    change(visit.repository_mut(), numbered.number, update, now)?;
    Ok(Json(in_full(&visit, numbered.number)?))
}

fn change(
    repository: &mut Repository,
    number: u64,
    update: Update,
    now: i64,
) -> Result<(), Refusal> {
    let (_, pull) = find(repository, number)?;
    let head_sha = repository.branch(&pull.head).cloned();
    let base = update.base.unwrap_or_else(|| pull.base.clone());
    let base_sha = repository.branch(&base).cloned();
    let issue = repository
        .issues
        .get_mut(&number)
        .ok_or_else(Refusal::not_found)?;
    let pull = issue.pull.as_mut().ok_or_else(Refusal::not_found)?;
    if base != pull.base {
        pull.base_sha = base_sha
            .clone()
            .ok_or_else(|| Refusal::field(RESOURCE, "base", "invalid"))?;
        pull.base = base;
    }
    match update.state.as_deref() {
        None => {}
        Some("closed") => issue.closed = issue.closed.or(Some(now)),
        Some("open") if issue.closed.is_none() => {}
        Some("open") if pull.merged.is_none() => {
            // The branches may have moved while the pull request was closed.
            let both = head_sha
                .zip(base_sha)
                .ok_or_else(|| Refusal::field(RESOURCE, "state", "invalid"))?;
            (pull.head_sha, pull.base_sha) = both;
            issue.closed = None;
        }
        Some(_) => return Err(Refusal::field(RESOURCE, "state", "invalid")),
    }
    issue.title = update.title.unwrap_or_else(|| issue.title.clone());
    issue.body = update.body.or_else(|| issue.body.clone());
    issue.updated = now;
    Ok(())
}

#[derive(Deserialize)]
struct Reviewers {
    #[serde(default)]
    reviewers: Vec<String>,
}

/// Either all reviewers are requested or none of them. Earlier requests stay.
async fn request_reviewers(
    access: Access,
    Path(numbered): Path<Numbered>,
    Input(asked): Input<Reviewers>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let mut visit = access.write(PULLS)?;
    let repository = visit.repository_mut();
    let (issue, _) = find(repository, numbered.number)?;
    if asked.reviewers.contains(&issue.author.login) {
        return Err(Refusal::unprocessable(
            "Review cannot be requested from pull request author.",
        ));
    }
    if !asked
        .reviewers
        .iter()
        .all(|login| repository.has_collaborator(login))
    {
        return Err(Refusal::unprocessable(format!(
            "Reviews may only be requested from collaborators. One or more of the users or teams you specified is not a \
             collaborator of the {} repository.",
            repository.full_name()
        )));
    }
    let issue = repository
        .issues
        .get_mut(&numbered.number)
        .ok_or_else(Refusal::not_found)?;
    let pull = issue.pull.as_mut().ok_or_else(Refusal::not_found)?;
    for login in asked.reviewers {
        if !pull.reviewers.contains(&login) {
            pull.reviewers.push(login);
        }
    }
    let (issue, pull) = find(visit.repository(), numbered.number)?;
    let shape = shapes::pull(visit.config, visit.repository(), issue, pull);
    Ok((StatusCode::CREATED, Json(shape)))
}

async fn files(
    access: Access,
    Path(numbered): Path<Numbered>,
    paging: Paging,
) -> Result<Response, Refusal> {
    let visit = access.read(PULLS)?;
    let repository = visit.repository();
    let (_, pull) = find(repository, numbered.number)?;
    let changes = Comparison::of(repository, &pull.base_sha, &pull.head_sha).changes(repository);
    let shape = |change| compare::change_shape(visit.config, repository, &pull.head_sha, change);
    Ok(paging.respond(changes.iter().map(shape).collect()))
}

fn in_full(visit: &Visit, number: u64) -> Result<Value, Refusal> {
    let (issue, pull) = find(visit.repository(), number)?;
    Ok(pull_in_full(visit.config, visit.repository(), issue, pull))
}

fn find(repository: &Repository, number: u64) -> Result<(&Issue, &Pull), Refusal> {
    let issue = repository
        .issues
        .get(&number)
        .ok_or_else(Refusal::not_found)?;
    Ok((issue, issue.pull.as_ref().ok_or_else(Refusal::not_found)?))
}

/// A pull request as GitHub returns it alone, with more fields than an entry of a list.
fn pull_in_full(
    config: &GitHubConfig,
    repository: &Repository,
    issue: &Issue,
    pull: &Pull,
) -> Value {
    let comparison = Comparison::of(repository, &pull.base_sha, &pull.head_sha);
    let changes = comparison.changes(repository);
    let mut shape = shapes::pull(config, repository, issue, pull);
    shapes::merge(
        &mut shape,
        json!({
            "merged": pull.merged.is_some(),
            "merged_by": pull.merged.as_ref().map(|merge| shapes::user(config, &merge.by)),
            "mergeable": issue.closed.is_none().then_some(true),
            "mergeable_state": if issue.closed.is_none() { "clean" } else { "unknown" },
            "maintainer_can_modify": false,
            "comments": repository.comments_of(issue.number).len(),
            "review_comments": 0,
            "commits": comparison.ahead.len(),
            "additions": changes.iter().map(|change| change.additions).sum::<usize>(),
            "deletions": changes.iter().map(|change| change.deletions).sum::<usize>(),
            "changed_files": changes.len(),
        }),
    );
    shape
}
