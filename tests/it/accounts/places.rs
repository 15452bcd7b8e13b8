//! The places for members that a plan sells: who joins, who does not, and what they see.

use super::signups::joining::JOIN;
use crate::world::browser::Browser;
use crate::world::money::Sold;
use crate::world::program::{Program, program};
use crate::world::verbs::together;
use crate::world::{FaultPlan, World};
use domain::billing::subscriptions::{Status, Subscription, SubscriptionItem};
use domain::ids::{PriceId, ProductId, SubscriptionId, UserId};
use http::StatusCode;
use local_stack::stack::MAIN_TABLE;
use local_stack::world::{INSTALLATION_ID, OWNER};
use serde_json::{Value, json};
use std::time::Duration;

const MEMBERS: &str = "/api/v1/members";

impl Program {
    /// How many members there are, how many places, and how many members are listed.
    async fn places(&self) -> (u64, u64, usize) {
        let shown = self.get(MEMBERS).await;
        let number = |name: &str| shown[name].as_u64().expect("a number");
        let listed = shown["members"].as_array().expect("a list").len();
        (number("used"), number("limit"), listed)
    }

    /// How many users the quotas say are used, to the customer and to operators.
    async fn quota_of_users(&self) -> (Value, Value) {
        let users = |shown: &Value| {
            let quotas = shown["quotas"].as_array().expect("a list");
            let one = quotas.iter().find(|quota| quota["meter"] == "users");
            json!([
                one.expect("a quota")["used"],
                one.expect("a quota")["period"]
            ])
        };
        let path = format!("/api/v1/admin/accounts/{}/quotas", self.account);
        let theirs = self.world.operator("GET", &path, None).await.1;
        let ours = self.get("/api/v1/billing/quota").await;
        (users(&ours), users(&theirs))
    }

    /// Has the account pay for a plan, or stop paying for it.
    async fn pays(&self, plan: &str, status: Status) {
        let now = self.world.stack.outside.now();
        let one = Subscription {
            id: SubscriptionId::parse(&format!("sub_Places{plan}")).expect("an id"),
            status,
            items: vec![SubscriptionItem {
                price: PriceId::parse("price_Places1").expect("an id"),
                product: ProductId::parse(&format!("tallyhook_plan_{plan}")).ok(),
                quantity: Some(1),
            }],
            period: None,
            ends_at: None,
            trial_end: None,
            created_at: now,
            as_of: now,
        };
        let noted = self
            .world
            .stack
            .store
            .subscription_note(&self.account, &one);
        noted.await.expect("the store answers");
        self.world.skip(Duration::from_secs(1));
    }

    /// Takes a person out, as an admin.
    async fn takes_out(&self, person: &Value) {
        let path = format!("{MEMBERS}/{}", person["user_id"]);
        loop {
            let (status, answer) = self.ask("DELETE", &path, None).await;
            if status != StatusCode::SERVICE_UNAVAILABLE {
                assert_eq!(status, StatusCode::NO_CONTENT, "{answer}");
                return;
            }
        }
    }
}

fn is_member(who: &Value) -> bool {
    who["accounts"] != json!([])
}

async fn reads(browser: &Browser<'_>, path: &str) -> String {
    let answer = browser.ask("GET", path, &[], "").await;
    String::from_utf8_lossy(answer.body()).into_owned()
}

async fn text_after_installing(world: &World, login: &str) -> String {
    let path = format!("/setup?installation_id={INSTALLATION_ID}&setup_action=install");
    let answer = world.browser().signs_in(&path, login).await;
    String::from_utf8_lossy(answer.body()).into_owned()
}

#[tokio::test(start_paused = true)]
async fn nobody_joins_beyond_the_places_and_everybody_present_stays() {
    let program = program("free", &[]).await;
    let world = &program.world;
    assert_eq!(program.places().await, (0, 1, 0));
    // A guest takes the only place. An account without an admin still takes one.
    let guest = world.signed_in("acme-guest").await.session().await;
    assert!(is_member(&guest));
    assert_eq!(program.places().await, (1, 1, 1));
    let boss = world.signed_in("acme-owner").await;
    assert!(
        is_member(&boss.session().await),
        "nobody else could act for it"
    );
    assert_eq!(program.places().await, (2, 1, 2));
    let counted = json!([2, "now"]);
    assert_eq!(program.quota_of_users().await, (counted.clone(), counted));

    let mate = world.signed_in("acme-member").await;
    let who = mate.session().await;
    assert_eq!(
        (&who["accounts"], &who["account_id"]),
        (&json!([]), &Value::Null)
    );
    let full = json!([{ "id": program.account.as_str(), "name": OWNER }]);
    assert_eq!(who["full_accounts"], full);
    let (status, answer) = mate.api("GET", "/api/v1/account", "", None).await;
    assert_eq!(
        (status, &answer["code"]),
        (StatusCode::FORBIDDEN, &json!("no_account"))
    );
    for page in [
        reads(&mate, "/setup").await,
        text_after_installing(world, "acme-member").await,
    ] {
        assert!(
            page.contains("All places for members of the account of acme"),
            "{page}"
        );
        assert!(page.contains("then sign in again"), "{page}");
    }
    // Another admin on GitHub is no exception: the account has an admin.
    world
        .vendors
        .github
        .set_place(OWNER, "acme-member", "admin");
    assert!(!is_member(
        &world.signed_in("acme-member").await.session().await
    ));

    // Who is there signs in as before, and the page says how it stands.
    let boss = world.signed_in("acme-owner").await;
    assert!(is_member(&boss.session().await));
    let page = reads(&boss, "/settings/members").await;
    assert!(page.contains("Members: 2 of 1 in the plan Free."), "{page}");
    assert!(
        page.contains("All present members keep their access"),
        "{page}"
    );
    let home = reads(&boss, "/billing").await;
    assert!(home.contains("2 of 1"), "{home}");
    // A removed member gives the place back; the account is then full, but not over.
    program.takes_out(&guest).await;
    assert_eq!(program.places().await, (1, 1, 1));
    assert!(!is_member(
        &world.signed_in("acme-member").await.session().await
    ));
    program.world.done().await;
}

/// A plan with more places lets people in; a smaller one later removes nobody.
#[tokio::test(start_paused = true)]
async fn a_downgrade_removes_nobody_and_lets_nobody_in() {
    let program = program("free", &[]).await;
    let world = &program.world;
    world.signed_in("acme-owner").await;
    assert!(!is_member(
        &world.signed_in("acme-member").await.session().await
    ));
    program.pays("starter", Status::Active).await;
    let mate = world.signed_in("acme-member").await.session().await;
    assert_eq!(
        (is_member(&mate), &mate["full_accounts"]),
        (true, &json!([]))
    );
    assert!(is_member(
        &world.signed_in("acme-guest").await.session().await
    ));
    assert_eq!(program.places().await, (3, 3, 3));

    program.pays("starter", Status::Canceled).await;
    assert_eq!(program.places().await, (3, 1, 3));
    let again = world.signed_in("acme-member").await.session().await;
    assert!(is_member(&again), "a present member signs in as before");
    world.vendors.github.set_place(OWNER, "outsider", "member");
    assert!(!is_member(
        &world.signed_in("outsider").await.session().await
    ));
    // A member who has left GitHub's organization gives the place back at the next sign-in.
    world.vendors.github.set_place(OWNER, "acme-member", "none");
    assert!(!is_member(
        &world.signed_in("acme-member").await.session().await
    ));
    assert_eq!(program.places().await, (2, 1, 2));

    program.pays("enterprise", Status::Active).await;
    assert!(is_member(
        &world.signed_in("outsider").await.session().await
    ));
    assert_eq!(program.places().await, (3, 0, 3));
    let page = reads(&world.signed_in("acme-owner").await, "/settings/members").await;
    assert!(page.contains("does not limit them"), "{page}");
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn of_two_who_join_at_once_at_the_last_place_one_joins() {
    let two = (
        "quotas.users = { limit = 1 }",
        "quotas.users = { limit = 2 }",
    );
    for seed in 571..577 {
        let sold = Sold::with("two-places", &[two]);
        let settings = [("CATALOGUE", sold.path())];
        let (world, account) = World::on_plan(FaultPlan::Seeded(seed), "free", &settings).await;
        let key = world.key_of(&account, "the first").await;
        let program = Program {
            world,
            account,
            key,
        };
        let world = &program.world;
        world.signed_in("acme-owner").await;
        let both = ["acme-member", "acme-guest"];
        let both = together(both.map(async |login| world.signed_in(login).await)).await;
        let mut joined = 0;
        for browser in &both {
            joined += u32::from(is_member(&browser.session().await));
        }
        assert_eq!((joined, program.places().await), (1, (2, 2, 2)), "{seed}");
        program.world.done().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_makes_no_place() {
    let world = World::bare(FaultPlan::Seeded(578), &[]).await;
    let (account, key) = world.mailed().await;
    let program = Program {
        world,
        account,
        key,
    };
    let world = &program.world;
    program.pays("free", Status::Active).await;
    let shown = json!({ "key": program.key });
    let boss = world.signed_in("acme-owner").await;
    assert_eq!(
        boss.acts("POST", JOIN, Some(&shown)).await.0,
        StatusCode::OK
    );
    let second = world.signed_in("outsider").await;
    for _ in 0..2 {
        let (status, answer) = second.acts("POST", JOIN, Some(&shown)).await;
        assert_eq!(
            (status, &answer["code"]),
            (StatusCode::CONFLICT, &json!("members_full"))
        );
        let detail = answer["detail"].as_str().expect("a text");
        let says = "the plan Free has places for 1 member, and all are taken; remove a member or change the plan";
        assert!(detail.contains(says), "{detail}");
    }
    assert_eq!(
        boss.acts("POST", JOIN, Some(&shown)).await.0,
        StatusCode::OK,
        "again"
    );
    assert_eq!(program.places().await, (1, 1, 1));
    let csrf = second.csrf().await;
    let form = [("key", program.key.as_str()), ("csrf_token", csrf.as_str())];
    let page = second.sends("/setup/account", &form).await;
    assert_eq!(page.status(), StatusCode::CONFLICT);
    assert!(String::from_utf8_lossy(page.body()).contains("remove a member or change the plan"));

    // Their own account takes its last admin back even if a viewer has the place.
    program.pays("starter", Status::Active).await;
    assert_eq!(
        second.acts("POST", JOIN, Some(&shown)).await.0,
        StatusCode::OK
    );
    program.pays("free", Status::Active).await;
    let (one, other) = (boss.session().await, second.session().await);
    let store = &world.stack.store;
    let user = |who: &Value| UserId::new(who["user_id"].as_u64().expect("a number"));
    let path = format!("{MEMBERS}/{}", other["user_id"]);
    program
        .ask("PATCH", &path, Some(&json!({ "role": "viewer" })))
        .await;
    store
        .member_remove(&program.account, user(&one))
        .await
        .expect("the store answers");
    assert_eq!(program.places().await, (1, 1, 1));
    assert_eq!(
        boss.acts("POST", JOIN, Some(&shown)).await.0,
        StatusCode::OK
    );
    assert_eq!(program.places().await, (2, 1, 2));
    program.world.settle().await;
    program.world.done().await;
}

/// The account of a person never has no place for that person.
#[tokio::test(start_paused = true)]
async fn nobody_is_kept_out_of_what_they_pay_for() {
    let program = program("free", &[]).await;
    let world = &program.world;
    world.signed_in("acme-member").await;
    let boss = world.signed_in("acme-owner").await.session().await;
    let linked = json!({ "stripe_customer_id": "cus_Own", "installation_id": 8_888, "owner_id": boss["user_id"], "plan": "free" });
    world
        .insist("POST", "/api/v1/admin/accounts", &linked)
        .await;
    let again = world.signed_in("acme-owner").await.session().await;
    assert_eq!(
        again["accounts"].as_array().map(Vec::len),
        Some(2),
        "{again}"
    );
    assert_eq!(again["full_accounts"], json!([]));
    program.world.done().await;
}

/// The members of an account that is older than the places are counted when the first of them
/// changes, and shown rightly before.
#[tokio::test(start_paused = true)]
async fn members_from_before_are_counted_once() {
    let program = program("starter", &[]).await;
    let world = &program.world;
    let guest = world.signed_in("acme-guest").await.session().await;
    world.signed_in("acme-owner").await;
    let uncount = || {
        let rows = world.stack.tables.rows(MAIN_TABLE);
        let mut row = rows
            .into_iter()
            .find(|row| row["sk"]["S"] == "MEMBERS")
            .expect("the counts");
        row.as_object_mut().expect("an object").remove("members");
        world.stack.tables.row_put(MAIN_TABLE, &row);
    };
    uncount();
    assert_eq!(program.places().await, (2, 3, 2));
    world.signed_in("acme-member").await;
    assert_eq!(program.places().await, (3, 3, 3));
    world.vendors.github.set_place(OWNER, "outsider", "member");
    uncount();
    assert!(!is_member(
        &world.signed_in("outsider").await.session().await
    ));
    uncount();
    program.takes_out(&guest).await;
    assert_eq!(program.places().await, (2, 3, 2));
    program.world.done().await;
}
