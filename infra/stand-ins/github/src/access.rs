//! Access control: JWTs for the App itself, installation tokens for everything in a repository.
//! Like GitHub, it checks a request in two steps: a repository that the token does not cover does
//! not exist (404), and a permission that the token lacks is refused (403).

use std::collections::BTreeMap;
use std::sync::MutexGuard;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, Method, header};
use jsonwebtoken::{Algorithm, Validation};
use serde::Deserialize;
use serde_json::Value;

use super::refusal::Refusal;
use super::state::{Account, InstallationStatus, Permissions, Repository, State};
use super::{GitHub, GitHubConfig};

pub(super) const CONTENTS: &[&str] = &["contents"];
pub(super) const ACTIONS: &[&str] = &["actions"];
pub(super) const CHECKS: &[&str] = &["checks"];
pub(super) const STATUSES: &[&str] = &["statuses"];
pub(super) const METADATA: &[&str] = &["metadata"];
pub(super) const PULLS: &[&str] = &["pull_requests"];
pub(super) const ISSUES: &[&str] = &["issues"];
pub(super) const ISSUES_OR_PULLS: &[&str] = &["issues", "pull_requests"];

/// A request to one repository whose permissions are not checked yet.
pub(super) struct Access {
    github: GitHub,
    token: Option<String>,
    target: Target,
    method: Method,
    /// The path below the repository.
    rest: String,
}

enum Target {
    Id(u64),
    Name(String, String),
}

/// An authorized request. It holds the lock on the state until it is answered, so every request is
/// one atomic step.
pub(super) struct Visit<'a> {
    pub config: &'a GitHubConfig,
    pub state: MutexGuard<'a, State>,
    pub now: i64,
    repository: u64,
    permissions: Permissions,
}

impl FromRequestParts<GitHub> for Access {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, github: &GitHub) -> Result<Self, Refusal> {
        let names = Path::<BTreeMap<String, String>>::from_request_parts(parts, github).await;
        let Path(mut names) = names.map_err(|_| Refusal::not_found())?;
        let target = match names.remove("repository_id") {
            Some(id) => Target::Id(id.parse().map_err(|_| Refusal::not_found())?),
            None => {
                let mut name = |key| names.remove(key).ok_or_else(Refusal::not_found);
                Target::Name(name("owner")?, name("repository")?)
            }
        };
        Ok(Self {
            github: github.clone(),
            token: credential(&parts.headers),
            target,
            method: parts.method.clone(),
            rest: parts
                .uri
                .path_and_query()
                .map_or("", PathAndQuery::as_str)
                .to_owned(),
        })
    }
}

impl Access {
    /// Authorizes the request if the token may read with one of these permissions.
    pub fn read(&self, any_of: &[&str]) -> Result<Visit<'_>, Refusal> {
        self.enter(any_of, "read")
    }

    /// Authorizes the request if the token may write with one of these permissions.
    pub fn write(&self, any_of: &[&str]) -> Result<Visit<'_>, Refusal> {
        self.enter(any_of, "write")
    }

    fn enter(&self, any_of: &[&str], level: &str) -> Result<Visit<'_>, Refusal> {
        let now = self.github.now();
        let mut state = self.github.lock();
        let presented = self
            .token
            .as_ref()
            .ok_or_else(|| Refusal::unauthorized("Requires authentication"))?;
        let token = state
            .tokens
            .get(presented)
            .filter(|token| now < token.expires && token.created + state.token_lag <= now)
            .ok_or_else(Refusal::bad_credentials)?
            .clone();
        match state
            .installations
            .get(&token.installation)
            .map(|installation| installation.status)
        {
            Some(InstallationStatus::Active) => {}
            Some(InstallationStatus::Suspended) => return Err(Refusal::suspended()),
            Some(InstallationStatus::Removed) | None => return Err(Refusal::bad_credentials()),
        }
        let (found, moved) = match &self.target {
            Target::Id(id) => (state.repositories.get(id), false),
            Target::Name(owner, name) => match state.repository_named(owner, name) {
                Some(found) => (Some(found), false),
                None => (state.repository_formerly(owner, name), true),
            },
        };
        let repository = found
            .filter(|repository| repository.installation == token.installation)
            .map(|repository| repository.id)
            .filter(|id| {
                token
                    .repositories
                    .as_ref()
                    .is_none_or(|inside| inside.contains(id))
            })
            .ok_or_else(Refusal::not_found)?;
        if moved {
            let status = if self.method == Method::GET { 301 } else { 307 };
            let config = &self.github.config;
            return Err(Refusal::moved(status, config, repository, &self.rest));
        }
        let permissions = token.permissions;
        // Updates are no creations.
        let creates = [Method::POST, Method::PUT].contains(&self.method);
        if creates && level == "write" && !state.create(token.installation, now) {
            return Err(Refusal::secondary_limit(60));
        }
        let visit = Visit {
            config: &self.github.config,
            state,
            now,
            repository,
            permissions,
        };
        visit.may(any_of, level)?;
        Ok(visit)
    }
}

impl Visit<'_> {
    pub fn repository(&self) -> &Repository {
        &self.state.repositories[&self.repository]
    }

    pub fn repository_mut(&mut self) -> &mut Repository {
        self.state
            .repositories
            .get_mut(&self.repository)
            .expect("found on entering, and nothing removes one")
    }

    /// The App's bot, the author of everything that is created through the API.
    pub fn bot(&self) -> Account {
        Account::bot(&self.config.app_slug)
    }

    /// Issues and pull requests share endpoints but not permissions.
    pub fn may_touch(&self, number: u64, level: &str) -> Result<(), Refusal> {
        let issue = self
            .repository()
            .issues
            .get(&number)
            .ok_or_else(Refusal::not_found)?;
        self.may(
            if issue.pull.is_some() {
                ISSUES_OR_PULLS
            } else {
                ISSUES
            },
            level,
        )
    }

    /// Workflow files are code that runs with the owner's secrets, so writing one requires a
    /// separate permission.
    pub fn may_write_file(&self, path: &str) -> Result<(), Refusal> {
        if path.starts_with(".github/workflows/") {
            self.may(&["workflows"], "write")
        } else {
            Ok(())
        }
    }

    fn may(&self, any_of: &[&str], level: &str) -> Result<(), Refusal> {
        let granted = |name: &&str| {
            self.permissions
                .get(*name)
                .is_some_and(|granted| covers(granted, level))
        };
        if any_of.iter().any(granted) {
            Ok(())
        } else {
            Err(Refusal::not_permitted())
        }
    }
}

/// Whether a granted level covers a required one.
pub(super) fn covers(granted: &str, wanted: &str) -> bool {
    let rank = |level: &str| {
        ["read", "write", "admin"]
            .iter()
            .position(|known| *known == level)
    };
    rank(wanted).is_some() && rank(granted) >= rank(wanted)
}

/// Proof that a request carried a valid JWT of the App.
pub(super) struct AsApp;

#[derive(Deserialize)]
struct Claims {
    iss: Value,
    iat: i64,
    exp: i64,
}

const EXPIRY_SECONDS_MAX: i64 = 600;
const DRIFT_SECONDS: i64 = 60;

impl FromRequestParts<GitHub> for AsApp {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, github: &GitHub) -> Result<Self, Refusal> {
        let jwt = credential(&parts.headers)
            .ok_or_else(|| Refusal::unauthorized("Requires authentication"))?;
        let unread = || Refusal::unauthorized("A JSON web token could not be decoded");
        let header = jsonwebtoken::decode_header(&jwt).map_err(|_| unread())?;
        if header.alg != Algorithm::RS256 {
            return Err(unread());
        }
        let claims = claims(github, &jwt).ok_or_else(unread)?;
        let now = github.now().div_euclid(1000);
        if claims.iat > now + DRIFT_SECONDS {
            let message = "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued";
            return Err(Refusal::unauthorized(message));
        }
        if claims.exp <= now {
            let message = "'Expiration time' claim ('exp') must be a numeric value representing the future time at which \
                           the assertion expires";
            return Err(Refusal::unauthorized(message));
        }
        if claims.exp > now + EXPIRY_SECONDS_MAX {
            return Err(Refusal::unauthorized(
                "'Expiration time' claim ('exp') is too far in the future",
            ));
        }
        let app = github.config.app_id;
        if claims.iss.as_u64() != Some(app) && claims.iss.as_str() != Some(&app.to_string()) {
            return Err(Refusal::missing("Integration not found"));
        }
        Ok(Self)
    }
}

fn claims(github: &GitHub, jwt: &str) -> Option<Claims> {
    let Some(key) = github.trusted() else {
        return jsonwebtoken::dangerous::insecure_decode::<Claims>(jwt)
            .ok()
            .map(|token| token.claims);
    };
    // Times are checked against the injected clock, not the machine's.
    let mut only_signature = Validation::new(Algorithm::RS256);
    only_signature.validate_exp = false;
    only_signature.required_spec_claims.clear();
    jsonwebtoken::decode::<Claims>(jwt, &key, &only_signature)
        .ok()
        .map(|token| token.claims)
}

pub(super) fn credential(headers: &HeaderMap) -> Option<String> {
    let (scheme, credential) = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;
    ["bearer", "token"]
        .contains(&scheme.to_ascii_lowercase().as_str())
        .then(|| credential.trim().to_owned())
}
