//! GitHub's behavior, one file per subject, and the scene that they share.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{GitHub, GitHubConfig};

mod checks;
mod files;
mod git;
mod pulls;
mod talk;
mod tokens;
mod trees;
mod webhooks;

const NOW: i64 = 1_795_168_800_000;
const APP: u64 = 4711;
const INSTALLATION: u64 = 99;
const WIDGET: u64 = 7;
const GADGET: u64 = 8;

/// A GitHub with `acme/widget` and `acme/gadget`, and a clock.
struct Scene {
    github: GitHub,
    api: Router,
    time: Arc<AtomicI64>,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

fn scene() -> Scene {
    let time = Arc::new(AtomicI64::new(NOW));
    let clock = Arc::clone(&time);
    let github = GitHub::new(GitHubConfig {
        app_id: APP,
        app_slug: "tallyhook".to_owned(),
        html_base: "http://github.test".to_owned(),
        now: Arc::new(move || clock.load(Ordering::Relaxed)),
    });
    let files = [
        ("README.md", "# Widget\n\nColor: red\n"),
        ("src/lib.rs", "pub fn one() -> u8 {\n    1\n}\n"),
    ];
    github.add_repository(INSTALLATION, 5, "acme", WIDGET, "widget", "main", &files);
    github.add_repository(
        INSTALLATION,
        5,
        "acme",
        GADGET,
        "gadget",
        "main",
        &[("README.md", "# Gadget\n")],
    );
    github.add_issue(
        "acme",
        "widget",
        3,
        "Wrong color",
        "Replace `red` with `blue`",
    );
    Scene {
        api: github.router(),
        github,
        time,
    }
}

impl Scene {
    async fn call(&self, method: &str, path: &str, credential: &str, body: Value) -> Answer {
        let body = if body.is_null() {
            Body::empty()
        } else {
            Body::from(body.to_string())
        };
        let mut request = Request::builder().method(method).uri(path);
        if !credential.is_empty() {
            request = request.header("authorization", format!("Bearer {credential}"));
        }
        let request = request.body(body).expect("a request");
        let (head, body) = self
            .api
            .clone()
            .oneshot(request)
            .await
            .expect("infallible")
            .into_parts();
        let bytes = to_bytes(body, usize::MAX).await.expect("in memory");
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer {
            status: head.status,
            headers: head.headers,
            body,
        }
    }

    async fn get(&self, path: &str, token: &str) -> Answer {
        self.call("GET", path, token, Value::Null).await
    }

    async fn post(&self, path: &str, token: &str, body: Value) -> Answer {
        self.call("POST", path, token, body).await
    }

    /// Creates a token for the request, which may ask for everything.
    async fn token(&self, asked: Value) -> String {
        let path = format!("/app/installations/{INSTALLATION}/access_tokens");
        let answer = self.post(&path, &self.jwt(APP, 540), asked).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.body["token"].as_str().expect("a token").to_owned()
    }

    fn jwt(&self, app: u64, expires_in: i64) -> String {
        let now = self.time.load(Ordering::Relaxed) / 1000;
        unsigned(
            &json!({"iat": now - 60, "exp": now + expires_in, "iss": app.to_string()}).to_string(),
        )
    }

    fn pass_seconds(&self, seconds: i64) {
        self.time.fetch_add(seconds * 1000, Ordering::Relaxed);
    }

    fn head(&self, branch: &str) -> String {
        let branches = self.github.branches("acme", "widget");
        branches
            .into_iter()
            .find(|(name, _)| name == branch)
            .expect("the branch exists")
            .1
    }

    /// Creates a branch off `main` with one changed file.
    async fn branch(&self, token: &str, name: &str, path: &str, content: &str) -> String {
        let base = self.head("main");
        let new = json!({"ref": format!("refs/heads/{name}"), "sha": base});
        self.post("/repos/acme/widget/git/refs", token, new)
            .await
            .expect(201);
        self.github.push_file("acme", "widget", name, path, content);
        self.head(name)
    }
}

impl Answer {
    fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self.body
    }

    fn refuse(self, status: u16, message: &str) {
        assert_eq!(
            (self.status.as_u16(), self.body["message"].as_str()),
            (status, Some(message)),
            "{}",
            self.body
        );
    }

    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

fn unsigned(claims: &str) -> String {
    let [header, claims] =
        [r#"{"alg":"RS256","typ":"JWT"}"#, claims].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part));
    format!("{header}.{claims}.c2lnbmF0dXJl")
}

#[tokio::test]
async fn every_answer_has_githubs_headers_and_unknown_paths_its_404() {
    let scene = scene();
    let first = scene.get("/nowhere", "").await;
    let second = scene.get("/nowhere", "").await;
    assert_eq!(first.header("x-ratelimit-remaining"), "4999");
    assert_eq!(second.header("x-ratelimit-remaining"), "4998");
    assert_eq!(first.header("x-ratelimit-reset"), "1795172400");
    assert_ne!(
        first.header("x-github-request-id"),
        second.header("x-github-request-id")
    );
    first.refuse(404, "Not Found");
}

#[tokio::test]
async fn an_import_is_what_was_exported() {
    let scene = scene();
    let token = scene.token(json!({})).await;
    let copy = self::scene();
    copy.github
        .import(scene.github.export())
        .expect("our own export");
    assert_eq!(copy.github.export(), scene.github.export());
    copy.get("/repos/acme/widget", &token).await.expect(200);
    assert!(copy.github.import(json!({"installations": 1})).is_err());
}

#[tokio::test]
async fn pages_show_what_is_there_and_nothing_runs_in_them() {
    let scene = scene();
    let token = scene.token(json!({})).await;
    scene
        .branch(&token, "fix", "README.md", "<script>alert(1)</script>\n")
        .await;
    let new = json!({"title": "<b>Fix</b>", "head": "fix", "base": "main"});
    let pull = scene
        .post("/repos/acme/widget/pulls", &token, new)
        .await
        .expect(201);
    scene
        .github
        .add_comment("acme", "widget", 3, "somebody", "<img src=x>");
    assert_eq!(pull["html_url"], "http://github.test/acme/widget/pull/4");
    for (path, shown) in [
        ("/", "acme/widget"),
        ("/acme/widget", "&lt;b&gt;Fix"),
        ("/acme/widget/pull/4", "+&lt;script&gt;"),
        ("/acme/widget/issues/3", "&lt;img"),
        ("/state.json", "repositories"),
    ] {
        let request = Request::get(path).body(Body::empty()).expect("a request");
        let response = scene
            .github
            .pages()
            .oneshot(request)
            .await
            .expect("infallible");
        assert_eq!(response.status(), 200, "{path}");
        let bytes = to_bytes(response.into_body(), usize::MAX)
            .await
            .expect("in memory");
        let html = String::from_utf8(bytes.to_vec()).expect("text");
        assert!(html.contains(shown), "{path}: {html}");
        assert!(
            path == "/state.json" || !html.contains("<script>") && !html.contains("<img"),
            "{path}: {html}"
        );
    }
}
