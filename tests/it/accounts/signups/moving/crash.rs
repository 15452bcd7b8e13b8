//! A process may die at any call of a move.

use super::*;

/// Joins with the key and moves the owner while the function dies at this call. Returns its calls.
async fn dies_at(call: Option<(u64, Moment)>) -> Vec<Called> {
    let world = World::bare(FaultPlan::None, &[]).await;
    let new = applicant(&world).await;
    let left_key = world.key_of(&new.automatic, "theirs").await;
    let boss = world.signed_in("acme-owner").await;
    let csrf = boss.csrf().await;
    let before = world.stack.faults.calls();
    if let Some((call, moment)) = call {
        world.stack.faults.crash_at(before + call, moment);
    }
    let (number, account) = (INSTALLATION_ID.to_string(), new.mailed.as_str());
    let joined = boss
        .sends(
            "/setup/account",
            &[("key", &new.key), ("csrf_token", &csrf)],
        )
        .await;
    assert_eq!(joined.status(), StatusCode::OK, "{call:?}");
    let choice = [
        ("installation_id", number.as_str()),
        ("account_id", account),
        ("csrf_token", &csrf),
    ];
    let moved = boss.sends("/setup", &choice).await;
    assert_eq!(
        moved.status(),
        StatusCode::SEE_OTHER,
        "{call:?}: {}",
        text(&moved)
    );
    let calls = world.stack.faults.since(before);
    assert_eq!(
        world.moved_to(&new.automatic).await.as_ref(),
        Some(&new.mailed),
        "{call:?}"
    );
    let keys = world
        .stack
        .store
        .api_key_list(&new.automatic)
        .await
        .expect("the store answers");
    assert!(keys.len() == 1 && keys[0].revoked_at.is_some(), "{call:?}");
    assert_eq!(
        world
            .stack
            .store
            .member_list(&new.automatic)
            .await
            .expect("the store answers")
            .len(),
        0,
        "{call:?}"
    );
    assert_eq!(
        world
            .customer(&left_key, "GET", "/api/v1/account", "", None)
            .await
            .0,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(world.payer().await, Some(new.mailed), "{call:?}");
    world.settle().await;
    world.done().await;
    calls
}

#[tokio::test(start_paused = true)]
async fn a_process_may_die_at_any_call_of_a_move() {
    let calls = dies_at(None).await;
    assert!(calls.len() >= 15, "{calls:?}");
    for death in deaths(&calls) {
        dies_at(Some(death)).await;
    }
}
