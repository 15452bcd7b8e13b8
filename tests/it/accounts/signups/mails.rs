//! Sign-up by mail: only a person who can read the address's mailbox gets access to its account.

mod customers;
mod refusals;

use super::owners::acme;
use super::text;
use crate::world::browser::location;
use crate::world::leaks;
use crate::world::{FaultPlan, World};
use bytes::Bytes;
use domain::accounts::addresses::MailAddress;
use domain::accounts::signups::{Applicant, SignUpState};
use domain::inbox::{EventSource, EventState};
use domain::notices::NoticeOutcome;
use http::{Request, Response, StatusCode};
use local_stack::world::INSTALLATION_ID;
use serde_json::{Value, json};
use stand_in_shared::faults::{Called, Moment, deaths};
use stand_in_stripe::Fault;
use std::time::Duration;
use store::mail_applicant;

pub const ANN: &str = "ann@acme.example";

pub fn applicant(address: &str) -> Applicant {
    mail_applicant(&MailAddress::parse(address).expect("an address"))
}

pub fn sign_up_body(address: &str, plan: &str) -> Value {
    json!({ "email": address, "name": "Acme & Co", "plan": plan })
}

/// A request without a key, from the given address.
fn guest(
    method: &str,
    path: &str,
    from: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Request<Bytes> {
    let mut request = Request::builder()
        .method(method)
        .uri(format!("http://tallyhook.test{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(body.into()).expect("a request");
    request
        .extensions_mut()
        .insert(boot::SourceAddress(from.parse().expect("an address")));
    request
}

impl World {
    /// A guest's request, sent once; `None` if the function dies.
    async fn guest_asks(&self, request: Request<Bytes>) -> Option<Response<Bytes>> {
        self.stack.faults.run(self.stack.answer(request)).await
    }

    /// Signs up, and retries while the function is busy or dies, as people do.
    pub async fn signs_up(&self, from: &str, body: &Value) -> (StatusCode, Value) {
        loop {
            let headers = [
                ("content-type", "application/json"),
                ("idempotency-key", "once"),
            ];
            let body = serde_json::to_vec(body).expect("JSON");
            let answer = self
                .guest_asks(guest("POST", "/api/v1/signup", from, &headers, body))
                .await;
            if let Some(answer) =
                answer.filter(|answer| answer.status() != StatusCode::SERVICE_UNAVAILABLE)
            {
                return (
                    answer.status(),
                    serde_json::from_slice(answer.body()).unwrap_or_default(),
                );
            }
        }
    }

    /// The path of the link in the only welcome mail to an address.
    pub fn link_to(&self, address: &str) -> String {
        let letters: Vec<_> = self
            .vendors
            .mail
            .letters()
            .into_iter()
            .filter(|letter| letter.to == address && letter.text.contains("/welcome/"))
            .collect();
        assert_eq!(letters.len(), 1, "one welcome mail to {address}");
        let start = letters[0].text.find("/welcome/").expect("a link");
        let path = letters[0].text[start..]
            .lines()
            .next()
            .expect("a line")
            .to_owned();
        leaks::keep(path.strip_prefix("/welcome/").expect("a token"));
        path
    }

    /// A program's answer from a welcome link.
    pub async fn reveals(&self, path: &str, once: &str) -> (StatusCode, Value) {
        loop {
            let headers = [("accept", "application/json"), ("idempotency-key", once)];
            let answer = self
                .guest_asks(guest("POST", path, "192.0.2.200", &headers, ""))
                .await;
            if let Some(answer) =
                answer.filter(|answer| answer.status() != StatusCode::SERVICE_UNAVAILABLE)
            {
                return (
                    answer.status(),
                    serde_json::from_slice(answer.body()).unwrap_or_default(),
                );
            }
        }
    }

    /// The page behind a link, as a browser gets it.
    async fn page(&self, method: &str, path: &str, body: &str) -> (StatusCode, String) {
        loop {
            let headers = [
                ("accept", "text/html,*/*;q=0.8"),
                ("content-type", "application/x-www-form-urlencoded"),
            ];
            let answer = self
                .guest_asks(guest(
                    method,
                    path,
                    "192.0.2.201",
                    &headers,
                    body.to_owned(),
                ))
                .await;
            let answer = answer.expect("no process dies");
            if answer.status() == StatusCode::SERVICE_UNAVAILABLE {
                continue;
            }
            let policy = answer.headers()["content-security-policy"]
                .to_str()
                .expect("a text");
            assert!(
                policy.starts_with("default-src 'none'") && !policy.contains("unsafe"),
                "{policy}"
            );
            assert_eq!(answer.headers()["cache-control"], "no-store");
            assert_eq!(answer.headers()["referrer-policy"], "no-referrer");
            let text = String::from_utf8(answer.body().to_vec()).expect("UTF-8");
            assert!(!text.contains("<script"), "{text}");
            return (answer.status(), text);
        }
    }
}

/// The contract between provisioning and billing: both refer to the same account.
#[tokio::test(start_paused = true)]
async fn provisioning_creates_billing_customer() {
    let world = World::bare(FaultPlan::Seeded(41), &[]).await;
    let (status, answer) = world
        .signs_up("192.0.2.1", &sign_up_body(ANN, "teams"))
        .await;
    assert_eq!(
        (status, &answer["status"]),
        (StatusCode::ACCEPTED, &json!("accepted")),
        "{answer}"
    );
    world.settle().await;
    let account = world
        .assert_provisioned_once(&applicant(ANN), NoticeOutcome::Sent)
        .await;
    let customers = world.made_customers();
    assert_eq!(
        (&customers[0]["email"], &customers[0]["name"]),
        (&json!(ANN), &json!("Acme & Co"))
    );
    let (status, key) = world.reveals(&world.link_to(ANN), "a").await;
    assert_eq!(status, StatusCode::CREATED, "{key}");
    let secret = key["secret"].as_str().expect("a key");
    let shown = world
        .customer(secret, "GET", "/api/v1/account", "", None)
        .await
        .1;
    assert_eq!(
        (&shown["plan"], &shown["wished_plan"]),
        (&json!("trial"), &json!("teams"))
    );
    assert_eq!(
        (&shown["stripe_customer_id"], &shown["id"]),
        (&json!(account.customer.as_str()), &key["account_id"])
    );
    assert_eq!(
        (&shown["can_use_service"], &shown["current_usage"]),
        (&json!(true), &json!(0))
    );
    assert_eq!(shown["subscription_status"], "none");
    world.done().await;
}

/// The whole journey without an operator: sign up by mail, see the key, sign in with GitHub, prove
/// ownership of the account, install the App, and let that account pay for its owner, which has got
/// another account in the meantime.
#[tokio::test(start_paused = true)]
async fn trial_signup_to_first_fix() {
    let world = World::bare(FaultPlan::Seeded(42), &[]).await;
    world
        .signs_up("192.0.2.1", &sign_up_body(ANN, "payg"))
        .await;
    world.settle().await;
    let account = world
        .assert_provisioned_once(&applicant(ANN), NoticeOutcome::Sent)
        .await;
    let (_, key) = world.reveals(&world.link_to(ANN), "a").await;
    let secret = key["secret"].as_str().expect("a key");

    let browser = world.browser();
    let arrived = browser.signs_in("/signin", "acme-owner").await;
    assert_eq!(
        location(&arrived),
        "/setup",
        "a person without an account sees how to get one"
    );
    let page = text(&browser.ask("GET", "/setup", &[], "").await);
    assert!(
        page.contains("You have no account yet") && page.contains("action=\"/setup/account\""),
        "{page}"
    );
    let csrf = browser.csrf().await;
    let page = text(
        &browser
            .sends("/setup/account", &[("key", secret), ("csrf_token", &csrf)])
            .await,
    );
    assert!(
        page.contains(&format!(
            "You are an admin of Acme &amp; Co ({})",
            account.id
        )),
        "{page}"
    );

    world.github_sends("installation.created").await;
    world.settle().await;
    let automatic = world
        .assert_provisioned_once(&acme(), NoticeOutcome::Nobody)
        .await;
    let setup = format!("/setup?installation_id={INSTALLATION_ID}&setup_action=install");
    let page = text(&browser.signs_in(&setup, "acme-owner").await);
    assert!(page.contains(&format!("Let {} pay", account.id)), "{page}");
    let (number, csrf) = (INSTALLATION_ID.to_string(), browser.csrf().await);
    let choice = [
        ("installation_id", number.as_str()),
        ("account_id", account.id.as_str()),
        ("csrf_token", &csrf),
    ];
    for _ in 0..2 {
        let linked = browser.sends("/setup", &choice).await;
        assert_eq!(
            location(&linked),
            "http://tallyhook.test/billing",
            "and pressed twice it is so already"
        );
    }
    let left = world
        .stack
        .store
        .account_find(&automatic.id)
        .await
        .expect("the store answers")
        .expect("an account");
    assert_eq!(left.moved_to.as_ref(), Some(&account.id));

    world.github_sends("issues.opened").await;
    world.settle().await;
    world.assert_pulled_once();
    assert_eq!(world.commented_job().await.facts.account, account.id);
    let shown = world
        .customer(secret, "GET", "/api/v1/account", "", None)
        .await
        .1;
    assert_eq!(
        (&shown["plan"], &shown["current_usage"]),
        (&json!("trial"), &json!(1))
    );
    assert_eq!(
        world.vendors.stripe.meter_events().len(),
        0,
        "nothing is charged"
    );
    assert!(
        world.vendors.stripe.invoices().is_empty()
            && world.vendors.stripe.subscriptions().is_empty()
    );
    world.done().await;
}

/// A hundred people sign up at once, and one person signs up a hundred times.
#[tokio::test(start_paused = true)]
async fn hundred_concurrent_signups() {
    let world = World::bare(FaultPlan::Seeded(43), &[]).await;
    let different = (0..100).map(|n| {
        (
            format!("198.51.100.{n}"),
            sign_up_body(&format!("n{n}@many.example"), "trial"),
        )
    });
    let same = (0..100).map(|n| {
        (
            format!("192.0.2.{}", n % 10),
            sign_up_body(if n % 2 == 0 { ANN } else { "Ann@Acme.Example" }, "trial"),
        )
    });
    let bodies: Vec<_> = different.chain(same).collect();
    let answers =
        crate::world::verbs::together(bodies.iter().map(|(from, body)| world.signs_up(from, body)))
            .await;
    assert!(
        answers
            .iter()
            .all(|answer| *answer == answers[0] && answer.0 == StatusCode::ACCEPTED),
        "{answers:?}"
    );
    world.settle().await;
    assert_eq!(world.made_customers().len(), 101);
    assert_eq!(world.vendors.mail.letters().len(), 101);
    let mut accounts = std::collections::BTreeSet::new();
    for address in (0..100)
        .map(|n| format!("n{n}@many.example"))
        .chain([ANN.to_owned()])
    {
        accounts.insert(
            world
                .assert_provisioned_once(&applicant(&address), NoticeOutcome::Sent)
                .await
                .id,
        );
    }
    assert_eq!(accounts.len(), 101);
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_first_key_is_shown_once() {
    let world = World::bare(FaultPlan::Seeded(46), &[]).await;
    world
        .signs_up("192.0.2.1", &sign_up_body(ANN, "credits"))
        .await;
    world.settle().await;
    let path = world.link_to(ANN);
    // Mail scanners open links, which shows nothing and uses nothing up.
    let pages = [
        world.page("GET", &path, "").await,
        world.page("GET", &path, "").await,
    ];
    let once: Vec<_> = pages
        .iter()
        .map(|(status, page)| {
            assert!(
                *status == StatusCode::OK && !page.contains("th_test_"),
                "{page}"
            );
            let start = page.find("name=\"once\" value=\"").expect("a field") + 19;
            format!("once={}", &page[start..start + 32])
        })
        .collect();
    let (status, first) = world.page("POST", &path, &once[0]).await;
    assert_eq!(status, StatusCode::CREATED, "{first}");
    let start = first.find("th_test_").expect("a key");
    let key = &first[start..start + 60];
    assert_eq!(
        world.page("POST", &path, &once[0]).await,
        (status, first.clone()),
        "a button pressed twice"
    );
    for (what, (status, page)) in [
        ("another page", world.page("POST", &path, &once[1]).await),
        ("no page", world.page("POST", &path, "").await),
        ("the link", world.page("GET", &path, "").await),
    ] {
        assert!(
            status.is_client_error() && !page.contains("th_test_"),
            "{what}: {status} {page}"
        );
    }
    let (status, answer) = world.reveals(&path, "guessed").await;
    assert_eq!(
        (status, &answer["code"]),
        (StatusCode::GONE, &json!("key_shown_before"))
    );
    let keys = world
        .customer(key, "GET", "/api/v1/api-keys", "", None)
        .await
        .1["keys"]
        .clone();
    assert_eq!(
        (keys.as_array().map(Vec::len), &keys[0]["name"]),
        (Some(1), &json!("first key"))
    );
    assert_eq!(keys[0]["scopes"].as_array().map(Vec::len), Some(5));

    // Unknown and expired links.
    let mut wrong = path.clone();
    wrong.replace_range(9..10, if &path[9..10] == "0" { "1" } else { "0" });
    for path in ["/welcome/x", wrong.as_str()] {
        assert_eq!(
            world.page("GET", path, "").await.0,
            StatusCode::NOT_FOUND,
            "{path}"
        );
        assert_eq!(
            world.reveals(path, "a").await.0,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
    world
        .signs_up("192.0.2.1", &sign_up_body("late@acme.example", "trial"))
        .await;
    world.settle().await;
    let late = world.link_to("late@acme.example");
    world.skip(Duration::from_secs(7 * 86_400));
    assert_eq!(world.page("GET", &late, "").await.0, StatusCode::GONE);
    assert_eq!(world.reveals(&late, "a").await.1["code"], "link_over");
    world.done().await;
}

/// An applicant for a paid plan gets that plan, not the trial's default, when they add a payment
/// method.
#[tokio::test(start_paused = true)]
async fn a_trial_converts_to_the_requested_plan() {
    let world = World::bare(FaultPlan::Seeded(47), &[]).await;
    world.pushes_the_catalogue().await;
    world
        .signs_up("192.0.2.1", &sign_up_body(ANN, "teams"))
        .await;
    world.settle().await;
    let account = world
        .assert_provisioned_once(&applicant(ANN), NoticeOutcome::Sent)
        .await;
    world
        .vendors
        .stripe
        .add_card(account.customer.as_str(), "pm_card_visa")
        .expect("a card");
    world.settle().await;
    let (_, shown) = world
        .operator(
            "GET",
            &format!("/api/v1/admin/accounts/{}", account.id),
            None,
        )
        .await;
    assert_eq!(
        (&shown["plan"], &shown["effective_plan"]),
        (&json!("trial"), &json!("teams")),
        "{shown}"
    );
    assert_eq!(world.vendors.stripe.subscriptions().len(), 1);
    world.done().await;
}
