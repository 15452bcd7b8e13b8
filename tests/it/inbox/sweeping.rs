//! Work without a message: its row is in the index of due work, and the sweeper finds it.

use crate::world::verbs::together;
use crate::world::{FaultPlan, World};
use ::queues::Queue;
use domain::inbox::{EventSource, EventState};
use domain::jobs::JobState;
use local_stack::world::{OWNER, REPOSITORY};
use serde_json::json;
use std::time::Duration;

const WAY: [Queue; 5] = [
    Queue::GithubEvents,
    Queue::Plan,
    Queue::Code,
    Queue::Review,
    Queue::Pulls,
];

/// Deletes every message of every queue, even hidden or delayed ones.
pub async fn lose_all_messages(world: &World) {
    for queue in Queue::ALL {
        let url = &world.mapping(queue).queue_url;
        while world.waiting(queue).await > 0 {
            let received = world
                .stack
                .sqs
                .receive_message()
                .queue_url(url)
                .max_number_of_messages(10)
                .send()
                .await;
            let messages = received
                .expect("the queue answers")
                .messages
                .unwrap_or_default();
            if messages.is_empty() {
                world.elapse(Duration::from_secs(100)).await;
            }
            for message in messages {
                let handle = message.receipt_handle.expect("a handle");
                let delete = world
                    .stack
                    .sqs
                    .delete_message()
                    .queue_url(url)
                    .receipt_handle(handle);
                delete.send().await.expect("it is gone");
            }
        }
    }
}

/// F-D4: all messages are lost in every state of a job.
#[tokio::test(start_paused = true)]
async fn a_job_without_a_message_continues() {
    for passed in 0..=5 {
        let world = World::with(FaultPlan::None, &[]).await;
        world.github_sends("issues.opened").await;
        for queue in &WAY[..passed] {
            world.turn(*queue).await;
        }
        lose_all_messages(&world).await;
        world.settle().await;
        world.assert_delivered_once();
        assert_eq!(
            world.commented_job().await.state,
            JobState::PrOpened,
            "after {passed}"
        );
        assert_eq!(
            world.vendors.model.calls().len(),
            3,
            "after {passed}: nothing was done twice"
        );
        world.done().await;
    }
}

/// All messages are lost again and again, after every single step.
#[tokio::test(start_paused = true)]
async fn a_job_that_loses_every_message_once_continues() {
    let world = World::with(FaultPlan::None, &[]).await;
    world.github_sends("issues.opened").await;
    for queue in [WAY.as_slice(), &[Queue::Pulls, Queue::Usage]].concat() {
        lose_all_messages(&world).await;
        for _ in 0..100 {
            world.elapse(Duration::from_secs(61)).await;
            world.sweep().await;
            if world.turn(queue).await > 0 {
                break;
            }
        }
    }
    world.settle().await;
    world.assert_delivered_once();
    world.done().await;
}

/// The last comment of a job is due work, too.
#[tokio::test(start_paused = true)]
async fn a_comment_without_a_message_is_written() {
    let world = World::with(FaultPlan::None, &[]).await;
    world.vendors.model.script(
        "review",
        vec![json!({ "verdict": "reject", "notes": "no" }).to_string()],
    );
    world.github_sends("issues.opened").await;
    for queue in &WAY[..4] {
        world.turn(*queue).await;
    }
    lose_all_messages(&world).await;
    assert_eq!(world.comments(), Vec::<String>::new());
    world.settle().await;
    world
        .assert_not_delivered(JobState::Rejected, "did not accept the change")
        .await;
    world.done().await;
}

/// F-B13: there is more due work than one run of the sweeper can take, and two runs are concurrent.
#[tokio::test(start_paused = true)]
async fn many_lost_events_are_swept_up_in_bounded_runs() {
    const EVENTS: usize = 700;
    let world = World::with(FaultPlan::None, &[]).await;
    for n in 0..EVENTS {
        let body = serde_json::to_vec(&json!({ "action": "created", "n": n })).expect("JSON");
        world
            .github_delivers("star", &format!("d-{n}"), &body)
            .await;
    }
    lose_all_messages(&world).await;
    world.elapse(Duration::from_secs(61)).await;
    together((0..2).map(|_| world.sweep())).await;
    let waiting = world.waiting(Queue::GithubEvents).await;
    assert_eq!(
        usize::try_from(waiting),
        Ok(EVENTS),
        "each once, of two sweepers at once"
    );
    world.sweep().await;
    assert_eq!(
        world.waiting(Queue::GithubEvents).await,
        waiting,
        "what is on its way is not sent again"
    );
    world.settle().await;
    let (status, _) = world
        .operator("GET", "/api/v1/admin/events?status=pending", None)
        .await;
    assert_eq!(status, http::StatusCode::OK);
    assert!(
        world
            .logged(EventSource::Github, &[EventState::Pending])
            .await
            .is_empty()
    );
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_sweeper_with_nothing_to_do_writes_nothing() {
    let world = World::with(FaultPlan::None, &[]).await;
    world.github_sends("issues.opened").await;
    world.settle().await;
    world.elapse(Duration::from_secs(86_400 / 4)).await;
    let before = world.stack.faults.log().len();
    world.sweep().await;
    let calls = world.stack.faults.log().split_off(before);
    assert!(
        calls.iter().all(|name| name == "dynamodb Query"),
        "{calls:?}"
    );
    assert_eq!(world.vendors.github.pulls(OWNER, REPOSITORY).len(), 1);
    world.done().await;
}

/// F-C9: once a function has answered, none of its work is still running.
#[tokio::test(start_paused = true)]
async fn no_work_is_left_behind_an_answer() {
    let world = World::with(FaultPlan::None, &[]).await;
    world.github_sends("issues.opened").await;
    world.stripe_sends_changed("invoice.paid", |_| {}).await;
    world.settle().await;
    // Every client has been used once, so everything that they keep permanently exists.
    let alive = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let before = alive();
    for round in 0..5_u64 {
        world
            .vendors
            .github
            .add_issue(OWNER, REPOSITORY, 100 + round, "Another", "Please.");
        let change = |event: &mut serde_json::Value| {
            event["issue"]["number"] = (100 + round).into();
            event["issue"]["id"] = (70_100 + round).into();
        };
        world.github_sends_changed("issues.opened", change).await;
        assert_eq!(alive(), before, "behind the receiver");
        for queue in Queue::ALL {
            world.turn(queue).await;
            assert_eq!(alive(), before, "behind {queue}");
        }
        world.settle().await;
    }
    assert_eq!(world.vendors.stripe.meter_events().len(), 6);
    world.done().await;
}

/// Two sweepers list the same row: one takes it, and it is not sent twice. A row that nobody
/// finishes is sent after one minute, two, four and so on.
#[tokio::test(start_paused = true)]
async fn a_row_is_taken_by_one_sweeper_and_less_and_less_often() {
    let world = World::with(FaultPlan::None, &[]).await;
    world.github_sends("issues.opened").await;
    world.turn(Queue::GithubEvents).await;
    lose_all_messages(&world).await;
    let store = &world.stack.store;
    let switches = domain::switches::Switches::default();
    let list = async || {
        let now = world.stack.outside.now();
        store.due_list(now, 10).await.expect("the store answers")
    };
    for minutes in [1, 2, 4, 8] {
        // Whatever its due time is, it is due by then.
        world.elapse(Duration::from_secs(60 * minutes)).await;
        let due = list().await;
        assert_eq!(due.len(), 1, "the job");
        let now = world.stack.outside.now();
        let take = async || store.due_take(&due[0], &switches, now).await;
        assert_eq!(take().await.expect("an answer"), store::Moved::On);
        assert_eq!(take().await.expect("an answer"), store::Moved::Gone);
        world.elapse(Duration::from_secs(60 * minutes - 1)).await;
        assert_eq!(list().await, [], "not within {minutes} minutes");
    }
    world.settle().await;
    world.assert_delivered_once();
    world.done().await;
}
