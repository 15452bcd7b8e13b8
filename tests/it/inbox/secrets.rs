//! The secrets behind the signatures: several during a rotation, never an empty one, and refreshed
//! within a minute.

use crate::world::{FaultPlan, World};
use boot::{Env, Settings};
use local_stack::signing::{github_request, stripe_request};
use std::time::Duration;

const BASE: &str = "http://tallyhook.test";
const STAR: &[u8] = br#"{"action":"created"}"#;
const CHARGE: &[u8] = br#"{"id":"evt_1","type":"charge.updated"}"#;

/// The answers of both receivers to a request signed with a secret.
async fn answers(world: &World, secret: &str) -> [u16; 2] {
    let now = world.stack.outside.now().seconds();
    let github = world
        .github_receives(github_request(
            BASE,
            secret,
            "star",
            &world.fresh_delivery(),
            STAR,
        ))
        .await;
    let stripe = world
        .stripe_receives(stripe_request(BASE, secret, now, CHARGE))
        .await;
    [github.status().as_u16(), stripe.status().as_u16()]
}

#[tokio::test(start_paused = true)]
async fn every_listed_secret_is_good_and_no_other() {
    let both = [
        ("GITHUB_WEBHOOK_SECRETS", "newest, older ,oldest"),
        ("STRIPE_WEBHOOK_SECRETS", "newest, older ,oldest"),
    ];
    let world = World::bare(FaultPlan::None, &both).await;
    for (secret, expected) in [
        ("newest", 202),
        ("older", 202),
        ("oldest", 202),
        ("retired", 401),
        (" older ", 401),
        ("", 401),
    ] {
        assert_eq!(answers(&world, secret).await, [expected; 2], "{secret:?}");
    }
    assert_eq!(
        answers(&world, "newest, older ,oldest").await,
        [401; 2],
        "the list is no secret"
    );
    world.settle().await;
    world.done().await;
}

const REFERENCES: [(&str, &str); 2] = [
    ("GITHUB_WEBHOOK_SECRETS", "ssm:/tallyhook/secrets"),
    ("STRIPE_WEBHOOK_SECRETS", "ssm:/tallyhook/secrets"),
];

#[tokio::test(start_paused = true)]
async fn a_secret_rolls_without_losing_a_webhook() {
    let world = World::bare(FaultPlan::None, &REFERENCES).await;
    world.wire.set_secret("/tallyhook/secrets", "old");
    assert_eq!(answers(&world, "old").await, [202; 2]);
    assert_eq!(answers(&world, "new").await, [401; 2]);
    world.wire.set_secret("/tallyhook/secrets", "new,old");
    world.elapse(Duration::from_secs(60)).await;
    assert_eq!(answers(&world, "old").await, [202; 2]);
    assert_eq!(answers(&world, "new").await, [202; 2]);
    world.wire.set_secret("/tallyhook/secrets", "new");
    world.elapse(Duration::from_secs(60)).await;
    assert_eq!(
        answers(&world, "old").await,
        [401; 2],
        "retired, it is refused within a minute"
    );
    assert_eq!(answers(&world, "new").await, [202; 2]);
    assert_eq!(
        world.wire.heard("ssm").len(),
        6,
        "each function asks once a minute, whatever the number of webhooks"
    );
    world.settle().await;
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn secrets_that_cannot_be_fetched_serve_ten_minutes_more() {
    let world = World::bare(FaultPlan::None, &REFERENCES).await;
    world.wire.cut("ssm", 2);
    assert_eq!(
        answers(&world, "old").await,
        [503; 2],
        "without any secret the receiver refuses everything"
    );
    world.wire.set_secret("/tallyhook/secrets", "old");
    assert_eq!(answers(&world, "old").await, [202; 2]);
    world.wire.cut("ssm", crate::world::wire::ALWAYS);
    world.elapse(Duration::from_secs(599)).await;
    assert_eq!(answers(&world, "old").await, [202; 2]);
    world.elapse(Duration::from_secs(61)).await;
    assert_eq!(
        answers(&world, "old").await,
        [503; 2],
        "they may have been withdrawn by now"
    );
    world.wire.clear();
    assert_eq!(answers(&world, "old").await, [202; 2]);
    world.settle().await;
    world.done().await;
}

/// With an empty key anybody can sign.
#[tokio::test(start_paused = true)]
async fn a_blank_secret_opens_nothing() {
    let world = World::bare(FaultPlan::None, &REFERENCES).await;
    for list in ["", "  ", "good,", ",good", "good, ,other"] {
        world.wire.set_secret("/tallyhook/secrets", list);
        for signed in ["", " ", "good"] {
            assert_eq!(
                answers(&world, signed).await,
                [503; 2],
                "{list:?} signed with {signed:?}"
            );
        }
        world.elapse(Duration::from_secs(60)).await;
    }
    assert_eq!(
        world
            .logged(
                domain::inbox::EventSource::Github,
                &domain::inbox::EventState::ALL
            )
            .await,
        []
    );
    world.done().await;
}

fn settings(changed: &str, value: Option<&str>) -> Env {
    let all = [
        ("EVENTS_TABLE", "events"),
        ("GITHUB_EVENTS_QUEUE_URL", "https://queue"),
        ("STRIPE_EVENTS_QUEUE_URL", "https://queue"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ];
    Env::of(all.into_iter().chain(value.map(|value| (changed, value))))
}

#[test]
fn receivers_do_not_start_without_good_secrets_and_say_which_setting_is_wrong() {
    let github = |name, value| {
        github_webhook::Config::load(settings(name, value))
            .err()
            .map(|error| error.to_string())
    };
    let stripe = |name, value| {
        stripe_webhook::Config::load(settings(name, value))
            .err()
            .map(|error| error.to_string())
    };
    for value in [
        None,
        Some(""),
        Some("  \t"),
        Some(","),
        Some("hunter2,"),
        Some("hunter2, ,hunter3"),
    ] {
        for (plural, singular) in [
            ("GITHUB_WEBHOOK_SECRETS", "GITHUB_WEBHOOK_SECRET"),
            ("STRIPE_WEBHOOK_SECRETS", "STRIPE_WEBHOOK_SECRET"),
        ] {
            for name in [plural, singular] {
                let said = if plural.starts_with("GITHUB") {
                    github(name, value)
                } else {
                    stripe(name, value)
                };
                let said = said.unwrap_or_else(|| panic!("{name}={value:?} must not start"));
                assert!(said.contains(plural) && !said.contains("hunter"), "{said}");
            }
        }
    }
    for name in ["GITHUB_WEBHOOK_SECRETS", "GITHUB_WEBHOOK_SECRET"] {
        assert_eq!(github(name, Some("one, two")), None, "{name}");
    }
    for name in ["STRIPE_WEBHOOK_SECRETS", "STRIPE_WEBHOOK_SECRET"] {
        assert_eq!(stripe(name, Some("ssm:/tallyhook/secrets")), None, "{name}");
    }
}

#[test]
fn all_faults_of_the_settings_are_reported_at_once() {
    let Err(error) = github_webhook::Config::load(Env::of([("EVENTS_TABLE", " ")])) else {
        panic!("it must not start")
    };
    let said = error.to_string();
    for name in [
        "EVENTS_TABLE",
        "GITHUB_EVENTS_QUEUE_URL",
        "GITHUB_WEBHOOK_SECRETS",
        "AWS_REGION",
        "AWS_ACCESS_KEY_ID",
    ] {
        assert!(said.contains(name), "{name} in {said}");
    }
}
