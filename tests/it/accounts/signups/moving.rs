//! An owner moves from an automatically created account to the one that was signed up by mail,
//! unless the old account would lose something.

mod crash;
mod pages;

use super::joining::JOIN;
use super::owners::acme;
use super::text;
use crate::world::browser::{Browser, location};
use crate::world::money::Sold;
use crate::world::verbs::together;
use crate::world::wire;
use crate::world::{FaultPlan, World};
use domain::ids::AccountId;
use domain::jobs::JobState;
use domain::notices::NoticeOutcome;
use http::StatusCode;
use local_stack::world::{INSTALLATION_ID, OWNER};
use queues::Queue;
use serde_json::{Value, json};
use stand_in_shared::faults::{Called, Moment, deaths};
use std::time::Duration;

const MOVE: &str = "/api/v1/session/installations";

fn installation() -> Value {
    json!({ "installation_id": INSTALLATION_ID })
}

/// A person who signed up by mail and installed the App; each created an account.
struct Applicant {
    mailed: AccountId,
    key: String,
    automatic: AccountId,
}

async fn applicant(world: &World) -> Applicant {
    let (mailed, key) = world.mailed().await;
    world.github_sends("installation.created").await;
    world.settle().await;
    let automatic = world
        .assert_provisioned_once(&acme(), NoticeOutcome::Nobody)
        .await
        .id;
    Applicant {
        mailed,
        key,
        automatic,
    }
}

impl Applicant {
    /// Signed in, joined to the account that was signed up by mail, and acting for it.
    async fn acts_for_it<'a>(&self, world: &'a World, login: &str) -> Browser<'a> {
        let browser = world.signed_in(login).await;
        self.joins(&browser).await;
        // The account's mail about it.
        world.settle().await;
        browser
    }

    async fn joins(&self, browser: &Browser<'_>) {
        let joined = browser
            .acts("POST", JOIN, Some(&json!({ "key": self.key })))
            .await;
        assert_eq!(joined.0, StatusCode::OK, "{}", joined.1);
        let chosen = json!({ "account_id": self.mailed.as_str() });
        let chosen = browser
            .acts("PUT", "/api/v1/session/account", Some(&chosen))
            .await;
        assert_eq!(chosen.0, StatusCode::OK, "{}", chosen.1);
    }
}

impl World {
    async fn moved_to(&self, account: &AccountId) -> Option<AccountId> {
        let found = self
            .stack
            .store
            .account_find(account)
            .await
            .expect("the store answers");
        found.expect("an account").moved_to
    }
}

#[tokio::test(start_paused = true)]
async fn an_account_that_was_left_opens_nothing() {
    let world = World::bare(FaultPlan::Seeded(61), &[]).await;
    world.pushes_the_catalogue().await;
    let new = applicant(&world).await;
    let (left_key, mate) = (
        world.key_of(&new.automatic, "theirs").await,
        world.signed_in("acme-member").await,
    );
    assert_eq!(mate.session().await["account_id"], new.automatic.as_str());
    assert_eq!(
        world
            .customer(&left_key, "GET", "/api/v1/account", "", None)
            .await
            .0,
        StatusCode::OK
    );
    let boss = new.acts_for_it(&world, "acme-owner").await;
    let accounts = boss.session().await["accounts"].as_array().map(Vec::len);
    assert_eq!(accounts, Some(2));
    for _ in 0..2 {
        let moved = boss.acts("POST", MOVE, Some(&installation())).await;
        assert_eq!(
            moved.0,
            StatusCode::NO_CONTENT,
            "and again it is so already: {}",
            moved.1
        );
    }
    assert_eq!(
        world.moved_to(&new.automatic).await,
        Some(new.mailed.clone())
    );
    assert_eq!(world.payer().await, Some(new.mailed.clone()));
    assert_eq!(
        boss.session().await["accounts"].as_array().map(Vec::len),
        Some(1)
    );

    world.elapse(Duration::from_secs(60)).await;
    assert_eq!(
        world
            .customer(&left_key, "GET", "/api/v1/account", "", None)
            .await
            .0,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        mate.api("GET", "/api/v1/account", "", None).await.1["code"],
        "no_account"
    );
    let joined = boss
        .acts("POST", JOIN, Some(&json!({ "key": left_key })))
        .await;
    assert_eq!(
        (joined.0, &joined.1["code"]),
        (StatusCode::FORBIDDEN, &json!("bad_account_key"))
    );
    // The customer stays at Stripe; a card that is added there later subscribes no account.
    let (_, shown) = world
        .operator(
            "GET",
            &format!("/api/v1/admin/accounts/{}", new.automatic),
            None,
        )
        .await;
    assert_eq!(shown["moved_to"], new.mailed.as_str());
    let customer = shown["stripe_customer_id"].as_str().expect("a customer");
    world
        .vendors
        .stripe
        .add_card(customer, "pm_card_visa")
        .expect("a card");
    world.settle().await;
    assert_eq!(world.vendors.stripe.subscriptions().len(), 0);
    // The owner's people belong to the other account from their next sign-in on.
    let mate = world.signed_in("acme-member").await;
    assert_eq!(
        mate.session().await["accounts"],
        json!([{ "id": new.mailed.as_str(), "name": OWNER, "role": "member" }])
    );
    // The owner is not signed up again, and no other account can take it.
    world.github_sends("installation.created").await;
    world.settle().await;
    assert_eq!(
        (world.payer().await, world.made_customers().len()),
        (Some(new.mailed.clone()), 2)
    );
    world.done().await;
}

/// A trial whose card was just added is about to be subscribed, so its owner stays, even while
/// Stripe's answer is unknown.
#[tokio::test(start_paused = true)]
async fn an_owner_whose_account_is_being_subscribed_stays() {
    let world = World::bare(FaultPlan::None, &[]).await;
    world.pushes_the_catalogue().await;
    let new = applicant(&world).await;
    let boss = new.acts_for_it(&world, "acme-owner").await;
    let (_, shown) = world
        .operator(
            "GET",
            &format!("/api/v1/admin/accounts/{}", new.automatic),
            None,
        )
        .await;
    let customer = shown["stripe_customer_id"].as_str().expect("a customer");
    world
        .vendors
        .stripe
        .add_card(customer, "pm_card_visa")
        .expect("a card");
    world.stack.faults.inject(stand_in_shared::faults::Fault {
        on: "POST stripe.stand-in/v1/subscriptions".to_owned(),
        times: 1,
        effect: stand_in_shared::faults::Effect::AnswerLost,
    });
    world.stripe_hands_over().await;
    world.turn(queues::Queue::StripeEvents).await;
    assert_eq!(
        world.vendors.stripe.subscriptions().len(),
        1,
        "made, and the answer is lost"
    );
    let (status, answer) = boss.acts("POST", MOVE, Some(&installation())).await;
    assert_eq!(
        (status, &answer["code"]),
        (StatusCode::CONFLICT, &json!("account_in_use")),
        "{answer}"
    );
    world.settle().await;
    assert_eq!(world.vendors.stripe.subscriptions().len(), 1);
    world.done().await;
}

/// An account that was used keeps its owner and its trial: there is no second trial.
#[tokio::test(start_paused = true)]
async fn an_owner_whose_account_was_used_stays() {
    for (seed, used) in (0..).zip(["a job", "credits", "usage", "a fix", "a purchase"]) {
        let world = World::bare(FaultPlan::Seeded(620 + seed), &[]).await;
        world.pushes_the_catalogue().await;
        let new = applicant(&world).await;
        let key = world.key_of(&new.automatic, "theirs").await;
        let boss = new.acts_for_it(&world, "acme-owner").await;
        let asks = async |path: &str, body: Value| {
            let (status, answer) = world
                .customer(&key, "POST", path, "once", Some(&body))
                .await;
            assert!(status.is_success(), "{used}: {status} {answer}");
        };
        match used {
            "a job" => drop(world.github_sends("issues.opened").await),
            "credits" => {
                while world.adjusts(&new.automatic, "5", "a gift").await.0 != StatusCode::CREATED {}
            }
            "usage" => asks("/api/v1/usage", json!({ "meter": "tokens", "amount": 1 })).await,
            "a fix" => {
                let fix = json!({ "phase": "mitigate", "status": "success", "repository": "acme/greeter", "issue": 7 });
                asks("/api/v1/phase-data", fix).await;
            }
            _ => asks("/api/v1/billing/checkout", json!({ "pack": "10k" })).await,
        }
        world.settle().await;
        let (status, answer) = boss.acts("POST", MOVE, Some(&installation())).await;
        assert_eq!(
            (status, &answer["code"]),
            (StatusCode::CONFLICT, &json!("account_in_use")),
            "{used}: {answer}"
        );
        assert_eq!(
            (world.moved_to(&new.automatic).await, world.payer().await),
            (None, Some(new.automatic)),
            "{used}"
        );
        world.done().await;
    }
}

#[tokio::test(start_paused = true)]
async fn only_who_runs_both_moves_an_owner() {
    let world = World::bare(FaultPlan::Seeded(63), &[]).await;
    let new = applicant(&world).await;
    for (login, status, code) in [
        ("acme-member", 403, "not_an_admin"),
        ("acme-guest", 403, "not_an_admin"),
        ("outsider", 404, "not_found"),
    ] {
        let browser = new.acts_for_it(&world, login).await;
        let answer = browser.acts("POST", MOVE, Some(&installation())).await;
        assert_eq!(
            (answer.0.as_u16(), &answer.1["code"]),
            (status, &json!(code)),
            "{login}: {}",
            answer.1
        );
    }
    // Administers the owner, but is not an admin of the target account.
    let boss = new.acts_for_it(&world, "acme-owner").await;
    let path = format!("/api/v1/members/{}", boss.session().await["user_id"]);
    let less = world
        .customer(
            &new.key,
            "PATCH",
            &path,
            "",
            Some(&json!({ "role": "viewer" })),
        )
        .await;
    assert_eq!(less.0, StatusCode::OK, "{}", less.1);
    let answer = boss.acts("POST", MOVE, Some(&installation())).await;
    assert_eq!(
        (answer.0, &answer.1["code"]),
        (StatusCode::FORBIDDEN, &json!("not_an_admin"))
    );
    let mine = boss
        .acts("POST", MOVE, Some(&json!({ "installation_id": 1 })))
        .await;
    assert_eq!(mine.0, StatusCode::NOT_FOUND);
    assert_eq!(world.moved_to(&new.automatic).await, None);
    // An account that was signed up for explicitly is never closed, even if it is empty.
    let other = world.signed_in("acme-owner").await;
    let body = json!({ "account_id": new.automatic.as_str() });
    assert_eq!(
        other
            .acts("PUT", "/api/v1/session/account", Some(&body))
            .await
            .0,
        StatusCode::OK
    );
    new.joins(&boss).await;
    assert_eq!(
        boss.acts("POST", MOVE, Some(&installation())).await.0,
        StatusCode::NO_CONTENT
    );
    let back = other.acts("POST", MOVE, Some(&installation())).await;
    assert_eq!(back.0, StatusCode::NOT_FOUND, "{}", back.1);
    world.settle().await;
    world.done().await;
}

/// GitHub redirects the browser before its event arrives. The person chooses the payer, and no
/// second account is created.
#[tokio::test(start_paused = true)]
async fn who_is_faster_than_the_event_gets_no_second_account() {
    for (seed, comes_between) in [(64, false), (65, true)] {
        let world = World::bare(FaultPlan::Seeded(seed), &[]).await;
        let (mailed, key) = world.mailed().await;
        let browser = world.browser();
        let setup = format!("/setup?installation_id={INSTALLATION_ID}&setup_action=install");
        let page = text(&browser.signs_in(&setup, "acme-owner").await);
        assert!(
            page.contains("No account pays for acme yet")
                && page.contains("action=\"/setup/account\""),
            "{page}"
        );
        let (csrf, number) = (browser.csrf().await, INSTALLATION_ID.to_string());
        let fields = [
            ("key", key.as_str()),
            ("installation_id", &number),
            ("csrf_token", &csrf),
        ];
        let page = text(&browser.sends("/setup/account", &fields).await);
        assert!(page.contains(&format!("Let {mailed} pay")), "{page}");
        if comes_between {
            world.github_sends("installation.created").await;
            world.settle().await;
            assert!(world.payer().await.is_some_and(|payer| payer != mailed));
        }
        let fields = [
            ("installation_id", number.as_str()),
            ("account_id", mailed.as_str()),
            ("csrf_token", &csrf),
        ];
        for _ in 0..2 {
            let answer = browser.sends("/setup", &fields).await;
            assert_eq!(location(&answer), "http://tallyhook.test/billing");
        }
        world.github_sends("installation.created").await;
        world.github_sends("issues.opened").await;
        world.settle().await;
        assert_eq!(world.commented_job().await.facts.account, mailed);
        assert_eq!(
            world.made_customers().len(),
            if comes_between { 2 } else { 1 }
        );
        // Each function caches sessions for a minute.
        world.elapse(Duration::from_secs(60)).await;
        assert_eq!(browser.session().await["account_id"], mailed.as_str());
        world.done().await;
    }
}

/// An issue is opened and the owner moves while its job is created: the job belongs to the owner's
/// account at that moment.
#[tokio::test(start_paused = true)]
async fn a_job_does_not_begin_in_an_account_that_is_closed_meanwhile() {
    let world = World::bare(FaultPlan::None, &wire::WIRED).await;
    let new = applicant(&world).await;
    let boss = new.acts_for_it(&world, "acme-owner").await;
    world.github_sends("issues.opened").await;
    let held = world.wire.hold("/contents/.tallyhook.toml", Moment::Before);
    tokio::join!(world.turn(Queue::GithubEvents), async {
        // The payer is known at this point.
        held.reached().await;
        let moved = boss.acts("POST", MOVE, Some(&installation())).await;
        assert_eq!(moved.0, StatusCode::NO_CONTENT, "{}", moved.1);
        held.release();
    });
    assert_eq!(
        world.open_job().await,
        None,
        "not in the account that was closed"
    );
    world.settle().await;
    world.assert_pulled_once();
    assert_eq!(world.commented_job().await.facts.account, new.mailed);
    world.done().await;
}

/// The same where nobody is billed for the work of either account: the refusal belongs to the
/// owner's account, too.
#[tokio::test(start_paused = true)]
async fn a_job_is_not_refused_in_an_account_that_is_closed_meanwhile() {
    let sold = Sold::with(
        "metered-trial",
        &[(
            "pays = \"nothing\"",
            "pays = \"meters\"\ncharges = [{ meter = \"pull_requests\", counts = \"pulls\", each = \"15.00\" }]",
        )],
    );
    let mut settings = wire::WIRED.to_vec();
    settings.push(("CATALOGUE", sold.path()));
    let world = World::bare(FaultPlan::None, &settings).await;
    let new = applicant(&world).await;
    let boss = new.acts_for_it(&world, "acme-owner").await;
    world.github_sends("issues.labeled").await;
    let held = world.wire.hold("/contents/.tallyhook.toml", Moment::Before);
    tokio::join!(world.turn(Queue::GithubEvents), async {
        held.reached().await;
        let moved = boss.acts("POST", MOVE, Some(&installation())).await;
        assert_eq!(moved.0, StatusCode::NO_CONTENT, "{}", moved.1);
        held.release();
    });
    world.settle().await;
    let refused = world.commented_job().await;
    assert_eq!(
        (refused.state, &refused.facts.account),
        (JobState::Failed, &new.mailed),
        "{:?}",
        refused.reason
    );
    world.done().await;
}

/// Two concurrent moves, to the same account and to different ones.
#[tokio::test(start_paused = true)]
async fn an_owner_moves_once() {
    let world = World::bare(FaultPlan::Seeded(66), &[]).await;
    let new = applicant(&world).await;
    let boss = new.acts_for_it(&world, "acme-owner").await;
    let (body, csrf) = (installation(), boss.csrf().await);
    let answers = together((0..4).map(|_| boss.api("POST", MOVE, &csrf, Some(&body)))).await;
    assert!(
        answers
            .iter()
            .all(|(status, _)| *status == StatusCode::NO_CONTENT),
        "{answers:?}"
    );
    assert_eq!(
        world.moved_to(&new.automatic).await,
        Some(new.mailed.clone())
    );
    // An owner never moves away from an account that was requested explicitly.
    let body =
        json!({ "stripe_customer_id": "cus_Other", "installation_id": 9_009, "plan": "credits" });
    let other = loop {
        let (_, made) = world
            .operator("POST", "/api/v1/admin/accounts", Some(&body))
            .await;
        if let Some(id) = made["id"].as_str() {
            break AccountId::parse(id).expect("an id");
        }
    };
    let key = world.key_of(&other, "theirs").await;
    let there = Applicant {
        mailed: other,
        key,
        automatic: new.automatic.clone(),
    };
    there.joins(&boss).await;
    let on = boss.acts("POST", MOVE, Some(&installation())).await;
    assert_eq!(
        (on.0, &on.1["code"]),
        (StatusCode::CONFLICT, &json!("owner_taken")),
        "{}",
        on.1
    );
    assert_eq!(world.payer().await, Some(new.mailed));
    world.settle().await;
    world.done().await;
}
