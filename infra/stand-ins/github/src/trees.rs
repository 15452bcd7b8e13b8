//! `git/trees`: creates a tree from another one and a list of changes, and reads one by branch,
//! commit or id.

use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::access::{Access, CONTENTS, Visit};
use super::git::{FOLDER, File, Files, MODES, SUBMODULE, TreeEntry, kind_of};
use super::objects::Created;
use super::refusal::{Input, Refusal};
use super::state::Repository;
use super::{GitHub, shapes};

pub(super) fn routes() -> Router<GitHub> {
    Router::new()
        .route("/git/trees", post(create_tree))
        .route("/git/trees/{*name}", get(show_tree))
}

#[derive(Deserialize)]
struct NewTree {
    base_tree: Option<String>,
    tree: Vec<NewEntry>,
}

#[derive(Deserialize)]
struct NewEntry {
    path: String,
    mode: Option<String>,
    /// Absent, `null` (removes the path) or an object.
    #[serde(default, deserialize_with = "present")]
    sha: Option<Option<String>>,
    content: Option<String>,
}

fn present<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(value).map(Some)
}

async fn create_tree(access: Access, Input(new): Input<NewTree>) -> Created {
    let mut visit = access.write(CONTENTS)?;
    if new.tree.is_empty() {
        return Err(Refusal::unprocessable("Invalid tree info"));
    }
    for entry in &new.tree {
        visit.may_write_file(&entry.path)?;
    }
    let mut files = match &new.base_tree {
        Some(base) => base_files(visit.repository(), base)?,
        None => Files::new(),
    };
    for entry in new.tree {
        place(visit.repository_mut(), &mut files, entry)?;
    }
    let sha = visit.repository_mut().objects.put_files(&files);
    Ok((
        StatusCode::CREATED,
        Json(tree_shape(&visit, &sha, Depth::One)?),
    ))
}

fn base_files(repository: &Repository, base: &str) -> Result<Files, Refusal> {
    let commit = repository.objects.commit(base);
    let tree = commit.map_or(base, |commit| &commit.tree);
    repository
        .objects
        .tree(tree)
        .ok_or_else(|| Refusal::unprocessable("base_tree is not a valid tree oid"))?;
    Ok(repository.objects.files(tree))
}

/// Applies one entry of a request to a list of files, as `git update-index` would.
fn place(repository: &mut Repository, files: &mut Files, entry: NewEntry) -> Result<(), Refusal> {
    if !is_path(&entry.path) {
        return Err(Refusal::unprocessable(
            "tree.path contains a malformed path component",
        ));
    }
    let mode = entry.mode.unwrap_or_else(|| "100644".to_owned());
    if !MODES.contains(&mode.as_str()) {
        return Err(Refusal::unprocessable(
            "tree.mode must be one of 100644, 100755, 040000, 160000 or 120000",
        ));
    }
    let sha = match (entry.sha, entry.content) {
        (Some(None), _) => return remove(files, &entry.path),
        (Some(Some(sha)), _) => sha,
        (None, Some(content)) => repository.objects.put_blob(content.as_bytes()),
        (None, None) => {
            return Err(Refusal::unprocessable(
                "tree.sha or tree.content must be supplied",
            ));
        }
    };
    let known = match mode.as_str() {
        FOLDER => repository.objects.tree(&sha).is_some(),
        SUBMODULE => true,
        _ => repository.objects.blob(&sha).is_some(),
    };
    if !known {
        return Err(Refusal::unprocessable(format!(
            "tree.sha {sha} is not a valid {}",
            kind_of(&mode)
        )));
    }
    make_room(files, &entry.path);
    if mode == FOLDER {
        let inside = repository.objects.files(&sha);
        files.extend(
            inside
                .into_iter()
                .map(|(name, file)| (format!("{}/{name}", entry.path), file)),
        );
    } else {
        files.insert(entry.path, File { mode, sha });
    }
    Ok(())
}

fn remove(files: &mut Files, path: &str) -> Result<(), Refusal> {
    let before = files.len();
    let folder = format!("{path}/");
    files.retain(|name, _| name != path && !name.starts_with(&folder));
    if files.len() == before {
        Err(Refusal::unprocessable("GitRPC::BadObjectState"))
    } else {
        Ok(())
    }
}

/// Removes what conflicts with a path, since a path is either a file or a folder.
fn make_room(files: &mut Files, path: &str) {
    let folder = format!("{path}/");
    files.retain(|name, _| !name.starts_with(&folder) && !path.starts_with(&format!("{name}/")));
}

pub(super) fn is_path(path: &str) -> bool {
    path.split('/')
        .all(|part| !["", ".", ".."].contains(&part) && !part.eq_ignore_ascii_case(".git"))
        && !path.contains('\0')
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    One,
    All,
}

/// A branch, a tag, a commit or a tree.
#[derive(Deserialize)]
struct Revision {
    name: String,
}

#[derive(Deserialize)]
struct Recursive {
    recursive: Option<String>,
}

async fn show_tree(
    access: Access,
    Path(revision): Path<Revision>,
    Query(how): Query<Recursive>,
) -> Result<Json<Value>, Refusal> {
    let visit = access.read(CONTENTS)?;
    let repository = visit.repository();
    let commit = repository.resolve(&revision.name);
    let tree = commit
        .and_then(|sha| repository.objects.commit(&sha))
        .map_or(revision.name, |commit| commit.tree.clone());
    // Any value asks for recursion, even `0` and `false`.
    let depth = if how.recursive.is_some() {
        Depth::All
    } else {
        Depth::One
    };
    Ok(Json(tree_shape(&visit, &tree, depth)?))
}

fn tree_shape(visit: &Visit, sha: &str, depth: Depth) -> Result<Value, Refusal> {
    let url = shapes::url(visit.config, visit.repository());
    visit
        .repository()
        .objects
        .tree(sha)
        .ok_or_else(Refusal::not_found)?;
    let mut entries = Vec::new();
    list(visit.repository(), &url, sha, "", depth, &mut entries);
    Ok(
        json!({"sha": sha, "url": format!("{url}/git/trees/{sha}"), "tree": entries, "truncated": false}),
    )
}

fn list(
    repository: &Repository,
    url: &str,
    tree: &str,
    prefix: &str,
    depth: Depth,
    into: &mut Vec<Value>,
) {
    for TreeEntry { mode, name, sha } in repository.objects.tree(tree).unwrap_or_default() {
        let (path, kind) = (format!("{prefix}{name}"), kind_of(mode));
        let mut entry = json!({"path": path, "mode": mode, "type": kind, "sha": sha, "url": format!("{url}/git/{kind}s/{sha}")});
        if let Some(content) = repository.objects.blob(sha) {
            entry["size"] = json!(content.len());
        }
        into.push(entry);
        if mode == FOLDER && depth == Depth::All {
            list(repository, url, sha, &format!("{path}/"), depth, into);
        }
    }
}
