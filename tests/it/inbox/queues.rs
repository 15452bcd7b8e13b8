//! Message handling: each message of a batch is handled separately, poisoned messages become dead
//! letters, and dead letters can be moved back.

use crate::world::wire::{ALWAYS, Reply, WIRED};
use crate::world::{FaultPlan, World};
use ::queues::{Message, Queue, Queues, SqsBatchResponse, SqsEvent, consume_with};
use domain::ids::JobId;
use domain::inbox::{EventKey, EventSource, EventState};
use domain::jobs::{JobState, JobWork};
use domain::retry::{Done, Failure, MessageFate, Retry, Retryable};
use domain::time::Timestamp;
use http::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The number of times that each message was handled, by key.
type Handled = Arc<Mutex<BTreeMap<String, u32>>>;

#[derive(Debug)]
struct Unlucky;

impl std::fmt::Display for Unlucky {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("bad luck")
    }
}

impl std::error::Error for Unlucky {}

impl Retryable for Unlucky {
    fn retry(&self) -> Retry {
        Retry::Soon
    }
}

fn event(id: &str) -> Message {
    Message::Event(EventKey::parse(EventSource::Github, id).expect("an id"))
}

/// A world whose function for GitHub's events does what the messages' ids say.
async fn world_of_words() -> (World, Handled) {
    let mut world = World::bare(FaultPlan::None, &[]).await;
    let handled = Handled::default();
    let (seen, outside) = (Arc::clone(&handled), world.stack.outside.clone());
    let url = world.mapping(Queue::GithubEvents).queue_url.clone();
    let aws = boot::Aws::new(boot::AwsSettings::embedded(), &outside);
    let queues = Queues::new(&aws.sdk, None, [(Queue::GithubEvents, url)]);
    let function = world
        .stack
        .mappings
        .iter_mut()
        .find(|(queue, _)| *queue == Queue::GithubEvents);
    function.expect("the queue is there").1.function = Arc::new(move |event, _| {
        let (seen, queues) = (Arc::clone(&seen), queues.clone());
        Box::pin(async move { act(&queues, event, &seen).await })
    });
    (world, handled)
}

async fn act(queues: &Queues, event: SqsEvent, seen: &Handled) -> SqsBatchResponse {
    let select = |message: &Message| Some(message.key());
    let handle = async |key: String| {
        let times = {
            let mut seen = seen.lock().expect("no thread panics");
            let times = seen.entry(key.clone()).or_default();
            *times += 1;
            *times
        };
        match key.split('-').next() {
            Some("good") => Ok(Done::Applied("it".to_owned())),
            Some("known") => Ok(Done::Duplicate),
            Some("odd") => Ok(Done::Ignored("odd")),
            Some("unlucky") => Err(Unlucky.into()),
            Some("early") if times == 1 => Err(Failure::after(Duration::from_secs(30), "not yet")),
            Some("lost") => Err(Failure::never("lost")),
            _ => panic!("a bug, on purpose"),
        }
    };
    let fail = async |key: String, failure: Failure, receives: u32| {
        if key.contains("unwritable") {
            return Err(Failure::from(Unlucky));
        }
        Ok((MessageFate::of(failure.retry, receives, 0), failure))
    };
    consume_with(queues, event, 10, select, handle, fail).await
}

fn records(bodies: &[&str]) -> SqsEvent {
    let records: Vec<Value> = bodies
        .iter()
        .enumerate()
        .map(|(place, body)| json!({ "messageId": format!("id-{place}"), "receiptHandle": "none", "body": body, "attributes": {}, "messageAttributes": {} }))
        .collect();
    serde_json::from_value(json!({ "Records": records })).expect("an event")
}

/// F-C5: the shape of the answer, as SQS reads it.
#[tokio::test(start_paused = true)]
async fn a_batchs_answer_names_the_messages_that_failed() {
    let (world, _) = world_of_words().await;
    let function = world.mapping(Queue::GithubEvents).function.clone();
    let answer = async |bodies: &[&str]| {
        let response = function(records(bodies), i64::MAX).await;
        serde_json::to_value(response).expect("JSON")["batchItemFailures"].clone()
    };
    let text = |id: &str| event(id).to_json();
    assert_eq!(answer(&[]).await, json!([]), "an empty batch is a success");
    assert_eq!(
        answer(&[
            &text("good-1"),
            &text("known-1"),
            &text("odd-1"),
            &text("lost-1")
        ])
        .await,
        json!([])
    );
    let mixed = [
        &text("good-1"),
        "no JSON",
        &text("unlucky-1"),
        &text("bug-1"),
        &text("good-unwritable"),
        &text("lost-unwritable"),
    ];
    let failed = answer(&mixed).await;
    let ids: Vec<_> = ["id-1", "id-2", "id-3", "id-5"]
        .map(|id| json!({ "itemIdentifier": id }))
        .into();
    let mut failed = failed.as_array().cloned().expect("a list");
    failed.sort_by_key(Value::to_string);
    assert_eq!(
        failed, ids,
        "message ids, and those of the failed ones only"
    );
    world.done().await;
}

/// F-C4: nine good messages are processed once; the poisoned one returns alone until it is a dead
/// letter; a panic affects no other message.
#[tokio::test(start_paused = true)]
async fn one_poisoned_message_does_not_repeat_the_others() {
    for poison in ["unlucky", "bug", "unlucky-unwritable"] {
        let (world, handled) = world_of_words().await;
        for n in 0..9 {
            world.queue_gets(&event(&format!("good-{n}"))).await;
        }
        world.queue_gets(&event(poison)).await;
        world.settle().await;
        let handled = handled.lock().expect("no thread panics").clone();
        for n in 0..9 {
            assert_eq!(handled[&format!("good-{n}")], 1, "{handled:?}");
        }
        assert_eq!(
            handled[poison],
            world.receives_max(Queue::GithubEvents).await,
            "as often as the queue hands it over"
        );
        assert_eq!(world.dead_letters().await, 1, "{poison} waits for a person");
        world.abandoned();
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_early_comes_back_and_what_is_lost_does_not() {
    let (world, handled) = world_of_words().await;
    for id in ["early-1", "lost-1", "good-1"] {
        world.queue_gets(&event(id)).await;
    }
    world.drain(Queue::GithubEvents).await;
    assert_eq!(world.waiting(Queue::GithubEvents).await, 1);
    world.elapse(Duration::from_secs(29)).await;
    assert_eq!(
        world.turn(Queue::GithubEvents).await,
        0,
        "not before its time"
    );
    world.elapse(Duration::from_secs(2)).await;
    assert_eq!(world.turn(Queue::GithubEvents).await, 1);
    let seen = handled.lock().expect("no thread panics").clone();
    assert_eq!((seen["early-1"], seen["lost-1"], seen["good-1"]), (2, 1, 1));
    world.abandoned();
}

// --- through the real functions ---

/// Foreign messages next to real work in the same batch.
#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_becomes_a_dead_letter_and_the_work_beside_it_is_done() {
    let world = World::with(FaultPlan::None, &[]).await;
    let strange = [
        "",
        "hello",
        "{}",
        "[]",
        r#"{"v":2,"kind":"github","key":"d-1"}"#,
        r#"{"v":1,"kind":"tomorrow","key":"d-1"}"#,
        r#"{"v":1,"kind":"github","key":"a/b"}"#,
        r#"{"v":1,"kind":"github","key":"d-1","more":1}"#,
        r#"{"v":1,"kind":"plan","key":"acc_01hf7yat00zzzzzzzzzzzzzzzz"}"#,
        r#"{"v":1,"kind":"usage","key":"nobody"}"#,
    ];
    let strange: Vec<_> = strange
        .into_iter()
        .filter(|text| !text.is_empty())
        .collect();
    for text in &strange {
        assert!(
            Message::from_json(text).is_err(),
            "{text} is a valid message"
        );
        world.queue_gets_text(Queue::GithubEvents, text).await;
    }
    world.github_sends("issues.opened").await;
    world.settle().await;
    world.assert_delivered_once();
    assert_eq!(
        world.vendors.model.calls().len(),
        3,
        "the good one was not repeated"
    );
    assert_eq!(
        world.dead_letters().await,
        i64::try_from(strange.len()).expect("few")
    );
    world.abandoned();
}

#[tokio::test(start_paused = true)]
async fn messages_that_point_nowhere_or_went_astray_are_let_go() {
    let world = World::with(FaultPlan::Seeded(81), &[]).await;
    let job = JobId::mint(Timestamp::from_millis(1), [7; 10]);
    let account = world.account().await;
    for message in [
        event("d-nobody"),
        Message::Event(EventKey::parse(EventSource::Stripe, "evt_nobody").expect("an id")),
        Message::Request(job.clone()),
        Message::Work(JobWork::Plan, job.clone()),
        Message::Work(JobWork::Code, job.clone()),
        Message::Work(JobWork::Review, job.clone()),
        Message::Work(JobWork::Pull, job.clone()),
        Message::Comment(job.clone()),
        Message::Notice(domain::notices::NoticeKey {
            account: account.clone(),
            fact: "low_balance#0".to_owned(),
        }),
        Message::Assist(domain::ids::AssistId::mint(
            Timestamp::from_millis(1),
            [7; 10],
        )),
        Message::Usage(domain::billing::usage::AccountMeter {
            account,
            meter: domain::billing::usage::Meter::pull_requests(),
        }),
    ] {
        world.queue_gets(&message).await;
        for queue in Queue::OURS
            .into_iter()
            .filter(|queue| *queue != message.queue())
        {
            world.queue_gets_text(queue, &message.to_json()).await;
        }
    }
    world.settle().await;
    world.assert_nothing_delivered();
    world.done().await;
}

/// A function that is broken for an hour: its messages become dead letters, and are processed once
/// it is repaired and they are moved back.
#[tokio::test(start_paused = true)]
async fn dead_letters_are_moved_back_and_done() {
    let mut world = World::with(FaultPlan::None, &[]).await;
    let place = world
        .stack
        .mappings
        .iter()
        .position(|(queue, _)| *queue == Queue::GithubEvents)
        .expect("it is there");
    let whole = world.stack.mappings[place].1.function.clone();
    world.stack.mappings[place].1.function = Arc::new(|event, _| {
        Box::pin(async move {
            let mut response = SqsBatchResponse::default();
            response.set_failures(
                event
                    .records
                    .into_iter()
                    .filter_map(|record| record.message_id),
            );
            response
        })
    });
    let delivery = world.github_sends("issues.opened").await;
    for _ in 0..=world.receives_max(Queue::GithubEvents).await {
        world.turn(Queue::GithubEvents).await;
        world.elapse(Duration::from_secs(361)).await;
    }
    assert_eq!(
        (
            world.dead_letters().await,
            world.waiting(Queue::GithubEvents).await
        ),
        (1, 0)
    );
    assert_eq!(
        world.outcome(EventSource::Github, &delivery).await.0,
        EventState::Pending
    );

    world.stack.mappings[place].1.function = whole;
    // An operator checks days later.
    world.skip(Duration::from_secs(13 * 86_400));
    let (status, answer) = world
        .operator("POST", "/api/v1/admin/queues/github-events/redrive", None)
        .await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    assert_eq!(world.dead_letters().await, 0);
    world.drain(Queue::GithubEvents).await;
    assert_eq!(
        world.outcome(EventSource::Github, &delivery).await.0,
        EventState::Processed
    );
    world.settle().await;
    world.assert_delivered_once();
    // Nothing is left to move, and moving nothing is not an error.
    for queue in Queue::ALL {
        let (status, answer) = world
            .operator(
                "POST",
                &format!("/api/v1/admin/queues/{queue}/redrive"),
                None,
            )
            .await;
        assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    }
    world.settle().await;
    world.assert_delivered_once();
    world.done().await;
}

/// GitHub answers about this event, and never well: it is attempted, given up, failed with the
/// reason, and replayed.
#[tokio::test(start_paused = true)]
async fn an_event_without_attempts_left_fails_and_is_no_dead_letter() {
    let world = World::with(FaultPlan::None, &WIRED).await;
    world
        .wire
        .answer("GET github.wire", ALWAYS, Reply::status(409, "busy"));
    let delivery = world.github_sends("issues.opened").await;
    world.settle().await;
    world
        .assert_outcome(
            &delivery,
            EventState::Failed,
            "gave up after 12 attempts: could not read the file",
        )
        .await;
    assert_eq!(
        world.dead_letters().await,
        0,
        "the row says it; a letter about the same would only be noise"
    );
    world.wire.clear();
    let (status, _) = world
        .operator(
            "POST",
            &format!("/api/v1/admin/events/github/{delivery}/replay"),
            None,
        )
        .await;
    assert_eq!(status, StatusCode::ACCEPTED);
    world.settle().await;
    assert_eq!(world.commented_job().await.state, JobState::PrOpened);
    world.assert_delivered_once();
    world.done().await;
}

/// SQS takes a batch and refuses one of its messages. The event that needed it is not finished, so
/// the job's first step begins after the event's next try, and not a minute later by the sweeper.
#[tokio::test(start_paused = true)]
async fn a_message_that_sqs_refuses_fails_the_work_that_sends_it() {
    let world = World::with(FaultPlan::None, &[]).await;
    let delivery = world.github_sends("issues.opened").await;
    world.stack.tables.refuse_entry();
    world.turn(Queue::GithubEvents).await;
    let row = world.event(EventSource::Github, &delivery).await;
    assert_eq!(row.expect("it is there").state, EventState::Pending);
    world.settle().await;
    world.assert_delivered_once();
    world.done().await;
}
