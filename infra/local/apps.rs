//! The GitHub App on the command line: its manifest, and making one of it with a click.
//!
//! `show` prints the manifest. `create` serves one page on this machine: its button takes the manifest to GitHub, GitHub
//! sends the browser back with a code, and the code is exchanged for the App's number, key and secrets, which go into a file
//! that is there, empty and readable by nobody else, before anything begins: a code opens only once.

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
/// What stands for the deployment's address in it.
const PLACE: &str = "https://tallyhook.example";
const GITHUB: &str = "https://api.github.com";
const GITHUB_WEB: &str = "https://github.com";

/// Does what the command says; `say` gets each line.
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
            let desk = Desk {
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
                "Open {here} and press the button. This waits for GitHub to send you back; Ctrl-C gives up."
            ));
            let app = tokio::select! {
                app = apps.recv() => app.context("nobody came back")?,
                served = axum::serve(listener, router(desk)) => { served?; bail!("the page is gone") }
            };
            file.write_all(settings(&app).as_bytes())
                .with_context(|| format!("cannot write {}", into.display()))?;
            say(&format!(
                "App {} ({}) is made. Its settings and secrets are in {}.",
                app.id,
                app.html_url,
                into.display()
            ));
            say(&format!("Install it: {}/installations/new", app.html_url));
            say("On AWS the secrets belong into Systems Manager: docs/deploying.md, \"Secrets\".");
            Ok(())
        }
    }
}

/// The manifest of the App whose doors are at this address.
fn manifest(url: &str) -> anyhow::Result<Value> {
    let uri: http::Uri = url
        .parse()
        .ok()
        .with_context(|| format!("--url takes an address, not {url:?}"))?;
    let bare = uri.scheme().is_some() && uri.authority().is_some() && uri.query().is_none();
    if !bare || uri.scheme_str() != Some("https") {
        bail!(
            "--url takes the https:// address that GitHub reaches the deployment at, not {url:?}"
        );
    }
    let mut manifest =
        serde_json::from_str(MANIFEST).context("infra/github-app.json is no JSON")?;
    place(&mut manifest, url.trim_end_matches('/'));
    Ok(manifest)
}

/// Puts the address wherever its place is.
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

/// Where GitHub takes a manifest.
fn action(web_url: &str, organization: Option<&str>) -> String {
    let web_url = web_url.trim_end_matches('/');
    match organization {
        Some(organization) => format!("{web_url}/organizations/{organization}/settings/apps/new"),
        None => format!("{web_url}/settings/apps/new"),
    }
}

/// A file that was not there, for its owner's eyes.
fn fresh(path: &Path) -> anyhow::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).with_context(|| {
        format!(
            "{} is to hold the App's secrets and must not be there yet; name another with --into",
            path.display()
        )
    })
}

/// The page's side of the story.
struct Desk {
    manifest: Value,
    action: String,
    /// Whoever comes back without it was not sent by us.
    state: String,
    api: String,
    outside: Outside,
    taken: mpsc::Sender<NewApp>,
}

fn router(desk: Desk) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/made", get(made))
        .with_state(Arc::new(desk))
}

async fn page(State(desk): State<Arc<Desk>>) -> Html<String> {
    let (action, manifest) = (escaped(&desk.action), escaped(&desk.manifest.to_string()));
    let shown = escaped(&format!("{:#}", desk.manifest));
    Html(format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>A GitHub App for Tallyhook</title>\
         <h1>A GitHub App for Tallyhook</h1><p>GitHub asks once more before it makes this App:</p><pre>{shown}</pre>\
         <form method=\"post\" action=\"{action}?state={}\"><input type=\"hidden\" name=\"manifest\" value=\"{manifest}\">\
         <button>Take it to GitHub</button></form></html>",
        desk.state
    ))
}

async fn made(
    State(desk): State<Arc<Desk>>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let (Some(code), Some(state)) = (query.get("code"), query.get("state")) else {
        return said(
            StatusCode::BAD_REQUEST,
            "GitHub sends you here with a code; begin at the first page.",
        );
    };
    if *state != desk.state {
        return said(
            StatusCode::BAD_REQUEST,
            "This is not the answer to what was asked here; begin at the first page.",
        );
    }
    match github_api::app_take(
        &desk.api,
        code,
        desk.outside.web.clone(),
        desk.outside.now(),
    )
    .await
    {
        Ok(app) => {
            // Nobody waits any more if one was taken already.
            let _ = desk.taken.try_send(app);
            said(
                StatusCode::OK,
                "The App is made. Go back to the command line; this page can be closed.",
            )
        }
        Err(error) => said(
            StatusCode::BAD_GATEWAY,
            &format!("GitHub did not hand the App out: {error}. Begin anew."),
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

/// What the doors need of it, as lines for the environment; the key's newlines are written out.
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
        "GITHUB_APP_ID={}\nGITHUB_CLIENT_ID={}\nGITHUB_CLIENT_SECRET={}\nGITHUB_WEBHOOK_SECRETS={webhook}\nGITHUB_PRIVATE_KEY=\"{key}\"\n",
        app.id,
        app.client_id,
        app.client_secret.expose_secret(),
    )
}
