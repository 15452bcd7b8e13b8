//! Creates an App on the stand-in GitHub through the same redirects as a browser.

use super::*;
use axum::body::Body;
use axum::http::{Request, header};
use stand_in_shared::faults::Faults;
use stand_in_shared::web::StandInWeb;
use tower::ServiceExt;

const GITHUB_HOST: &str = "github.stand-in";

struct Visit {
    vendors: crate::world::Vendors,
    create_page: Router,
    apps: mpsc::Receiver<NewApp>,
}

fn visit() -> Visit {
    let vendors = crate::world::Vendors::new(
        "http://pages.test",
        "http://tallyhook.test",
        Arc::new(|| 1_795_210_980_000),
    );
    let web = StandInWeb::new(Faults::none()).host(GITHUB_HOST, vendors.github.router());
    let outside = Outside {
        web: boot::Web::new(web),
        ..Outside::real(Trust::Public).expect("an outside")
    };
    let (taken, apps) = mpsc::channel(1);
    let create_page = CreatePage {
        manifest: with_redirect(
            manifest("https://hooks.acme.example/").expect("a manifest"),
            "http://127.0.0.1:8420",
        ),
        action: action("http://pages.test", Some("acme")),
        state: "a-state".to_owned(),
        api: format!("https://{GITHUB_HOST}"),
        outside,
        taken,
    };
    Visit {
        vendors,
        create_page: router(create_page),
        apps,
    }
}

async fn asked(router: &Router, request: Request<Body>) -> (StatusCode, String, String) {
    let response = router.clone().oneshot(request).await.expect("an answer");
    let (status, to) = (
        response.status(),
        response.headers().get(header::LOCATION).cloned(),
    );
    let body = axum::body::to_bytes(response.into_body(), usize::MAX)
        .await
        .expect("a body");
    let to = to
        .map(|to| to.to_str().expect("a plain address").to_owned())
        .unwrap_or_default();
    (status, to, String::from_utf8(body.to_vec()).expect("text"))
}

fn get_of(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).expect("a request")
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    text.split_once(before)
        .and_then(|(_, rest)| rest.split_once(after))
        .unwrap_or_else(|| panic!("{before} in {text}"))
        .0
}

/// Submits the form, presses the button, and returns the URL to which GitHub redirects the browser.
async fn sent_back(visit: &Visit) -> String {
    let (_, _, page) = asked(&visit.create_page, get_of("/")).await;
    let action = between(&page, "action=\"http://pages.test", "\"");
    let field = between(&page, "value=\"", "\"")
        .replace("&quot;", "\"")
        .replace("&amp;", "&");
    let body: String = field.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let form = Request::post(action)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(format!("manifest={body}")))
        .expect("a request");
    let pages = visit.vendors.github.pages();
    let (status, _, shown) = asked(&pages, form).await;
    assert_eq!(status, StatusCode::OK, "{shown}");
    assert!(
        shown.contains("https://hooks.acme.example/github/webhook")
            && shown.contains("pull_request"),
        "{shown}"
    );
    let button = between(&shown, "action=\"http://pages.test", "\"").to_owned();
    let press = Request::post(button)
        .body(Body::empty())
        .expect("a request");
    let (status, to, _) = asked(&pages, press).await;
    assert_eq!(status, StatusCode::FOUND);
    to.strip_prefix("http://127.0.0.1:8420")
        .expect("back to us")
        .to_owned()
}

#[tokio::test]
async fn an_app_is_made_with_a_click() {
    let mut visit = visit();
    let back = sent_back(&visit).await;
    let forged = back.replace("a-state", "another");
    assert_eq!(
        asked(&visit.create_page, get_of(&forged)).await.0,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        asked(&visit.create_page, get_of("/made")).await.0,
        StatusCode::BAD_REQUEST
    );
    assert!(visit.apps.try_recv().is_err(), "nothing was taken");
    assert_eq!(
        asked(&visit.create_page, get_of(&back)).await.0,
        StatusCode::OK
    );
    let app = visit.apps.try_recv().expect("an app");
    let lines = settings(&app);
    assert_eq!(lines.lines().count(), 6, "the key is one line, too");
    assert!(lines.starts_with("GITHUB_APP_ID=1234\nGITHUB_APP_URL=http"));
    assert!(lines.contains("\nGITHUB_PRIVATE_KEY=\"-----BEGIN PRIVATE KEY-----\\n"));
    let (status, _, words) = asked(&visit.create_page, get_of(&back)).await;
    assert_eq!(status, StatusCode::BAD_GATEWAY, "a code opens once");
    assert!(words.contains("Start again"), "{words}");
}

#[test]
fn every_address_is_the_deployment_s() {
    let text = manifest("https://hooks.acme.example")
        .expect("a manifest")
        .to_string();
    assert!(
        !text.contains("tallyhook.example") && text.contains("https://hooks.acme.example/setup"),
        "{text}"
    );
    for url in [
        "",
        "hooks.acme.example",
        "http://hooks.acme.example",
        "https://a.example/?b=c",
        "https://a b",
    ] {
        let error = manifest(url)
            .expect_err("no address of a deployment")
            .to_string();
        assert!(error.contains("--url must be"), "{error}");
    }
}

#[test]
fn what_is_there_is_not_written_over() {
    let path = std::env::temp_dir().join(format!("tallyhook-app-{}", std::process::id()));
    let first = fresh(&path).expect("a fresh file");
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &first.metadata().expect("it is there").permissions(),
        );
        assert_eq!(mode & 0o077, 0, "nobody else may read it");
    }
    assert!(
        fresh(&path)
            .expect_err("it is there")
            .to_string()
            .contains("--into")
    );
    std::fs::remove_file(path).expect("it was ours");
}
