//! The model may come from any provider whose API format we support.

use crate::world::money::built_in;
use crate::world::program::program;
use crate::world::wire::{Reply, WIRED};
use crate::world::{FaultPlan, World};
use ::queues::Queue;
use domain::billing::plans::cost;
use domain::billing::usage::Tokens;
use domain::jobs::JobState;
use local_stack::world::{OWNER, REPOSITORY};
use serde_json::json;
use std::collections::BTreeSet;

#[tokio::test(start_paused = true)]
async fn a_job_runs_over_openai_s_wire() {
    let world = World::with(FaultPlan::Seeded(7), &[("MODEL_WIRE", "openai")]).await;
    // One call is refused for a while and one has no usable answer; the job tolerates both.
    world.vendors.model.fail_next(429);
    world.vendors.model.fail_next(503);
    world.github_sends("issues.opened").await;
    world.settle().await;
    let job = world.commented_job().await;
    assert_eq!(job.state, JobState::PrOpened);
    let calls = world.vendors.model.calls();
    let counted = calls.iter().fold((0, 0), |(read, wrote), call| {
        (read + call.input_tokens, wrote + call.output_tokens)
    });
    assert_eq!(
        (job.tokens.input, job.tokens.output),
        counted,
        "every call is counted"
    );
    let asked: BTreeSet<_> = world
        .stack
        .faults
        .log()
        .into_iter()
        .filter(|call| call.contains("model.stand-in"))
        .collect();
    assert_eq!(
        asked,
        BTreeSet::from(["POST model.stand-in/v1/chat/completions".to_owned()])
    );
    world.assert_delivered_once();
    world.done().await;
}

/// A provider can answer with another model than the one that was asked for. The customer pays the
/// price of the model that answered.
#[tokio::test(start_paused = true)]
async fn work_is_charged_at_the_price_of_the_model_that_answered() {
    let program = program("credits", &WIRED).await;
    let world = &program.world;
    world.adjusts(&program.account, "1000", "a gift").await;
    let github = &world.vendors.github;
    github.push_file(OWNER, REPOSITORY, "main", "docs/aloha.md", "aloha\n");
    let sha = github.commits_on(OWNER, REPOSITORY, "main")[0].sha.clone();
    let path = format!("/api/v1/repos/{OWNER}/{REPOSITORY}/commits/{sha}/summary");
    let answer = json!({
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-4-5",
        "content": [{ "type": "text", "text": "{\"summary\": \"Adds a greeting.\"}" }],
        "stop_reason": "end_turn",
        "stop_sequence": null,
        "usage": { "input_tokens": 1_000, "output_tokens": 100 },
    });
    world.wire.answer("model.wire", 1, Reply::json(200, answer));
    program.ask("POST", &path, None).await;
    world.settle().await;
    let done = program.get(&path).await;
    // 1,000 tokens at $5 and 100 at $25 a million are $0.0075, or 7.5 credits, and 20 % more. The
    // model that was asked for would have cost 5.4.
    assert_eq!(done["price"], "9", "{done}");
    program.world.done().await;
}

/// The same for one turn of the conversation in which the model codes.
#[tokio::test(start_paused = true)]
async fn a_turn_costs_what_the_model_that_answered_costs() {
    let world = World::with(FaultPlan::None, &WIRED).await;
    world.github_sends("issues.opened").await;
    for queue in [Queue::GithubEvents, Queue::Plan] {
        assert!(world.turn(queue).await > 0, "{queue} has work");
    }
    let answer = json!({
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-4-5",
        "content": [{ "type": "tool_use", "id": "toolu_1", "name": "list", "input": { "path": "src" } }],
        "stop_reason": "tool_use",
        "stop_sequence": null,
        "usage": { "input_tokens": 1_000, "output_tokens": 100 },
    });
    world.wire.answer("model.wire", 1, Reply::json(200, answer));
    world.settle().await;
    let job = world.commented_job().await;
    assert_eq!(job.state, JobState::PrOpened);
    let opus = Tokens {
        input: 1_000,
        output: 100,
        ..Tokens::default()
    };
    let others = Tokens {
        input: job.tokens.input - opus.input,
        output: job.tokens.output - opus.output,
        ..job.tokens
    };
    let sold = built_in();
    let price = |tokens, name| cost(tokens, sold.model(name).expect("it is sold"));
    let parts = [price(opus, "claude-opus-4-5"), price(others, "stand-in-1")];
    let parts = parts.map(|part| part.expect("a price").micros());
    assert_eq!(job.cost.micros(), parts.iter().sum::<u64>());
    world.done().await;
}
