//! The pages of jobs and settings: what their forms do, and who may send them.

use crate::billing::checkouts::shop;
use crate::world::browser::{Browser, location};
use http::{Response, StatusCode};
use serde_json::json;

fn html(page: &Response<bytes::Bytes>) -> String {
    assert_eq!(page.status(), StatusCode::OK, "{page:?}");
    let text = String::from_utf8(page.body().to_vec()).expect("UTF-8");
    assert!(!text.contains("style="), "{text}");
    text
}

async fn opens(browser: &Browser<'_>, path: &str) -> String {
    html(&browser.ask("GET", path, &[], "").await)
}

/// Submits a form with the session's token.
async fn sends(
    browser: &Browser<'_>,
    path: &str,
    fields: &[(&str, &str)],
) -> Response<bytes::Bytes> {
    let csrf = browser.csrf().await;
    let token = [("csrf_token", csrf.as_str())];
    let fields: Vec<_> = fields.iter().copied().chain(token).collect();
    browser.sends(path, &fields).await
}

/// The same. Returns where it leads.
async fn leads(browser: &Browser<'_>, path: &str, fields: &[(&str, &str)]) -> String {
    let sent = sends(browser, path, fields).await;
    assert_eq!(sent.status(), StatusCode::SEE_OTHER, "{path}: {sent:?}");
    location(&sent)
}

#[tokio::test(start_paused = true)]
async fn a_fix_is_run_cancelled_and_retried_by_forms() {
    let program = shop("credits").await;
    let world = &program.world;
    world.adjusts(&program.account, "5000", "a gift").await;
    world.issue_opens(30).await;
    world.settle().await;
    let github = &world.vendors.github;
    github.add_issue(
        "acme",
        "greeter",
        41,
        "Another",
        "Replace `Helo` with `Hello` in `src/greeting.rs`.",
    );
    let browser = world.signed_in("acme-owner").await;
    let form = opens(&browser, "/jobs").await;
    assert!(form.contains("value=\"acme/greeter\""), "{form}");
    let run = [
        ("repository", "acme/greeter"),
        ("issue", "41"),
        ("once", "a"),
    ];
    let job = leads(&browser, "/jobs", &run).await;
    assert_eq!(leads(&browser, "/jobs", &run).await, job, "a double click");
    let asked = opens(&browser, &job).await;
    assert!(
        asked.contains("Requested") && asked.contains("data-live"),
        "{asked}"
    );
    world.drain(queues::Queue::GithubEvents).await;
    let begun = opens(&browser, &job).await;
    assert!(begun.contains("Cancel this job"), "{begun}");

    let viewer = world.signed_in("acme-guest").await;
    let id = job.strip_prefix("/jobs/").expect("a job's page");
    let cancel = format!("/api/v1/pages/jobs/{id}/cancel");
    let forged = [("csrf_token", "x")];
    assert_eq!(
        browser.sends(&cancel, &forged).await.status(),
        StatusCode::FORBIDDEN
    );
    assert_ne!(
        sends(&viewer, &cancel, &[]).await.status(),
        StatusCode::SEE_OTHER
    );
    assert_eq!(leads(&browser, &cancel, &[]).await, job);
    assert_eq!(leads(&browser, &cancel, &[]).await, job, "a double click");
    world.settle().await;
    let ended = opens(&browser, &job).await;
    assert!(
        ended.contains("Cancelled") && !ended.contains("Cancel this job"),
        "{ended}"
    );
    let balance = program.get("/api/v1/billing/balance").await;
    assert_eq!(balance["held"], "0", "what the job held came back");

    let retry = format!("{job}/retry");
    let again = leads(&browser, &retry, &[("once", "b")]).await;
    assert_ne!(again, job);
    assert_eq!(leads(&browser, &retry, &[("once", "b")]).await, again);
    world.settle().await;
    let done = opens(&browser, &again).await;
    assert!(
        done.contains("PR opened") && !done.contains("data-live"),
        "{done}"
    );
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn keys_are_made_rotated_and_revoked_by_forms() {
    let program = shop("credits").await;
    let world = &program.world;
    let browser = world.signed_in("acme-owner").await;
    let form = [("name", "ci"), ("days", ""), ("read", "on"), ("once", "a")];
    let made = html(&sends(&browser, "/settings/keys", &form).await);
    let secret = made.split("<pre><code>").nth(1);
    let secret = secret.and_then(|rest| rest.split('<').next());
    let secret = secret.expect("a key").to_owned();
    let (status, account) = world
        .customer(&secret, "GET", "/api/v1/account", "x", None)
        .await;
    assert_eq!(status, StatusCode::OK, "{account}");
    let body = json!({ "money_minor": 1 });
    let (status, _) = world
        .customer(
            &secret,
            "PUT",
            "/api/v1/billing/spend-limit",
            "x",
            Some(&body),
        )
        .await;
    assert_eq!(status, StatusCode::FORBIDDEN, "the key has one scope");
    let again = sends(&browser, "/settings/keys", &form).await;
    assert_eq!(
        again.status(),
        StatusCode::CONFLICT,
        "a repeat makes no second key"
    );
    let shown = opens(&browser, "/settings/keys").await;
    assert!(!shown.contains(&secret), "a key is shown once");

    let keys = program.get("/api/v1/api-keys").await;
    let all = keys["keys"].as_array().expect("a list");
    let ci = all.iter().find(|key| key["name"] == "ci").expect("the key");
    let id = ci["id"].as_str().expect("an id").to_owned();
    let rotate = format!("/settings/keys/{id}/rotate");
    let rotated = html(&sends(&browser, &rotate, &[("once", "b")]).await);
    assert!(rotated.contains("cannot be shown again"), "{rotated}");
    let revoke = format!("/settings/keys/{id}/revoke");
    assert_eq!(
        leads(&browser, &revoke, &[]).await,
        "/settings/keys?done=revoked"
    );

    let member = world.signed_in("acme-member").await;
    let read_only = opens(&member, "/settings/keys").await;
    assert!(!read_only.contains("Create the key"), "{read_only}");
    let refused = sends(&member, "/settings/keys", &form).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn members_and_notices_are_changed_by_forms() {
    let program = shop("credits").await;
    let world = &program.world;
    let browser = world.signed_in("acme-owner").await;
    let other = world.signed_in("acme-member").await;
    let people = program.get("/api/v1/members").await;
    let id_of = |login: &str| {
        let all = people["members"].as_array().expect("a list");
        let one = all
            .iter()
            .find(|one| one["login"] == login)
            .expect("a member");
        one["id"].as_str().expect("an id").to_owned()
    };
    let (me, them) = (id_of("acme-owner"), id_of("acme-member"));
    let role = |id: &str| format!("/settings/members/{id}/role");
    let last = sends(&browser, &role(&me), &[("role", "viewer")]).await;
    assert_eq!(last.status(), StatusCode::CONFLICT, "the last admin stays");
    let refused = sends(&other, &role(&them), &[("role", "admin")]).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    leads(&browser, &role(&them), &[("role", "admin")]).await;
    let shown = opens(&browser, "/settings/members").await;
    assert!(shown.contains("an admin"), "{shown}");
    leads(&browser, &format!("/settings/members/{them}/remove"), &[]).await;
    let people = program.get("/api/v1/members").await;
    assert!(!people.to_string().contains("acme-member"), "{people}");

    let form = [("job_finished", "on"), ("threshold", "750")];
    leads(&browser, "/settings/notices", &form).await;
    let set = program.get("/api/v1/notices").await;
    assert_eq!(
        (
            &set["kinds"]["job_finished"],
            &set["kinds"]["low_balance"],
            &set["low_balance"]
        ),
        (&json!(true), &json!(false), &json!("750"))
    );
    for path in ["/settings/notices", "/settings/account"] {
        opens(&browser, path).await;
    }
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn everybody_reads_the_plans_and_prices() {
    let program = shop("credits").await;
    let guest = program.world.browser();
    let landing = opens(&guest, "/").await;
    let plans = program.get("/api/v1/plans").await;
    for plan in plans["plans"].as_array().expect("a list") {
        let name = plan["name"].as_str().expect("a name");
        assert!(
            landing.contains(&format!("<h3>{name}")),
            "{name}: {landing}"
        );
    }
    program.world.done().await;
}
