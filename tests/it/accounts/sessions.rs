//! Where a person is signed in, and how they end it.

use crate::world::World;
use crate::world::browser::{Browser, location};
use crate::world::program::program;
use http::StatusCode;
use serde_json::Value;
use std::time::Duration;

async fn listed(browser: &Browser<'_>) -> Vec<Value> {
    let (status, shown) = browser.api("GET", "/api/v1/sessions", "", None).await;
    assert_eq!(status, StatusCode::OK, "{shown}");
    shown["sessions"].as_array().expect("a list").clone()
}

/// Whether the browser's session works in a process that has not seen it for a minute.
async fn is_signed_in(world: &World, browser: &Browser<'_>) -> bool {
    world.elapse(Duration::from_secs(61)).await;
    let (status, _) = browser.api("GET", "/api/v1/account", "", None).await;
    status == StatusCode::OK
}

fn other(sessions: &[Value]) -> &str {
    let other = sessions.iter().find(|one| one["current"] == false);
    other.expect("another session")["id"]
        .as_str()
        .expect("an id")
}

#[tokio::test(start_paused = true)]
async fn a_stolen_session_is_seen_and_ended() {
    let program = program("credits", &[]).await;
    let world = &program.world;
    let thief = world.signed_in("acme-owner").await;
    world.elapse(Duration::from_secs(5)).await;
    let owner = world.signed_in("acme-owner").await;

    let sessions = listed(&owner).await;
    assert_eq!(sessions.len(), 2);
    assert_eq!(
        (&sessions[0]["current"], &sessions[1]["current"]),
        (&true.into(), &false.into())
    );
    assert_eq!(sessions[0]["account_id"], program.account.as_str());
    assert_eq!(sessions[0]["browser"], "an unknown browser");

    let path = format!("/api/v1/sessions/{}", other(&sessions));
    assert_eq!(
        owner.acts("DELETE", &path, None).await.0,
        StatusCode::NO_CONTENT
    );
    assert!(!is_signed_in(world, &thief).await);
    assert!(is_signed_in(world, &owner).await);
    assert_eq!(listed(&owner).await.len(), 1);
    assert_eq!(
        owner.acts("DELETE", &path, None).await.0,
        StatusCode::NOT_FOUND
    );
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn all_other_sessions_end_at_once() {
    let program = program("credits", &[]).await;
    let world = &program.world;
    let (one, two) = (
        world.signed_in("acme-owner").await,
        world.signed_in("acme-owner").await,
    );
    let owner = world.signed_in("acme-owner").await;
    let done = owner.acts("DELETE", "/api/v1/sessions", None).await;
    assert_eq!(done.0, StatusCode::NO_CONTENT);
    assert!(!is_signed_in(world, &one).await && !is_signed_in(world, &two).await);
    assert!(is_signed_in(world, &owner).await);
    program.world.done().await;
}

/// A session is its person's: another member of the account neither sees nor ends it, and neither
/// does a form of another site.
#[tokio::test(start_paused = true)]
async fn nobody_ends_another_persons_session() {
    let program = program("credits", &[]).await;
    let world = &program.world;
    let owner = world.signed_in("acme-owner").await;
    let colleague = world.signed_in("acme-member").await;
    let theirs = listed(&owner).await[0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    assert!(
        listed(&colleague)
            .await
            .iter()
            .all(|one| one["id"] != theirs.as_str())
    );
    let path = format!("/api/v1/sessions/{theirs}");
    assert_eq!(
        colleague.acts("DELETE", &path, None).await.0,
        StatusCode::NOT_FOUND
    );
    let forged = owner.api("DELETE", &path, "", None).await;
    assert_eq!(forged.0, StatusCode::FORBIDDEN, "{}", forged.1);
    assert!(is_signed_in(world, &owner).await);
    program.world.done().await;
}

/// The page does what the API does; a session that signs out or changes its account leaves the list.
#[tokio::test(start_paused = true)]
async fn the_page_lists_and_ends_sessions() {
    let program = program("credits", &[]).await;
    let world = &program.world;
    let thief = world.signed_in("acme-owner").await;
    let owner = world.signed_in("acme-owner").await;
    let page = owner.ask("GET", "/settings/sessions", &[], "").await;
    let page = String::from_utf8_lossy(page.body()).into_owned();
    assert!(
        page.contains("this browser") && page.contains("End all other sessions"),
        "{page}"
    );
    let csrf = owner.csrf().await;
    let id = other(&listed(&owner).await).to_owned();
    let path = format!("/settings/sessions/{id}/end");
    let refused = owner.sends(&path, &[("csrf_token", "forged")]).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    for _ in 0..2 {
        let ended = owner.sends(&path, &[("csrf_token", &csrf)]).await;
        assert_eq!(location(&ended), "/settings/sessions?done=ended");
    }
    assert!(!is_signed_in(world, &thief).await);
    let left = owner.sends("/signout", &[("csrf_token", &csrf)]).await;
    assert_eq!(left.status(), StatusCode::SEE_OTHER);
    let again = world.signed_in("acme-owner").await;
    assert_eq!(listed(&again).await.len(), 1, "only the new one");
    program.world.done().await;
}
