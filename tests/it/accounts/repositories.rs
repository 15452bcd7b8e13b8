//! The page and the route that list an account's repositories with their policies.

use crate::world::program::{Program, program};
use crate::world::{FaultPlan, World, fixture};
use domain::ids::AccountId;
use http::StatusCode;
use local_stack::world::{OWNER, REPOSITORY};
use queues::Queue;
use serde_json::{Value, json};
use stand_in_shared::faults::{Moment, deaths};
use std::time::Duration;

const LIST: &str = "/api/v1/repositories";

async fn shop() -> Program {
    program("credits", &[]).await
}

/// Sends an event about the installation's repositories, and waits until it is handled.
async fn changes(world: &World, action: &str, at: &str) {
    let sample = format!("installation_repositories.{action}");
    world
        .github_sends_changed(&sample, |event| {
            event["installation"]["updated_at"] = at.into();
        })
        .await;
    world.settle().await;
}

/// The repository with this name.
fn named<'a>(list: &'a Value, name: &str) -> &'a Value {
    let all = list["repositories"].as_array().expect("a list");
    let found = all.iter().find(|one| one["name"] == name);
    found.unwrap_or_else(|| panic!("{name}: {list}"))
}

async fn page(world: &World) -> String {
    let browser = world.signed_in("acme-guest").await;
    let page = browser.ask("GET", "/settings/repositories", &[], "").await;
    assert_eq!(page.status(), StatusCode::OK, "{page:?}");
    String::from_utf8(page.body().to_vec()).expect("UTF-8")
}

/// The App is installed; a policy is broken, and then repaired.
#[tokio::test(start_paused = true)]
async fn a_policy_is_shown_as_it_is_read() {
    let program = shop().await;
    let world = &program.world;
    world.github_sends("installation.created").await;
    world.settle().await;
    let listed = program.get(LIST).await;
    assert_eq!(
        listed["owners"],
        json!([{ "id": 9001, "login": "acme", "installation": 7001, "state": "active" }])
    );
    let first = named(&listed, "acme/greeter");
    assert_eq!(
        (&first["policy_file"], &first["state"], &first["private"]),
        (&json!("unread"), &json!("active"), &json!(false))
    );

    let github = &world.vendors.github;
    let push = |text| github.push_file(OWNER, REPOSITORY, "main", ".tallyhook.toml", text);
    push("[triggers]\nrole = 'everybody'\n\n[pull]\non_red = 'bill'\n");
    world.issue_opens(30).await;
    world.settle().await;
    let listed = program.get(LIST).await;
    let broken = named(&listed, "acme/greeter");
    let mistakes = broken["mistakes"].as_array().expect("mistakes");
    assert_eq!(
        (&broken["policy_file"], mistakes.len()),
        (&json!("broken"), 2)
    );
    assert!(
        mistakes[0]
            .as_str()
            .expect("a text")
            .starts_with("line 2: `role`")
    );
    assert!(
        mistakes[1]
            .as_str()
            .expect("a text")
            .starts_with("line 5: `on_red`")
    );
    assert_eq!(broken["last_job"]["issue"], 30);
    let shown = page(world).await;
    assert!(
        shown.contains("line 5: `on_red`") && shown.contains("Cannot be used"),
        "{shown}"
    );

    world.skip(Duration::from_secs(60));
    push("[triggers]\nopened = false\nlabel = 'bot'\n[limits]\nbudget = '2.5'\n");
    world.issue_opens(31).await;
    world.settle().await;
    let listed = program.get(LIST).await;
    let repaired = named(&listed, "acme/greeter");
    assert_eq!(
        (&repaired["policy_file"], &repaired["mistakes"]),
        (&json!("read"), &json!([]))
    );
    let policy = &repaired["policy"];
    assert_eq!(
        (
            &policy["opened"],
            &policy["label"],
            &policy["budget"],
            &policy["commands"]
        ),
        (&json!(false), &json!("bot"), &json!("2.5"), &json!(true))
    );
    let shown = page(world).await;
    assert!(
        shown.contains("2.5 credits") && !shown.contains("Cannot be used"),
        "{shown}"
    );
    program.world.done().await;
}

/// GitHub's newest change counts in any order and as often as it arrives; a suspended installation
/// says so.
#[tokio::test(start_paused = true)]
async fn removed_and_suspended_repositories_say_so() {
    let program = shop().await;
    let world = &program.world;
    world.github_sends("installation.created").await;
    world.settle().await;
    changes(world, "added", "2026-11-20T12:00:00Z").await;
    let state = async || named(&program.get(LIST).await, "acme/parting")["state"].clone();
    assert_eq!(state().await, "active");
    changes(world, "removed", "2026-11-20T14:00:00Z").await;
    assert_eq!(state().await, "removed");
    changes(world, "added", "2026-11-20T13:00:00Z").await;
    assert_eq!(state().await, "removed", "an older event");
    changes(world, "added", "2026-11-20T15:00:00Z").await;
    assert_eq!(state().await, "active");
    world
        .github_sends_changed("installation.suspend", |event| {
            event["installation"]["updated_at"] = "2026-11-20T16:00:00Z".into();
        })
        .await;
    world.settle().await;
    assert_eq!(state().await, "suspended");
    let listed = program.get(LIST).await;
    assert_eq!(listed["owners"][0]["state"], "suspended");
    assert!(page(world).await.contains("Suspended"));
    program.world.done().await;
}

/// Another account's key and members see nothing of it.
#[tokio::test(start_paused = true)]
async fn another_account_sees_nothing() {
    let program = shop().await;
    let world = &program.world;
    world.github_sends("installation.created").await;
    world.settle().await;
    let body =
        json!({ "stripe_customer_id": "cus_Other", "installation_id": 9_009, "plan": "credits" });
    let other = world.insist("POST", "/api/v1/admin/accounts", &body).await;
    let other = AccountId::parse(other["id"].as_str().expect("an id")).expect("an id");
    let key = world.key_of(&other, "theirs").await;
    assert_ne!(program.get(LIST).await["repositories"], json!([]));
    let (status, listed) = world.customer(&key, "GET", LIST, "once", None).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        listed,
        json!({ "owners": [], "repositories": [], "next_cursor": null })
    );
    program.world.done().await;
}

/// Wherever a process dies that handles an issue or a change of the repositories, nothing is lost.
#[tokio::test(start_paused = true)]
async fn a_death_loses_no_sighting() {
    let journey = async |event: &str, sample: &str, dies: Option<(u64, Moment)>| {
        let (world, account) = World::on_plan(FaultPlan::None, "credits", &[]).await;
        let key = world.key_of(&account, "the first").await;
        let delivery = world.fresh_delivery();
        let body = serde_json::to_vec(&fixture("github", sample)).expect("JSON");
        let answer = world.github_delivers(event, &delivery, &body).await;
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        let before = world.stack.faults.calls();
        if let Some((call, moment)) = dies {
            world.stack.faults.crash_at(before + call, moment);
        }
        world.drain(Queue::GithubEvents).await;
        let calls = world.stack.faults.since(before);
        world.settle().await;
        let (_, listed) = world.customer(&key, "GET", LIST, "once", None).await;
        assert_eq!(
            listed["owners"][0]["id"], 9001,
            "{sample} {dies:?}: {listed}"
        );
        let found: Vec<_> = listed["repositories"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|one| {
                let file = one["policy_file"].as_str().expect("a word").to_owned();
                (file, one["last_job"]["issue"].as_u64())
            })
            .collect();
        world.done().await;
        (calls, found)
    };
    for (event, sample, expected) in [
        (
            "installation_repositories",
            "installation_repositories.added",
            ("unread".to_owned(), None),
        ),
        ("issues", "issues.opened", ("absent".to_owned(), Some(7))),
    ] {
        let (calls, found) = journey(event, sample, None).await;
        assert_eq!(found, std::slice::from_ref(&expected), "{sample}");
        let all = deaths(&calls);
        assert!(all.len() >= 4, "{all:?}");
        for death in all {
            let (_, found) = journey(event, sample, Some(death)).await;
            assert_eq!(
                found,
                std::slice::from_ref(&expected),
                "{sample} after {death:?}"
            );
        }
    }
}
