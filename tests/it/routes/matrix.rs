//! Every route against every kind of caller: unknown callers are refused, known callers may do what
//! their key allows, and another account's rows look like missing ones. The routes come from the
//! OpenAPI document, so a new one is covered automatically.

use crate::world::World;
use crate::world::program::{Program, program};
use domain::accounts::api_keys::{Role, Scope};
use domain::ids::AccountId;
use http::StatusCode;
use local_stack::world::{CLIENT_SECRET, OWNER, REPOSITORY};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// A route of the document.
struct Route {
    method: String,
    path: String,
    open: bool,
    /// Only for signed-in people: a key has no session.
    people: bool,
}

fn routes() -> Vec<Route> {
    let document = serde_json::to_value(api::document()).expect("JSON");
    let paths = document["paths"].as_object().expect("paths");
    let mut routes = Vec::new();
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().expect("methods") {
            let open = operation["security"]
                .as_array()
                .is_some_and(|list| list.iter().any(|one| one == &json!({})));
            let people = operation["security"] == json!([{ "session": [] }]);
            routes.push(Route {
                method: method.to_uppercase(),
                path: path.clone(),
                open,
                people,
            });
        }
    }
    routes
}

/// The scope that a route requires.
fn needs(route: &Route) -> Scope {
    let path = route.path.trim_start_matches("/api/v1/");
    match (route.method.as_str(), path) {
        ("GET", _) => Scope::Read,
        (_, path) if path.starts_with("api-keys") || path.starts_with("members") => Scope::Keys,
        (_, path) if path.starts_with("billing") || path == "notices" => Scope::Billing,
        (_, path)
            if ["jobs", "repos", "test-integration"]
                .iter()
                .any(|part| path.starts_with(part)) =>
        {
            Scope::Jobs
        }
        _ => Scope::Usage,
    }
}

/// Well-formed ids that do not exist, or belong to another account.
fn at(path: &str, id: &str) -> String {
    let commit = format!("{OWNER}/{REPOSITORY}/commits/{}", "1".repeat(40));
    path.replace("{id}", id)
        .replace("{token}", id)
        .replace("{owner}/{repo}/commits/{sha}", &commit)
}

async fn asked(world: &World, key: &str, route: &Route, path: &str) -> (StatusCode, Value) {
    let body = (route.method != "GET" && route.method != "DELETE").then(|| json!({}));
    let (status, mut answer) = world
        .customer(key, &route.method, path, "once", body.as_ref())
        .await;
    // Each request has its own id, and nothing else distinguishes another account's row from a
    // missing one.
    answer
        .as_object_mut()
        .and_then(|answer| answer.remove("request_id"));
    (status, answer)
}

impl Program {
    /// Keys that were valid: a revoked one and an expired one.
    async fn over(&self) -> [String; 2] {
        let all: Vec<_> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
        let mut made = Vec::new();
        for (name, days) in [("revoked", 90), ("expired", 1)] {
            let wanted = json!({ "name": name, "scopes": all, "expires_in_days": days });
            let (status, key) = self.ask("POST", "/api/v1/api-keys", Some(&wanted)).await;
            assert_eq!(status, StatusCode::CREATED, "{key}");
            made.push(key);
        }
        let text = |key: &Value, part: &str| key[part].as_str().expect("a text").to_owned();
        self.ask(
            "DELETE",
            &format!("/api/v1/api-keys/{}", text(&made[0], "id")),
            None,
        )
        .await;
        self.world.skip(Duration::from_secs(86_400));
        [text(&made[0], "secret"), text(&made[1], "secret")]
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_callers_are_refused() {
    let program = program("credits", &[]).await;
    let over = program.over().await;
    let wrong = format!(
        "{}{}",
        &program.key[..59],
        if program.key.ends_with('0') { "g" } else { "0" }
    );
    for route in routes() {
        let path = at(&route.path, "x");
        for key in [
            "",
            "local-token",
            wrong.as_str(),
            over[0].as_str(),
            over[1].as_str(),
        ] {
            let (status, answer) = asked(&program.world, key, &route, &path).await;
            if route.open {
                // Open to every caller, although not every request is valid.
                let asked = [
                    StatusCode::OK,
                    StatusCode::BAD_REQUEST,
                    StatusCode::NOT_FOUND,
                ]
                .contains(&status);
                assert!(
                    asked && answer["code"] != "unauthorized",
                    "{} {path}: {status} {answer}",
                    route.method
                );
            } else {
                let code = (status, &answer["code"]);
                assert_eq!(
                    code,
                    (StatusCode::UNAUTHORIZED, &json!("unauthorized")),
                    "{} {path} with {key:?}",
                    route.method
                );
            }
        }
    }
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_key_does_what_its_scopes_say() {
    let program = program("credits", &[]).await;
    for scope in Scope::ALL {
        let wanted = json!({ "name": scope.as_str(), "scopes": [scope.as_str()] });
        let (_, made) = program.ask("POST", "/api/v1/api-keys", Some(&wanted)).await;
        let key = made["secret"].as_str().expect("a key");
        for route in routes().iter().filter(|route| !route.open) {
            let (status, answer) = asked(&program.world, key, route, &at(&route.path, "x")).await;
            if route.people {
                assert_eq!(
                    status,
                    StatusCode::UNAUTHORIZED,
                    "{} {}: {answer}",
                    route.method,
                    route.path
                );
                continue;
            }
            let refused = status == StatusCode::FORBIDDEN && answer["code"] == "missing_scope";
            assert_eq!(
                refused,
                needs(route) != scope,
                "{} {} with {}: {status} {answer}",
                route.method,
                route.path,
                scope.as_str()
            );
            assert!(
                !status.is_server_error(),
                "{} {}: {answer}",
                route.method,
                route.path
            );
        }
    }
    program.world.abandoned();
}

/// Well-formed ids that do not exist.
const NOBODY_S: [&str; 5] = [
    "act_00000000000000000000000000",
    "key_00000000000000000000000000",
    "job_00000000000000000000000000",
    "erd_00000000000000000000000000",
    "erd_00000000000000000000000001",
];

/// Another account and its key.
async fn other(world: &World) -> (AccountId, String) {
    let body =
        json!({ "stripe_customer_id": "cus_Other", "installation_id": 9_009, "plan": "credits" });
    let other = world
        .operator("POST", "/api/v1/admin/accounts", Some(&body))
        .await
        .1;
    let other = AccountId::parse(other["id"].as_str().expect("an id")).expect("an id");
    let key = world.key_of(&other, "theirs").await;
    (other, key)
}

/// One account's objects cannot be seen, changed or detected by another account.
#[tokio::test(start_paused = true)]
async fn what_is_another_account_s_looks_absent() {
    let program = program("credits", &[]).await;
    let world = &program.world;
    world.adjusts(&program.account, "1000", "a gift").await;
    let (_, hold) = program
        .ask(
            "POST",
            "/api/v1/credits/holds",
            Some(&json!({ "credits": "5" })),
        )
        .await;
    let (_, key) = program
        .ask(
            "POST",
            "/api/v1/api-keys",
            Some(&json!({ "name": "a", "scopes": ["read"] })),
        )
        .await;
    let delivery = world.github_sends("issues.opened").await;
    world.settle().await;
    let job = world.job_of(&delivery).await.facts.id;
    let summary = at("/api/v1/repos/{owner}/{repo}/commits/{sha}/summary", "");
    let (_, summary) = program.ask("POST", &summary, None).await;
    world.settle().await;

    let (_, outsider) = other(world).await;
    let before = program.get("/api/v1/billing/balance").await;
    let files = json!({ "tests": [{ "path": "spec/a.rb", "content": "it 'is theirs'" }] });
    let (_, analysis) = program
        .ask("POST", "/api/v1/test-integration/analyze", Some(&files))
        .await;
    world.settle().await;
    let [hold, key, summary, analysis] =
        [hold, key, summary, analysis].map(|made| made["id"].as_str().expect("an id").to_owned());
    let ids = [hold.as_str(), &key, job.as_str(), &summary, &analysis];
    let mut seen = BTreeSet::new();
    for route in routes()
        .iter()
        .filter(|route| !route.open && route.path.contains("{id}"))
    {
        for (id, absent) in ids.iter().zip(NOBODY_S) {
            let theirs = asked(world, &outsider, route, &at(&route.path, id)).await;
            let nothing = asked(world, &outsider, route, &at(&route.path, absent)).await;
            assert_eq!(theirs, nothing, "{} {} {id}", route.method, route.path);
            assert!(
                theirs.0.is_client_error(),
                "{} {} {id}: {theirs:?}",
                route.method,
                route.path
            );
        }
        seen.insert(route.path.clone());
    }
    assert!(seen.len() >= 4, "{seen:?}");
    for route in routes()
        .iter()
        .filter(|route| !route.open && route.method == "GET" && !route.path.contains("{id}"))
    {
        let (_, answer) = asked(world, &outsider, route, &at(&route.path, "")).await;
        let text = answer.to_string();
        assert!(
            !ids.iter().any(|id| text.contains(id)) && !text.contains(program.account.as_str()),
            "{}: {text}",
            route.path
        );
    }
    assert_eq!(program.get("/api/v1/billing/balance").await, before);
    program.world.abandoned();
}

/// The same for signed-in people of any role.
#[tokio::test(start_paused = true)]
async fn what_is_another_account_s_looks_absent_to_people() {
    let program = program("credits", &[]).await;
    let world = &program.world;
    let (other, outsider) = other(world).await;
    world.adjusts(&other, "1000", "a gift").await;
    let theirs = [
        world
            .customer(
                &outsider,
                "POST",
                "/api/v1/credits/holds",
                "theirs",
                Some(&json!({ "credits": "5" })),
            )
            .await
            .1,
        world
            .customer(
                &outsider,
                "POST",
                "/api/v1/api-keys",
                "b",
                Some(&json!({ "name": "b", "scopes": ["read"] })),
            )
            .await
            .1,
    ];
    for login in ["acme-guest", "acme-member", "acme-owner"] {
        let browser = world.signed_in(login).await;
        let csrf = browser.csrf().await;
        for route in routes()
            .iter()
            .filter(|route| !route.open && route.path.contains("{id}"))
        {
            for (one, absent) in theirs.iter().zip(NOBODY_S) {
                let body = (route.method != "GET" && route.method != "DELETE").then(|| json!({}));
                let mut answers = Vec::new();
                for id in [one["id"].as_str().expect("an id"), absent] {
                    let (status, mut answer) = browser
                        .api(&route.method, &at(&route.path, id), &csrf, body.as_ref())
                        .await;
                    answer
                        .as_object_mut()
                        .and_then(|answer| answer.remove("request_id"));
                    answers.push((status, answer));
                }
                assert_eq!(
                    answers[0], answers[1],
                    "{} {} by {login}",
                    route.method, route.path
                );
                assert!(
                    answers[0].0.is_client_error(),
                    "{} {} by {login}: {answers:?}",
                    route.method,
                    route.path
                );
            }
        }
    }
    program.world.abandoned();
}

/// People may do what their role allows, only from Tallyhook's own pages, and nothing after they
/// sign out. No answer contains their cookie or a token.
#[tokio::test(start_paused = true)]
async fn a_session_does_what_its_role_says() {
    let program = program("credits", &[]).await;
    let world = &program.world;
    let people = [
        ("acme-guest", Role::Viewer),
        ("acme-member", Role::Member),
        ("acme-owner", Role::Admin),
    ];
    for (login, role) in people {
        let browser = world.signed_in(login).await;
        let (csrf, cookie) = (
            browser.csrf().await,
            browser.cookie("th_session").expect("a session"),
        );
        let mut secrets = world.vendors.github.user_tokens();
        secrets.extend([cookie.clone(), CLIENT_SECRET.to_owned()]);
        for route in routes().iter().filter(|route| !route.open) {
            let (method, path) = (route.method.as_str(), at(&route.path, "x"));
            let what = format!("{method} {path} by {login}");
            let body = (method != "GET" && method != "DELETE").then(|| json!({}));
            if method != "GET" {
                let (status, answer) = browser.api(method, &path, "", body.as_ref()).await;
                let code = (status, &answer["code"]);
                assert_eq!(
                    code,
                    (StatusCode::FORBIDDEN, &json!("bad_csrf_token")),
                    "{what} without a CSRF token"
                );
            }
            let (status, answer) = browser.api(method, &path, &csrf, body.as_ref()).await;
            let refused = status == StatusCode::FORBIDDEN && answer["code"] == "missing_scope";
            assert_eq!(
                refused,
                !route.people && !role.scopes().contains(&needs(route)),
                "{what}: {status} {answer}"
            );
            assert!(
                !status.is_server_error() && status != StatusCode::UNAUTHORIZED,
                "{what}: {status} {answer}"
            );
            let text = answer.to_string();
            assert!(
                !secrets.iter().any(|secret| text.contains(secret)),
                "{what}: {text}"
            );
        }
        browser
            .ask("POST", "/signout", &[("x-csrf-token", &csrf)], "")
            .await;
        browser.set_cookie("th_session", &cookie);
        // A process of the API may have cached the session; it does so for a minute at most.
        world.skip(Duration::from_secs(60));
        for route in routes().iter().filter(|route| !route.open) {
            let (status, answer) = browser
                .api(&route.method, &at(&route.path, "x"), &csrf, None)
                .await;
            assert_eq!(
                status,
                StatusCode::UNAUTHORIZED,
                "{} {} after it: {answer}",
                route.method,
                route.path
            );
        }
    }
    program.world.abandoned();
}
