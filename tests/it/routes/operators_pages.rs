//! The operators' pages: who gets in, what they show, and what their forms do.

use crate::world::{FaultPlan, World};
use domain::inbox::{EventSource, EventState};
use http::{Request, Response, StatusCode, header};
use std::time::Duration;

const ORIGIN: &str = "http://tallyhook.test";

/// An operator's browser: it keeps one cookie and sends what browsers send.
struct Browser<'w> {
    world: &'w World,
    cookie: Option<String>,
    address: &'w str,
}

impl<'w> Browser<'w> {
    const fn of(world: &'w World) -> Self {
        Self {
            world,
            cookie: None,
            address: "192.0.2.1",
        }
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        form: &[(&str, &str)],
    ) -> Response<bytes::Bytes> {
        self.send_from(ORIGIN, method, path, form).await
    }

    async fn send_from(
        &self,
        origin: &str,
        method: &str,
        path: &str,
        form: &[(&str, &str)],
    ) -> Response<bytes::Bytes> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{ORIGIN}{path}"))
            .header(header::HOST, "tallyhook.test");
        if let Some(cookie) = &self.cookie {
            request = request.header(header::COOKIE, cookie);
        }
        let mut body = String::new();
        if method == "POST" {
            request = request
                .header(header::ORIGIN, origin)
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
            let fields: Vec<_> = form
                .iter()
                .map(|(name, value)| format!("{name}={}", encoded(value)))
                .collect();
            body = fields.join("&");
        }
        let mut request = request.body(bytes::Bytes::from(body)).expect("a request");
        let address = self.address.parse().expect("an address");
        request
            .extensions_mut()
            .insert(boot::SourceAddress(address));
        let respond = admin::respond(self.world.stack.admin.clone(), request);
        let answered = self.world.stack.faults.run(respond).await;
        answered.expect("no process dies")
    }

    async fn sign_in(&mut self, token: &str) -> Response<bytes::Bytes> {
        let answer = self
            .send("POST", "/admin/signin", &[("token", token)])
            .await;
        if let Some(line) = answer.headers().get(header::SET_COOKIE) {
            let line = line.to_str().expect("a cookie");
            for part in ["HttpOnly", "Secure", "SameSite=Strict", "Path=/admin"] {
                assert!(line.contains(part), "{line}");
            }
            let pair = line.split(';').next().expect("a pair");
            self.cookie = Some(pair.to_owned());
        }
        answer
    }

    async fn page(&self, path: &str) -> String {
        let answer = self.send("GET", path, &[]).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}: {}", text(&answer));
        text(&answer)
    }

    /// Sends a form of a page with its CSRF token. Returns where it leads.
    async fn submits(&self, page: &str, action: &str, fields: &[(&str, &str)]) -> String {
        let token = field(&self.page(page).await, "csrf_token");
        let mut form = vec![("csrf_token", token.as_str())];
        form.extend(fields);
        let answer = self.send("POST", action, &form).await;
        assert_eq!(
            answer.status(),
            StatusCode::SEE_OTHER,
            "{action}: {}",
            text(&answer)
        );
        let to = &answer.headers()[header::LOCATION];
        to.to_str().expect("a path").to_owned()
    }
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn text(answer: &Response<bytes::Bytes>) -> String {
    String::from_utf8_lossy(answer.body()).into_owned()
}

/// The value of a hidden field, the last one with this name.
fn field(page: &str, name: &str) -> String {
    let (_, rest) = page
        .rsplit_once(&format!("name=\"{name}\" value=\""))
        .unwrap_or_else(|| panic!("no {name} in {page}"));
    rest.split('"').next().expect("a value").to_owned()
}

const PAGES: [&str; 7] = [
    "/admin",
    "/admin/billing",
    "/admin/jobs",
    "/admin/events",
    "/admin/queues",
    "/admin/switches",
    "/admin/catalogue",
];

#[tokio::test(start_paused = true)]
async fn only_a_token_begins_a_session_and_its_removal_ends_it() {
    let world = World::with(FaultPlan::None, &[]).await;
    let mut browser = Browser::of(&world);
    for path in PAGES {
        let answer = browser.send("GET", path, &[]).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{path}");
        assert_eq!(answer.headers()[header::LOCATION], "/admin/signin");
    }
    for wrong in ["", "local", "local:local-token", "wrong"] {
        let answer = browser.sign_in(wrong).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{wrong}");
        assert!(browser.cookie.is_none());
    }
    // The fifth try of the minute is the last one, right or wrong.
    assert_eq!(
        browser.sign_in("wrong").await.status(),
        StatusCode::UNAUTHORIZED
    );
    let late = browser.sign_in("local-token").await;
    assert_eq!(late.status(), StatusCode::TOO_MANY_REQUESTS);
    world.elapse(Duration::from_secs(60)).await;
    assert_eq!(
        browser.sign_in("local-token").await.status(),
        StatusCode::SEE_OTHER
    );
    for path in PAGES {
        let page = browser.page(path).await;
        assert!(page.contains("Sign out"), "{path}");
    }
    browser.submits("/admin", "/admin/signout", &[]).await;
    let answer = browser.send("GET", "/admin", &[]).await;
    assert_eq!(
        answer.status(),
        StatusCode::SEE_OTHER,
        "the old cookie is worth nothing"
    );
    browser.sign_in("local-token").await;
    world.elapse(Duration::from_secs(12 * 3_600)).await;
    let answer = browser.send("GET", "/admin", &[]).await;
    assert_eq!(
        answer.status(),
        StatusCode::SEE_OTHER,
        "twelve hours are over"
    );
    world.done().await;
}

/// However many networks try, an operator from another one signs in.
#[tokio::test(start_paused = true)]
async fn nobody_can_lock_operators_out() {
    let world = World::with(FaultPlan::None, &[]).await;
    for network in 0..30 {
        let address = format!("198.51.{network}.1");
        let mut other = Browser {
            address: &address,
            ..Browser::of(&world)
        };
        for _ in 0..5 {
            let answer = other.sign_in("wrong").await;
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        }
        let answer = other.sign_in("local-token").await;
        assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    }
    let mut operator = Browser::of(&world);
    let answer = operator.sign_in("local-token").await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_form_from_elsewhere_does_nothing() {
    let world = World::with(FaultPlan::None, &[]).await;
    let mut browser = Browser::of(&world);
    browser.sign_in("local-token").await;
    let page = browser.page("/admin/switches").await;
    let token = field(&page, "csrf_token");
    let action = "/admin/switches/billing";
    for (origin, token) in [
        (ORIGIN, ""),
        (ORIGIN, "0"),
        ("http://tallyhook.test.evil.test", token.as_str()),
        ("null", token.as_str()),
    ] {
        let form = [
            ("csrf_token", token),
            ("reason", "harm"),
            ("position", "off"),
        ];
        let answer = browser.send_from(origin, "POST", action, &form).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{origin} {token}");
    }
    let page = browser.page("/admin/switches").await;
    assert!(!page.contains("by local"), "no switch was set");
    world.done().await;
}

/// An operator finds the account, adjusts its balance after a preview, and clicks twice.
#[tokio::test(start_paused = true)]
async fn an_adjustment_is_previewed_and_made_once() {
    let (world, account) = World::on_plan(FaultPlan::Seeded(5), "credits", &[]).await;
    let mut browser = Browser::of(&world);
    browser.sign_in("local-token").await;
    let found = browser
        .page(&format!("/admin/billing?search={account}"))
        .await;
    assert!(found.contains(account.as_str()));
    let path = format!("/admin/accounts/{account}");
    let page = browser.page(&path).await;
    let token = field(&page, "csrf_token");
    let wanted = [
        ("csrf_token", token.as_str()),
        ("amount", "12.5"),
        ("reason", "<b>sorry</b>"),
    ];
    let preview = browser
        .send("POST", &format!("{path}/adjust"), &wanted)
        .await;
    let preview = text(&preview);
    assert!(preview.contains("12.5 credits"), "{preview}");
    assert!(preview.contains("&lt;b&gt;sorry"), "{preview}");
    assert!(
        world.balance(&account).await.available.is_zero(),
        "nothing has moved yet"
    );
    let once = field(&preview, "once");
    let mut confirmed = wanted.to_vec();
    confirmed.push(("once", once.as_str()));
    for _ in 0..2 {
        let answer = browser
            .send("POST", &format!("{path}/adjust/confirm"), &confirmed)
            .await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{}", text(&answer));
    }
    assert_eq!(world.balance(&account).await.available.to_string(), "12.5");
    assert_eq!(world.kinds(&account).await, ["adjustment"]);
    let page = browser.page(&path).await;
    assert!(page.contains("&lt;b&gt;sorry"), "{page}");
    world.assert_ledger_agrees().await;
    world.done().await;
}

/// An operator stops work, looks at an event that failed, and replays it.
#[tokio::test(start_paused = true)]
async fn work_is_stopped_and_an_event_is_replayed() {
    let world = World::with(FaultPlan::None, &[]).await;
    let mut browser = Browser::of(&world);
    browser.sign_in("local-token").await;
    let off = [("reason", "a test"), ("position", "off")];
    let switch = "/admin/switches/process_github";
    browser.submits("/admin/switches", switch, &off).await;
    let page = browser.page("/admin/switches").await;
    assert!(page.contains("by local: a test"), "{page}");
    let on = [("reason", "it is over"), ("position", "on")];
    browser.submits("/admin/switches", switch, &on).await;
    world.elapse(Duration::from_secs(61)).await;
    let delivery = world.github_sends("issues.opened").await;
    world.settle().await;
    world.assert_delivered_once();
    let page = browser
        .page("/admin/events?source=github&status=processed")
        .await;
    assert!(page.contains(&delivery), "{page}");
    let event = format!("/admin/events/github/{delivery}");
    let shown = browser.page(&event).await;
    assert!(
        shown.contains("&quot;issue&quot;"),
        "the payload is shown as text"
    );
    browser
        .submits(&event, &format!("{event}/replay"), &[])
        .await;
    let row = world.event(EventSource::Github, &delivery).await;
    assert_eq!(row.expect("it is there").state, EventState::Pending);
    world.settle().await;
    world.assert_delivered_once();
    let jobs = browser.page("/admin/jobs?state=PR_OPENED").await;
    assert!(jobs.contains("/admin/jobs/job_"), "{jobs}");
    let job = world.present_job().await.facts.id;
    let job = browser.page(&format!("/admin/jobs/{job}")).await;
    assert!(
        job.contains("Payment") && job.contains("stand-in-1"),
        "{job}"
    );
    let overview = browser.page("/admin").await;
    assert!(overview.contains("Credits remaining"), "{overview}");
    world.done().await;
}
