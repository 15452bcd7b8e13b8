//! A low balance is warned of once each time it falls below the account's threshold, whatever moves
//! it: a hold, a debit, a job, an operator, a refund, an expiry.

use crate::world::money::Sold;
use crate::world::program::{Program, program};
use crate::world::verbs::together;
use http::StatusCode;
use serde_json::{Value, json};
use std::time::Duration;

const NOTICES: &str = "/api/v1/notices";
const DEBIT: &str = "/api/v1/credits/debit";
const LOW: &str = "Your balance is low";

/// A program whose account is warned below 50 credits and has 100.
async fn warned_below_fifty(settings: &[(&str, &str)]) -> Program {
    let program = program("credits", settings).await;
    program.world.reachable(&program.account).await;
    let wanted = json!({ "low_balance": "50" });
    let (status, shown) = program.ask("PATCH", NOTICES, Some(&wanted)).await;
    assert_eq!(
        (status, &shown["low_balance"]),
        (StatusCode::OK, &json!("50")),
        "{shown}"
    );
    program
        .world
        .adjusts(&program.account, "100", "first")
        .await;
    program
}

impl Program {
    async fn debits(&self, credits: &str) {
        let wanted = json!({ "credits": credits });
        let (status, answer) = self.ask("POST", DEBIT, Some(&wanted)).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
    }

    /// The number of warnings that were mailed.
    async fn warnings(&self) -> usize {
        self.world.settle().await;
        let subjects = self.world.subjects();
        subjects.iter().filter(|subject| *subject == LOW).count()
    }
}

#[tokio::test(start_paused = true)]
async fn each_crossing_is_one_mail() {
    let program = warned_below_fifty(&[]).await;
    let (world, account) = (&program.world, &program.account);
    program.debits("50").await;
    assert_eq!(program.warnings().await, 0, "50 are left, which is enough");
    let hold = json!({ "credits": "10" });
    let holds = "/api/v1/credits/holds";
    let (status, held) = program.ask("POST", holds, Some(&hold)).await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(program.warnings().await, 1);
    let release = format!("{holds}/{}/release", held["id"].as_str().expect("an id"));
    program.ask("POST", &release, None).await;
    program.debits("5").await;
    assert_eq!(program.warnings().await, 1, "a hold's end arms nothing");
    world.adjusts(account, "4", "too little").await;
    program.debits("1").await;
    assert_eq!(program.warnings().await, 1, "it never rose above");
    world.adjusts(account, "52", "enough").await;
    program.debits("30").await;
    assert_eq!(program.warnings().await, 1, "70 are left");
    world.adjusts(account, "-30", "a correction").await;
    assert_eq!(program.warnings().await, 2);
    assert_eq!(
        world.notices(account).await,
        ["low_balance#2", "low_balance#1"]
    );
    world.assert_ledger_agrees().await;
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn of_many_at_once_one_warns() {
    let program = warned_below_fifty(&[]).await;
    let ten = json!({ "credits": "10" });
    let asked = (0..10).map(|_| program.ask("POST", DEBIT, Some(&ten)));
    for (status, answer) in together(asked).await {
        assert_eq!(status, StatusCode::CREATED, "{answer}");
    }
    assert_eq!(program.warnings().await, 1);
    program.world.done().await;
}

/// A refund takes credits back, and a purchase arms the warning again.
#[tokio::test(start_paused = true)]
async fn refunds_warn_and_purchases_arm() {
    let program = warned_below_fifty(&[]).await;
    let world = &program.world;
    let payment = world.buys_a_pack().await;
    world.settle().await;
    program.debits("100").await;
    assert_eq!(program.warnings().await, 0);
    let stripe = &world.vendors.stripe;
    stripe.refund(&payment, None).expect("it is paid");
    assert_eq!(program.warnings().await, 1);
    world.buys_a_pack().await;
    world.settle().await;
    program.debits("9990").await;
    assert_eq!(program.warnings().await, 2);
    program.world.done().await;
}

/// Credits that expire in the night.
#[tokio::test(start_paused = true)]
async fn an_expiry_warns() {
    let expires = (
        "credits = 10_000\nprice = \"10.00\"",
        "credits = 10_000\nprice = \"10.00\"\nexpires_days = 30",
    );
    let sold = Sold::with("warned-expiry", &[expires]);
    let program = program("credits", &[("CATALOGUE", sold.path())]).await;
    let world = &program.world;
    world.reachable(&program.account).await;
    world.buys_a_pack().await;
    world.settle().await;
    assert_eq!(program.warnings().await, 0);
    world.skip(Duration::from_secs(32 * 86_400));
    world.stack.seal().await.expect("a night");
    assert_eq!(world.purse(&program.account).await, (0, 0));
    assert_eq!(program.warnings().await, 1);
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_threshold_is_the_account_s_own() {
    let program = program("credits", &[]).await;
    let shown = program.get(NOTICES).await;
    assert_eq!(shown["low_balance"], json!("500"), "the catalogue's");
    let change = async |wanted: Value| program.ask("PATCH", NOTICES, Some(&wanted)).await;
    let (status, shown) = change(json!({ "low_balance": "0", "kinds": {} })).await;
    assert_eq!(
        (status, &shown["low_balance"]),
        (StatusCode::OK, &json!("0"))
    );
    program
        .world
        .adjusts(&program.account, "10", "a gift")
        .await;
    program.debits("9").await;
    assert_eq!(
        program.world.notices(&program.account).await,
        Vec::<String>::new(),
        "never"
    );
    let (_, shown) = change(json!({ "low_balance": null })).await;
    assert_eq!(shown["low_balance"], json!("500"));
    for bad in [
        json!({ "low_balance": "-1" }),
        json!({ "low_balance": "x" }),
    ] {
        let (status, refused) = change(bad).await;
        assert_eq!(
            (status, &refused["code"]),
            (StatusCode::BAD_REQUEST, &json!("bad_amount"))
        );
    }
    program.world.settle().await;
    program.world.done().await;
}
