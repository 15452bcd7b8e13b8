//! A person with a browser: it keeps cookies, follows redirects and presses the button on GitHub's
//! page.

use crate::world::World;
use crate::world::leaks;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Mutex;
use tower::ServiceExt;

/// The address of the functions.
pub const SITE: &str = "http://tallyhook.test";
const GITHUB: &str = "http://github.test";

pub struct Browser<'a> {
    world: &'a World,
    cookies: Mutex<BTreeMap<String, String>>,
}

impl World {
    /// A new browser.
    pub fn browser(&self) -> Browser<'_> {
        Browser {
            world: self,
            cookies: Mutex::default(),
        }
    }

    /// A browser that is signed in.
    pub async fn signed_in(&self, login: &str) -> Browser<'_> {
        let browser = self.browser();
        let arrived = browser.signs_in("/signin", login).await;
        assert_eq!(arrived.status(), StatusCode::SEE_OTHER, "{arrived:?}");
        browser
    }
}

impl Browser<'_> {
    /// The cookie of this name.
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.lock().expect("one thread").get(name).cloned()
    }

    /// Puts a cookie into the browser.
    pub fn set_cookie(&self, name: &str, value: &str) {
        self.cookies
            .lock()
            .expect("one thread")
            .insert(name.to_owned(), value.to_owned());
    }

    /// Requests a page with its cookies, and keeps the cookies that are set; retries while the
    /// store is busy, except a callback, whose code is valid once.
    pub async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Response<Bytes> {
        loop {
            let response = self.ask_once(method, path, headers, body).await;
            if response.status() != StatusCode::SERVICE_UNAVAILABLE
                || path.starts_with("/signin/callback")
            {
                return response;
            }
        }
    }

    /// Submits a form of our pages.
    pub async fn sends(&self, path: &str, fields: &[(&str, &str)]) -> Response<Bytes> {
        let pairs: Vec<_> = fields
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        self.ask(
            "POST",
            path,
            &[("content-type", "application/x-www-form-urlencoded")],
            &pairs.join("&"),
        )
        .await
    }

    /// One answer; the gateway's answer if the function dies.
    async fn ask_once(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Response<Bytes> {
        let cookies: Vec<_> = {
            let cookies = self.cookies.lock().expect("one thread");
            cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect()
        };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{SITE}{path}"));
        if !cookies.is_empty() {
            request = request.header(header::COOKIE, cookies.join("; "));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .body(Bytes::from(body.to_owned()))
            .expect("a request");
        let world = self.world;
        let answered = world.stack.faults.run(world.stack.answer(request)).await;
        let died = || {
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            response
        };
        let response = answered.unwrap_or_else(died);
        leaks::look(path, &response);
        self.keep(response.headers());
        response
    }

    fn keep(&self, headers: &HeaderMap) {
        let mut cookies = self.cookies.lock().expect("one thread");
        for line in headers.get_all(header::SET_COOKIE) {
            let line = line.to_str().expect("a text");
            let (name, value) = line
                .split(';')
                .next()
                .and_then(|pair| pair.split_once('='))
                .expect("a cookie");
            if line.contains("Max-Age=0") {
                cookies.remove(name);
            } else {
                leaks::keep(value);
                cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// Opens a page that redirects to GitHub. Returns the redirect.
    pub async fn leaves(&self, path: &str) -> String {
        let response = self.ask("GET", path, &[], "").await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER, "{response:?}");
        location(&response)
    }

    /// Presses a person's button on GitHub's page. Returns the path that GitHub redirects to.
    pub async fn consents(&self, page: &str, login: &str) -> String {
        let shown = self.github("GET", page).await;
        assert_eq!(shown.status(), StatusCode::OK, "{shown:?}");
        let html = String::from_utf8(shown.body().to_vec()).expect("UTF-8");
        let actions = html
            .split("action=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next());
        let mut actions = actions.map(|action| action.replace("&amp;", "&"));
        let action = actions.find(|action| action.ends_with(&format!("&login={login}")));
        let sent = self
            .github(
                "POST",
                &action.unwrap_or_else(|| panic!("no {login} on {html}")),
            )
            .await;
        assert_eq!(sent.status(), StatusCode::FOUND, "{sent:?}");
        location(&sent)
            .strip_prefix(SITE)
            .expect("back to us")
            .to_owned()
    }

    async fn github(&self, method: &str, url: &str) -> Response<Bytes> {
        let path = url
            .strip_prefix(GITHUB)
            .unwrap_or_else(|| panic!("not GitHub: {url}"));
        let request = Request::builder()
            .method(method)
            .uri(path)
            .body(axum::body::Body::empty())
            .expect("a request");
        let response = self
            .world
            .vendors
            .github
            .pages()
            .oneshot(request)
            .await
            .expect("it answers");
        let (head, body) = response.into_parts();
        Response::from_parts(head, body.collect().await.expect("a body").to_bytes())
    }

    /// Signs in from a page. Returns the callback's answer.
    pub async fn signs_in(&self, path: &str, login: &str) -> Response<Bytes> {
        loop {
            let page = self.leaves(path).await;
            let back = self.consents(&page, login).await;
            let arrived = self.ask("GET", &back, &[], "").await;
            // The store is busy, so the person starts again.
            if arrived.status() != StatusCode::SERVICE_UNAVAILABLE {
                return arrived;
            }
        }
    }

    /// The current session.
    pub async fn session(&self) -> Value {
        let (status, session) = self.api("GET", "/api/v1/session", "", None).await;
        assert_eq!(status, StatusCode::OK, "{session}");
        session
    }

    /// The session's CSRF token, as the page shows it.
    pub async fn csrf(&self) -> String {
        self.session().await["csrf_token"]
            .as_str()
            .expect("a token")
            .to_owned()
    }

    /// Calls the API with a CSRF token, as the page's script does.
    pub async fn api(
        &self,
        method: &str,
        path: &str,
        csrf: &str,
        body: Option<&Value>,
    ) -> (StatusCode, Value) {
        let mut headers = vec![("idempotency-key", "once")];
        if !csrf.is_empty() {
            headers.push(("x-csrf-token", csrf));
        }
        if body.is_some() {
            headers.push(("content-type", "application/json"));
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        let response = self.ask(method, path, &headers, &body).await;
        let text = String::from_utf8_lossy(response.body()).into_owned();
        (
            response.status(),
            serde_json::from_str(&text).unwrap_or_else(|_| json!(text)),
        )
    }

    /// The same with the session's own token.
    pub async fn acts(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> (StatusCode, Value) {
        let csrf = self.csrf().await;
        self.api(method, path, &csrf, body).await
    }
}

/// The redirect target of an answer.
pub fn location(response: &Response<Bytes>) -> String {
    response.headers()[header::LOCATION]
        .to_str()
        .expect("a text")
        .to_owned()
}
