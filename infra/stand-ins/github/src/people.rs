//! Sign-in: the consent page, the exchange of a code for a user token, and the routes for user
//! tokens. The page asks who signs in; there are no passwords.
//!
//! A code works once, within ten minutes. If it was requested with a PKCE challenge, the exchange
//! must present the matching verifier. Like GitHub, a failed exchange answers 200 with an `error`.

use std::collections::BTreeMap;

use axum::extract::{FromRequestParts, Path, Query, State as From};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::access::credential;
use super::paging::encoded;
use super::refusal::Refusal;
use super::state::{Account, Grant, Installation, InstallationStatus, Membership, State};
use super::{GitHub, shapes};
use stand_in_shared::html::{all, button, page, tag, text};

const CODE_MILLIS: i64 = 600_000;
const TOKEN_SECONDS: i64 = 28_800;

/// The OAuth client of an App.
#[derive(Clone)]
pub struct OAuthClient {
    pub client_id: String,
    pub client_secret: String,
    /// Where people return after sign-in.
    pub callback_url: String,
    /// Where people go after they installed the App.
    pub setup_url: Option<String>,
}

pub(super) fn api_routes() -> Router<GitHub> {
    Router::new()
        .route("/user", get(user))
        .route("/user/installations", get(installations))
        .route("/user/memberships/orgs/{organization}", get(membership))
}

pub(super) fn page_routes() -> Router<GitHub> {
    Router::new()
        .route("/login/oauth/authorize", get(consent).post(consented))
        .route("/login/oauth/access_token", post(exchange))
}

impl GitHub {
    /// Sets the OAuth client with which people can sign in.
    pub fn trust_client(&self, client: OAuthClient) {
        *self
            .client
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = Some(client);
    }

    /// Adds a person who can sign in.
    pub fn add_person(&self, login: &str) -> u64 {
        let person = Account::person(login);
        let id = person.id;
        self.lock().people.entry(id).or_insert(person);
        id
    }

    /// Gives a person the role `admin` or `member` in an organization, or removes them with `none`.
    /// Any account with members is an organization.
    pub fn set_place(&self, organization: &str, login: &str, role: &str) {
        let user = self.add_person(login);
        let mut state = self.lock();
        let owners = state
            .repositories
            .values_mut()
            .map(|repository| &mut repository.owner);
        owners
            .filter(|owner| owner.login == organization)
            .for_each(|owner| owner.kind = "Organization".to_owned());
        let owners = state
            .installations
            .values_mut()
            .map(|installation| &mut installation.account);
        owners
            .filter(|owner| owner.login == organization)
            .for_each(|owner| owner.kind = "Organization".to_owned());
        let members = state.places.entry(organization.to_owned()).or_default();
        if role == "none" {
            members.remove(&user);
        } else {
            members.insert(
                user,
                Membership {
                    role: role.to_owned(),
                    state: "active".to_owned(),
                },
            );
        }
    }

    /// All user tokens.
    pub fn user_tokens(&self) -> Vec<String> {
        self.lock().user_tokens.keys().cloned().collect()
    }

    pub(super) fn client(&self) -> Option<OAuthClient> {
        self.client
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }
}

#[derive(Deserialize)]
struct Asked {
    client_id: String,
    state: Option<String>,
    code_challenge: Option<String>,
    code_challenge_method: Option<String>,
    login: Option<String>,
}

async fn consent(From(github): From<GitHub>, Query(asked): Query<Asked>) -> Response {
    let Some(client) = github
        .client()
        .filter(|client| client.client_id == asked.client_id)
    else {
        return (StatusCode::NOT_FOUND, page("Not found", Default::default())).into_response();
    };
    let here = format!(
        "{}/login/oauth/authorize?client_id={}{}&state={}",
        github.config.html_base,
        encoded(&client.client_id),
        challenged(&asked),
        encoded(asked.state.as_deref().unwrap_or_default())
    );
    let state = github.lock();
    let one = |person: &Account| {
        button(
            &format!("{here}&login={}", encoded(&person.login)),
            format!("Authorize as {}", person.login),
        )
    };
    let people = state.people.values().map(one);
    let words = format!(
        "{} would like to know who you are and which installations you can reach.",
        github.config.app_slug
    );
    let body = [
        tag("p", text(words)),
        all(people),
        button(&format!("{here}&login="), "Cancel"),
    ];
    page(format!("Sign in to {}", github.config.app_slug), all(body))
}

/// The PKCE parameters of the URL.
fn challenged(asked: &Asked) -> String {
    let part = |name: &str, value: &Option<String>| {
        value
            .as_ref()
            .map(|value| format!("&{name}={}", encoded(value)))
            .unwrap_or_default()
    };
    part("code_challenge", &asked.code_challenge)
        + &part("code_challenge_method", &asked.code_challenge_method)
}

async fn consented(From(github): From<GitHub>, Query(asked): Query<Asked>) -> Response {
    let Some(client) = github
        .client()
        .filter(|client| client.client_id == asked.client_id)
    else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let now = github.now();
    let mut state = github.lock();
    let login = asked.login.unwrap_or_default();
    let person = state
        .people
        .values()
        .find(|person| person.login == login)
        .map(|person| person.id);
    let answer = match person {
        Some(user) => {
            let challenge = asked
                .code_challenge
                .filter(|_| asked.code_challenge_method.as_deref() == Some("S256"));
            let code = secret(&mut state, "code")[..20].to_owned();
            state.codes.insert(
                code.clone(),
                Grant {
                    user,
                    expires: now + CODE_MILLIS,
                    challenge,
                },
            );
            format!("code={code}")
        }
        None => {
            "error=access_denied&error_description=The+user+has+denied+your+application+access."
                .to_owned()
        }
    };
    let back = asked
        .state
        .map(|state| format!("&state={}", encoded(&state)))
        .unwrap_or_default();
    (
        StatusCode::FOUND,
        [(
            header::LOCATION,
            format!("{}?{answer}{back}", client.callback_url),
        )],
    )
        .into_response()
}

#[derive(Deserialize)]
struct Exchange {
    client_id: Option<String>,
    client_secret: Option<String>,
    code: Option<String>,
    code_verifier: Option<String>,
}

async fn exchange(
    From(github): From<GitHub>,
    headers: HeaderMap,
    Form(asked): Form<Exchange>,
) -> Response {
    let answer = token(&github, &asked);
    let wants_json = headers
        .get(header::ACCEPT)
        .is_some_and(|accept| accept == "application/json");
    if wants_json {
        return Json(answer).into_response();
    }
    let pairs = answer
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| {
            format!(
                "{name}={}",
                encoded(
                    value
                        .as_str()
                        .map_or_else(|| value.to_string(), str::to_owned)
                        .as_str()
                )
            )
        });
    pairs.collect::<Vec<_>>().join("&").into_response()
}

fn token(github: &GitHub, asked: &Exchange) -> Value {
    let known = github.client().is_some_and(|client| {
        asked.client_id.as_ref() == Some(&client.client_id)
            && asked.client_secret.as_ref() == Some(&client.client_secret)
    });
    if !known {
        return wrong(
            "incorrect_client_credentials",
            "The client_id and/or client_secret passed are incorrect.",
        );
    }
    let now = github.now();
    let mut state = github.lock();
    let grant = asked
        .code
        .as_ref()
        .and_then(|code| state.codes.remove(code))
        .filter(|grant| now < grant.expires);
    let proved = |grant: &Grant| {
        let digest = |verifier: &String| URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
        grant.challenge.is_none() || grant.challenge == asked.code_verifier.as_ref().map(digest)
    };
    let grant = grant.filter(proved);
    let Some(grant) = grant else {
        return wrong(
            "bad_verification_code",
            "The code passed is incorrect or expired.",
        );
    };
    let token = format!("ghu_{}", secret(&mut state, "token"));
    state.user_tokens.insert(
        token.clone(),
        Grant {
            user: grant.user,
            expires: now + TOKEN_SECONDS * 1000,
            challenge: None,
        },
    );
    json!({
        "access_token": token,
        "expires_in": TOKEN_SECONDS,
        "refresh_token": format!("ghr_{}", secret(&mut state, "refresh")),
        "refresh_token_expires_in": 15_897_600,
        "scope": "",
        "token_type": "bearer",
    })
}

fn wrong(error: &str, description: &str) -> Value {
    json!({
        "error": error,
        "error_description": description,
        "error_uri": format!("https://docs.github.com/apps/managing-oauth-apps/troubleshooting-oauth-app-access-token-request-errors#{error}"),
    })
}

fn secret(state: &mut State, what: &str) -> String {
    let number = state.fresh_id();
    hex::encode(Sha256::digest(format!("{what} {number}")))
}

/// A request with a user token.
struct AsUser(Account);

impl FromRequestParts<GitHub> for AsUser {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, github: &GitHub) -> Result<Self, Refusal> {
        let token = credential(&parts.headers)
            .ok_or_else(|| Refusal::unauthorized("Requires authentication"))?;
        let now = github.now();
        let state = github.lock();
        let grant = state
            .user_tokens
            .get(&token)
            .filter(|grant| now < grant.expires);
        let person = grant
            .and_then(|grant| state.people.get(&grant.user))
            .cloned();
        person.map(Self).ok_or_else(Refusal::bad_credentials)
    }
}

async fn user(AsUser(person): AsUser, From(github): From<GitHub>) -> Json<Value> {
    Json(shapes::profile(&github.config, &person))
}

#[derive(Deserialize)]
struct Page {
    per_page: Option<usize>,
    page: Option<usize>,
}

async fn installations(
    AsUser(person): AsUser,
    From(github): From<GitHub>,
    Query(asked): Query<Page>,
) -> Json<Value> {
    let state = github.lock();
    let reached: Vec<_> = state
        .installations
        .values()
        .filter(|one| reaches(&state, &person, one))
        .collect();
    let per_page = asked.per_page.unwrap_or(30).clamp(1, 100);
    let start = (asked.page.unwrap_or(1).max(1) - 1).saturating_mul(per_page);
    let shown = reached
        .iter()
        .skip(start)
        .take(per_page)
        .map(|one| shapes::installation(&github.config, one));
    Json(json!({ "total_count": reached.len(), "installations": shown.collect::<Vec<_>>() }))
}

/// Whether a person is the owner, a member, or a collaborator on one of its repositories.
fn reaches(state: &State, person: &Account, installation: &Installation) -> bool {
    let owner = &installation.account;
    let own = owner.id == person.id;
    let member = state
        .places
        .get(&owner.login)
        .is_some_and(|members| members.contains_key(&person.id));
    let mut inside = state
        .repositories
        .values()
        .filter(|repository| repository.installation == installation.id);
    let invited = inside.any(|repository| repository.has_collaborator(&person.login));
    installation.status != InstallationStatus::Removed && (own || member || invited)
}

async fn membership(
    AsUser(person): AsUser,
    From(github): From<GitHub>,
    Path(organization): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let state = github.lock();
    let members: Option<&BTreeMap<u64, Membership>> = state.places.get(&organization);
    let member = members
        .and_then(|members| members.get(&person.id))
        .ok_or_else(Refusal::not_found)?;
    let mut installed = state.installations.values().map(|one| &one.account);
    let account = installed
        .find(|account| account.login == organization)
        .cloned()
        .unwrap_or_else(|| Account::person(&organization));
    let account = shapes::organization(&github.config, &account);
    Ok(Json(json!({
        "state": member.state,
        "role": member.role,
        "url": format!("{}/memberships/{}", account["url"].as_str().unwrap_or_default(), person.login),
        "organization_url": account["url"],
        "organization": account,
        "user": shapes::user(&github.config, &person),
    })))
}
