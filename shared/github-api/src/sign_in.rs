//! Sign-in with GitHub: the consent page, the exchange of its code, and what a person may read
//! about themselves.
//!
//! Only the App's client id and secret are used, so a function that serves people does not hold the
//! App's private key. The person's token lives in a [`Visitor`]; it is never stored and never
//! printed. Every request is sent once. A code works once, so after an unclear answer the person
//! signs in again.

use crate::call::{Call, crab_over};
use crate::error::GithubError;
use crate::route::Route;
use crate::{BoxError, Web};
use bytes::Bytes;
use domain::accounts::members::{OrgRole, User};
use domain::ids::{InstallationId, OwnerId, UserId};
use domain::time::Timestamp;
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use http::{Request, Uri};
use octocrab::Octocrab;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::time::Duration;
use tower::ServiceExt;

const EXCHANGE: &str = "exchange a sign-in's code";
const PAGE: usize = 100;
/// The maximum number of pages of one person's installations.
const PAGES_MAX: u64 = 5;
/// The wait after a rate limit if GitHub does not name one.
const LIMIT_WAIT: Duration = Duration::from_secs(60);

/// The configuration of sign-in.
pub struct SignInConfig {
    /// For example `https://api.github.com`.
    pub url: String,
    /// For example `https://github.com`.
    pub web_url: String,
    pub client_id: String,
    pub client_secret: SecretString,
}

/// A client for signing people in.
#[derive(Clone)]
pub struct SignIn {
    base: Uri,
    web_url: String,
    client_id: String,
    client_secret: SecretString,
    web: Web,
}

pub enum Exchanged {
    In(Visitor),
    /// The code is wrong, expired or already used.
    Refused,
}

/// GitHub as seen by a person who has just signed in.
pub struct Visitor {
    crab: Octocrab,
    now: Timestamp,
}

/// An installation that the person can access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    pub installation: InstallationId,
    pub owner: OwnerId,
    pub login: String,
    pub kind: OwnerKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnerKind {
    Person,
    Organization,
}

impl SignIn {
    /// Creates the client without a request.
    pub fn new(config: SignInConfig, web: Web) -> Result<Self, GithubError> {
        let absolute = |url: &str| {
            let uri: Uri = url.parse().map_err(|_| GithubError::Url)?;
            if uri.scheme().is_none() || uri.authority().is_none() {
                Err(GithubError::Url)
            } else {
                Ok(uri)
            }
        };
        let base = absolute(&config.url)?;
        absolute(&config.web_url)?;
        let web_url = config.web_url.trim_end_matches('/').to_owned();
        Ok(Self {
            base,
            web_url,
            client_id: config.client_id,
            client_secret: config.client_secret,
            web,
        })
    }

    /// The URL of GitHub's consent page. GitHub returns to the App's callback with a code that only
    /// the challenge's verifier can exchange.
    pub fn authorize_url(&self, state: &str, challenge: &str) -> String {
        let query = Route::new("/login/oauth/authorize")
            .query("client_id", &self.client_id)
            .query("code_challenge", challenge)
            .query("code_challenge_method", "S256")
            .query("state", state);
        format!("{}{}", self.web_url, query.as_str())
    }

    /// Exchanges a code for the person, once, with the challenge's verifier.
    pub async fn exchange(
        &self,
        code: &str,
        verifier: &str,
        now: Timestamp,
    ) -> Result<Exchanged, GithubError> {
        let form = Route::new("")
            .query("client_id", &self.client_id)
            .query("client_secret", self.client_secret.expose_secret())
            .query("code", code)
            .query("code_verifier", verifier);
        let request = Request::post(format!("{}/login/oauth/access_token", self.web_url))
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(USER_AGENT, concat!("tallyhook/", env!("CARGO_PKG_VERSION")))
            .body(Bytes::from(
                form.as_str().trim_start_matches('?').to_owned(),
            ))
            .map_err(|_| GithubError::Url)?;
        let unclear = |source: BoxError| GithubError::Unclear {
            operation: EXCHANGE,
            source,
        };
        let response = self.web.clone().oneshot(request).await.map_err(unclear)?;
        match response.status().as_u16() {
            200 => {}
            429 => {
                return Err(GithubError::Limited {
                    operation: EXCHANGE,
                    wait: LIMIT_WAIT,
                });
            }
            status @ 500..=599 => {
                return Err(GithubError::Unavailable {
                    operation: EXCHANGE,
                    status,
                });
            }
            status => {
                return Err(GithubError::Refused {
                    operation: EXCHANGE,
                    status,
                    message: String::new(),
                });
            }
        }
        // Drop the body and the parser's message: either may contain the token.
        let answer: Answer =
            serde_json::from_slice(response.body()).map_err(|_| unclear("another shape".into()))?;
        let Some(token) = answer.access_token else {
            return refused(answer.error);
        };
        let crab = crab_over(self.web.clone(), self.base.clone());
        let crab = crab
            .user_access_token(token.0)
            .map_err(|e| GithubError::of_octocrab(EXCHANGE, e, now))?;
        Ok(Exchanged::In(Visitor { crab, now }))
    }
}

/// GitHub reports a rejected code with status 200 and an `error` field.
fn refused(error: Option<String>) -> Result<Exchanged, GithubError> {
    match error.as_deref() {
        Some("bad_verification_code") => Ok(Exchanged::Refused),
        Some(word @ ("incorrect_client_credentials" | "redirect_uri_mismatch")) => {
            Err(GithubError::Credentials {
                operation: EXCHANGE,
                message: word.to_owned(),
            })
        }
        Some(_) | None => Err(GithubError::Refused {
            operation: EXCHANGE,
            status: 200,
            message: "no token and no known error".to_owned(),
        }),
    }
}

impl Visitor {
    /// The person who signed in.
    pub async fn user(&self) -> Result<User, GithubError> {
        let person: Person = self.read("ask who signs in", Route::new("/user")).await?;
        Ok(User {
            id: UserId::new(person.id),
            login: person.login,
        })
    }

    /// The App's installations that the person can access.
    pub async fn installations(&self) -> Result<Vec<Reached>, GithubError> {
        let mut reached = Vec::new();
        for page in 1..=PAGES_MAX {
            let route = Route::new("/user/installations")
                .query("per_page", &PAGE.to_string())
                .query("page", &page.to_string());
            let found: Installations = self.read("list a person's installations", route).await?;
            let count = found.installations.len();
            reached.extend(
                found
                    .installations
                    .into_iter()
                    .filter_map(Installation::reached),
            );
            if count < PAGE {
                break;
            }
        }
        Ok(reached)
    }

    /// The person's role in an organization; `Outside` if GitHub does not show it.
    pub async fn place(&self, organization: &str) -> Result<OrgRole, GithubError> {
        let route = Route::new("/user/memberships/orgs/").segment(organization);
        let found: Result<OrganizationMembership, _> =
            self.read("ask for a place in an organization", route).await;
        match found {
            Ok(found) if found.state != "active" => Ok(OrgRole::Outside),
            Ok(found) if found.role == "admin" => Ok(OrgRole::Admin),
            Ok(_) => Ok(OrgRole::Member),
            Err(GithubError::NotThere { .. } | GithubError::NoAccess { .. }) => {
                Ok(OrgRole::Outside)
            }
            Err(error) => Err(error),
        }
    }

    async fn read<T: serde::de::DeserializeOwned>(
        &self,
        operation: &'static str,
        route: Route,
    ) -> Result<T, GithubError> {
        Call::get(operation, route)
            .send(&self.crab, &Route::new(""), self.now)
            .await?
            .read()
    }
}

#[derive(Deserialize)]
struct Answer {
    access_token: Option<Token>,
    error: Option<String>,
}

/// A token that is never printed.
#[derive(Deserialize)]
#[serde(from = "String")]
struct Token(SecretString);

impl From<String> for Token {
    fn from(text: String) -> Self {
        Self(SecretString::from(text))
    }
}

#[derive(Deserialize)]
struct Person {
    id: u64,
    login: String,
}

#[derive(Deserialize)]
struct Installations {
    installations: Vec<Installation>,
}

#[derive(Deserialize)]
struct Installation {
    id: u64,
    account: Option<Owner>,
}

#[derive(Deserialize)]
struct Owner {
    id: u64,
    /// Enterprises have no login.
    login: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

impl Installation {
    fn reached(self) -> Option<Reached> {
        let owner = self.account?;
        let kind = match owner.kind.as_deref() {
            Some("Organization") => OwnerKind::Organization,
            Some(_) | None => OwnerKind::Person,
        };
        Some(Reached {
            installation: InstallationId::new(self.id),
            owner: OwnerId::new(owner.id),
            login: owner.login?,
            kind,
        })
    }
}

#[derive(Deserialize)]
struct OrganizationMembership {
    state: String,
    role: String,
}

#[cfg(test)]
mod tests;
