//! Workers that die, are late, or have lost their lease.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_step_whose_sandbox_dies_is_done_by_another() {
    let way = [Queue::Plan, Queue::Code, Queue::Review];
    for (place, step) in ["plan", "code", "review"].into_iter().enumerate() {
        let world = World::with(FaultPlan::None, &WIRED).await;
        world.github_sends("issues.opened").await;
        world.turn(Queue::GithubEvents).await;
        for queue in &way[..place] {
            world.turn(*queue).await;
        }
        die_in_a_model_call(&world, way[place]).await;
        let job = world.present_job().await;
        let leased = job.lease_until.expect("it is leased to the dead");
        assert_eq!(
            leased.since(world.stack.outside.now()),
            Duration::from_secs(360),
            "{step}: nobody begins while the answer may still come"
        );
        world.settle().await;
        assert_eq!(
            world.asked(step),
            2,
            "{step} was asked again, and nothing else"
        );
        assert_eq!(world.vendors.model.calls().len(), 4);
        assert_eq!(
            world.commented_job().await.tokens.input,
            world
                .vendors
                .model
                .calls()
                .iter()
                .map(|call| call.input_tokens)
                .sum::<u64>()
                - world.vendors.model.calls()[place].input_tokens,
            "the job counts what it got"
        );
        world.assert_delivered_once();
        world.done().await;
    }
}

/// Makes the process die after the model has answered it.
async fn die_in_a_model_call(world: &World, queue: Queue) {
    let held = world.wire.hold("model.wire", Moment::After);
    tokio::select! {
        _ = world.turn(queue) => panic!("it is held"),
        () = held.reached() => {}
    }
}

#[tokio::test(start_paused = true)]
async fn work_that_kills_every_sandbox_ends_the_job() {
    let world = World::with(FaultPlan::None, &WIRED).await;
    world.github_sends("issues.opened").await;
    world.turn(Queue::GithubEvents).await;
    for _ in 0..ATTEMPTS_MAX {
        die_in_a_model_call(&world, Queue::Plan).await;
        world.elapse(Duration::from_secs(361)).await;
        world.sweep().await;
    }
    world.settle().await;
    world
        .assert_not_delivered(JobState::Failed, "every try ended without a word")
        .await;
    assert_eq!(
        u32::try_from(world.asked("plan")).expect("few"),
        ATTEMPTS_MAX
    );
    world.done().await;
}

/// F-D2: messages for steps that are over.
#[tokio::test(start_paused = true)]
async fn late_messages_are_ignored() {
    let world = World::start().await;
    world.github_sends("issues.opened").await;
    world.settle().await;
    let job = world.commented_job().await;
    let id = &job.facts.id;
    for work in [JobWork::Plan, JobWork::Code, JobWork::Review, JobWork::Pull] {
        world.queue_gets(&Message::Work(work, id.clone())).await;
    }
    world.queue_gets(&Message::Comment(id.clone())).await;
    world
        .queue_gets(&Message::Usage(domain::billing::usage::AccountMeter {
            account: job.facts.account.clone(),
            meter: domain::billing::usage::Meter::pull_requests(),
        }))
        .await;
    let calls = world.vendors.model.calls().len();
    world.settle().await;
    assert_eq!(world.job(id).await, job, "the row is as it was");
    assert_eq!(world.vendors.model.calls().len(), calls);
    world.assert_delivered_once();
    world.done().await;
}

/// F-C2: a first worker is still running when a second one takes over. Its write names an outdated
/// version.
#[tokio::test(start_paused = true)]
async fn a_worker_that_has_lost_its_lease_changes_nothing() {
    let world = World::with(FaultPlan::None, &WIRED).await;
    world.github_sends("issues.opened").await;
    world.turn(Queue::GithubEvents).await;
    world.turn(Queue::Plan).await;
    let id = world.open_job().await.expect("a job");
    let late = json!({ "Records": [{ "messageId": "late", "body": Message::Work(JobWork::Code, id.clone()).to_json(), "attributes": {}, "messageAttributes": {} }] });
    let late = serde_json::from_value(late).expect("an event");
    // The model call takes longer than the lease.
    let deadline = (world.stack.now)() + 900_000;
    let held = world.wire.hold("model.wire", Moment::After);
    let function = world.mapping(Queue::Code).function.clone();
    let (response, ()) = tokio::join!(function(late, deadline), async {
        held.reached().await;
        world.elapse(Duration::from_secs(361)).await;
        world.turn(Queue::Code).await;
        assert_eq!(
            world.present_job().await.state,
            JobState::Reviewing,
            "the second one has taken over and is done"
        );
        held.release();
    });
    assert!(
        response.batch_item_failures.is_empty(),
        "the late one has nothing to report"
    );
    let job = world.present_job().await;
    assert_eq!((job.state, job.steps), (JobState::Reviewing, 2));
    world.settle().await;
    assert_eq!(world.asked("code"), 2);
    assert_eq!(
        world.commented_job().await.steps,
        3,
        "one plan, one change, one review are kept"
    );
    world.assert_delivered_once();
    world.done().await;
}
