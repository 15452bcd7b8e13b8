//! A repository as a whole, and the role of a person in it.

use axum::extract::Path;
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::{Access, METADATA};
use super::refusal::Refusal;
use super::repository_shape::full;
use super::state::{Account, Repository, State};
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
    let role = role(&visit.state, visit.repository(), &person.login);
    let at_least = |needed| rank(role) >= rank(needed);
    let mut user = shapes::user(visit.config, &Account::person(&person.login));
    user["permissions"] = json!({
        "admin": at_least("admin"),
        "maintain": at_least("maintain"),
        "push": at_least("write"),
        "triage": at_least("triage"),
        "pull": at_least("read"),
    });
    user["role_name"] = json!(role);
    Ok(Json(
        json!({"permission": base(role), "role_name": role, "user": user}),
    ))
}

const ROLES: [&str; 6] = ["none", "read", "triage", "write", "maintain", "admin"];

fn rank(role: &str) -> Option<usize> {
    ROLES.iter().position(|known| *known == role)
}

/// The legacy base role: "the `maintain` role is mapped to `write` and the `triage` role is mapped
/// to `read`" (docs.github.com, "Get repository permissions for a user").
fn base(role: &str) -> &str {
    match role {
        "maintain" => "write",
        "triage" => "read",
        other => other,
    }
}

/// The role of a person. The admins of an organization have every role in it, and anyone may read a
/// public repository.
fn role<'a>(state: &State, repository: &'a Repository, login: &str) -> &'a str {
    let places = state.places.get(&repository.owner.login);
    let place = places.and_then(|members| members.get(&Account::person(login).id));
    if repository.owner.login.eq_ignore_ascii_case(login)
        || place.is_some_and(|member| member.role == "admin")
    {
        return "admin";
    }
    repository
        .collaborators
        .get(login)
        .map_or("read", String::as_str)
}
