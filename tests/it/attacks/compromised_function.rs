//! What somebody can do who has taken over a function: no more than its role in the template allows.

use crate::world::roles::of_the_template;
use crate::world::{FaultPlan, World};
use boot::{Aws, AwsSettings, Env, Settings as _};
use domain::accounts::members::User;
use domain::accounts::sessions::Session;
use domain::ids::{AccountId, ActionId, SessionId, UserId};
use domain::switches::Switch;
use domain::time::Timestamp;
use local_stack::stack::MAIN_TABLE;
use serde_json::{Value, json};
use stand_in_aws::iam::{Effect, refusal};
use std::collections::BTreeMap;
use std::time::Duration;
use store::{Connection, Store, StoreError, SwitchWord, Switchboard, Which};

/// The main table, as a function reaches it.
fn as_function(world: &World, function: &str) -> (Store, Switchboard) {
    let settings = [
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", function),
        ("AWS_SECRET_ACCESS_KEY", "embedded"),
    ];
    let settings: BTreeMap<_, _> = settings
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let settings = AwsSettings::load(Env::of(settings)).expect("the settings");
    let outside = &world.stack.outside;
    let aws = Aws::new(settings, outside);
    let connection = Connection::new(&aws.sdk, None);
    let store = connection.store(MAIN_TABLE, outside.random.clone());
    (store, connection.switches(MAIN_TABLE))
}

async fn signs_in(store: &Store, account: &AccountId, world: &World) -> Result<(), StoreError> {
    let session = Session {
        id: SessionId::mint(world.stack.outside.now(), [7; 10]),
        user: User {
            id: UserId::new(8_666),
            login: "evil".to_owned(),
        },
        account: Some(account.clone()),
        shown: Vec::new(),
        full: Vec::new(),
        browser: String::new(),
        began_at: Timestamp::default(),
        expires_at: world.stack.outside.now().plus(Duration::from_secs(3_600)),
    };
    store.session_create(&session, "evil").await
}

async fn switches_off(
    switches: &Switchboard,
    account: &AccountId,
    world: &World,
) -> Result<(), StoreError> {
    let word = SwitchWord {
        position: Switch::Off,
        by: "evil".to_owned(),
        reason: "to do harm".to_owned(),
        at: world.stack.outside.now(),
    };
    let act = ActionId::of_digest([7; 16]);
    let which = Which::Account(account.clone());
    let switched = switches.switch_set(&which, &word, &act);
    switched.await.map(|_| ())
}

/// S7: the functions that read issues, models' answers and Stripe's events can write jobs, and
/// neither sessions nor switches.
#[tokio::test(start_paused = true)]
async fn a_function_cannot_make_itself_an_admin() {
    let world = World::with(FaultPlan::None, &[]).await;
    let account = world.account().await;
    for function in [
        "github-events",
        "stripe-events",
        "job-steps",
        "pull-requests",
        "usage-reports",
        "reconciliation",
    ] {
        let (store, switches) = as_function(&world, function);
        assert!(
            signs_in(&store, &account, &world).await.is_err(),
            "{function}"
        );
        assert!(
            switches_off(&switches, &account, &world).await.is_err(),
            "{function}"
        );
        assert_eq!(world.stack.tables.refusals_take().len(), 2, "{function}");
    }
    let (store, switches) = as_function(&world, "web");
    assert!(signs_in(&store, &account, &world).await.is_ok());
    assert!(switches_off(&switches, &account, &world).await.is_err());
    let (store, switches) = as_function(&world, "admin");
    assert!(signs_in(&store, &account, &world).await.is_err());
    assert!(switches_off(&switches, &account, &world).await.is_ok());
    world.stack.tables.refusals_take();
    world.done().await;
}

/// The requests that write a row, alone, in a transaction, as an update and as a deletion.
fn writes(table: &str, pk: &str) -> [(&'static str, Value); 4] {
    let key = json!({ "pk": { "S": pk }, "sk": { "S": "evil" } });
    let put = json!({ "TableName": table, "Item": key });
    let on_key = json!({ "TableName": table, "Key": key });
    [
        ("PutItem", put.clone()),
        (
            "TransactWriteItems",
            json!({ "TransactItems": [{ "Put": put }] }),
        ),
        ("UpdateItem", on_key.clone()),
        ("DeleteItem", on_key),
    ]
}

/// Every way of writing is refused for what a role denies. The denials come from the template, so a
/// new one is tested as well.
#[test]
fn what_a_role_denies_is_refused_in_every_way() {
    let roles = of_the_template();
    let mut tried = 0;
    for (function, statements) in roles.clone() {
        for statement in statements {
            if statement.effect != Effect::Deny {
                continue;
            }
            for pattern in &statement.partitions {
                let pk = pattern.replace('*', "evil");
                for table in &statement.resources {
                    for (operation, request) in writes(table, &pk) {
                        let target = format!("DynamoDB_20120810.{operation}");
                        assert!(
                            refusal(&roles, &function, &target, &request).is_some(),
                            "{function}: {operation} of {pk} in {table}"
                        );
                        tried += 1;
                    }
                }
            }
        }
    }
    assert!(tried > 200, "{tried}");
}

/// A caller without a role may do nothing.
#[tokio::test(start_paused = true)]
async fn a_caller_without_a_role_may_do_nothing() {
    let world = World::with(FaultPlan::None, &[]).await;
    let account = world.account().await;
    let (store, _) = as_function(&world, "nobody");
    assert!(store.account_find(&account).await.is_err());
    assert_eq!(world.stack.tables.refusals_take().len(), 1);
    world.done().await;
}

/// Without this, the journeys would hold nobody to a role.
#[tokio::test(start_paused = true)]
async fn every_function_is_known_by_its_name() {
    let world = World::with(FaultPlan::None, &[]).await;
    world.github_sends("issues.opened").await;
    world.settle().await;
    world.assert_delivered_once();
    let callers = world.stack.tables.callers();
    for function in [
        "github-webhook",
        "github-events",
        "job-steps",
        "pull-requests",
        "usage-reports",
        "admin",
    ] {
        assert!(callers.contains(function), "{function}: {callers:?}");
    }
    world.done().await;
}
