//! `/app`: the App, its installations, and the tokens that give it access to repositories.

use std::collections::BTreeSet;

use axum::extract::{Path, State as From};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::access::{AsApp, covers};
use super::refusal::{Input, Refusal};
use super::state::{
    Installation, InstallationStatus, Permissions, Repository, State, Token, TokenRequest,
};
use super::{GitHub, shapes};
use stand_in_shared::dates;

const TOKEN_MILLIS: i64 = 3_600_000;

pub(super) fn routes() -> Router<GitHub> {
    Router::new()
        .route("/app", get(app))
        .route("/app/installations/{installation}", get(installation))
        .route(
            "/app/installations/{installation}/access_tokens",
            post(create_token),
        )
        .route(
            "/repos/{owner}/{repository}/installation",
            get(installation_of),
        )
        .route(
            "/repositories/{repository_id}/installation",
            get(installation_by_id),
        )
}

async fn app(_: AsApp, From(github): From<GitHub>) -> Json<Value> {
    let mut app = shapes::app(&github.config);
    app["installations_count"] = json!(github.lock().installations.len());
    Json(app)
}

async fn installation(
    _: AsApp,
    From(github): From<GitHub>,
    Path(id): Path<u64>,
) -> Result<Json<Value>, Refusal> {
    let state = github.lock();
    Ok(Json(shapes::installation(
        &github.config,
        known(&state, id)?,
    )))
}

/// The installation that covers a repository. Without one, the repository looks absent.
async fn installation_of(
    _: AsApp,
    From(github): From<GitHub>,
    Path((owner, repository)): Path<(String, String)>,
) -> Result<Json<Value>, Refusal> {
    let state = github.lock();
    if let Some(found) = state.repository_named(&owner, &repository) {
        let installation = known(&state, found.installation)?;
        return Ok(Json(shapes::installation(&github.config, installation)));
    }
    let moved = state.repository_formerly(&owner, &repository);
    let moved = moved.ok_or_else(Refusal::not_found)?;
    Err(Refusal::moved(
        301,
        &github.config,
        moved.id,
        "/installation",
    ))
}

async fn installation_by_id(
    _: AsApp,
    From(github): From<GitHub>,
    Path(id): Path<u64>,
) -> Result<Json<Value>, Refusal> {
    let state = github.lock();
    let found = state.repositories.get(&id).ok_or_else(Refusal::not_found)?;
    let installation = known(&state, found.installation)?;
    Ok(Json(shapes::installation(&github.config, installation)))
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Asked {
    repositories: Option<Vec<String>>,
    repository_ids: Option<Vec<u64>>,
    permissions: Option<Permissions>,
}

async fn create_token(
    _: AsApp,
    From(github): From<GitHub>,
    Path(id): Path<u64>,
    Input(asked): Input<Asked>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let expires = github.now() + TOKEN_MILLIS;
    let mut state = github.lock();
    state.token_requests.push(TokenRequest {
        installation: id,
        repositories: asked.repositories.clone().unwrap_or_default(),
        repository_ids: asked.repository_ids.clone().unwrap_or_default(),
        permissions: asked.permissions.clone(),
    });
    let installation = known(&state, id)?;
    if installation.status == InstallationStatus::Suspended {
        return Err(Refusal::suspended());
    }
    let permissions = narrowed(&installation.permissions, asked.permissions.as_ref())?;
    let repositories = chosen(&state, id, &asked)?;
    let token = Token {
        installation: id,
        permissions,
        repositories,
        created: github.now(),
        expires,
    };
    let shape = token_shape(&github, &state, &token);
    let text = token_text(state.fresh_id(), id);
    state.tokens.insert(text.clone(), token);
    let mut shape = shape;
    shape["token"] = json!(text);
    Ok((StatusCode::CREATED, Json(shape)))
}

fn known(state: &State, id: u64) -> Result<&Installation, Refusal> {
    let here = |installation: &&Installation| installation.status != InstallationStatus::Removed;
    state
        .installations
        .get(&id)
        .filter(here)
        .ok_or_else(Refusal::not_found)
}

/// The requested permissions, if the installation has them. Without a request, all permissions of
/// the installation.
fn narrowed(granted: &Permissions, asked: Option<&Permissions>) -> Result<Permissions, Refusal> {
    let Some(asked) = asked else {
        return Ok(granted.clone());
    };
    let had = |(name, level): (&String, &String)| {
        granted
            .get(name)
            .is_some_and(|granted| covers(granted, level))
    };
    if !asked.iter().all(had) {
        return Err(Refusal::unprocessable(
            "The permissions requested are not granted to this installation.",
        ));
    }
    let mut narrowed = asked.clone();
    narrowed
        .entry("metadata".to_owned())
        .or_insert_with(|| "read".to_owned());
    Ok(narrowed)
}

fn chosen(
    state: &State,
    installation: u64,
    asked: &Asked,
) -> Result<Option<BTreeSet<u64>>, Refusal> {
    if asked.repositories.is_none() && asked.repository_ids.is_none() {
        return Ok(None);
    }
    let find = |wanted: &dyn Fn(&Repository) -> bool| {
        let mut own = state
            .repositories
            .values()
            .filter(|repository| repository.installation == installation);
        own.find(|repository| wanted(repository))
            .map(|repository| repository.id)
    };
    let by_name = asked
        .repositories
        .iter()
        .flatten()
        .map(|name| find(&|repository| repository.name == *name));
    let by_id = asked
        .repository_ids
        .iter()
        .flatten()
        .map(|id| find(&|repository| repository.id == *id));
    let all: Option<BTreeSet<u64>> = by_name.chain(by_id).collect();
    let message = "There is at least one repository that does not exist or is not accessible to the parent installation.";
    all.map(Some).ok_or_else(|| Refusal::unprocessable(message))
}

fn token_shape(github: &GitHub, state: &State, token: &Token) -> Value {
    let mut shape = json!({
        "expires_at": dates::iso(token.expires),
        "permissions": token.permissions,
        "repository_selection": if token.repositories.is_some() { "selected" } else { "all" },
    });
    if let Some(ids) = &token.repositories {
        let repositories = ids.iter().filter_map(|id| state.repositories.get(id));
        shape["repositories"] = repositories
            .map(|repository| shapes::repository(&github.config, repository))
            .collect();
    }
    shape
}

/// As long as the tokens that GitHub issues today, so a column of 40 characters is too short.
fn token_text(number: u64, installation: u64) -> String {
    let halves = ["a", "b"]
        .map(|half| hex::encode(Sha256::digest(format!("{half} {number} {installation}"))));
    format!("ghs_{}", halves.concat())
}
