//! GitHub's "Redeliver" and Stripe's "Resend": a failed event is taken up again, once for each
//! failure, and with everything that its row says.

use crate::world::shop::{PACK, PRICE};
use crate::world::verbs::together;
use crate::world::wire::{ALWAYS, Reply, WIRED};
use crate::world::{FaultPlan, World, fixture};
use ::queues::{Message, Queue};
use domain::inbox::{EventKey, EventSource, EventState, Finish};
use http::StatusCode;
use local_stack::stack::EVENTS_TABLE;
use serde_json::json;
use stand_in_shared::faults::Moment;
use std::time::Duration;

const POLICY: &str = "GET github.wire/repos/acme/greeter/contents";
const DELIVERY: &str = "d-1";

fn key() -> EventKey {
    EventKey::parse(EventSource::Github, DELIVERY).expect("an id")
}

/// GitHub delivers, and may deliver again by its button.
async fn delivers(world: &World) {
    let body = serde_json::to_vec(&fixture("github", "issues.opened")).expect("JSON");
    let response = world.github_delivers("issues", DELIVERY, &body).await;
    assert_eq!(response.status(), StatusCode::ACCEPTED);
}

/// An event that has failed.
async fn failed(fault_plan: FaultPlan) -> World {
    let world = World::with(fault_plan, &WIRED).await;
    world
        .wire
        .answer(POLICY, ALWAYS, Reply::status(409, "busy"));
    delivers(&world).await;
    world.settle().await;
    let (state, _) = world.outcome(EventSource::Github, DELIVERY).await;
    assert_eq!(state, EventState::Failed);
    world
}

#[tokio::test(start_paused = true)]
async fn a_failed_event_is_taken_up_again_when_github_delivers_it_again() {
    for fault_plan in [FaultPlan::None, FaultPlan::Seeded(91)] {
        let world = failed(fault_plan).await;
        world.wire.clear();
        world.skip(Duration::from_secs(2 * 86_400));
        together((0..3).map(|_| delivers(&world))).await;
        assert_eq!(
            world.waiting(Queue::GithubEvents).await,
            3,
            "all are queued"
        );
        let row = world.event(EventSource::Github, DELIVERY).await;
        let row = row.expect("it is there");
        assert_eq!(
            (row.state, row.tries.attempts, row.outcome, row.processed_at),
            (EventState::Pending, 0, None, None)
        );
        world.settle().await;
        world.assert_delivered_once();
        delivers(&world).await;
        assert_eq!(world.waiting(Queue::GithubEvents).await, 0, "it is done");
        world.done().await;
    }
}

/// It begins with all its attempts, fails again with its reason, and can be delivered yet again. A
/// message from before the failure opens nothing.
#[tokio::test(start_paused = true)]
async fn it_may_fail_again_and_only_its_sender_opens_it() {
    let world = failed(FaultPlan::None).await;
    let asked = world.wire.heard(POLICY).len();
    world.queue_gets(&Message::Event(key())).await;
    world.settle().await;
    assert_eq!(
        world.wire.heard(POLICY).len(),
        asked,
        "a late copy asks nobody"
    );
    delivers(&world).await;
    world.drain(Queue::GithubEvents).await;
    let row = world.event(EventSource::Github, DELIVERY).await;
    let row = row.expect("it is there");
    assert_eq!((row.state, row.tries.attempts), (EventState::Pending, 1));
    world.settle().await;
    world
        .assert_outcome(DELIVERY, EventState::Failed, "gave up after 12 attempts")
        .await;
    assert_eq!(world.wire.heard(POLICY).len(), 2 * asked);
    world.wire.clear();
    delivers(&world).await;
    world.settle().await;
    world.assert_delivered_once();
    world.done().await;
}

/// A replay by an operator begins with all attempts, too.
#[tokio::test(start_paused = true)]
async fn a_replayed_event_has_all_its_attempts() {
    let world = failed(FaultPlan::None).await;
    let path = format!("/api/v1/admin/events/github/{DELIVERY}/replay");
    let (status, _) = world.operator("POST", &path, None).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    world.drain(Queue::GithubEvents).await;
    let row = world.event(EventSource::Github, DELIVERY).await;
    let row = row.expect("it is there");
    assert_eq!((row.state, row.tries.attempts), (EventState::Pending, 1));
    world.wire.clear();
    world.settle().await;
    world.assert_delivered_once();
    world.done().await;
}

/// An operator has named the account of a purchase, Stripe then refuses to say what was sold, and
/// the event fails. Stripe's "Resend" takes it up with the account that the operator named.
#[tokio::test(start_paused = true)]
async fn an_attributed_event_keeps_its_account() {
    const UNKNOWN: &str = "cus_Unknown1";
    let world = World::with(FaultPlan::Seeded(92), &WIRED).await;
    let account = world.account().await;
    let stripe = &world.vendors.stripe;
    stripe.add_customer(UNKNOWN, "unknown@acme.example");
    let price = world.price(PACK, PRICE).await;
    world.pays(&world.cart(UNKNOWN, &price, 1, &[]).await);
    let sent = world.stripe_sent(&["checkout.session.completed"]);
    let [event] = sent.as_slice() else {
        panic!("one session: {sent:?}");
    };
    let id = event["id"].as_str().expect("an id");
    let (state, _) = world.acts_on(event).await;
    assert_eq!(state, EventState::Unattributed);
    let refused = json!({ "error": { "type": "invalid_request_error", "message": "no" } });
    world.wire.answer(
        "GET stripe.wire/v1/checkout",
        ALWAYS,
        Reply::json(400, refused),
    );
    let path = format!("/api/v1/admin/events/stripe/{id}/attribute");
    world
        .insist("POST", &path, &json!({ "account": account.as_str() }))
        .await;
    world.settle().await;
    assert_eq!(
        world.outcome(EventSource::Stripe, id).await.0,
        EventState::Failed
    );
    world.wire.clear();
    assert!(world.stripe_delivers(event).await.is_success());
    world.settle().await;
    assert_eq!(
        world.outcome(EventSource::Stripe, id).await.0,
        EventState::Processed
    );
    assert_eq!(world.purse(&account).await, (10_000, 0));
    world.done().await;
}

/// A worker hangs before its last write while the event ends otherwise: what it writes changes
/// nothing.
#[tokio::test(start_paused = true)]
async fn a_late_worker_ends_nothing_that_has_ended() {
    for end in [
        Finish::Failed("an operator looks".to_owned()),
        Finish::Unattributed("nobody's".to_owned()),
    ] {
        let world = World::with(FaultPlan::None, &WIRED).await;
        delivers(&world).await;
        let held = world.wire.hold(POLICY, Moment::After);
        let ends = async {
            held.reached().await;
            let now = world.stack.outside.now();
            let ended = world.stack.inbox.finish(&key(), &end, now).await;
            assert_eq!(ended.expect("an answer"), store::Finished::Now);
            held.release();
        };
        tokio::join!(world.turn(Queue::GithubEvents), ends);
        let (state, says) = world.outcome(EventSource::Github, DELIVERY).await;
        assert_eq!((state, says.as_str()), (end.state(), end.outcome()));
        world.settle().await;
        world.abandoned();
    }
}

/// What waits for an operator has no end of its own; what is done has.
#[tokio::test(start_paused = true)]
async fn what_waits_for_an_operator_is_kept() {
    let world = World::with(FaultPlan::None, &[]).await;
    let ends = [
        (Finish::Processed("done".to_owned()), true),
        (Finish::Ignored("not ours".to_owned()), true),
        (Finish::Failed("broken".to_owned()), false),
        (Finish::Unattributed("nobody's".to_owned()), false),
    ];
    for (place, (end, expires)) in ends.into_iter().enumerate() {
        let body = serde_json::to_vec(&json!({ "action": "created", "n": place })).expect("JSON");
        let id = format!("d-{place}");
        world.github_delivers("star", &id, &body).await;
        let key = EventKey::parse(EventSource::Github, &id).expect("an id");
        let now = world.stack.outside.now();
        let ended = world.stack.inbox.finish(&key, &end, now).await;
        ended.expect("an answer");
        let rows = world.stack.tables.rows(EVENTS_TABLE);
        let row = rows
            .iter()
            .find(|row| row["pk"]["S"].as_str().is_some_and(|pk| pk.ends_with(&id)))
            .expect("it is there");
        assert_eq!(row.get("ttl").is_some(), expires, "{end:?}");
    }
    world.settle().await;
    world.abandoned();
}

/// An event belongs to the account that it was attributed to, and to no second one.
#[tokio::test(start_paused = true)]
async fn an_event_is_attributed_to_one_account() {
    let world = World::with(FaultPlan::None, &[]).await;
    let first = world.account().await;
    let other =
        json!({ "stripe_customer_id": "cus_Other1", "installation_id": 7_002, "plan": "payg" });
    let second = world.insist("POST", "/api/v1/admin/accounts", &other).await;
    let second = domain::ids::AccountId::parse(second["id"].as_str().expect("an id"));
    let second = second.expect("an account id");
    world
        .stripe_sends_changed("invoice.paid", |event| {
            event["data"]["object"]["customer"] = "cus_Nobody1".into();
        })
        .await;
    world.drain(Queue::StripeEvents).await;
    let waiting = world
        .logged(EventSource::Stripe, &[EventState::Unattributed])
        .await;
    let key = &waiting[0].key;
    let inbox = &world.stack.inbox;
    let attributed = async |account: &domain::ids::AccountId| {
        let now = world.stack.outside.now();
        let row = inbox.attribute(key, account, now).await;
        row.expect("an answer").is_some()
    };
    assert!(attributed(&first).await);
    assert!(!attributed(&second).await, "it is the first account's");
    assert!(attributed(&first).await, "the same again is no news");
    let path = format!("/api/v1/admin/events/stripe/{}/attribute", key.id());
    let body = json!({ "account": second.as_str() });
    let (status, answer) = world.operator("POST", &path, Some(&body)).await;
    assert!(status.is_client_error(), "{status} {answer}");
    world.settle().await;
    let invoices = async |account| world.stack.store.invoice_list(account).await;
    assert_eq!(invoices(&first).await.expect("an answer").len(), 1);
    assert_eq!(invoices(&second).await.expect("an answer").len(), 0);
    world.done().await;
}
