//! Signing up by mail: whoever reads the mail of an address gets into its account, and nobody else.

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
use stand_in_shared::faults::Moment;
use stand_in_stripe::Fault;
use std::time::Duration;
use store::mail_newcomer;

pub const ANN: &str = "ann@acme.example";

pub fn newcomer(address: &str) -> Applicant {
    mail_newcomer(&MailAddress::parse(address).expect("an address"))
}

pub fn wish(address: &str, plan: &str) -> Value {
    json!({ "email": address, "name": "Acme & Co", "plan": plan })
}

/// A request of somebody without a key, from a place of his own.
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
    /// Any request of a guest, once; nothing when the door dies over it.
    async fn guest_asks(&self, request: Request<Bytes>) -> Option<Response<Bytes>> {
        self.stack
            .faults
            .run(api::respond(self.stack.api.clone(), request))
            .await
    }

    /// Somebody signs up, and again while the door is busy or dies, as people do.
    pub async fn signs_up(&self, from: &str, wish: &Value) -> (StatusCode, Value) {
        loop {
            let headers = [
                ("content-type", "application/json"),
                ("idempotency-key", "once"),
            ];
            let body = serde_json::to_vec(wish).expect("JSON");
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

    /// The path of the link in the only mail to an address.
    pub fn link_to(&self, address: &str) -> String {
        let letters: Vec<_> = self
            .vendors
            .mail
            .letters()
            .into_iter()
            .filter(|letter| letter.to == address)
            .collect();
        assert_eq!(letters.len(), 1, "one mail to {address}");
        let start = letters[0].text.find("/welcome/").expect("a link");
        let path = letters[0].text[start..]
            .lines()
            .next()
            .expect("a line")
            .to_owned();
        leaks::keep(path.strip_prefix("/welcome/").expect("a token"));
        path
    }

    /// What a program gets at a welcome's link.
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

    /// The page at a link, as a browser gets it.
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
            let answer = answer.expect("nobody dies");
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

/// The data contract of provisioning and billing: what one is told, the other one has.
#[tokio::test(start_paused = true)]
async fn provisioning_creates_billing_customer() {
    let world = World::bare(FaultPlan::Seeded(41), &[]).await;
    let (status, answer) = world.signs_up("192.0.2.1", &wish(ANN, "teams")).await;
    assert_eq!(
        (status, &answer["status"]),
        (StatusCode::ACCEPTED, &json!("accepted")),
        "{answer}"
    );
    world.settle().await;
    let account = world
        .assert_provisioned_once(&newcomer(ANN), NoticeOutcome::Sent)
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

/// Nobody helps: sign up by mail, see the key, sign in with GitHub, show that the account is yours, install the App, and let
/// that account pay for its owner, who has got another one meanwhile.
#[tokio::test(start_paused = true)]
async fn trial_signup_to_first_fix() {
    let world = World::bare(FaultPlan::Seeded(42), &[]).await;
    world.signs_up("192.0.2.1", &wish(ANN, "payg")).await;
    world.settle().await;
    let account = world
        .assert_provisioned_once(&newcomer(ANN), NoticeOutcome::Sent)
        .await;
    let (_, key) = world.reveals(&world.link_to(ANN), "a").await;
    let secret = key["secret"].as_str().expect("a key");

    let browser = world.browser();
    let arrived = browser.signs_in("/signin", "acme-owner").await;
    assert_eq!(
        location(&arrived),
        "/setup",
        "who has no account is told how to get one"
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
    let by_itself = world
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
        .account_find(&by_itself.id)
        .await
        .expect("the store answers")
        .expect("an account");
    assert_eq!(left.moved_to.as_ref(), Some(&account.id));

    world.github_sends("issues.opened").await;
    world.settle().await;
    world.assert_pulled_once();
    assert_eq!(world.told_job().await.facts.account, account.id);
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

/// A hundred people sign up at once, and one person a hundred times.
#[tokio::test(start_paused = true)]
async fn hundred_concurrent_signups() {
    let world = World::bare(FaultPlan::Seeded(43), &[]).await;
    let different = (0..100).map(|n| {
        (
            format!("198.51.100.{n}"),
            wish(&format!("n{n}@many.example"), "trial"),
        )
    });
    let same = (0..100).map(|n| {
        (
            format!("192.0.2.{}", n % 10),
            wish(if n % 2 == 0 { ANN } else { "Ann@Acme.Example" }, "trial"),
        )
    });
    let wishes: Vec<_> = different.chain(same).collect();
    let answers =
        crate::world::verbs::together(wishes.iter().map(|(from, wish)| world.signs_up(from, wish)))
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
                .assert_provisioned_once(&newcomer(&address), NoticeOutcome::Sent)
                .await
                .id,
        );
    }
    assert_eq!(accounts.len(), 101);
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn who_is_known_cannot_be_told_by_the_answer() {
    let world = World::bare(FaultPlan::Seeded(44), &[]).await;
    let first = world.signs_up("192.0.2.1", &wish(ANN, "trial")).await;
    world.settle().await;
    let calls = |log: &[String]| {
        log.iter()
            .filter(|call| call.contains("PutItem") || call.contains("SendMessage"))
            .count()
    };
    let mut made = Vec::new();
    for address in [ANN, " ANN@acme.example", "new@acme.example"] {
        let before = world.stack.faults.log().len();
        assert_eq!(
            world.signs_up("192.0.2.1", &wish(address, "starter")).await,
            first,
            "{address}"
        );
        made.push(calls(&world.stack.faults.log()[before..]));
    }
    assert_eq!(made, [made[0]; 3], "and it takes as long");
    world.settle().await;
    assert_eq!(world.made_customers().len(), 2);
    assert_eq!(
        world.signup(&newcomer(ANN)).await.sign_up.plan,
        "trial",
        "what was said first counts"
    );
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_no_sign_up_is_refused_and_too_many_are() {
    let world = World::bare(FaultPlan::Seeded(45), &[]).await;
    for (body, code) in [
        (json!({ "email": "nobody", "name": "A" }), "bad_email"),
        (json!({ "email": ANN, "name": " " }), "bad_name"),
        (json!({ "email": ANN, "name": "a\u{7}b" }), "bad_name"),
        (
            json!({ "email": ANN, "name": "A", "plan": "gold" }),
            "bad_plan",
        ),
        (
            json!({ "email": ANN, "name": "A", "plan": "enterprise" }),
            "bad_plan",
        ),
        (
            json!({ "email": ANN, "name": "A", "account": "acc_1" }),
            "bad_body",
        ),
    ] {
        let (status, answer) = world.signs_up("192.0.2.1", &body).await;
        assert_eq!(
            (status, &answer["code"]),
            (StatusCode::BAD_REQUEST, &json!(code)),
            "{body}"
        );
    }
    let mut answers = Vec::new();
    for _ in 0..30 {
        answers.push(world.signs_up("2001:db8::1", &wish(ANN, "trial")).await.0);
    }
    assert_eq!(
        answers
            .iter()
            .filter(|status| **status == StatusCode::ACCEPTED)
            .count(),
        20
    );
    assert_eq!(
        world.signs_up("2001:db8::2", &wish(ANN, "trial")).await.0,
        StatusCode::TOO_MANY_REQUESTS,
        "a neighbor"
    );
    assert_eq!(
        world.signs_up("2001:db8:1::1", &wish(ANN, "trial")).await.0,
        StatusCode::ACCEPTED
    );
    world.elapse(Duration::from_secs(60)).await;
    assert_eq!(
        world.signs_up("2001:db8::1", &wish(ANN, "trial")).await.0,
        StatusCode::ACCEPTED
    );
    world.settle().await;
    world
        .assert_provisioned_once(&newcomer(ANN), NoticeOutcome::Sent)
        .await;
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_first_key_is_shown_once() {
    let world = World::bare(FaultPlan::Seeded(46), &[]).await;
    world.signs_up("192.0.2.1", &wish(ANN, "credits")).await;
    world.settle().await;
    let path = world.link_to(ANN);
    // Whoever looks through mail opens links; that shows nothing and uses nothing up.
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

    // Links of nobody, and links that are over.
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
        .signs_up("192.0.2.1", &wish("late@acme.example", "trial"))
        .await;
    world.settle().await;
    let late = world.link_to("late@acme.example");
    world.skip(Duration::from_secs(7 * 86_400));
    assert_eq!(world.page("GET", &late, "").await.0, StatusCode::GONE);
    assert_eq!(world.reveals(&late, "a").await.1["code"], "link_over");
    world.done().await;
}

/// The whole way, with a death at this call; how many calls it took.
async fn dies_at(call: Option<(u64, Moment)>) -> u64 {
    let world = World::bare(FaultPlan::None, &[]).await;
    let before = world.stack.faults.calls();
    if let Some((call, moment)) = call {
        world.stack.faults.crash_at(before + call, moment);
    }
    world.signs_up("192.0.2.1", &wish(ANN, "trial")).await;
    world.settle().await;
    let letters = world.vendors.mail.letters();
    // A mail cannot be looked up: one whose answer died with its process is sent once more, and is the same mail.
    let twice = letters.len() == 2 && letters[0].text == letters[1].text && call.is_some();
    assert!(
        letters.len() == 1 || twice,
        "{call:?}: {} mails",
        letters.len()
    );
    let start = letters[0].text.find("/welcome/").expect("a link");
    let path = letters[0].text[start..]
        .lines()
        .next()
        .expect("a line")
        .to_owned();
    let (status, key) = world.reveals(&path, "of this page").await;
    assert_eq!(status, StatusCode::CREATED, "{call:?}: {key}");
    let calls = world.stack.faults.calls() - before;
    let secret = key["secret"].as_str().expect("a key");
    let keys = world
        .customer(secret, "GET", "/api/v1/api-keys", "", None)
        .await;
    assert_eq!(
        (keys.0, keys.1["keys"].as_array().map(Vec::len)),
        (StatusCode::OK, Some(1)),
        "{call:?}"
    );
    world
        .assert_provisioned_once(&newcomer(ANN), NoticeOutcome::Sent)
        .await;
    assert_eq!(world.made_customers().len(), 1, "{call:?}");
    world.done().await;
    calls
}

#[tokio::test(start_paused = true)]
async fn a_process_may_die_at_any_call_of_a_sign_up() {
    let calls = dies_at(None).await;
    assert!(calls >= 20, "{calls} calls");
    for call in 1..=calls {
        for moment in [Moment::Before, Moment::After] {
            dies_at(Some((call, moment))).await;
        }
    }
}

/// Stripe forgets names after a day. What was made under one is found, and there is no second customer.
#[tokio::test(start_paused = true)]
async fn a_customer_whose_answer_was_lost_is_found_days_later() {
    let world = World::bare(FaultPlan::None, &[]).await;
    world.stack.faults.inject(stand_in_shared::faults::Fault {
        on: "POST stripe.stand-in".to_owned(),
        times: 1,
        effect: stand_in_shared::faults::Effect::AnswerLost,
    });
    world.signs_up("192.0.2.1", &wish(ANN, "trial")).await;
    world.turn(queues::Queue::Provisioning).await;
    assert_eq!(
        (
            world.made_customers().len(),
            world.signup(&newcomer(ANN)).await.state
        ),
        (1, SignUpState::Owed)
    );
    world.skip(Duration::from_secs(3 * 86_400));
    world.settle().await;
    assert_eq!(world.made_customers().len(), 1);
    world
        .assert_provisioned_once(&newcomer(ANN), NoticeOutcome::Sent)
        .await;
    world.done().await;
}

/// Stripe says that it failed, and made the customer all the same; its search does not see it yet.
#[tokio::test(start_paused = true)]
async fn a_customer_that_was_made_by_a_failed_call_is_the_only_one() {
    for fault in [Fault::DoneAndFailed, Fault::StoredFailure] {
        let world = World::bare(FaultPlan::Seeded(49), &[]).await;
        world.vendors.stripe.fail_next(fault);
        world.signs_up("192.0.2.1", &wish(ANN, "trial")).await;
        world.settle().await;
        assert_eq!(world.made_customers().len(), 1, "{fault:?}");
        world
            .assert_provisioned_once(&newcomer(ANN), NoticeOutcome::Sent)
            .await;
        world.done().await;
    }
}

/// Who asked for a plan that has to be paid for gets it once he leaves a way to pay, and not the trial's usual one.
#[tokio::test(start_paused = true)]
async fn a_wish_is_what_a_trial_goes_on_to() {
    let world = World::bare(FaultPlan::Seeded(47), &[]).await;
    world.pushes_the_catalogue().await;
    world.signs_up("192.0.2.1", &wish(ANN, "teams")).await;
    world.settle().await;
    let account = world
        .assert_provisioned_once(&newcomer(ANN), NoticeOutcome::Sent)
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

/// While operators look first, nothing happens; then it does, once. Whom they refuse gets nothing.
#[tokio::test(start_paused = true)]
async fn sign_ups_wait_for_an_operator_where_that_is_set() {
    let world = World::bare(FaultPlan::Seeded(48), &[("AUTO_PROVISION", "false")]).await;
    for address in [ANN, "spam@acme.example"] {
        assert_eq!(
            world.signs_up("192.0.2.1", &wish(address, "trial")).await.0,
            StatusCode::ACCEPTED
        );
    }
    let delivery = world.github_sends("installation.created").await;
    world.settle().await;
    assert_eq!(
        world.outcome(EventSource::Github, &delivery).await.0,
        EventState::Processed
    );
    assert_eq!(
        (
            world.made_customers().len(),
            world.vendors.mail.letters().len()
        ),
        (0, 0)
    );
    let list = "/api/v1/admin/signups";
    let (status, listed) = world.operator("GET", list, None).await;
    let rows = listed["signups"].as_array().expect("sign-ups");
    assert_eq!((status, rows.len()), (StatusCode::OK, 3), "{listed}");
    let id = |of: &str| {
        let row = rows.iter().find(|row| row["email"] == of).expect("listed");
        assert_eq!(
            (&row["state"], &row["plan"], &row["way"]),
            (
                &json!("WAITING_FOR_APPROVAL"),
                &json!("trial"),
                &json!("form")
            )
        );
        row["id"].as_str().expect("an id").to_owned()
    };
    let act = async |id: &str, what: &str, body: Option<Value>| loop {
        let answer = world
            .operator(
                "POST",
                &format!("{list}/{}/{what}", id.replace('#', "%23")),
                body.as_ref(),
            )
            .await;
        if answer.0 != StatusCode::SERVICE_UNAVAILABLE {
            return answer;
        }
    };
    let (ann, spam) = (id(ANN), id("spam@acme.example"));
    assert_eq!(
        act(&spam, "refuse", Some(json!({}))).await.0,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        act(&spam, "refuse", Some(json!({ "reason": "nobody we know" })))
            .await
            .0,
        StatusCode::OK
    );
    for id in [&ann, "owner#9001"] {
        assert_eq!(act(id, "approve", None).await.0, StatusCode::OK);
        // An answer that was lost is asked for again.
        let again = act(id, "approve", None).await;
        assert_eq!(
            (again.0, &again.1["state"]),
            (StatusCode::OK, &json!("OWED")),
            "{}",
            again.1
        );
    }
    assert_eq!(
        act("owner#1", "approve", None).await.0,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        act("x", "refuse", Some(json!({ "reason": "a" }))).await.0,
        StatusCode::NOT_FOUND
    );
    world.settle().await;
    world
        .assert_provisioned_once(&newcomer(ANN), NoticeOutcome::Sent)
        .await;
    world
        .assert_provisioned_once(&acme(), NoticeOutcome::Nobody)
        .await;
    assert_eq!(
        act(&ann, "refuse", Some(json!({ "reason": "too late" })))
            .await
            .0,
        StatusCode::CONFLICT
    );
    let refused = world.signup(&newcomer("spam@acme.example")).await;
    assert_eq!(
        (refused.state, refused.why.as_deref()),
        (SignUpState::Refused, Some("nobody we know"))
    );
    assert_eq!(world.made_customers().len(), 2);
    let (_, listed) = world
        .operator("GET", &format!("{list}?state=REFUSED"), None)
        .await;
    assert_eq!(
        listed["signups"].as_array().map(Vec::len),
        Some(1),
        "{listed}"
    );
    world.done().await;
}
