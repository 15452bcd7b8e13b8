//! A repository as a whole, and the role of a person in it.

use axum::extract::Path;
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::{Access, METADATA, covers};
use super::refusal::Refusal;
use super::repository_shape::full;
use super::state::{Account, Repository};
use super::{GitHub, shapes};

pub(super) fn routes() -> Router<GitHub> {
    Router::new()
        .route("/", get(show))
        .route("/collaborators/{login}/permission", get(permission))
}

async fn show(access: Access) -> Result<Json<Value>, Refusal> {
    let visit = access.read(METADATA)?;
    Ok(Json(full(visit.config, visit.repository())))
}

#[derive(Deserialize)]
struct Person {
    login: String,
}

async fn permission(access: Access, Path(person): Path<Person>) -> Result<Json<Value>, Refusal> {
    let visit = access.read(METADATA)?;
    let role = role(visit.repository(), &person.login);
    let mut user = shapes::user(visit.config, &Account::person(&person.login));
    user["permissions"] = json!({
        "admin": covers(role, "admin"),
        "maintain": covers(role, "admin"),
        "push": covers(role, "write"),
        "triage": covers(role, "write"),
        "pull": covers(role, "read"),
    });
    user["role_name"] = json!(role);
    Ok(Json(
        json!({"permission": role, "role_name": role, "user": user}),
    ))
}

/// The role of a person; anyone may read a public repository.
fn role<'a>(repository: &'a Repository, login: &str) -> &'a str {
    if repository.owner.login.eq_ignore_ascii_case(login) {
        return "admin";
    }
    repository
        .collaborators
        .get(login)
        .map_or("read", String::as_str)
}
