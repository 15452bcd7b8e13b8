//! `contents/{path}`: one file at a time. Each write is a separate commit on a branch. An update
//! must name the blob that it replaces, so two writers cannot silently overwrite each other.

use axum::extract::{Path, Query};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::{Access, CONTENTS, Visit};
use super::git::{Commit, File, Files, LINK, SUBMODULE, Sha};
use super::objects::{self, Person};
use super::refusal::{Input, Refusal};
use super::{GitHub, shapes};

pub(super) fn routes() -> Router<GitHub> {
    Router::new()
        .route("/contents", get(show))
        .route("/contents/", get(show))
        .route("/contents/{*path}", get(show).put(write).delete(remove))
}

#[derive(Deserialize)]
struct At {
    #[serde(default)]
    path: String,
}

#[derive(Deserialize)]
struct Revision {
    #[serde(rename = "ref")]
    name: Option<String>,
}

async fn show(
    access: Access,
    Path(at): Path<At>,
    Query(revision): Query<Revision>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let visit = access.read(CONTENTS)?;
    let repository = visit.repository();
    let revision = revision
        .name
        .unwrap_or_else(|| repository.default_branch.clone());
    let missing = || Refusal::missing(format!("No commit found for the ref {revision}"));
    let files = repository.files(&repository.resolve(&revision).ok_or_else(missing)?);
    let path = at.path.trim_matches('/');
    let Some(file) = files.get(path) else {
        return Ok(Json(folder(&visit, &files, path, &revision)?).into_response());
    };
    // https://docs.github.com/rest/repos/contents#get-repository-content: a link to a file is shown as
    // the file; any other link, and a submodule, is an object that describes itself.
    let file = match file.mode.as_str() {
        SUBMODULE => {
            let mut shape = entry(&visit, path, &file.sha, "submodule", &revision);
            shape["submodule_git_url"] = json!(format!(
                "{}/{path}.git",
                shapes::html(visit.config, repository)
            ));
            return Ok(Json(shape).into_response());
        }
        LINK => {
            let target = repository.objects.blob(&file.sha).unwrap_or_default();
            let target = String::from_utf8_lossy(&target).into_owned();
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            let aim = format!("{folder}/{target}");
            match files.get(aim.trim_start_matches('/')) {
                Some(aim) if aim.mode != LINK && aim.mode != SUBMODULE => aim,
                Some(_) | None => {
                    let mut shape = entry(&visit, path, &file.sha, "symlink", &revision);
                    shape["target"] = json!(target);
                    return Ok(Json(shape).into_response());
                }
            }
        }
        _ => file,
    };
    let content = repository
        .objects
        .blob(&file.sha)
        .ok_or_else(Refusal::not_found)?;
    let accepted = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok());
    if accepted.is_some_and(|accept| accept.contains("raw")) {
        return Ok(content.into_response());
    }
    let mut shape = entry(&visit, path, &file.sha, "file", &revision);
    shape["size"] = json!(content.len());
    shape["encoding"] = json!("base64");
    shape["content"] = json!(objects::wrapped(&content));
    Ok(Json(shape).into_response())
}

/// The direct entries of a folder.
fn folder(visit: &Visit, files: &Files, path: &str, revision: &str) -> Result<Vec<Value>, Refusal> {
    let prefix = if path.is_empty() {
        String::new()
    } else {
        format!("{path}/")
    };
    let mut entries: Vec<Value> = Vec::new();
    let mut last = "";
    for (name, file) in files
        .iter()
        .filter_map(|(name, file)| Some((name.strip_prefix(&prefix)?, file)))
    {
        let (child, kind) = name
            .split_once('/')
            .map_or((name, "file"), |(child, _)| (child, "dir"));
        if child != last {
            entries.push(entry(
                visit,
                &format!("{prefix}{child}"),
                &file.sha,
                kind,
                revision,
            ));
        }
        last = child;
    }
    if entries.is_empty() {
        Err(Refusal::not_found())
    } else {
        Ok(entries)
    }
}

fn entry(visit: &Visit, path: &str, sha: &str, kind: &str, revision: &str) -> Value {
    let (url, html) = (
        shapes::url(visit.config, visit.repository()),
        shapes::html(visit.config, visit.repository()),
    );
    let own = format!("{url}/contents/{path}?ref={revision}");
    let git = format!(
        "{url}/git/{}/{sha}",
        if kind == "dir" { "trees" } else { "blobs" }
    );
    let page = format!("{html}/blob/{revision}/{path}");
    json!({
        "name": path.rsplit('/').next(),
        "path": path,
        "sha": sha,
        "size": 0,
        "type": kind,
        "url": own,
        "html_url": page,
        "git_url": git,
        "download_url": if kind == "dir" { Value::Null } else { json!(format!("{html}/raw/{revision}/{path}")) },
        "_links": {"self": own, "git": git, "html": page},
    })
}

#[derive(Deserialize)]
struct Write {
    message: String,
    content: String,
    #[serde(flatten)]
    change: Change,
}

#[derive(Deserialize)]
struct Remove {
    message: String,
    #[serde(flatten)]
    change: Change,
}

/// The fields that all changes of a file have in common.
#[derive(Deserialize)]
struct Change {
    sha: Option<String>,
    branch: Option<String>,
    author: Option<Person>,
    committer: Option<Person>,
}

async fn write(
    access: Access,
    Path(at): Path<At>,
    Input(new): Input<Write>,
) -> Result<Response, Refusal> {
    let mut visit = access.write(CONTENTS)?;
    visit.may_write_file(&at.path)?;
    if !super::trees::is_path(&at.path) {
        return Err(Refusal::unprocessable(
            "path contains a malformed path component",
        ));
    }
    let content = objects::decoded(&new.content)?;
    let (branch, mut files) = branch_files(&visit, new.change.branch.as_deref())?;
    let old = files.get(&at.path).map(|file| file.sha.clone());
    let status = if old.is_some() {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    if old.is_some() || new.change.sha.is_some() {
        replaces(&at.path, old.as_deref(), new.change.sha.as_deref())?;
    }
    let sha = visit.repository_mut().objects.put_blob(&content);
    files.insert(
        at.path.clone(),
        File {
            mode: "100644".to_owned(),
            sha: sha.clone(),
        },
    );
    let commit = commit(&mut visit, &branch, &files, new.message, new.change)?;
    let mut shape = entry(&visit, &at.path, &sha, "file", &branch);
    shape["size"] = json!(content.len());
    Ok((status, Json(json!({"content": shape, "commit": commit}))).into_response())
}

async fn remove(
    access: Access,
    Path(at): Path<At>,
    Input(gone): Input<Remove>,
) -> Result<Response, Refusal> {
    let mut visit = access.write(CONTENTS)?;
    visit.may_write_file(&at.path)?;
    let (branch, mut files) = branch_files(&visit, gone.change.branch.as_deref())?;
    let old = files.remove(&at.path).ok_or_else(Refusal::not_found)?;
    replaces(&at.path, Some(&old.sha), gone.change.sha.as_deref())?;
    let commit = commit(&mut visit, &branch, &files, gone.message, gone.change)?;
    Ok(Json(json!({"content": null, "commit": commit})).into_response())
}

fn branch_files(visit: &Visit, branch: Option<&str>) -> Result<(String, Files), Refusal> {
    let repository = visit.repository();
    let branch = branch
        .unwrap_or(&repository.default_branch)
        .trim_start_matches("refs/heads/")
        .to_owned();
    let head = repository
        .branch(&branch)
        .ok_or_else(|| Refusal::missing(format!("Branch {branch} not found")))?;
    let files = repository.files(head);
    Ok((branch, files))
}

fn replaces(path: &str, old: Option<&str>, named: Option<&str>) -> Result<(), Refusal> {
    match named {
        None => Err(Refusal::unprocessable(
            "Invalid request.\n\n\"sha\" wasn't supplied.",
        )),
        Some(named) if Some(named) == old => Ok(()),
        Some(named) => Err(Refusal::conflict(format!("{path} does not match {named}"))),
    }
}

fn commit(
    visit: &mut Visit,
    branch: &str,
    files: &Files,
    message: String,
    change: Change,
) -> Result<Value, Refusal> {
    let (author, committer, verified) =
        objects::signatures(visit, change.author, change.committer)?;
    let now = visit.now;
    let repository = visit.repository_mut();
    let parents: Vec<Sha> = repository.branch(branch).cloned().into_iter().collect();
    let tree = repository.objects.put_files(files);
    let sha = repository.objects.put_commit(Commit {
        tree,
        parents,
        message,
        author,
        committer,
        verified,
    });
    repository.set_ref(&format!("refs/heads/{branch}"), &sha, now);
    let commit = visit
        .repository()
        .objects
        .commit(&sha)
        .expect("written just now");
    Ok(objects::git_commit(
        visit.config,
        visit.repository(),
        &sha,
        commit,
    ))
}
