//! A stand-in for GitHub: Apps and tokens, sign-in, git objects, contents, pull requests, issues
//! and comments.
//!
//! Keeps everything in memory and answers the REST API at its paths, with GitHub's JSON and errors.
//! Tokens are as narrow as requested, a second ref or pull request of the same name is refused, and
//! objects are identified by their content. There are no forks, and a diff shows a rename as one
//! file removed and one added. The stand-in makes no calls: see [`GitHub::outbox_take`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State as From};
use axum::http::HeaderValue;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use jsonwebtoken::DecodingKey;
use serde_json::Value;

use refusal::Refusal;
use stand_in_shared::Now;
use state::State;

mod access;
pub mod app_key;
mod apps;
mod archives;
mod checks;
mod ci;
mod compare;
mod contents;
mod deliveries;
mod diff;
mod git;
mod humans;
mod issues;
mod manifests;
mod objects;
mod pages;
mod paging;
mod people;
mod pulls;
mod refs;
mod refusal;
mod repositories;
mod repository_shape;
mod shapes;
mod state;
#[cfg(test)]
mod tests;
mod trees;
mod user_pages;
mod views;
mod webhooks;

pub use checks::LOGS_HOST;
pub use ci::{Check, CheckKind};
pub use deliveries::{DeliveryView, Redelivery};
pub use people::OAuthClient;
pub use state::{Creations, TokenRequest, Webhook};
pub use views::{CommentView, CommitView, PullView};

/// The App, and the address of the pages.
pub struct GitHubConfig {
    /// The App's id, which a JWT must name as `iss`.
    pub app_id: u64,
    /// The App's slug; the App acts as `<slug>[bot]`.
    pub app_slug: String,
    /// The address at which [`GitHub::pages`] is mounted, without a trailing slash. Every
    /// `html_url` starts with it.
    pub html_base: String,
    pub now: Now,
}

/// A GitHub. Clones share its state.
#[derive(Clone)]
pub struct GitHub {
    config: Arc<GitHubConfig>,
    trusted: Arc<Mutex<Option<DecodingKey>>>,
    client: Arc<Mutex<Option<OAuthClient>>>,
    state: Arc<Mutex<State>>,
}

impl GitHub {
    /// Creates a GitHub without repositories.
    pub fn new(config: GitHubConfig) -> Self {
        Self {
            config: Arc::new(config),
            trusted: Arc::default(),
            client: Arc::default(),
            state: Arc::default(),
        }
    }

    /// Sets the RSA public key (PEM) that verifies JWTs of the App.
    pub fn trust_key(&self, pem: &str) -> Result<(), jsonwebtoken::errors::Error> {
        *self.trusted.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(DecodingKey::from_rsa_pem(pem.as_bytes())?);
        Ok(())
    }

    /// The REST API. Like GitHub, it accepts POST for PATCH.
    pub fn router(&self) -> Router {
        let unknown = async || Refusal::not_found();
        let repository = Router::new()
            .merge(repositories::routes())
            .merge(refs::routes())
            .merge(objects::routes())
            .merge(trees::routes())
            .merge(contents::routes())
            .merge(archives::routes())
            .merge(checks::routes())
            .merge(compare::routes())
            .merge(pulls::routes())
            .merge(issues::routes());
        Router::new()
            .merge(apps::routes())
            .merge(deliveries::routes())
            .merge(people::api_routes())
            .merge(manifests::api_routes())
            .nest("/repos/{owner}/{repository}", repository.clone())
            .nest("/repositories/{repository_id}", repository)
            .fallback(unknown)
            .method_not_allowed_fallback(unknown)
            .layer(DefaultBodyLimit::disable())
            .layer(from_fn_with_state(self.clone(), with_headers))
            .with_state(self.clone())
    }

    /// The host of archives, `codeload.` and the name of the API's host.
    pub fn archives(&self) -> Router {
        archives::codeload().with_state(self.clone())
    }

    /// The host of logs, [`LOGS_HOST`].
    pub fn logs(&self) -> Router {
        checks::log_host().with_state(self.clone())
    }

    /// Pages for people, to be mounted at `html_base`.
    pub fn pages(&self) -> Router {
        pages::routes()
            .merge(user_pages::routes())
            .merge(people::page_routes())
            .merge(manifests::page_routes())
            .with_state(self.clone())
    }

    /// The whole state, to keep across a restart.
    pub fn export(&self) -> Value {
        serde_json::to_value(&*self.lock()).expect("the state has text keys and no floats")
    }

    /// Restores an exported state.
    pub fn import(&self, exported: Value) -> Result<(), serde_json::Error> {
        *self.lock() = serde_json::from_value(exported)?;
        Ok(())
    }

    /// The next `reads` lists of pull requests or comments omit the newest entry, as the real
    /// GitHub may right after a write.
    pub fn set_read_lag(&self, reads: u32) {
        self.lock().read_lag = reads;
    }

    /// From now on, lists of pull requests and comments omit an entry for so long after its
    /// creation. GitHub's lists are eventually consistent.
    pub fn set_list_lag(&self, seconds: i64) {
        self.lock().list_lag = seconds * 1000;
    }

    /// From now on, a new token is refused for so long. "Newly created tokens might not be
    /// accessible immediately after creation" (octokit/auth-app.js, `hook.ts`).
    pub fn set_token_lag(&self, seconds: i64) {
        self.lock().token_lag = seconds * 1000;
    }

    /// From now on, an installation can create only so much, and is asked to wait a minute otherwise.
    /// GitHub allows "80 content-generating requests per minute" and "500 content-generating requests
    /// per hour" (docs.github.com, "Rate limits for the REST API").
    pub fn set_creations_max(&self, most: Creations) {
        self.lock().creations_max = Some(most);
    }

    /// The most that an installation has created, and how many requests were refused because that is
    /// too much.
    pub fn creations(&self) -> (Creations, usize) {
        let state = self.lock();
        (state.creations_peak, state.creations_refused)
    }

    fn now(&self) -> i64 {
        (self.config.now)()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn trusted(&self) -> Option<DecodingKey> {
        self.trusted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

const RATE_LIMIT: u64 = 5000;
const HOUR_SECONDS: i64 = 3600;

/// Adds the headers that every answer of GitHub carries.
async fn with_headers(From(github): From<GitHub>, mut request: Request, next: Next) -> Response {
    let hour = github.now().div_euclid(1000 * HOUR_SECONDS);
    let (number, used) = github.lock().count_request(hour);
    let asked = paging::Asked(request.uri().path().to_owned());
    request.extensions_mut().insert(asked);
    let mut response = next.run(request).await;
    let mut set = |name: &'static str, value: String| {
        response.headers_mut().insert(
            name,
            HeaderValue::from_str(&value).expect("digits and colons"),
        );
    };
    set("x-github-request-id", format!("FA4E:{number:08X}"));
    set("x-ratelimit-limit", RATE_LIMIT.to_string());
    set(
        "x-ratelimit-remaining",
        RATE_LIMIT.saturating_sub(used).to_string(),
    );
    set("x-ratelimit-used", used.to_string());
    set("x-ratelimit-reset", ((hour + 1) * HOUR_SECONDS).to_string());
    set("x-ratelimit-resource", "core".to_owned());
    response
}
