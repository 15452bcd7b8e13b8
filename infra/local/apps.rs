//! `app show` and `app create`.
//!
//! `show` prints the manifest. `create` serves a page whose button sends the manifest to GitHub.
//! GitHub redirects back with a code, which is exchanged for the App's id, key and secrets. A code
//! works only once, so the file for them is created first, readable only by its owner. The file
//! must not exist yet, so a second run cannot overwrite the credentials of the first.

#[cfg(test)]
mod tests;

use crate::cli::{AppCommand, Options};
use crate::server;
use anyhow::{Context, bail};
use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use boot::{Env, Outside, Trust};
use github_api::NewApp;
use secrecy::ExposeSecret;
use serde_json::Value;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::mpsc;

const MANIFEST: &str = include_str!("../github-app.json");
/// The placeholder for the deployment's address.
const PLACE: &str = "https://tallyhook.example";
const GITHUB: &str = "https://api.github.com";
const GITHUB_WEB: &str = "https://github.com";

/// Runs the command; `say` prints a line.
pub async fn run(
    command: &AppCommand,
    options: &Options,
    env: &Env,
    say: &mut dyn FnMut(&str),
) -> anyhow::Result<()> {
    match command {
        AppCommand::Show { url } => {
            say(&format!("{:#}", manifest(url)?));
            Ok(())
        }
        AppCommand::Create {
            url,
            organization,
            into,
        } => {
            let outside = Outside::real(Trust::Public).map_err(|error| anyhow::anyhow!(error))?;
            let mut file = fresh(into)?;
            let listener = server::listen(options.port).await?;
            let here = format!("http://{}", listener.local_addr()?);
            let (taken, mut apps) = mpsc::channel(1);
            let create_page = CreatePage {
                manifest: with_redirect(manifest(url)?, &here),
                action: action(
                    env.find("GITHUB_WEB_URL").as_deref().unwrap_or(GITHUB_WEB),
                    organization.as_deref(),
                ),
                state: format!("{:016x}{:016x}", (outside.random)(), (outside.random)()),
                api: options
                    .github_url
                    .clone()
                    .unwrap_or_else(|| GITHUB.to_owned()),
                outside,
                taken,
            };
            say(&format!(
                "Open {here} and press the button. Waiting for GitHub to redirect you back; Ctrl-C cancels."
            ));
            let app = tokio::select! {
                app = apps.recv() => app.context("the page was closed")?,
                served = axum::serve(listener, router(create_page)) => { served?; bail!("the page stopped") }
            };
            file.write_all(settings(&app).as_bytes())
                .with_context(|| format!("cannot write {}", into.display()))?;
            say(&format!(
                "Created App {} ({}). Its settings and secrets are in {}.",
                app.id,
                app.html_url,
                into.display()
            ));
            say(&format!("Install it: {}/installations/new", app.html_url));
            say("On AWS, store the secrets in Systems Manager: docs/deploying.md, \"Secrets\".");
            Ok(())
        }
    }
}

/// The manifest for a deployment at this address.
fn manifest(url: &str) -> anyhow::Result<Value> {
    let uri: http::Uri = url
        .parse()
        .ok()
        .with_context(|| format!("--url must be a URL, not {url:?}"))?;
    let bare = uri.scheme().is_some() && uri.authority().is_some() && uri.query().is_none();
    if !bare || uri.scheme_str() != Some("https") {
        bail!("--url must be the https:// address of the deployment, without a query, not {url:?}");
    }
    let mut manifest =
        serde_json::from_str(MANIFEST).context("infra/github-app.json is not JSON")?;
    place(&mut manifest, url.trim_end_matches('/'));
    Ok(manifest)
}

/// Replaces every placeholder with the address.
fn place(value: &mut Value, url: &str) {
    match value {
        Value::String(text) => *text = text.replace(PLACE, url),
        Value::Array(values) => values.iter_mut().for_each(|value| place(value, url)),
        Value::Object(fields) => fields.values_mut().for_each(|value| place(value, url)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn with_redirect(mut manifest: Value, here: &str) -> Value {
    manifest["redirect_url"] = format!("{here}/made").into();
    manifest
}

/// The address of GitHub's form for manifests.
fn action(web_url: &str, organization: Option<&str>) -> String {
    let web_url = web_url.trim_end_matches('/');
    match organization {
        Some(organization) => format!("{web_url}/organizations/{organization}/settings/apps/new"),
        None => format!("{web_url}/settings/apps/new"),
    }
}

/// Creates a new file that only its owner can read.
fn fresh(path: &Path) -> anyhow::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).with_context(|| {
        format!(
            "cannot create {} for the App's secrets; it must not exist yet, choose another file with --into",
            path.display()
        )
    })
}

/// The state of the page that creates the App.
struct CreatePage {
    manifest: Value,
    action: String,
    /// Proves that a redirect answers our request.
    state: String,
    api: String,
    outside: Outside,
    taken: mpsc::Sender<NewApp>,
}

fn router(create_page: CreatePage) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/made", get(made))
        .with_state(Arc::new(create_page))
}

async fn page(State(create_page): State<Arc<CreatePage>>) -> Html<String> {
    let (action, manifest) = (
        escaped(&create_page.action),
        escaped(&create_page.manifest.to_string()),
    );
    let shown = escaped(&format!("{:#}", create_page.manifest));
    Html(format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>A GitHub App for Tallyhook</title>\
         <h1>A GitHub App for Tallyhook</h1><p>GitHub asks for confirmation before it creates this App:</p><pre>{shown}</pre>\
         <form method=\"post\" action=\"{action}?state={}\"><input type=\"hidden\" name=\"manifest\" value=\"{manifest}\">\
         <button>Create it on GitHub</button></form></html>",
        create_page.state
    ))
}

async fn made(
    State(create_page): State<Arc<CreatePage>>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let (Some(code), Some(state)) = (query.get("code"), query.get("state")) else {
        return said(
            StatusCode::BAD_REQUEST,
            "The code is missing; start again at the first page.",
        );
    };
    if *state != create_page.state {
        return said(
            StatusCode::BAD_REQUEST,
            "This redirect does not answer a request of this page; start again at the first page.",
        );
    }
    match github_api::app_take(
        &create_page.api,
        code,
        create_page.outside.web.clone(),
        create_page.outside.now(),
    )
    .await
    {
        Ok(app) => {
            // Fails if an App was already received.
            let _ = create_page.taken.try_send(app);
            said(
                StatusCode::OK,
                "The App was created. Return to the command line; you can close this page.",
            )
        }
        Err(error) => said(
            StatusCode::BAD_GATEWAY,
            &format!("GitHub did not return the App: {error}. Start again."),
        ),
    }
}

fn said(status: StatusCode, words: &str) -> Response {
    let body = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Tallyhook</title><p>{}</p></html>",
        escaped(words)
    );
    (status, Html(body)).into_response()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// The App's settings as lines of an environment file. Newlines in the key are escaped.
fn settings(app: &NewApp) -> String {
    let webhook = app
        .webhook_secret
        .as_ref()
        .map_or("", |secret| secret.expose_secret());
    let key = app
        .private_key_pem
        .expose_secret()
        .trim()
        .replace('\n', "\\n");
    format!(
        "GITHUB_APP_ID={}\nGITHUB_APP_URL={}\nGITHUB_CLIENT_ID={}\nGITHUB_CLIENT_SECRET={}\nGITHUB_WEBHOOK_SECRETS={webhook}\nGITHUB_PRIVATE_KEY=\"{key}\"\n",
        app.id,
        app.html_url,
        app.client_id,
        app.client_secret.expose_secret(),
    )
}
