//! The conversation in which the model codes: what its tools show and change, what survives a death,
//! and what bounds it.

use super::calls;
use crate::world::wire::{Reply, WIRED};
use crate::world::{FaultPlan, World};
use ::queues::Queue;
use domain::jobs::JobState;
use domain::jobs::turns::TURNS_MAX;
use domain::units::Credits;
use local_stack::world::{OWNER, REPOSITORY};
use serde_json::{Value, json};
use stand_in_shared::faults::Moment;

const PATH: &str = "src/lib.py";
const TEXT: &str = "def total(prices):\n    return sum(prices)\n\n\ndef mean(prices):\n    return total(prices) / len(prices)\n";

fn read() -> (&'static str, Value) {
    ("read", json!({ "path": PATH, "from": 5, "to": 6 }))
}

fn edit() -> (&'static str, Value) {
    let (old, new) = (
        "    return total(prices) / len(prices)\n",
        "    return total(prices) / max(len(prices), 1)\n",
    );
    ("edit", json!({ "path": PATH, "old": old, "new": new }))
}

fn submit() -> (&'static str, Value) {
    (
        "submit",
        json!({ "title": "Divide by one at least", "body": "An empty list has no prices." }),
    )
}

/// A repository with a file that the plan does not name.
async fn world_with(settings: &[(&str, &str)], answers: &[String]) -> World {
    let world = World::with(FaultPlan::None, settings).await;
    let (github, model) = (&world.vendors.github, &world.vendors.model);
    github.push_file(OWNER, REPOSITORY, "main", PATH, TEXT);
    let plan = json!({ "plan": "A plan", "files": ["README.md"] });
    model.script("plan", vec![plan.to_string()]);
    model.script("code", answers.to_vec());
    world
}

fn delivered(world: &World) -> String {
    let github = &world.vendors.github;
    let head = github.pulls(OWNER, REPOSITORY)[0].head.clone();
    let file = github.file(OWNER, REPOSITORY, &head, PATH);
    file.expect("the file is there")
}

fn content(world: &World, time: usize) -> String {
    let calls = world.vendors.model.calls();
    let call = calls.iter().filter(|call| call.step == "code").nth(time);
    call.expect("it was asked").content.clone()
}

fn found_and_fixed() -> [String; 4] {
    [
        calls(&[
            ("search", json!({ "text": "len(" })),
            ("list", json!({ "path": "src" })),
        ]),
        calls(&[("outline", json!({ "path": PATH })), read()]),
        calls(&[edit()]),
        calls(&[submit()]),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_file_that_no_plan_named_is_found_read_and_changed() {
    for wire in ["anthropic", "openai"] {
        let settings: &[_] = &[("MODEL_WIRE", wire)];
        let world = world_with(settings, &found_and_fixed()).await;
        world.github_sends("issues.opened").await;
        world.settle().await;
        assert_eq!(world.asked("code"), 4);
        assert!(content(&world, 1).contains("src/lib.py:6: return total(prices) / len(prices)"));
        assert!(content(&world, 1).contains("lib.py\n"));
        assert!(content(&world, 2).contains("5\tdef mean(prices):"));
        assert_eq!(
            delivered(&world),
            TEXT.replace("len(prices)", "max(len(prices), 1)")
        );
        let job = world.commented_job().await;
        assert_eq!(
            (job.turns, job.steps, job.state),
            (4, 3, JobState::PrOpened)
        );
        let model_calls = world.vendors.model.calls();
        let sum = |count: fn(&stand_in_model::CallView) -> u64| {
            model_calls.iter().map(count).sum::<u64>()
        };
        assert_eq!(job.tokens.input, sum(|call| call.input_tokens));
        assert_eq!(job.tokens.cache_read, sum(|call| call.cached_tokens));
        assert!(
            job.tokens.cache_read > 0,
            "the beginning is read from the cache"
        );
        world.done().await;
    }
}

/// Between any two calls, and during one: another worker continues the conversation, and at most the
/// answer under way is asked for again.
#[tokio::test(start_paused = true)]
async fn a_worker_that_dies_loses_one_answer_at_most() {
    for (dies_in, moment) in (0..4).flat_map(|n| [(n, Moment::Before), (n, Moment::After)]) {
        let world = world_with(&WIRED, &[]).await;
        let answers = found_and_fixed().to_vec();
        world.vendors.model.script_turns("code", answers);
        world.github_sends("issues.opened").await;
        world.turn(Queue::GithubEvents).await;
        world.turn(Queue::Plan).await;
        let held = world.wire.hold_after("model.wire", moment, dies_in);
        tokio::select! {
            _ = world.turn(Queue::Code) => panic!("it is held"),
            () = held.reached() => {}
        }
        let job = world.present_job().await;
        assert_eq!(job.turns, dies_in, "every turn so far is kept");
        assert!(!job.in_flight.is_zero(), "what the call can cost is known");
        world.settle().await;
        let job = world.commented_job().await;
        let twice = usize::from(matches!(moment, Moment::After));
        assert_eq!((job.turns, world.asked("code")), (4, 4 + twice));
        assert!(
            !job.lost.is_zero(),
            "the lost call counts against our limit"
        );
        assert_eq!(
            delivered(&world),
            TEXT.replace("len(prices)", "max(len(prices), 1)")
        );
        world.done().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_reworked_change_continues_the_conversation() {
    let world = world_with(&[], &found_and_fixed()).await;
    let back = json!({ "verdict": "rework", "notes": "say it in the README too" });
    world.vendors.model.script("review", vec![back.to_string()]);
    let note = json!({ "path": "README.md", "content": "# greeter\nNo prices, no mean.\n" });
    world
        .vendors
        .model
        .script("code", vec![calls(&[("write", note), submit()])]);
    world.github_sends("issues.opened").await;
    world.settle().await;
    let last = content(&world, 4);
    assert!(last.starts_with(&content(&world, 3)) && last.contains("say it in the README too"));
    // The first round's change is still there.
    assert_eq!(
        delivered(&world),
        TEXT.replace("len(prices)", "max(len(prices), 1)")
    );
    let job = world.commented_job().await;
    assert_eq!((job.turns, job.rounds, job.steps), (5, 1, 5));
    world.done().await;
}

/// A model that reads without end is asked to submit, and then the job ends, unbilled.
#[tokio::test(start_paused = true)]
async fn a_model_that_never_submits_ends_the_job() {
    let wanders: Vec<String> = (0..TURNS_MAX)
        .map(|n| calls(&[("read", json!({ "path": PATH, "from": 1 + n % 5 }))]))
        .collect();
    let world = world_with(&[], &wanders).await;
    world.github_sends("issues.opened").await;
    world.settle().await;
    world
        .assert_not_delivered(JobState::Failed, "it took as many turns as it may")
        .await;
    let turns = usize::try_from(TURNS_MAX).expect("few");
    assert_eq!(world.asked("code"), turns);
    let last = content(&world, turns - 1);
    assert!(
        last.ends_with("unless it would do harm."),
        "it is asked to submit"
    );
    assert!(!content(&world, turns - 2).contains("your last answer"));
    world.done().await;
}

/// An answer that was cut off has half a call.
#[tokio::test(start_paused = true)]
async fn an_answer_that_is_cut_off_is_asked_for_in_parts() {
    let long = json!({ "path": "long.txt", "content": "x".repeat(80_000) });
    let mut answers = vec![calls(&[("write", long), submit()])];
    answers.extend(found_and_fixed());
    let world = world_with(&[], &answers).await;
    world.github_sends("issues.opened").await;
    world.settle().await;
    assert!(content(&world, 1).ends_with("Write less in one answer."));
    assert_eq!(world.commented_job().await.state, JobState::PrOpened);
    assert_eq!(
        world
            .vendors
            .github
            .file(OWNER, REPOSITORY, "main", "long.txt"),
        None
    );
    world.done().await;
}

/// With any plan, the models cost as much as the catalogue allows for one job, and no more: lost
/// answers count.
#[tokio::test(start_paused = true)]
async fn lost_answers_count_against_what_a_job_may_cost() {
    let world = world_with(&WIRED, &[]).await;
    world.github_sends("issues.opened").await;
    world.turn(Queue::GithubEvents).await;
    world.turn(Queue::Plan).await;
    // The provider takes every question and never answers.
    world.wire.answer(
        "model.wire",
        crate::world::wire::ALWAYS,
        Reply::status(200, "{"),
    );
    world.settle().await;
    let job = world.commented_job().await;
    assert_eq!(job.state, JobState::Failed);
    let most = Credits::whole(5_000).expect("an amount");
    assert!(!job.lost.is_zero() && job.spent() <= most, "{:?}", job.lost);
    assert_eq!(job.in_flight, Credits::ZERO);
    world.done().await;
}

/// Cancelled in the middle: the next turn is not begun.
#[tokio::test(start_paused = true)]
async fn a_cancelled_job_stops_within_a_turn() {
    let world = world_with(&WIRED, &found_and_fixed()).await;
    world.github_sends("issues.opened").await;
    world.turn(Queue::GithubEvents).await;
    world.turn(Queue::Plan).await;
    let held = world.wire.hold_after("model.wire", Moment::Before, 1);
    let (_, ()) = tokio::join!(world.turn(Queue::Code), async {
        held.reached().await;
        world.github_sends("issues.closed").await;
        world.turn(Queue::GithubEvents).await;
        held.release();
    });
    world.settle().await;
    assert_eq!(world.asked("code"), 2, "no call after the cancellation");
    assert_eq!(world.commented_job().await.state, JobState::Cancelled);
    world.assert_nothing_delivered();
    world.done().await;
}
