//! A person who presents a valid key of an account joins it. Any other key reveals nothing.

use super::mails::{ANN, applicant, sign_up_body};
use super::text;
use crate::world::{FaultPlan, World};
use domain::ids::AccountId;
use domain::notices::NoticeOutcome;
use http::StatusCode;
use serde_json::{Value, json};
use std::time::Duration;

pub const JOIN: &str = "/api/v1/session/accounts";

impl World {
    /// An account that was signed up by mail, with its first key.
    pub async fn mailed(&self) -> (AccountId, String) {
        self.signs_up("192.0.2.1", &sign_up_body(ANN, "payg")).await;
        self.settle().await;
        let account = self
            .assert_provisioned_once(&applicant(ANN), NoticeOutcome::Sent)
            .await
            .id;
        let (_, key) = self.reveals(&self.link_to(ANN), "a").await;
        (account, key["secret"].as_str().expect("a key").to_owned())
    }

    /// Creates another key of an account.
    async fn another_key(&self, key: &str, wanted: Value) -> (String, String) {
        let name = wanted["name"].as_str().expect("a name");
        let (status, made) = self
            .customer(key, "POST", "/api/v1/api-keys", name, Some(&wanted))
            .await;
        assert_eq!(status, StatusCode::CREATED, "{made}");
        let part = |name: &str| made[name].as_str().expect("a text").to_owned();
        (part("id"), part("secret"))
    }
}

fn shown(key: &str) -> Value {
    json!({ "key": key })
}

#[tokio::test(start_paused = true)]
async fn a_whole_good_key_lets_in_and_no_other() {
    let world = World::bare(FaultPlan::Seeded(51), &[]).await;
    let (account, key) = world.mailed().await;
    let all = ["read", "usage", "jobs", "billing", "keys"];
    let (_, narrow) = world
        .another_key(&key, json!({ "name": "narrow", "scopes": all[..4] }))
        .await;
    let (id, revoked) = world
        .another_key(&key, json!({ "name": "revoked", "scopes": all }))
        .await;
    world
        .customer(&key, "DELETE", &format!("/api/v1/api-keys/{id}"), "", None)
        .await;
    let wanted = json!({ "name": "brief", "scopes": all, "expires_in_days": 1 });
    let (_, over) = world.another_key(&key, wanted).await;
    world.skip(Duration::from_secs(2 * 86_400));

    let browser = world.signed_in("outsider").await;
    let wrong = format!(
        "{}{}",
        &key[..59],
        if key.ends_with('0') { "g" } else { "0" }
    );
    let mut answers = Vec::new();
    for (what, bad) in [
        ("wrong", &wrong),
        ("narrow", &narrow),
        ("revoked", &revoked),
        ("over", &over),
    ] {
        let (status, mut answer) = browser.acts("POST", JOIN, Some(&shown(bad))).await;
        assert_eq!(
            (status, &answer["code"]),
            (StatusCode::FORBIDDEN, &json!("bad_account_key")),
            "{what}: {answer}"
        );
        assert!(!answer.to_string().contains(bad.as_str()), "{what}");
        answer
            .as_object_mut()
            .expect("an object")
            .remove("request_id");
        answers.push(answer);
    }
    assert!(
        answers.iter().all(|answer| *answer == answers[0]),
        "the answers are equal: {answers:?}"
    );
    let junk = browser.acts("POST", JOIN, Some(&shown("x"))).await;
    assert_eq!(
        (junk.0, &junk.1["code"]),
        (StatusCode::FORBIDDEN, &json!("bad_account_key"))
    );
    for bad in [
        json!({ "key": key, "account_id": "acc_1" }),
        json!({ key.as_str(): 1 }),
        json!({ "key": [key] }),
        json!({}),
    ] {
        let (status, answer) = browser.acts("POST", JOIN, Some(&bad)).await;
        assert_eq!(
            (status, &answer["code"]),
            (StatusCode::BAD_REQUEST, &json!("bad_body")),
            "{answer}"
        );
    }
    let without = browser.api("POST", JOIN, "", Some(&shown(&key))).await;
    assert_eq!(
        (without.0, &without.1["code"]),
        (StatusCode::FORBIDDEN, &json!("bad_csrf_token"))
    );
    assert_eq!(
        browser.session().await["accounts"],
        json!([]),
        "nothing of that was of any use"
    );

    let csrf = browser.csrf().await;
    let page = text(
        &browser
            .sends("/setup/account", &[("key", &wrong), ("csrf_token", &csrf)])
            .await,
    );
    assert!(
        page.contains("This key cannot be used") && page.contains("action=\"/setup/account\""),
        "{page}"
    );
    let forged = browser
        .sends("/setup/account", &[("key", &key), ("csrf_token", "x")])
        .await;
    assert_eq!(forged.status(), StatusCode::FORBIDDEN);

    let admin = json!([{ "id": account.as_str(), "name": "Acme & Co", "role": "admin" }]);
    for _ in 0..2 {
        let (status, answer) = browser.acts("POST", JOIN, Some(&shown(&key))).await;
        assert_eq!(
            (status, &answer),
            (StatusCode::OK, &admin[0]),
            "and again it is so already"
        );
    }
    assert_eq!(browser.session().await["accounts"], admin);
    assert_eq!(
        browser.api("GET", "/api/v1/account", "", None).await.1["code"],
        "no_account",
        "a session never changes"
    );
    let chosen = browser
        .acts(
            "PUT",
            "/api/v1/session/account",
            Some(&json!({ "account_id": account.as_str() })),
        )
        .await;
    assert_eq!(chosen.0, StatusCode::OK, "{}", chosen.1);
    assert_eq!(
        browser.api("GET", "/api/v1/account", "", None).await.1["id"],
        account.as_str()
    );
    world.settle().await;
    world.done().await;
}

/// GitHub does not know this account, so it removes no members from it; another admin can still
/// lower their role.
/// The account's address gets one mail about each person who becomes an admin by a key, and nobody
/// can switch these mails off.
#[tokio::test(start_paused = true)]
async fn the_account_is_notified_of_who_joins() {
    let world = World::bare(FaultPlan::Seeded(53), &[]).await;
    let (_, key) = world.mailed().await;
    let off = json!({ "kinds": { "admin_joined": false, "job_finished": true } });
    let (status, answer) = world
        .customer(&key, "PATCH", "/api/v1/notices", "off", Some(&off))
        .await;
    assert_eq!(
        (status, &answer["code"]),
        (StatusCode::BAD_REQUEST, &json!("always_sent")),
        "{answer}"
    );
    let browser = world.signed_in("outsider").await;
    for _ in 0..2 {
        let (status, answer) = browser.acts("POST", JOIN, Some(&shown(&key))).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        world.settle().await;
    }
    let letters = world.vendors.mail.letters().into_iter();
    let about = letters.filter(|letter| letter.subject.contains("became an admin"));
    let about: Vec<_> = about.collect();
    assert_eq!(about.len(), 1, "mails about who joined");
    let (letter, words) = (
        &about[0],
        "The GitHub user outsider has presented the API key",
    );
    assert!(
        letter.to == ANN && letter.text.contains(words),
        "{}",
        letter.text
    );
    assert!(
        !letter.text.contains(&key),
        "the key itself is not repeated"
    );
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn an_admitted_member_stays_whatever_github_shows() {
    let world = World::bare(FaultPlan::Seeded(52), &[]).await;
    let (account, key) = world.mailed().await;
    for login in ["outsider", "acme-owner"] {
        let browser = world.signed_in(login).await;
        assert_eq!(
            browser.acts("POST", JOIN, Some(&shown(&key))).await.0,
            StatusCode::OK
        );
    }
    let outsider = world.signed_in("outsider").await;
    let who = outsider.session().await;
    assert_eq!(
        (&who["account_id"], &who["accounts"][0]["role"]),
        (&json!(account.as_str()), &json!("admin")),
        "{who}"
    );
    let boss = world.signed_in("acme-owner").await;
    let theirs = format!("/api/v1/members/{}", who["user_id"]);
    let (status, member) = boss
        .acts("PATCH", &theirs, Some(&json!({ "role": "viewer" })))
        .await;
    assert_eq!(
        (status, &member["role"], &member["role_by"]),
        (StatusCode::OK, &json!("viewer"), &json!("key"))
    );
    let outsider = world.signed_in("outsider").await;
    assert_eq!(
        outsider.session().await["accounts"][0]["role"],
        "viewer",
        "the member still belongs to it"
    );
    assert_eq!(
        boss.acts("DELETE", &theirs, None).await.0,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        boss.acts("DELETE", &theirs, None).await.1["code"],
        "not_found",
        "the member is removed"
    );
    world.elapse(Duration::from_secs(60)).await;
    let (status, answer) = outsider.api("GET", "/api/v1/account", "", None).await;
    assert_eq!(
        (status, &answer["code"]),
        (StatusCode::FORBIDDEN, &json!("no_account")),
        "also with an old session"
    );
    assert_eq!(
        world.signed_in("outsider").await.session().await["accounts"],
        json!([]),
        "a sign-in with GitHub does not restore the membership"
    );
    let mine = format!("/api/v1/members/{}", boss.session().await["user_id"]);
    let last = boss
        .acts("PATCH", &mine, Some(&json!({ "role": "viewer" })))
        .await;
    assert_eq!(
        (last.0, &last.1["code"]),
        (StatusCode::CONFLICT, &json!("last_admin"))
    );
    let last = boss.acts("DELETE", &mine, None).await;
    assert_eq!(
        (last.0, &last.1["code"]),
        (StatusCode::CONFLICT, &json!("last_admin"))
    );
    world.settle().await;
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn keys_are_not_tried_for_long() {
    let world = World::bare(FaultPlan::Seeded(53), &[]).await;
    let browser = world.signed_in("outsider").await;
    let wrong = shown(&format!("th_test_{}", "0".repeat(52)));
    let mut answers = Vec::new();
    for _ in 0..25 {
        answers.push(browser.acts("POST", JOIN, Some(&wrong)).await.0);
    }
    assert_eq!(
        answers
            .iter()
            .filter(|status| **status == StatusCode::FORBIDDEN)
            .count(),
        20
    );
    assert_eq!(
        answers
            .iter()
            .filter(|status| **status == StatusCode::TOO_MANY_REQUESTS)
            .count(),
        5
    );
    world.done().await;
}
