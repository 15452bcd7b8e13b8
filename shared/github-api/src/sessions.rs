//! Installation tokens, each for one repository and one kind of access, cached until shortly before
//! they expire.
//!
//! A caller that asks while a token is being fetched waits for that token. Tokens live in this
//! process only and are never printed.

use crate::app::App;
use crate::call::{Call, crab_over};
use crate::error::GithubError;
use crate::route::Route;
use crate::{Access, Web};
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
    pub crab: Octocrab,
    expires_at: Timestamp,
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

    /// The installation for a repository name, or `None` if the App is not installed there.
    pub async fn installation_of(
        &self,
        owner: &str,
        name: &str,
        now: Timestamp,
    ) -> Result<Option<InstallationId>, GithubError> {
        let call = Call::get("find the installation", Route::new("/installation"));
        match call
            .send(&self.as_app(now)?, &Route::of_repository(owner, name), now)
            .await
        {
            Ok(answer) => Ok(Some(InstallationId::new(answer.read::<Installed>()?.id))),
            Err(GithubError::NotThere { .. } | GithubError::Moved { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns a session for reading a repository whose number is unknown. The session is not
    /// cached.
    pub async fn session_named(
        &self,
        installation: InstallationId,
        name: &str,
        now: Timestamp,
    ) -> Result<Session, GithubError> {
        let body = json!({ "repositories": [name], "permissions": permissions(Access::Read) });
        self.mint_for(installation, body, now).await
    }

    async fn mint(&self, scope: Scope, now: Timestamp) -> Result<Session, GithubError> {
        self.mint_for(scope.installation, narrowed(scope), now)
            .await
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
        Access::Read => {
            json!({ "contents": "read", "issues": "read", "pull_requests": "read", "metadata": "read" })
        }
        Access::Write => {
            json!({ "contents": "write", "issues": "write", "pull_requests": "write", "metadata": "read" })
        }
    }
}

/// Classifies an error of a token request. A 404 or a 422 concerns the installation: it is gone or
/// suspended, or it lacks the repository or a permission. Any other refused access concerns the
/// App's key.
fn of_installation(error: GithubError) -> GithubError {
    match error {
        GithubError::NotThere { operation } => GithubError::NoAccess {
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
mod tests {
    use super::*;
    use crate::testing::{NOW, Peer, Reply, api, open, repository};
    use domain::retry::{Retry, Retryable};

    const MINT: &str = "POST /app/installations/7/access_tokens";
    const DETAILS: &str = "GET /repos/octo/hello";

    fn refused(message: &str) -> Value {
        json!({ "message": message })
    }

    #[test]
    fn times_are_read() {
        for text in [
            "2026-11-20T10:00:00.000Z",
            "2000-02-29T23:59:59.000Z",
            "1970-01-01T00:00:00.000Z",
        ] {
            let short = text.replace(".000Z", "Z");
            assert_eq!(
                parse_utc(&short).map(|at| at.to_string()).as_deref(),
                Some(text)
            );
        }
        assert_eq!(parse_utc("2026-11-20T10:00:00+01:00"), None);
    }

    #[tokio::test]
    async fn tokens_are_narrow() {
        let peer = Peer::script([]);
        let api = api(&peer);
        open(&api, Access::Read, NOW).await.expect("a repository");
        open(&api, Access::Write, NOW).await.expect("a repository");
        let heard = peer.heard(MINT);
        assert_eq!(
            heard[0].body,
            json!({ "repository_ids": [9], "permissions": {
            "contents": "read", "issues": "read", "pull_requests": "read", "metadata": "read" } })
        );
        assert_eq!(
            heard[1].body,
            json!({ "repository_ids": [9], "permissions": {
            "contents": "write", "issues": "write", "pull_requests": "write", "metadata": "read" } })
        );
        assert!(heard[0].authorization.starts_with("Bearer ey"));
    }

    #[tokio::test]
    async fn tokens_are_kept_until_shortly_before_they_expire() {
        let peer = Peer::script([]);
        let api = api(&peer);
        for (minutes, mints) in [(0, 1), (54, 1), (56, 2), (57, 2)] {
            open(
                &api,
                Access::Read,
                NOW.plus(Duration::from_secs(minutes * 60)),
            )
            .await
            .expect("a repository");
            assert_eq!(peer.heard(MINT).len(), mints, "after {minutes} minutes");
        }
    }

    #[tokio::test]
    async fn one_token_for_all_who_wait() {
        let peer = Peer::script([]);
        let api = api(&peer);
        let (a, b, c) = tokio::join!(
            open(&api, Access::Read, NOW),
            open(&api, Access::Read, NOW),
            open(&api, Access::Read, NOW)
        );
        assert!(a.is_ok() && b.is_ok() && c.is_ok());
        assert_eq!(peer.heard(MINT).len(), 1);
    }

    #[tokio::test]
    async fn a_read_is_repeated_with_a_fresh_token() {
        let expired = || (DETAILS, Reply::json(401, refused("Bad credentials")));
        let peer = Peer::script([expired(), expired()]);
        let error = repository(&peer)
            .await
            .details()
            .await
            .expect_err("an error");
        assert!(matches!(error.retry(), Retry::Alarm(_)), "{error}");
        assert_eq!(peer.heard(MINT).len(), 2);
        let used: Vec<_> = peer
            .heard(DETAILS)
            .into_iter()
            .map(|heard| heard.authorization)
            .collect();
        assert_eq!(used, ["Bearer ghs_1", "Bearer ghs_2"]);
    }

    #[tokio::test]
    async fn a_write_is_not_repeated_but_the_token_is_dropped() {
        let peer = Peer::script([(
            "POST /repos/octo/hello/git/refs",
            Reply::json(401, refused("Bad credentials")),
        )]);
        let error = repository(&peer)
            .await
            .branch_create("b", "s1")
            .await
            .expect_err("an error");
        assert!(
            matches!(error, GithubError::TokenRefused { .. }) && error.retry() == Retry::Soon,
            "{error}"
        );
        peer.then([(
            "GET /repos/octo/hello/git/ref/heads/b",
            Reply::json(404, refused("Not Found")),
        )]);
        assert_eq!(
            repository(&peer)
                .await
                .branch_head("b")
                .await
                .expect("an answer"),
            None
        );
        assert_eq!(peer.heard(MINT).len(), 2);
    }

    #[tokio::test]
    async fn refused_tokens_have_a_cause() {
        let alarm = Retry::Alarm(Duration::from_secs(300));
        for (status, message, expected) in [
            (401, "A JSON web token could not be decoded", alarm),
            (403, "Forbidden", alarm),
            (403, "This installation has been suspended", Retry::Never),
            (404, "Not Found", Retry::Never),
            (
                422,
                "The permissions requested are not granted to this installation.",
                Retry::Never,
            ),
            (502, "", Retry::Outage),
        ] {
            let peer = Peer::script([(MINT, Reply::json(status, refused(message)))]);
            let error = open(&api(&peer), Access::Read, NOW)
                .await
                .err()
                .expect("an error");
            assert_eq!(error.retry(), expected, "{status} {message}");
        }
    }

    #[tokio::test]
    async fn tokens_are_never_printed() {
        let odd = Reply::json(201, json!({ "token": ["ghs_canary"] }));
        let peer = Peer::script([(MINT, odd)]);
        let error = open(&api(&peer), Access::Read, NOW)
            .await
            .err()
            .expect("an error");
        let failure = domain::retry::Failure::from(error);
        let shown = format!("{failure:?} {failure}");
        assert!(!shown.contains("canary"), "{shown}");
    }
}
