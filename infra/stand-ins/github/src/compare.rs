//! `compare/{base}...{head}` and a commit's diff against its first parent. Pull requests use the
//! same comparison, from the merge base to the head.

use axum::extract::Path;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::{Access, CONTENTS};
use super::git::{Files, Sha};
use super::refusal::Refusal;
use super::state::Repository;
use super::{GitHub, GitHubConfig, diff, objects, shapes};

pub(super) fn routes() -> Router<GitHub> {
    Router::new()
        .route("/compare/{*basehead}", get(compare))
        .route("/commits/{revision}", get(show_commit))
}

/// Two commits and how they relate.
pub(super) struct Comparison {
    base: Sha,
    head: Sha,
    pub merge_base: Option<Sha>,
    /// Oldest first.
    pub ahead: Vec<Sha>,
    behind: usize,
}

/// One file of a diff.
pub(super) struct Change {
    pub path: String,
    pub status: &'static str,
    pub additions: usize,
    pub deletions: usize,
    /// `None` for files that are not text.
    pub patch: Option<String>,
    blob: Sha,
}

impl Comparison {
    pub fn of(repository: &Repository, base: &str, head: &str) -> Self {
        let objects = &repository.objects;
        Self {
            base: base.to_owned(),
            head: head.to_owned(),
            merge_base: objects.merge_base(base, head),
            ahead: objects.between(base, head),
            behind: objects.between(head, base).len(),
        }
    }

    /// The changes on the head since the merge base.
    pub fn changes(&self, repository: &Repository) -> Vec<Change> {
        let old = self
            .merge_base
            .as_ref()
            .map(|base| repository.files(base))
            .unwrap_or_default();
        changes(repository, &old, &repository.files(&self.head))
    }

    fn status(&self) -> &'static str {
        match (self.ahead.len(), self.behind) {
            (0, 0) => "identical",
            (_, 0) => "ahead",
            (0, _) => "behind",
            _ => "diverged",
        }
    }
}

fn changes(repository: &Repository, old: &Files, new: &Files) -> Vec<Change> {
    let gone = old.keys().filter(|path| !new.contains_key(*path));
    let mut paths: Vec<&String> = new
        .keys()
        .filter(|path| old.get(*path) != new.get(*path))
        .chain(gone)
        .collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| change(repository, path, old, new))
        .collect()
}

fn change(repository: &Repository, path: &str, old: &Files, new: &Files) -> Change {
    let (before, after) = (old.get(path), new.get(path));
    let status = match (before, after) {
        (None, _) => "added",
        (_, None) => "removed",
        _ => "modified",
    };
    let text = |file: Option<&super::git::File>| match file {
        None => Some(String::new()),
        Some(file) => String::from_utf8(repository.objects.blob(&file.sha)?).ok(),
    };
    let patch = text(before)
        .zip(text(after))
        .map(|(before, after)| diff::patch(&before, &after));
    Change {
        path: path.to_owned(),
        status,
        additions: patch.as_ref().map_or(0, |patch| patch.additions),
        deletions: patch.as_ref().map_or(0, |patch| patch.deletions),
        patch: patch
            .map(|patch| patch.text)
            .filter(|text| !text.is_empty()),
        blob: after
            .or(before)
            .map(|file| file.sha.clone())
            .unwrap_or_default(),
    }
}

/// A file of a diff in the API's format.
pub(super) fn change_shape(
    config: &GitHubConfig,
    repository: &Repository,
    head: &str,
    change: &Change,
) -> Value {
    let (url, html, path) = (
        shapes::url(config, repository),
        shapes::html(config, repository),
        &change.path,
    );
    let mut shape = json!({
        "sha": change.blob,
        "filename": path,
        "status": change.status,
        "additions": change.additions,
        "deletions": change.deletions,
        "changes": change.additions + change.deletions,
        "blob_url": format!("{html}/blob/{head}/{path}"),
        "raw_url": format!("{html}/raw/{head}/{path}"),
        "contents_url": format!("{url}/contents/{path}?ref={head}"),
    });
    if let Some(patch) = &change.patch {
        shape["patch"] = json!(patch);
    }
    shape
}

#[derive(Deserialize)]
struct Range {
    basehead: String,
}

async fn compare(access: Access, Path(range): Path<Range>) -> Result<Json<Value>, Refusal> {
    let visit = access.read(CONTENTS)?;
    let (config, repository) = (visit.config, visit.repository());
    let (base, head) = range
        .basehead
        .split_once("...")
        .ok_or_else(Refusal::not_found)?;
    let find = |name: &str| {
        let own = name
            .strip_prefix(&format!("{}:", repository.owner.login))
            .unwrap_or(name);
        repository.resolve(own).ok_or_else(Refusal::not_found)
    };
    let comparison = Comparison::of(repository, &find(base)?, &find(head)?);
    let merge_base = comparison
        .merge_base
        .as_ref()
        .ok_or_else(|| Refusal::missing("No common ancestor"))?;
    let changes = comparison.changes(repository);
    let commit = |sha: &String| commit_shape(config, repository, sha);
    let (url, html) = (
        shapes::url(config, repository),
        shapes::html(config, repository),
    );
    let page = format!("{html}/compare/{}", range.basehead);
    Ok(Json(json!({
        "url": format!("{url}/compare/{}", range.basehead),
        "html_url": page,
        "permalink_url": format!("{html}/compare/{}...{}", comparison.base, comparison.head),
        "diff_url": format!("{page}.diff"),
        "patch_url": format!("{page}.patch"),
        "base_commit": commit(&comparison.base),
        "merge_base_commit": commit(merge_base),
        "status": comparison.status(),
        "ahead_by": comparison.ahead.len(),
        "behind_by": comparison.behind,
        "total_commits": comparison.ahead.len(),
        "commits": comparison.ahead.iter().map(commit).collect::<Vec<_>>(),
        "files": changes.iter().map(|c| change_shape(config, repository, &comparison.head, c)).collect::<Vec<_>>(),
    })))
}

#[derive(Deserialize)]
struct Revision {
    revision: String,
}

/// One commit, as JSON or as a diff in git's format.
async fn show_commit(
    access: Access,
    Path(asked): Path<Revision>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let visit = access.read(CONTENTS)?;
    let (config, repository) = (visit.config, visit.repository());
    let unknown = || Refusal::unprocessable(format!("No commit found for SHA: {}", asked.revision));
    let sha = repository.resolve(&asked.revision).ok_or_else(unknown)?;
    let commit = repository.objects.commit(&sha).ok_or_else(unknown)?;
    let parent = commit
        .parents
        .first()
        .map(|parent| repository.files(parent))
        .unwrap_or_default();
    let changes = changes(repository, &parent, &repository.files(&sha));
    let wanted = headers
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if wanted.contains("diff") {
        let text: String = changes.iter().map(printed).collect();
        return Ok((
            [(CONTENT_TYPE, "application/vnd.github.diff; charset=utf-8")],
            text,
        )
            .into_response());
    }
    let mut shape = commit_shape(config, repository, &sha);
    shape["files"] = changes
        .iter()
        .map(|change| change_shape(config, repository, &sha, change))
        .collect();
    Ok(Json(shape).into_response())
}

/// A file of a diff in git's format.
fn printed(change: &Change) -> String {
    let path = &change.path;
    let (before, after, mode) = match change.status {
        "added" => (
            "/dev/null".to_owned(),
            format!("b/{path}"),
            "new file mode 100644\n",
        ),
        "removed" => (
            format!("a/{path}"),
            "/dev/null".to_owned(),
            "deleted file mode 100644\n",
        ),
        _ => (format!("a/{path}"), format!("b/{path}"), ""),
    };
    let body = match &change.patch {
        Some(patch) => format!("--- {before}\n+++ {after}\n{patch}\n"),
        None => format!("Binary files {before} and {after} differ\n"),
    };
    format!("diff --git a/{path} b/{path}\n{mode}{body}")
}

/// A commit as GitHub lists it: git's data inside, GitHub users (unknown here) outside.
fn commit_shape(config: &GitHubConfig, repository: &Repository, sha: &str) -> Value {
    let Some(commit) = repository.objects.commit(sha) else {
        return Value::Null;
    };
    let mut git = objects::git_commit(config, repository, sha, commit);
    let url = shapes::url(config, repository);
    let parents = git["parents"].take();
    git["comment_count"] = json!(0);
    json!({
        "sha": sha,
        "node_id": git["node_id"],
        "url": format!("{url}/commits/{sha}"),
        "html_url": git["html_url"],
        "comments_url": format!("{url}/commits/{sha}/comments"),
        "author": null,
        "committer": null,
        "parents": parents,
        "commit": git,
    })
}
