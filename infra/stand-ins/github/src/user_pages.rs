//! Forms on the pages: install the App, open an issue, label it. A person does here by hand what
//! tests do with method calls.

use axum::extract::{Path, State as From};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use serde::Deserialize;
use std::collections::BTreeMap;

use super::state::{Issue, Repository, State};
use super::webhooks::installed;
use super::{GitHub, GitHubConfig, shapes};
use stand_in_shared::html::{Markup, all, button, form, page, table, tag, text};

pub(super) fn routes() -> Router<GitHub> {
    Router::new()
        .route("/apps/{slug}/installations/new", get(choose_owner))
        .route("/apps/{slug}/installations/new/{owner}", post(install))
        .route("/{owner}/{repository}/issues", post(open_issue))
        .route("/{owner}/{repository}/issues/{number}/labels", post(label))
}

/// The page that installs the App.
pub(super) fn install_address(config: &GitHubConfig) -> String {
    format!(
        "{}/apps/{}/installations/new",
        config.html_base, config.app_slug
    )
}

async fn choose_owner(From(github): From<GitHub>) -> Response {
    let state = github.lock();
    let address = install_address(&github.config);
    let owners: BTreeMap<&str, bool> = state
        .repositories
        .values()
        .map(|one| (one.owner.login.as_str(), installed(&state, one)))
        .collect();
    let rows = owners.into_iter().map(|(owner, installed)| {
        let action = if installed {
            text("installed")
        } else {
            button(&format!("{address}/{owner}"), "Install")
        };
        vec![text(owner), action]
    });
    page(
        format!("Install {}", github.config.app_slug),
        table(&["owner", ""], rows.collect()),
    )
}

/// Installs the App. Afterwards, GitHub redirects the browser to the App's setup URL.
async fn install(From(github): From<GitHub>, Path((_, owner)): Path<(String, String)>) -> Response {
    let Some(id) = github.install_app(&owner) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let to = match github.client().and_then(|client| client.setup_url) {
        Some(url) => format!("{url}?installation_id={id}&setup_action=install"),
        None => github.config.html_base.clone(),
    };
    Redirect::to(&to).into_response()
}

#[derive(Deserialize)]
struct NewIssue {
    title: String,
    body: String,
}

async fn open_issue(
    From(github): From<GitHub>,
    Path((owner, repository)): Path<(String, String)>,
    Form(new): Form<NewIssue>,
) -> Response {
    if github
        .lock()
        .repository_named(&owner, &repository)
        .is_none()
    {
        return StatusCode::NOT_FOUND.into_response();
    }
    let body = new.body.replace("\r\n", "\n");
    let number = github.open_issue(&owner, &repository, &new.title, &body);
    to_issue(&github, &owner, &repository, number)
}

#[derive(Deserialize)]
struct NewLabel {
    label: String,
}

async fn label(
    From(github): From<GitHub>,
    Path((owner, repository, number)): Path<(String, String, u64)>,
    Form(new): Form<NewLabel>,
) -> Response {
    if !github.label_issue(&owner, &repository, number, &new.label) {
        return StatusCode::NOT_FOUND.into_response();
    }
    to_issue(&github, &owner, &repository, number)
}

fn to_issue(github: &GitHub, owner: &str, repository: &str, number: u64) -> Response {
    let base = &github.config.html_base;
    Redirect::to(&format!("{base}/{owner}/{repository}/issues/{number}")).into_response()
}

/// The form for a new issue, and a link to install the App if it is not installed.
pub(super) fn repository_forms(
    config: &GitHubConfig,
    state: &State,
    repository: &Repository,
) -> Markup {
    let address = format!("{}/issues", shapes::html(config, repository));
    let issue = form(&address, &[("title", ""), ("body", "")], "Open an issue");
    if installed(state, repository) {
        return issue;
    }
    let hint = format!("{} is not installed here. ", config.app_slug);
    let install = stand_in_shared::html::link(&install_address(config), "Install it");
    all([tag("p", all([text(hint), install])), issue])
}

/// The form that labels an open issue. It suggests the App's name, since Apps often react to a
/// label of that name.
pub(super) fn label_form(config: &GitHubConfig, repository: &Repository, issue: &Issue) -> Markup {
    if issue.pull.is_some() || issue.closed.is_some() {
        return Markup::default();
    }
    let address = format!("{}/labels", shapes::html_of(config, repository, issue));
    form(&address, &[("label", &config.app_slug)], "Add the label")
}
