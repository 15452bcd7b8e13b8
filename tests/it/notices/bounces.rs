//! SES accepts mail that bounces later: from then on the address is muted until an operator unmutes
//! it.

use super::{ADDRESS, address, world};
use crate::world::{FaultPlan, World};
use ::queues::Queue;
use domain::ids::AccountId;
use domain::notices::{NoticeOutcome, Topic};
use serde_json::{Value, json};
use stand_in_mail::Fate;
use stand_in_shared::faults::{Effect, Fault};
use std::time::Duration;
use store::Muted;

const MUTED: &str = "/api/v1/admin/mail/muted";

async fn muted(world: &World) -> Muted {
    world
        .stack
        .store
        .mail_muted(&address())
        .await
        .expect("the store answers")
}

/// The outcome of the next notice to the account.
async fn next(world: &World, account: &AccountId, grants: u64) -> NoticeOutcome {
    let key = world.owes(account, Topic::TopUpNeeded(grants)).await;
    world.settle().await;
    let ended = world.ended(account).await;
    ended
        .into_iter()
        .find(|(fact, _)| *fact == key.fact)
        .and_then(|(_, outcome)| outcome)
        .expect("it has ended")
}

#[tokio::test(start_paused = true)]
async fn an_address_that_bounced_gets_no_second_mail() {
    let (world, account) = world(FaultPlan::Seeded(225), &[]).await;
    world.vendors.mail.bounce(ADDRESS);
    assert_eq!(next(&world, &account, 1).await, NoticeOutcome::Sent);
    assert_eq!(world.letter().fate, Fate::Bounced);
    assert_eq!(next(&world, &account, 2).await, NoticeOutcome::Muted);
    world.letter();
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn ses_s_own_simulator_bounces_and_complains() {
    for to in [
        "bounce@simulator.amazonses.com",
        "complaint@simulator.amazonses.com",
        "success@simulator.amazonses.com",
    ] {
        let (world, account) = world(FaultPlan::Seeded(231), &[]).await;
        let body = json!({ "address": to });
        let path = format!("/api/v1/admin/accounts/{account}/mail");
        assert!(
            world
                .operator("PUT", &path, Some(&body))
                .await
                .0
                .is_success()
        );
        assert_eq!(next(&world, &account, 1).await, NoticeOutcome::Sent, "{to}");
        let expected = if to.starts_with("success") {
            NoticeOutcome::Sent
        } else {
            NoticeOutcome::Muted
        };
        assert_eq!(next(&world, &account, 2).await, expected, "{to}");
        world.done().await;
    }
}

fn bounce(kind: &str, at: &str) -> Value {
    let recipients = [json!({ "emailAddress": ADDRESS.to_uppercase() })];
    json!({ "notificationType": "Bounce", "bounce": { "bounceType": kind, "bouncedRecipients": recipients, "timestamp": at } })
}

/// Transient bounces and deliveries mute no address; raw and enveloped messages count the same.
#[tokio::test(start_paused = true)]
async fn only_what_is_for_good_mutes() {
    let (world, account) = world(FaultPlan::Seeded(232), &[]).await;
    let at = "2026-11-20T21:43:00.000Z";
    for harmless in [
        bounce("Transient", at),
        json!({ "eventType": "Delivery", "delivery": {} }),
    ] {
        world
            .queue_gets_text(Queue::MailEvents, &harmless.to_string())
            .await;
    }
    assert_eq!(next(&world, &account, 1).await, NoticeOutcome::Sent);
    let wrapped = json!({ "Type": "Notification", "Message": bounce("Permanent", at).to_string() });
    world
        .queue_gets_text(Queue::MailEvents, &wrapped.to_string())
        .await;
    world.settle().await;
    assert_eq!(muted(&world).await, Muted::Yes);
    assert_eq!(next(&world, &account, 2).await, NoticeOutcome::Muted);
    world.done().await;
}

/// An operator unmutes an address; earlier bounces have no effect, however late they are reported.
#[tokio::test(start_paused = true)]
async fn an_unmuted_address_stays_unmuted_until_it_bounces_again() {
    let (world, account) = world(FaultPlan::Seeded(233), &[]).await;
    let body = json!({ "address": ADDRESS });
    let unmute = async || world.operator("DELETE", MUTED, Some(&body)).await;
    assert_eq!(
        unmute().await.1,
        json!({ "muted": false, "was_muted": false }),
        "nothing is known of it"
    );
    world.vendors.mail.bounce(ADDRESS);
    assert_eq!(next(&world, &account, 1).await, NoticeOutcome::Sent);
    assert_eq!(muted(&world).await, Muted::Yes);
    world.skip(Duration::from_secs(60));
    let (status, answer) = unmute().await;
    assert!(
        status.is_success() && !answer.to_string().contains(ADDRESS),
        "{answer}"
    );
    assert_eq!(answer["was_muted"], true);
    assert_eq!(unmute().await.1["was_muted"], false);
    let old = bounce("Permanent", "2026-11-20T21:43:00.000Z");
    world
        .queue_gets_text(Queue::MailEvents, &old.to_string())
        .await;
    world.settle().await;
    assert_eq!(
        muted(&world).await,
        Muted::No,
        "that is why it was muted before"
    );
    // The next mail is not delivered either.
    world.skip(Duration::from_secs(60));
    assert_eq!(next(&world, &account, 2).await, NoticeOutcome::Sent);
    assert_eq!(muted(&world).await, Muted::Yes);
    for (body, code) in [
        (json!({ "address": "nobody" }), "bad_address"),
        (json!({ "mail": ADDRESS }), "bad_body"),
    ] {
        let (status, answer) = world.operator("DELETE", MUTED, Some(&body)).await;
        assert!(
            status == 400 && answer.to_string().contains(code),
            "{status} {answer}"
        );
    }
    world.done().await;
}

/// If the store fails the message is kept; an unreadable message, even one in Tallyhook's own
/// format, becomes a dead letter.
#[tokio::test(start_paused = true)]
async fn a_message_is_kept_until_it_is_done_or_dead() {
    let (world, account) = world(FaultPlan::None, &[]).await;
    world.vendors.mail.bounce(ADDRESS);
    assert_eq!(next(&world, &account, 1).await, NoticeOutcome::Sent);
    world
        .operator("DELETE", MUTED, Some(&json!({ "address": ADDRESS })))
        .await;
    world.skip(Duration::from_secs(60));
    world.stack.faults.inject(Fault {
        on: "UpdateItem".to_owned(),
        times: 6,
        effect: Effect::Unreachable,
    });
    let again = bounce("Permanent", "2036-11-20T21:43:00.000Z");
    world
        .queue_gets_text(Queue::MailEvents, &again.to_string())
        .await;
    world.settle().await;
    assert_eq!(muted(&world).await, Muted::Yes);
    assert_eq!(world.dead_letters().await, 0);
    for strange in [
        "canary",
        "{}",
        r#"{"v":1,"kind":"notice","key":"acc_1#welcome"}"#,
        r#"{"eventType":"Bounce"}"#,
    ] {
        world.queue_gets_text(Queue::MailEvents, strange).await;
    }
    world.settle().await;
    assert_eq!(world.dead_letters().await, 4);
    world.abandoned();
}
