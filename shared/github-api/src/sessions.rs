//! Installation tokens, each for one repository and one kind of access, cached until shortly before
//! they expire.
//!
//! A caller that asks while a token is being fetched waits for that token. Tokens live in this
//! process only and are never printed. GitHub may need seconds until all its servers know a new
//! token, so a request that a new token is refused for is repeated with the same token.

use crate::app::App;
use crate::call::{Answer, Call, crab_over};
use crate::error::GithubError;
use crate::route::Route;
use crate::{Access, Located, Web};
use domain::ids::{InstallationId, RepositoryId};
use domain::time::Timestamp;
use http::Uri;
use octocrab::Octocrab;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// What a token grants.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Scope {
    pub installation: InstallationId,
    pub repository: RepositoryId,
    pub access: Access,
}

/// An octocrab client with a token.
pub(crate) struct Session {
    crab: Octocrab,
    minted_at: Timestamp,
    expires_at: Timestamp,
}

/// For how long a token counts as new.
const NEW_FOR: Duration = Duration::from_secs(60);
/// The waits before a request is repeated with a new token: seven seconds together. GitHub's own
/// client allows five, and its replicas lag by about one (octokit/auth-app.js#65, #161).
const NEW_TOKEN_WAITS: [Duration; 5] = [
    Duration::from_millis(250),
    Duration::from_millis(750),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(3),
];

impl Session {
    /// Whether GitHub may not know the token everywhere yet.
    pub fn is_new(&self, now: Timestamp) -> bool {
        now.since(self.minted_at) < NEW_FOR
    }

    /// Sends a request, and repeats it while GitHub does not know the token. A refused token means
    /// that nothing was carried out, so a write is repeated as well.
    pub async fn send(
        &self,
        call: &Call,
        prefix: &Route,
        now: Timestamp,
    ) -> Result<Answer, GithubError> {
        if self.is_new(now) {
            for wait in NEW_TOKEN_WAITS {
                match call.send(&self.crab, prefix, now).await {
                    Err(error) if error.doubts_token() => tokio::time::sleep(wait).await,
                    settled => return settled,
                }
            }
        }
        call.send(&self.crab, prefix, now).await
    }
}

/// All tokens of this process.
pub(crate) struct Sessions {
    pub app: App,
    base: Uri,
    web: Web,
    crab: OnceLock<Octocrab>,
    slots: Mutex<HashMap<Scope, Slot>>,
}

type Slot = Arc<tokio::sync::Mutex<Option<Arc<Session>>>>;

/// A token is renewed when less than this remains.
const MARGIN: Duration = Duration::from_secs(300);
/// The assumed lifetime of a token if GitHub's response does not contain one.
const LIFE: Duration = Duration::from_secs(3_600);
/// The cache is cleared when it holds this many repositories.
const SLOTS_MAX: usize = 500;

const OPEN: &str = "open the repository";

#[derive(Deserialize)]
struct Installed {
    id: u64,
}

#[derive(Deserialize)]
struct Minted {
    token: SecretText,
    expires_at: Option<String>,
}

/// Wraps the token while it is deserialized, so that it is never printed.
#[derive(Deserialize)]
#[serde(from = "String")]
struct SecretText(SecretString);

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(SecretString::from(text))
    }
}

impl Sessions {
    pub fn new(app: App, base: Uri, web: Web) -> Self {
        Self {
            app,
            base,
            web,
            crab: OnceLock::new(),
            slots: Mutex::default(),
        }
    }

    /// The address of the API, and the transport for a request without any token.
    pub fn outside(&self) -> (&Uri, Web) {
        (&self.base, self.web.clone())
    }

    /// Returns a session with at least [`MARGIN`] left.
    pub async fn session(&self, scope: Scope, now: Timestamp) -> Result<Arc<Session>, GithubError> {
        let slot = self.slot(scope);
        let mut held = slot.lock().await;
        if let Some(session) = held
            .as_ref()
            .filter(|session| now.plus(MARGIN) < session.expires_at)
        {
            return Ok(Arc::clone(session));
        }
        let session = Arc::new(self.mint(scope, now).await?);
        *held = Some(Arc::clone(&session));
        Ok(session)
    }

    /// Drops a session that GitHub refused, unless it has been replaced.
    pub async fn forget(&self, scope: Scope, refused: &Arc<Session>) {
        let slot = self.slot(scope);
        let mut held = slot.lock().await;
        held.take_if(|session| Arc::ptr_eq(session, refused));
    }

    fn slot(&self, scope: Scope) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= SLOTS_MAX && !slots.contains_key(&scope) {
            slots.clear();
        }
        Arc::clone(slots.entry(scope).or_default())
    }

    /// Finds the installation for a repository by name. GitHub redirects a former name.
    pub async fn locate(
        &self,
        owner: &str,
        name: &str,
        now: Timestamp,
    ) -> Result<Option<Located>, GithubError> {
        let by_name = Route::of_repository(owner, name);
        match self.installation_at(&by_name, now).await {
            Ok(installation) => Ok(installation.map(|installation| Located {
                installation,
                moved_to: None,
            })),
            Err(GithubError::Moved { to: Some(id), .. }) => {
                let found = self
                    .installation_at(&Route::of_repository_id(id), now)
                    .await;
                Ok(found?.map(|installation| Located {
                    installation,
                    moved_to: Some(id),
                }))
            }
            Err(GithubError::Moved { to: None, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn installation_at(
        &self,
        repository: &Route,
        now: Timestamp,
    ) -> Result<Option<InstallationId>, GithubError> {
        let call = Call::get("find the installation", Route::new("/installation"));
        match call.send(&self.as_app(now)?, repository, now).await {
            Ok(answer) => Ok(Some(InstallationId::new(answer.read::<Installed>()?.id))),
            Err(GithubError::NotThere { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns a session for reading the details of a repository that was found by name. The
    /// session is not cached.
    pub async fn session_located(
        &self,
        located: &Located,
        name: &str,
        now: Timestamp,
    ) -> Result<Session, GithubError> {
        let permissions = json!({ "metadata": "read" });
        let body = match located.moved_to {
            Some(id) => json!({ "repository_ids": [id.get()], "permissions": permissions }),
            None => json!({ "repositories": [name], "permissions": permissions }),
        };
        self.mint_for(located.installation, body, now).await
    }

    async fn mint(&self, scope: Scope, now: Timestamp) -> Result<Session, GithubError> {
        self.mint_for(scope.installation, narrowed(scope), now)
            .await
    }

    /// Sends a request as the App itself.
    pub async fn send_as_app(&self, call: &Call, now: Timestamp) -> Result<Answer, GithubError> {
        let sent = call.send(&self.as_app(now)?, &Route::new(""), now).await;
        sent.map_err(|error| match error {
            GithubError::NoAccess { operation, message } => {
                GithubError::Credentials { operation, message }
            }
            other => other,
        })
    }

    /// Acts as the App itself.
    fn as_app(&self, now: Timestamp) -> Result<Octocrab, GithubError> {
        // octocrab needs a running runtime, so the client is created at the first use and not in
        // `new`.
        let crab = self
            .crab
            .get_or_init(|| crab_over(self.web.clone(), self.base.clone()));
        let failed = |error| GithubError::of_octocrab(OPEN, error, now);
        crab.user_access_token(self.app.jwt(now)?).map_err(failed)
    }

    async fn mint_for(
        &self,
        installation: InstallationId,
        body: Value,
        now: Timestamp,
    ) -> Result<Session, GithubError> {
        let as_app = self.as_app(now)?;
        let failed = |error| GithubError::of_octocrab(OPEN, error, now);
        let route = Route::new("/app/installations/")
            .number(installation.get())
            .fixed("/access_tokens");
        let call = Call::post(OPEN, route, body);
        let minted: Minted = call
            .send(&as_app, &Route::new(""), now)
            .await
            .map_err(of_installation)?
            .read()?;
        let expires_at = minted
            .expires_at
            .as_deref()
            .and_then(parse_utc)
            .unwrap_or_else(|| now.plus(LIFE));
        Ok(Session {
            crab: as_app.user_access_token(minted.token.0).map_err(failed)?,
            minted_at: now,
            expires_at,
        })
    }
}

/// Narrows the token to one repository and to the permissions that the access needs.
fn narrowed(scope: Scope) -> Value {
    json!({ "repository_ids": [scope.repository.get()], "permissions": permissions(scope.access) })
}

fn permissions(access: Access) -> Value {
    match access {
        Access::ReadFiles => json!({ "contents": "read", "metadata": "read" }),
        Access::ReadIssues => json!({ "issues": "read", "metadata": "read" }),
        Access::ReadChecks => json!({ "checks": "read", "statuses": "read", "metadata": "read" }),
        Access::ReadLogs => json!({ "actions": "read", "metadata": "read" }),
        Access::WritePulls => {
            json!({ "contents": "write", "pull_requests": "write", "metadata": "read" })
        }
        Access::WriteIssues => json!({ "issues": "write", "metadata": "read" }),
    }
}

/// Classifies an error of a token request. A 404 or a 422 concerns the installation: it is gone or
/// suspended, or it lacks the repository or a permission. Any other refused access concerns the
/// App's key.
fn of_installation(error: GithubError) -> GithubError {
    match error {
        GithubError::NotThere { operation, .. } => GithubError::NoAccess {
            operation,
            message: "the installation is gone".to_owned(),
        },
        GithubError::Refused {
            operation,
            status: 422,
            message,
        } => GithubError::NoAccess { operation, message },
        GithubError::NoAccess { operation, message } if !message.contains("suspended") => {
            GithubError::Credentials { operation, message }
        }
        other => other,
    }
}

/// Parses `2026-11-20T10:00:00Z`, the only format in which GitHub sends times.
fn parse_utc(text: &str) -> Option<Timestamp> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    if text.len() != 20 || !text.ends_with('Z') {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    // In a year that begins in March, the leap day is the last day.
    let year = if month > 2 { year } else { year - 1 };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100
        + day_of_year
        - 719_468;
    Some(Timestamp::from_seconds(
        ((days * 24 + hour) * 60 + minute) * 60 + second,
    ))
}

#[cfg(test)]
mod tests;
