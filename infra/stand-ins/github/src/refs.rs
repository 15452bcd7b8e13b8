//! `git/refs`: branches and tags by their full names. A second ref of the same name is refused, and
//! a ref only moves forward.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::{get, patch, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::{Access, CONTENTS, Visit};
use super::refusal::{Input, Refusal};
use super::{GitHub, shapes};

pub(super) fn routes() -> Router<GitHub> {
    Router::new()
        .route("/git/refs", post(create))
        .route("/git/ref/{*name}", get(show))
        .route("/git/matching-refs/{*name}", get(matching))
        .route(
            "/git/refs/{*name}",
            patch(update).post(update).delete(delete),
        )
}

/// The name in the path lacks `refs/`.
#[derive(Deserialize)]
struct Name {
    name: String,
}

impl Name {
    fn full(&self) -> String {
        format!("refs/{}", self.name)
    }
}

async fn show(access: Access, Path(name): Path<Name>) -> Result<Json<Value>, Refusal> {
    let visit = access.read(CONTENTS)?;
    let name = name.full();
    let sha = visit
        .repository()
        .refs
        .get(&name)
        .ok_or_else(Refusal::not_found)?;
    Ok(Json(shape(&visit, &name, sha)))
}

async fn matching(access: Access, Path(prefix): Path<Name>) -> Result<Json<Vec<Value>>, Refusal> {
    let visit = access.read(CONTENTS)?;
    let prefix = prefix.full();
    let refs = visit
        .repository()
        .refs
        .iter()
        .filter(|(name, _)| name.starts_with(&prefix));
    Ok(Json(
        refs.map(|(name, sha)| shape(&visit, name, sha)).collect(),
    ))
}

#[derive(Deserialize)]
struct New {
    #[serde(rename = "ref")]
    name: String,
    sha: String,
}

async fn create(
    access: Access,
    Input(new): Input<New>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let mut visit = access.write(CONTENTS)?;
    if !is_valid(&new.name) {
        return Err(Refusal::unprocessable(format!(
            "{} is not a valid ref name.",
            new.name
        )));
    }
    commit_exists(&visit, &new.sha)?;
    let refs = &visit.repository().refs;
    if refs.contains_key(&new.name) {
        return Err(Refusal::unprocessable("Reference already exists"));
    }
    // Git keeps refs as files, so `a` and `a/b` cannot both exist.
    let inside = |one: &str, other: &str| {
        one.strip_prefix(other)
            .is_some_and(|rest| rest.starts_with('/'))
    };
    if refs
        .keys()
        .any(|name| inside(name, &new.name) || inside(&new.name, name))
    {
        return Err(Refusal::unprocessable("Reference update failed"));
    }
    let now = visit.now;
    visit.repository_mut().set_ref(&new.name, &new.sha, now);
    Ok((
        StatusCode::CREATED,
        Json(shape(&visit, &new.name, &new.sha)),
    ))
}

#[derive(Deserialize)]
struct Move {
    sha: String,
    #[serde(default)]
    force: bool,
}

async fn update(
    access: Access,
    Path(name): Path<Name>,
    Input(to): Input<Move>,
) -> Result<Json<Value>, Refusal> {
    let mut visit = access.write(CONTENTS)?;
    let name = name.full();
    commit_exists(&visit, &to.sha)?;
    let repository = visit.repository();
    let old = repository
        .refs
        .get(&name)
        .ok_or_else(|| Refusal::unprocessable("Reference does not exist"))?;
    if !to.force && !repository.objects.is_ancestor(old, &to.sha) {
        return Err(Refusal::unprocessable("Update is not a fast forward"));
    }
    let now = visit.now;
    visit.repository_mut().set_ref(&name, &to.sha, now);
    Ok(Json(shape(&visit, &name, &to.sha)))
}

async fn delete(access: Access, Path(name): Path<Name>) -> Result<StatusCode, Refusal> {
    let mut visit = access.write(CONTENTS)?;
    let now = visit.now;
    let deleted = visit.repository_mut().delete_ref(&name.full(), now);
    deleted
        .map(|_| StatusCode::NO_CONTENT)
        .ok_or_else(|| Refusal::unprocessable("Reference does not exist"))
}

fn commit_exists(visit: &Visit, sha: &str) -> Result<(), Refusal> {
    let found = visit.repository().objects.commit(sha);
    found
        .map(|_| ())
        .ok_or_else(|| Refusal::unprocessable("Object does not exist"))
}

fn shape(visit: &Visit, name: &str, sha: &str) -> Value {
    let url = shapes::url(visit.config, visit.repository());
    json!({
        "ref": name,
        "node_id": format!("REF_{}", hex::encode(name)),
        "url": format!("{url}/git/{name}"),
        "object": {"type": "commit", "sha": sha, "url": format!("{url}/git/commits/{sha}")},
    })
}

/// Checks a full ref name like `git check-ref-format`.
fn is_valid(name: &str) -> bool {
    let refused = |c: char| c.is_ascii_control() || " ~^:?*[\\".contains(c);
    let parts: Vec<&str> = name.split('/').collect();
    let good_part =
        |part: &&str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock");
    parts.len() >= 3
        && parts[0] == "refs"
        && parts.iter().all(good_part)
        && !name.contains(refused)
        && !name.contains("..")
        && !name.contains("@{")
        && !name.ends_with('.')
}

#[cfg(test)]
mod tests {
    use super::is_valid;

    #[test]
    fn names_are_judged_as_git_judges_them() {
        for good in [
            "refs/heads/main",
            "refs/heads/tallyhook/7-fix",
            "refs/tags/v1.0",
            "refs/heads/ü@home",
        ] {
            assert!(is_valid(good), "{good}");
        }
        for bad in [
            "main",
            "heads/main",
            "refs/main",
            "refs/heads/",
            "refs/heads/a b",
            "refs/heads/a..b",
            "refs/heads/.a",
            "refs/heads/a.lock",
            "refs/heads/a~1",
            "refs/heads/a:b",
            "refs/heads/a//b",
            "refs/heads/a@{0}",
            "refs/heads/a.",
        ] {
            assert!(!is_valid(bad), "{bad}");
        }
    }
}
