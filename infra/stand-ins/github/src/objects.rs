//! `git/commits` and `git/blobs`: write objects without moving a ref. Nothing written here is
//! visible on a branch until a ref points to it, which makes a change of many files atomic.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::{Access, CONTENTS, Visit};
use super::git::{Commit, Signature};
use super::refusal::{Input, Refusal};
use super::state::{Account, Repository};
use super::{GitHub, GitHubConfig, shapes};
use stand_in_shared::dates;

pub(super) fn routes() -> Router<GitHub> {
    Router::new()
        .route("/git/commits", post(create_commit))
        .route("/git/commits/{sha}", get(show_commit))
        .route("/git/blobs", post(create_blob))
        .route("/git/blobs/{sha}", get(show_blob))
}

/// The answer to every creation.
pub(super) type Created = Result<(StatusCode, Json<Value>), Refusal>;

#[derive(Deserialize)]
struct Named {
    sha: String,
}

#[derive(Deserialize)]
struct NewCommit {
    message: String,
    tree: String,
    #[serde(default)]
    parents: Vec<String>,
    author: Option<Person>,
    committer: Option<Person>,
}

/// A commit's author or committer in a request.
#[derive(Clone, Deserialize)]
pub(super) struct Person {
    name: String,
    email: String,
    date: Option<String>,
}

async fn create_commit(access: Access, Input(new): Input<NewCommit>) -> Created {
    let mut visit = access.write(CONTENTS)?;
    let objects = &visit.repository().objects;
    if objects.tree(&new.tree).is_none() {
        return Err(Refusal::unprocessable("Tree SHA does not exist"));
    }
    if new
        .parents
        .iter()
        .any(|parent| objects.commit(parent).is_none())
    {
        return Err(Refusal::unprocessable(
            "Parent SHA does not exist or is not a commit object",
        ));
    }
    let (author, committer, verified) = signatures(&visit, new.author, new.committer)?;
    let commit = Commit {
        tree: new.tree,
        parents: new.parents,
        message: new.message,
        author,
        committer,
        verified,
    };
    let sha = visit.repository_mut().objects.put_commit(commit);
    Ok((StatusCode::CREATED, Json(commit_shape(&visit, &sha)?)))
}

/// The author and the committer of a commit, and whether GitHub signs it. The author defaults to the
/// App's bot, and the committer to the author.
///
/// GitHub signs a bot's commit if the request "contains no custom author information, custom
/// committer information, and no custom signature information" (docs.github.com, "About commit
/// signature verification"). GitHub is then the committer.
pub(super) fn signatures(
    visit: &Visit,
    author: Option<Person>,
    committer: Option<Person>,
) -> Result<(Signature, Signature, bool), Refusal> {
    if author.is_none() && committer.is_none() {
        let github = Signature {
            name: "GitHub".to_owned(),
            email: "noreply@github.com".to_owned(),
            seconds: visit.now.div_euclid(1000),
        };
        return Ok((bot_signature(&visit.bot(), visit.now), github, true));
    }
    let sign = |person: Option<Person>| {
        let Some(person) = person else {
            return Ok(bot_signature(&visit.bot(), visit.now));
        };
        let at = match &person.date {
            None => visit.now,
            Some(date) => dates::parse(date)
                .ok_or_else(|| Refusal::unprocessable("Invalid request.\n\ninvalid date"))?,
        };
        Ok(Signature {
            name: person.name,
            email: person.email,
            seconds: at.div_euclid(1000),
        })
    };
    let committer = committer.or_else(|| author.clone());
    Ok((sign(author)?, sign(committer)?, false))
}

fn bot_signature(bot: &Account, now: i64) -> Signature {
    let email = format!("{}+{}@users.noreply.github.com", bot.id, bot.login);
    Signature {
        name: bot.login.clone(),
        email,
        seconds: now.div_euclid(1000),
    }
}

async fn show_commit(access: Access, Path(named): Path<Named>) -> Result<Json<Value>, Refusal> {
    Ok(Json(commit_shape(&access.read(CONTENTS)?, &named.sha)?))
}

fn commit_shape(visit: &Visit, sha: &str) -> Result<Value, Refusal> {
    let commit = visit
        .repository()
        .objects
        .commit(sha)
        .ok_or_else(Refusal::not_found)?;
    Ok(git_commit(visit.config, visit.repository(), sha, commit))
}

/// A commit as git has it, without GitHub's users.
pub(super) fn git_commit(
    config: &GitHubConfig,
    repository: &Repository,
    sha: &str,
    commit: &Commit,
) -> Value {
    let (url, html) = (
        shapes::url(config, repository),
        shapes::html(config, repository),
    );
    let link = |sha: &str| json!({"sha": sha, "url": format!("{url}/git/commits/{sha}"), "html_url": format!("{html}/commit/{sha}")});
    let mut shape = link(sha);
    shape["node_id"] = json!(format!("C_{sha}"));
    shape["message"] = json!(commit.message);
    shape["tree"] = json!({"sha": commit.tree, "url": format!("{url}/git/trees/{}", commit.tree)});
    shape["parents"] = commit.parents.iter().map(|parent| link(parent)).collect();
    shape["author"] = signature_shape(&commit.author);
    shape["committer"] = signature_shape(&commit.committer);
    shape["verification"] = if commit.verified {
        json!({
            "verified": true,
            "reason": "valid",
            "signature": "-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n",
            "payload": format!("tree {}\n", commit.tree),
            "verified_at": dates::iso(commit.committer.seconds * 1000),
        })
    } else {
        json!({"verified": false, "reason": "unsigned", "signature": null, "payload": null, "verified_at": null})
    };
    shape
}

fn signature_shape(signature: &Signature) -> Value {
    json!({"name": signature.name, "email": signature.email, "date": dates::iso(signature.seconds * 1000)})
}

#[derive(Deserialize)]
struct NewBlob {
    content: String,
    encoding: Option<String>,
}

async fn create_blob(access: Access, Input(new): Input<NewBlob>) -> Created {
    let mut visit = access.write(CONTENTS)?;
    let content = match new.encoding.as_deref() {
        None | Some("utf-8") => new.content.into_bytes(),
        Some("base64") => decoded(&new.content)?,
        Some(_) => return Err(Refusal::unprocessable("encoding must be utf-8 or base64")),
    };
    let sha = visit.repository_mut().objects.put_blob(&content);
    let url = shapes::url(visit.config, visit.repository());
    Ok((
        StatusCode::CREATED,
        Json(json!({"sha": sha, "url": format!("{url}/git/blobs/{sha}")})),
    ))
}

async fn show_blob(access: Access, Path(named): Path<Named>) -> Result<Json<Value>, Refusal> {
    let visit = access.read(CONTENTS)?;
    let content = visit
        .repository()
        .objects
        .blob(&named.sha)
        .ok_or_else(Refusal::not_found)?;
    let url = shapes::url(visit.config, visit.repository());
    Ok(Json(json!({
        "sha": named.sha,
        "node_id": format!("B_{}", named.sha),
        "size": content.len(),
        "url": format!("{url}/git/blobs/{}", named.sha),
        "content": wrapped(&content),
        "encoding": "base64",
    })))
}

/// Decodes base64 as GitHub accepts it, with or without line breaks.
pub(super) fn decoded(content: &str) -> Result<Vec<u8>, Refusal> {
    let compact: String = content
        .chars()
        .filter(|c| !c.is_ascii_whitespace())
        .collect();
    BASE64_STANDARD
        .decode(compact)
        .map_err(|_| Refusal::unprocessable("content is not valid Base64"))
}

/// Encodes base64 as GitHub returns it, in lines of 60.
pub(super) fn wrapped(content: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(content);
    let mut lines = String::with_capacity(text.len() + text.len() / 60 + 1);
    for (at, c) in text.chars().enumerate() {
        lines.push(c);
        if at % 60 == 59 {
            lines.push('\n');
        }
    }
    if !lines.is_empty() && !lines.ends_with('\n') {
        lines.push('\n');
    }
    lines
}
