//! Which account a person acts for after they choose one on the pages.

use super::{applicant, text};
use crate::world::browser::location;
use crate::world::{FaultPlan, World};
use http::StatusCode;
use local_stack::world::INSTALLATION_ID;
use std::time::Duration;

/// GitHub's event was faster than the person: they come back as an admin of the new account, let
/// their other account pay, and act for that one.
#[tokio::test(start_paused = true)]
async fn a_person_who_lets_another_account_pay_acts_for_it() {
    let world = World::bare(FaultPlan::Seeded(66), &[]).await;
    let new = applicant(&world).await;
    let browser = new.acts_for_it(&world, "acme-owner").await;
    let setup = format!("/setup?installation_id={INSTALLATION_ID}&setup_action=install");
    let page = text(&browser.signs_in(&setup, "acme-owner").await);
    assert!(page.contains(&format!("Let {} pay", new.mailed)), "{page}");
    let before = browser.session().await;
    assert_eq!(before["account_id"], new.automatic.as_str());

    let number = INSTALLATION_ID.to_string();
    let fields = [
        ("installation_id", number.as_str()),
        ("account_id", new.mailed.as_str()),
        (
            "csrf_token",
            before["csrf_token"].as_str().expect("a token"),
        ),
    ];
    for _ in 0..2 {
        let answer = browser.sends("/setup", &fields).await;
        assert_eq!(location(&answer), "http://tallyhook.test/billing");
    }
    let jobs = browser.ask("GET", "/jobs", &[], "").await;
    assert_eq!(jobs.status(), StatusCode::OK);
    // Each function caches sessions for a minute.
    world.elapse(Duration::from_secs(60)).await;
    assert_eq!(browser.session().await["account_id"], new.mailed.as_str());
    let sessions = browser.api("GET", "/api/v1/sessions", "", None).await.1;
    assert_eq!(
        sessions["sessions"][0]["account_id"],
        new.mailed.as_str(),
        "{sessions}"
    );
    world.settle().await;
    world.done().await;
}

/// A person of two accounts switches on the page of their accounts, and only to their own.
#[tokio::test(start_paused = true)]
async fn a_person_switches_to_another_account() {
    let world = World::bare(FaultPlan::None, &[]).await;
    let new = applicant(&world).await;
    let browser = new.acts_for_it(&world, "acme-owner").await;
    for to in [&new.automatic, &new.mailed, &new.mailed] {
        let page = text(&browser.ask("GET", "/setup", &[], "").await);
        let acts_for = browser.session().await["account_id"].clone();
        let offered = page.contains(&format!("value=\"{to}\""));
        assert_eq!(offered, acts_for != to.as_str(), "{page}");
        let csrf = browser.csrf().await;
        let fields = [("account_id", to.as_str()), ("csrf_token", &csrf)];
        let answer = browser.sends("/setup/choice", &fields).await;
        assert_eq!(location(&answer), "http://tallyhook.test/billing");
        assert_eq!(browser.session().await["account_id"], to.as_str());
        let stale = browser.sends("/setup/choice", &fields).await;
        assert_eq!(
            stale.status(),
            StatusCode::FORBIDDEN,
            "an old page cannot act"
        );
    }
    let csrf = browser.csrf().await;
    for (account, token, status) in [
        (
            "acc_01ARZ3NDEKTSV4RRFFQ69G5FAV",
            csrf.as_str(),
            StatusCode::NOT_FOUND,
        ),
        ("acc_1", &csrf, StatusCode::NOT_FOUND),
        (new.automatic.as_str(), "x", StatusCode::FORBIDDEN),
    ] {
        let fields = [("account_id", account), ("csrf_token", token)];
        let answer = browser.sends("/setup/choice", &fields).await;
        assert_eq!(answer.status(), status, "{account}");
    }
    assert_eq!(browser.session().await["account_id"], new.mailed.as_str());
    world.settle().await;
    world.done().await;
}
