//! A process may die at any call while it sends a notice. A notice that requires action is sent at
//! least once and an informational one at most once. Each is sent exactly once unless the process
//! died while it was sending.

use super::world;
use crate::world::FaultPlan;
use domain::notices::Topic;
use stand_in_shared::faults::{Effect, Fault, Moment};

const MAIL: &str = "POST mail.stand-in/v2/email/outbound-emails";
/// The name of the store's writes in the log of faults.
const WRITE: &str = "UpdateItem";

/// The outside calls that send one notice, and the number of calls before the first.
async fn calls(topic: &Topic) -> (u64, Vec<String>) {
    let (world, account) = world(FaultPlan::None, &[]).await;
    let before = world.stack.faults.calls();
    world.owes(&account, topic.clone()).await;
    world.settle().await;
    let log = world
        .stack
        .faults
        .log()
        .into_iter()
        .skip(usize::try_from(before).expect("few calls"))
        .collect();
    world.letter();
    world.done().await;
    (before, log)
}

/// The number of mails sent when a process dies at this call.
async fn mails(fault_plan: FaultPlan, topic: &Topic, call: u64, moment: Moment) -> usize {
    let (world, account) = world(fault_plan, &[]).await;
    world.stack.faults.crash_at(call, moment);
    world.owes(&account, topic.clone()).await;
    world.settle().await;
    let mails = world.vendors.mail.letters().len();
    assert!(world.ended(&account).await[0].1.is_some(), "it ends");
    world.done().await;
    mails
}

#[tokio::test(start_paused = true)]
async fn a_process_may_die_at_any_call() {
    for (topic, at_least, at_most) in [(Topic::TopUpNeeded(1), 1, 2), (Topic::LowBalance(1), 0, 1)]
    {
        let (before, log) = calls(&topic).await;
        let sent = log
            .iter()
            .position(|name| name == MAIL)
            .expect("a mail is sent");
        let claimed = log[..sent]
            .iter()
            .rposition(|name| name.contains(WRITE))
            .expect("a claim before it");
        assert_eq!(
            claimed + 1,
            sent,
            "nothing is done between the claim and the mail: {log:?}"
        );
        let ended = sent + 1;
        assert!(
            log[ended].contains(WRITE),
            "the row is ended right after the mail: {log:?}"
        );
        for (place, name) in log.iter().enumerate() {
            for moment in [Moment::Before, Moment::After] {
                let call = before + 1 + u64::try_from(place).expect("few calls");
                let mails = mails(FaultPlan::None, &topic, call, moment).await;
                println!("{} dying {moment:?} {name}: {mails}", topic.kind());
                let after_claim = place > claimed || (place == claimed && moment == Moment::After);
                let before_end = place < ended || (place == ended && moment == Moment::Before);
                if after_claim && before_end {
                    assert!(
                        (at_least..=at_most).contains(&mails),
                        "{moment:?} {name}: {mails}"
                    );
                } else {
                    assert_eq!(mails, 1, "{moment:?} {name}");
                }
            }
        }
    }
}

/// The writes around a mail may fail for a while; that alone neither sends a notice twice nor drops
/// one.
#[tokio::test(start_paused = true)]
async fn writes_around_a_mail_may_fail() {
    for topic in [Topic::TopUpNeeded(1), Topic::LowBalance(1)] {
        for effect in [Effect::AnswerLost, Effect::Unreachable] {
            for times in 1..=4 {
                let (world, account) = world(FaultPlan::None, &[]).await;
                world.owes(&account, topic.clone()).await;
                world.stack.faults.inject(Fault {
                    on: WRITE.to_owned(),
                    times,
                    effect,
                });
                world.settle().await;
                assert_eq!(
                    world.vendors.mail.letters().len(),
                    1,
                    "{} {effect:?} {times}",
                    topic.kind()
                );
                world.done().await;
            }
        }
    }
}
