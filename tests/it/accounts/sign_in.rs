//! Sign-in with GitHub: one journey through the consent page and sign-out, and every request that
//! must not sign anybody in.

use crate::world::browser::{SITE, location};
use crate::world::operator::assert_problem;
use crate::world::program::{another, program, request, respond};
use crate::world::{FaultPlan, World};
use http::{StatusCode, header};
use local_stack::world::{INSTALLATION_ID, OWNER};
use serde_json::json;
use stand_in_shared::faults::{Called, Moment, deaths};
use std::time::Duration;

const DASHBOARD: &str = "http://tallyhook.test/billing";

#[tokio::test(start_paused = true)]
async fn a_person_signs_in_works_and_signs_out() {
    let program = program("credits", &[]).await;
    let browser = program.world.browser();
    let page = browser.leaves("/signin?return_to=/billing?tab=keys").await;
    assert!(
        page.starts_with(
            "http://github.test/login/oauth/authorize?client_id=Iv1.tallyhook-local&code_challenge="
        ),
        "{page}"
    );
    let back = browser.consents(&page, "acme-owner").await;
    let arrived = browser.ask("GET", &back, &[], "").await;
    assert_eq!(
        (arrived.status(), location(&arrived).as_str()),
        (StatusCode::SEE_OTHER, "/billing?tab=keys")
    );
    let set: Vec<_> = arrived
        .headers()
        .get_all(header::SET_COOKIE)
        .iter()
        .map(|line| line.to_str().expect("text"))
        .collect();
    let session = set
        .iter()
        .find(|line| line.starts_with("th_session="))
        .expect("a session");
    assert!(
        session.ends_with("; Path=/; Max-Age=1209600; HttpOnly; Secure; SameSite=Lax"),
        "{session}"
    );
    assert_eq!(
        browser.cookie("th_session").map(|text| text.len()),
        Some(52),
        "256 bits"
    );
    assert!(
        browser.cookie("th_signin").is_none(),
        "what tied the sign-in together is gone"
    );

    let who = browser.session().await;
    assert_eq!(
        (&who["login"], &who["account_id"]),
        (&json!("acme-owner"), &json!(program.account.as_str()))
    );
    assert_eq!(
        who["accounts"],
        json!([{ "id": program.account.as_str(), "name": OWNER, "role": "admin" }])
    );
    let (status, account) = browser.api("GET", "/api/v1/account", "", None).await;
    assert_eq!(
        (status, &account["id"]),
        (StatusCode::OK, &json!(program.account.as_str()))
    );
    let key = json!({ "name": "mine", "scopes": ["read"] });
    assert_eq!(
        browser.acts("POST", "/api/v1/api-keys", Some(&key)).await.0,
        StatusCode::CREATED
    );

    // A process that has seen the session trusts it for one more minute; every other process
    // refuses it.
    let elsewhere = another(&program.world, &[]);
    let cookie = format!(
        "th_session={}",
        browser.cookie("th_session").expect("a session")
    );
    let asks = || {
        request(
            "GET",
            "/api/v1/account",
            "",
            &[("cookie", cookie.as_bytes())],
            "",
        )
    };
    assert_eq!(
        api::respond(elsewhere.clone(), asks()).await.status(),
        StatusCode::OK
    );
    let form = format!("csrf_token={}", browser.csrf().await);
    let left = browser
        .ask(
            "POST",
            "/signout",
            &[("content-type", "application/x-www-form-urlencoded")],
            &form,
        )
        .await;
    assert_eq!(
        (left.status(), location(&left).as_str()),
        (StatusCode::SEE_OTHER, DASHBOARD)
    );
    assert!(browser.cookie("th_session").is_none());
    assert_problem(
        "new",
        &api::respond(another(&program.world, &[]), asks()).await,
        401,
        "unauthorized",
    );
    program.world.elapse(Duration::from_secs(60)).await;
    assert_problem(
        "ended",
        &respond(&program.world, asks()).await,
        401,
        "unauthorized",
    );
    assert_problem(
        "elsewhere",
        &api::respond(elsewhere, asks()).await,
        401,
        "unauthorized",
    );
    assert_eq!(
        browser.ask("POST", "/signout", &[], "").await.status(),
        StatusCode::SEE_OTHER,
        "twice is once"
    );
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_session_expires() {
    let program = program("credits", &[]).await;
    let browser = program.world.signed_in("acme-owner").await;
    program.world.skip(Duration::from_secs(14 * 86_400 - 60));
    browser.session().await;
    program.world.skip(Duration::from_secs(61));
    assert_eq!(
        browser.api("GET", "/api/v1/session", "", None).await.0,
        StatusCode::UNAUTHORIZED
    );
    program.world.abandoned();
}

/// A callback that does not match its start does not sign in, and says where to start again.
#[tokio::test(start_paused = true)]
async fn a_sign_in_fits_one_browser_once() {
    let program = program("credits", &[]).await;
    let world = &program.world;
    let refused = async |browser: &crate::world::browser::Browser<'_>, back: &str, what: &str| {
        let before = browser.cookie("th_session");
        let answer = browser.ask("GET", back, &[], "").await;
        assert_eq!(
            answer.status(),
            StatusCode::BAD_REQUEST,
            "{what}: {answer:?}"
        );
        let policy = answer.headers()[header::CONTENT_SECURITY_POLICY]
            .to_str()
            .expect("a text");
        assert!(policy.starts_with("default-src 'none'"), "{what}: {policy}");
        assert!(
            String::from_utf8_lossy(answer.body()).contains("href=\"/signin\""),
            "{what}"
        );
        assert_eq!(
            browser.cookie("th_session"),
            before,
            "{what}: no one is signed in"
        );
    };
    let (one, other) = (world.browser(), world.browser());
    let page = one.leaves("/signin").await;
    let back = one.consents(&page, "acme-owner").await;
    let twin = one.consents(&page, "acme-owner").await;
    refused(&other, &back, "a browser that has not left").await;
    other.leaves("/signin").await;
    refused(&other, &back, "a browser that has left with another state").await;
    let cookie = one.cookie("th_signin").expect("a cookie");
    refused(&one, "/signin/callback?code=x", "no state").await;
    one.set_cookie("th_signin", &cookie);
    refused(&one, &format!("{}0", back), "a state with something more").await;
    one.set_cookie("th_signin", &format!("{cookie}x"));
    refused(&one, &back, "a cookie with something more").await;
    one.set_cookie("th_signin", &cookie);
    assert_eq!(
        one.ask("GET", &back, &[], "").await.status(),
        StatusCode::SEE_OTHER
    );
    one.set_cookie("th_signin", &cookie);
    refused(&one, &back, "the same state again").await;
    one.set_cookie("th_signin", &cookie);
    refused(&one, &twin, "the same state with a code of its own").await;

    let code = back.split(['=', '&']).nth(1).expect("a code");
    let fresh = one.leaves("/signin").await;
    let state = fresh.rsplit('=').next().expect("a state");
    refused(
        &one,
        &format!("/signin/callback?code={code}&state={state}"),
        "a code that was used",
    )
    .await;
    let theirs = other.leaves("/signin").await;
    let theirs = other.consents(&theirs, "acme-member").await;
    let fresh = one.leaves("/signin").await;
    let (code, state) = (
        theirs.split(['=', '&']).nth(1).expect("a code"),
        fresh.rsplit('=').next().expect("a state"),
    );
    refused(
        &one,
        &format!("/signin/callback?code={code}&state={state}"),
        "another browser's code",
    )
    .await;
    let page = one.leaves("/signin").await;
    refused(&one, &one.consents(&page, "").await, "who does not want to").await;
    let page = one.leaves("/signin").await;
    let back = one.consents(&page, "acme-owner").await;
    world.skip(Duration::from_secs(601));
    refused(&one, &back, "a code that is too old").await;
    program.world.abandoned();
}

#[tokio::test(start_paused = true)]
async fn no_redirect_leads_to_another_site() {
    let program = program("credits", &[]).await;
    let browser = program.world.browser();
    for elsewhere in [
        "https://evil.test",
        "//evil.test",
        "/%5Cevil.test",
        "%5C%5Cevil.test",
        "/a%0D%0Ax:y",
        "billing",
        "",
    ] {
        let answer = browser
            .ask("GET", &format!("/signin?return_to={elsewhere}"), &[], "")
            .await;
        assert_problem(elsewhere, &answer, 400, "bad_return_to");
    }
    let arrived = browser.signs_in("/signin", "acme-owner").await;
    assert_eq!(location(&arrived), DASHBOARD);
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_session_changes_things_from_our_own_page_only() {
    let program = program("credits", &[]).await;
    let world = &program.world;
    let (browser, other) = (
        world.signed_in("acme-owner").await,
        world.signed_in("acme-member").await,
    );
    let (ours, theirs) = (browser.csrf().await, other.csrf().await);
    assert_ne!(ours, theirs);
    let wanted = json!({ "name": "a", "scopes": ["read"] });
    let (path, body) = ("/api/v1/api-keys", wanted.to_string());
    for (token, origin, code) in [
        (None, None, Some("bad_csrf_token")),
        (Some(""), None, Some("bad_csrf_token")),
        (Some(&ours[..63]), None, Some("bad_csrf_token")),
        (Some(theirs.as_str()), None, Some("bad_csrf_token")),
        (None, Some(SITE), Some("bad_csrf_token")),
        (
            Some(ours.as_str()),
            Some("https://evil.test"),
            Some("foreign_origin"),
        ),
        (Some(ours.as_str()), Some("null"), Some("foreign_origin")),
        (Some(ours.as_str()), Some(SITE), None),
        (Some(ours.as_str()), None, None),
    ] {
        let mut headers = vec![
            ("content-type", "application/json"),
            ("idempotency-key", "a key"),
        ];
        headers.extend(token.map(|token| ("x-csrf-token", token)));
        headers.extend(origin.map(|origin| ("origin", origin)));
        let answer = browser.ask("POST", path, &headers, &body).await;
        match code {
            Some(code) => assert_problem(&format!("{token:?} {origin:?}"), &answer, 403, code),
            // Created the first time, and already known the second time.
            None => assert!([201, 409].contains(&answer.status().as_u16()), "{answer:?}"),
        }
    }
    assert_problem(
        "to sign out",
        &browser.ask("POST", "/signout", &[], "").await,
        403,
        "bad_csrf_token",
    );
    browser.session().await;
    // If both are sent, the key decides, valid or not, and it needs no CSRF token.
    let key = format!("Bearer {}", program.key);
    let headers = [
        ("authorization", key.as_str()),
        ("content-type", "application/json"),
        ("idempotency-key", "b"),
    ];
    assert_eq!(
        browser.ask("POST", path, &headers, &body).await.status(),
        StatusCode::CREATED
    );
    let bad = browser
        .ask(
            "GET",
            "/api/v1/account",
            &[("authorization", "Bearer th_live_x")],
            "",
        )
        .await;
    assert_problem("a bad key beside a good session", &bad, 401, "unauthorized");
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn without_a_client_sign_in_is_off_and_everything_else_works() {
    let program = program("credits", &[("GITHUB_CLIENT_ID", "")]).await;
    let browser = program.world.browser();
    for path in [
        "/signin",
        "/signin/callback?code=a&state=b",
        &format!("/setup?installation_id={INSTALLATION_ID}"),
    ] {
        assert_problem(
            path,
            &browser.ask("GET", path, &[], "").await,
            422,
            "sign_in_off",
        );
    }
    program.get("/api/v1/account").await;
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn sessions_have_a_limit_of_their_own() {
    let program = program("credits", &[("RATE_LIMIT_PER_MINUTE", "5")]).await;
    let (browser, nobody) = (
        program.world.signed_in("acme-owner").await,
        program.world.signed_in("outsider").await,
    );
    for browser in [&browser, &nobody] {
        let mut refused = 0;
        for _ in 0..8 {
            let answer = browser.ask("GET", "/api/v1/session", &[], "").await;
            refused += u32::from(answer.status() == StatusCode::TOO_MANY_REQUESTS);
        }
        assert_eq!(refused, 3, "also of a person without an account");
    }
    program.get("/api/v1/account").await;
    program.world.done().await;
}

/// Signs in while the function dies at this call, and starts over as a person would. Returns the
/// number of calls.
async fn dies_at(call: Option<(u64, Moment)>) -> Vec<Called> {
    let (world, account) = World::on_plan(FaultPlan::None, "credits", &[]).await;
    let before = world.stack.faults.calls();
    if let Some((call, moment)) = call {
        world.stack.faults.crash_at(before + call, moment);
    }
    let browser = world.browser();
    let arrived = browser.signs_in("/signin", "acme-owner").await;
    assert_eq!(
        (arrived.status(), location(&arrived).as_str()),
        (StatusCode::SEE_OTHER, DASHBOARD),
        "{call:?}"
    );
    let calls = world.stack.faults.since(before);
    let who = browser.session().await;
    assert_eq!(
        who["accounts"],
        json!([{ "id": account.as_str(), "name": OWNER, "role": "admin" }]),
        "{call:?}"
    );
    // The person was counted once: they are the last admin.
    let mine = format!("/api/v1/members/{}", who["user_id"]);
    let less = browser
        .acts("PATCH", &mine, Some(&json!({ "role": "viewer" })))
        .await;
    assert_eq!(
        (less.0, &less.1["code"]),
        (StatusCode::CONFLICT, &json!("last_admin")),
        "{call:?}"
    );
    world.done().await;
    calls
}

#[tokio::test(start_paused = true)]
async fn a_process_may_die_at_any_call_of_a_sign_in() {
    let calls = dies_at(None).await;
    assert!(calls.len() >= 8, "{calls:?}");
    for death in deaths(&calls) {
        dies_at(Some(death)).await;
    }
}
