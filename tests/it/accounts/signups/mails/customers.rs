//! A sign-up creates exactly one Stripe customer, wherever a process dies and whichever answer is
//! lost.

use super::*;

/// The whole journey, with a death at this call. Returns its calls.
async fn dies_at(call: Option<(u64, Moment)>) -> Vec<Called> {
    let world = World::bare(FaultPlan::None, &[]).await;
    let before = world.stack.faults.calls();
    if let Some((call, moment)) = call {
        world.stack.faults.crash_at(before + call, moment);
    }
    world
        .signs_up("192.0.2.1", &sign_up_body(ANN, "trial"))
        .await;
    world.settle().await;
    let letters = world.vendors.mail.letters();
    // A mail cannot be looked up: if the process dies before it records the answer, the same mail
    // is sent once more.
    let twice = letters.len() == 2 && letters[0].text == letters[1].text && call.is_some();
    assert!(
        letters.len() == 1 || twice,
        "{call:?}: {} mails",
        letters.len()
    );
    let start = letters[0].text.find("/welcome/").expect("a link");
    let path = letters[0].text[start..]
        .lines()
        .next()
        .expect("a line")
        .to_owned();
    let (status, key) = world.reveals(&path, "of this page").await;
    assert_eq!(status, StatusCode::CREATED, "{call:?}: {key}");
    let calls = world.stack.faults.since(before);
    let secret = key["secret"].as_str().expect("a key");
    let keys = world
        .customer(secret, "GET", "/api/v1/api-keys", "", None)
        .await;
    assert_eq!(
        (keys.0, keys.1["keys"].as_array().map(Vec::len)),
        (StatusCode::OK, Some(1)),
        "{call:?}"
    );
    world
        .assert_provisioned_once(&applicant(ANN), NoticeOutcome::Sent)
        .await;
    assert_eq!(world.made_customers().len(), 1, "{call:?}");
    world.done().await;
    calls
}

#[tokio::test(start_paused = true)]
async fn a_process_may_die_at_any_call_of_a_sign_up() {
    let calls = dies_at(None).await;
    assert!(calls.len() >= 20, "{calls:?}");
    for death in deaths(&calls) {
        dies_at(Some(death)).await;
    }
}

/// Stripe forgets idempotency keys after a day. A customer created under an old key is found, and
/// no second customer is created.
#[tokio::test(start_paused = true)]
async fn a_customer_whose_answer_was_lost_is_found_days_later() {
    let world = World::bare(FaultPlan::None, &[]).await;
    world.stack.faults.inject(stand_in_shared::faults::Fault {
        on: "POST stripe.stand-in".to_owned(),
        times: 1,
        effect: stand_in_shared::faults::Effect::AnswerLost,
    });
    world
        .signs_up("192.0.2.1", &sign_up_body(ANN, "trial"))
        .await;
    world.turn(queues::Queue::Provisioning).await;
    assert_eq!(
        (
            world.made_customers().len(),
            world.signup(&applicant(ANN)).await.state
        ),
        (1, SignUpState::Owed)
    );
    world.skip(Duration::from_secs(3 * 86_400));
    world.settle().await;
    assert_eq!(world.made_customers().len(), 1);
    world
        .assert_provisioned_once(&applicant(ANN), NoticeOutcome::Sent)
        .await;
    world.done().await;
}

/// Stripe reports a failure although it created the customer, and its search does not show the
/// customer yet.
#[tokio::test(start_paused = true)]
async fn a_customer_that_was_made_by_a_failed_call_is_the_only_one() {
    for fault in [Fault::DoneAndFailed, Fault::StoredFailure] {
        let world = World::bare(FaultPlan::Seeded(49), &[]).await;
        world.vendors.stripe.fail_next(fault);
        world
            .signs_up("192.0.2.1", &sign_up_body(ANN, "trial"))
            .await;
        world.settle().await;
        assert_eq!(world.made_customers().len(), 1, "{fault:?}");
        world
            .assert_provisioned_once(&applicant(ANN), NoticeOutcome::Sent)
            .await;
        world.done().await;
    }
}
