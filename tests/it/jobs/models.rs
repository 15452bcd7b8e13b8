//! The model may come from any provider whose API format we support.

use crate::world::{FaultPlan, World};
use domain::jobs::JobState;
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
