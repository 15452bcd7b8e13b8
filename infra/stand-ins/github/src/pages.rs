//! GitHub's pages for people: all repositories, one repository, one pull request with its diff, one
//! issue with its comments.

use axum::extract::{Path, State as From};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::Value;

use super::compare::{Change, Comparison};
use super::state::{Issue, Repository};
use super::user_pages::{install_address, label_form, repository_forms};
use super::{GitHub, GitHubConfig, shapes};
use stand_in_shared::html::{
    Markup, all, classed, diff, heading, link, moment, page, table, tag, text,
};

pub(super) fn routes() -> Router<GitHub> {
    Router::new()
        .route("/", get(repositories))
        .route("/state.json", get(state))
        .route("/{owner}/{repository}", get(repository))
        .route("/{owner}/{repository}/pull/{number}", get(issue))
        .route("/{owner}/{repository}/issues/{number}", get(issue))
}

async fn state(From(github): From<GitHub>) -> Json<Value> {
    Json(github.export())
}

async fn repositories(From(github): From<GitHub>) -> Response {
    let state = github.lock();
    let row = |repository: &Repository| {
        vec![
            link(
                &shapes::html(&github.config, repository),
                repository.full_name(),
            ),
            text(&repository.default_branch),
            text(
                repository
                    .issues
                    .values()
                    .filter(|issue| issue.closed.is_none())
                    .count(),
            ),
        ]
    };
    let rows = state.repositories.values().map(row).collect();
    let heads = [
        "repository",
        "default branch",
        "open issues and pull requests",
    ];
    let install = link(
        &install_address(&github.config),
        format!("Install {}", github.config.app_slug),
    );
    page(
        "Repositories",
        all([table(&heads, rows), tag("p", install)]),
    )
}

async fn repository(
    From(github): From<GitHub>,
    Path((owner, name)): Path<(String, String)>,
) -> Response {
    let state = github.lock();
    let Some(repository) = state.repository_named(&owner, &name) else {
        return missing();
    };
    let branches = repository.refs.iter().filter_map(|(name, sha)| {
        let newest = repository.objects.commit(sha)?;
        Some(vec![
            text(name.strip_prefix("refs/heads/")?),
            tag("code", text(&sha[..8])),
            text(&newest.message),
        ])
    });
    let listed = |wanted: &dyn Fn(&Issue) -> bool| {
        let newest_first = repository
            .issues
            .values()
            .rev()
            .filter(|issue| wanted(issue));
        let row = |issue| issue_row(&github.config, repository, issue);
        table(
            &["", "title", "by", "state", "opened"],
            newest_first.map(row).collect(),
        )
    };
    let body = [
        link(&format!("{}/", github.config.html_base), "all repositories"),
        heading("Branches"),
        table(&["branch", "commit", "message"], branches.collect()),
        heading("Open pull requests"),
        listed(&|issue| issue.pull.is_some() && issue.closed.is_none()),
        heading("Closed pull requests"),
        listed(&|issue| issue.pull.is_some() && issue.closed.is_some()),
        heading("Issues"),
        listed(&|issue| issue.pull.is_none()),
        repository_forms(&github.config, &state, repository),
    ];
    page(repository.full_name(), all(body))
}

fn issue_row(config: &GitHubConfig, repository: &Repository, issue: &Issue) -> Vec<Markup> {
    vec![
        link(
            &shapes::html_of(config, repository, issue),
            format!("#{}", issue.number),
        ),
        text(&issue.title),
        text(&issue.author.login),
        state_of(issue),
        moment(issue.created),
    ]
}

async fn issue(
    From(github): From<GitHub>,
    Path((owner, name, number)): Path<(String, String, u64)>,
) -> Response {
    let state = github.lock();
    let Some(repository) = state.repository_named(&owner, &name) else {
        return missing();
    };
    let Some(issue) = repository.issues.get(&number) else {
        return missing();
    };
    let head = [
        link(
            &shapes::html(&github.config, repository),
            repository.full_name(),
        ),
        tag(
            "p",
            all([
                state_of(issue),
                text(" "),
                byline(&issue.author.login, issue.created),
            ]),
        ),
        all(issue
            .labels
            .iter()
            .map(|label| classed("span", "state", text(label)))),
        classed(
            "div",
            "body",
            text(issue.body.as_deref().unwrap_or_default()),
        ),
    ];
    let comments = repository.comments_of(number).into_iter().map(|comment| {
        let by = tag("p", byline(&comment.author.login, comment.created));
        all([by, classed("div", "body", text(&comment.body))])
    });
    let talk = all([
        label_form(&github.config, repository, issue),
        heading("Comments"),
        all(comments),
    ]);
    let body = all([all(head), pull_part(repository, issue), talk]);
    page(format!("{} #{number}", issue.title), body)
}

fn pull_part(repository: &Repository, issue: &Issue) -> Markup {
    let Some(pull) = &issue.pull else {
        return Markup::default();
    };
    let changes = Comparison::of(repository, &pull.base_sha, &pull.head_sha).changes(repository);
    let file = |change: &Change| {
        let counts = format!(
            "{} (+{} −{})",
            change.status, change.additions, change.deletions
        );
        let name = tag(
            "h3",
            all([
                tag("code", text(&change.path)),
                text(" "),
                classed("span", "by", text(counts)),
            ]),
        );
        all([name, change.patch.as_deref().map(diff).unwrap_or_default()])
    };
    all([
        tag(
            "p",
            all([
                tag("code", text(&pull.head)),
                text(" → "),
                tag("code", text(&pull.base)),
            ]),
        ),
        heading("Files changed"),
        all(changes.iter().map(file)),
    ])
}

fn state_of(issue: &Issue) -> Markup {
    let merged = issue
        .pull
        .as_ref()
        .is_some_and(|pull| pull.merged.is_some());
    let word = match (merged, issue.closed) {
        (true, _) => "merged",
        (false, Some(_)) => "closed",
        (false, None) => "open",
    };
    classed("span", "state", text(word))
}

fn byline(login: &str, at: i64) -> Markup {
    classed("span", "by", all([text(login), text(", "), moment(at)]))
}

fn missing() -> Response {
    (StatusCode::NOT_FOUND, page("Not found", Markup::default())).into_response()
}
