//! Accounts that get no notice and why, and what happens while mail is down.

use super::{ADDRESS, world};
use crate::world::{FaultPlan, World};
use domain::notices::{Notice, NoticeKind, NoticeOutcome, Topic};
use domain::switches::Switch;
use serde_json::json;
use stand_in_mail::Trouble;
use stand_in_shared::faults::{Effect, Fault};
use std::time::Duration;
use store::{NoticeClaim, Tried, Untold};

const MAIL: &str = "mail.stand-in";

#[tokio::test(start_paused = true)]
async fn unreachable_and_unwilling_customers_get_no_mail_and_the_notice_says_why() {
    // The account has no address.
    let world = World::start().await;
    let account = world.account().await;
    world.owes(&account, Topic::TopUpNeeded(0)).await;
    world.settle().await;
    assert_eq!(world.outcome_of_one(&account).await, NoticeOutcome::Nobody);
    // From now on the address is known: past notices stay unsent, and new ones are sent.
    world.reachable(&account).await;
    world.owes(&account, Topic::TopUpNeeded(0)).await;
    world.settle().await;
    assert_eq!(world.subjects(), Vec::<String>::new());
    world.owes(&account, Topic::TopUpNeeded(1)).await;
    world.settle().await;
    world.letter();
    // The topic is turned off, and then on again.
    let store = &world.stack.store;
    store
        .account_notices_set(&account, NoticeKind::LowBalance, Switch::Off)
        .await
        .expect("the store answers");
    world.owes(&account, Topic::LowBalance(1)).await;
    world.owes(&account, Topic::TopUpNeeded(2)).await;
    world.settle().await;
    store
        .account_notices_set(&account, NoticeKind::LowBalance, Switch::On)
        .await
        .expect("the store answers");
    world.owes(&account, Topic::LowBalance(2)).await;
    world.settle().await;
    assert_eq!(
        world.subjects(),
        [
            "Credits are used up",
            "Credits are used up",
            "Your balance is low"
        ]
    );
    // Mail to the address bounced, regardless of capitalization.
    let shouted = domain::accounts::addresses::MailAddress::parse(&ADDRESS.to_uppercase())
        .expect("an address");
    store
        .mail_mute(&shouted, world.stack.outside.now())
        .await
        .expect("the store answers");
    world.owes(&account, Topic::TopUpNeeded(3)).await;
    world.settle().await;
    assert_eq!(world.subjects().len(), 3);
    let ended = world.ended(&account).await;
    let expected = [
        ("low_balance#1", NoticeOutcome::SwitchedOff),
        ("low_balance#2", NoticeOutcome::Sent),
        ("top_up_needed#0", NoticeOutcome::Nobody),
        ("top_up_needed#1", NoticeOutcome::Sent),
        ("top_up_needed#2", NoticeOutcome::Sent),
        ("top_up_needed#3", NoticeOutcome::Muted),
    ];
    assert_eq!(
        ended,
        expected.map(|(fact, outcome)| (fact.to_owned(), Some(outcome)))
    );
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn an_installation_without_a_sender_sends_nothing() {
    let (world, account) = world(FaultPlan::Seeded(211), &[("MAIL_FROM", "")]).await;
    world.owes(&account, Topic::Welcome).await;
    world.settle().await;
    assert_eq!(
        world.outcome_of_one(&account).await,
        NoticeOutcome::NoSender
    );
    assert_eq!(world.vendors.mail.letters().len(), 0);
    world.done().await;
}

/// GitHub already notifies people about jobs.
#[tokio::test(start_paused = true)]
async fn job_mails_are_only_for_customers_who_want_them() {
    let (world, account) = world(FaultPlan::Seeded(212), &[]).await;
    let job = |n| domain::ids::JobId::mint(domain::time::Timestamp::from_millis(n), [7; 10]);
    world.owes(&account, Topic::JobFinished(job(1))).await;
    world.settle().await;
    assert_eq!(
        world.outcome_of_one(&account).await,
        NoticeOutcome::SwitchedOff
    );
    let set = world
        .stack
        .store
        .account_notices_set(&account, NoticeKind::JobFinished, Switch::On)
        .await;
    set.expect("the store answers");
    world.owes(&account, Topic::JobFinished(job(2))).await;
    world.settle().await;
    assert_eq!(world.letter().subject, "A job has finished");
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn while_ses_fails_or_throttles_a_mail_waits_and_is_sent_once() {
    for (topic, seed) in [(Topic::TopUpNeeded(1), 221), (Topic::LowBalance(1), 222)] {
        let (world, account) = world(FaultPlan::Seeded(seed), &[]).await;
        for trouble in [
            Trouble::Failing,
            Trouble::Throttled,
            Trouble::QuotaUsed,
            Trouble::Paused,
            Trouble::Failing,
            Trouble::Failing,
        ] {
            world.vendors.mail.trouble_next(trouble);
        }
        world.owes(&account, topic).await;
        world.settle().await;
        world.letter();
        assert_eq!(world.outcome_of_one(&account).await, NoticeOutcome::Sent);
        world.done().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_ses_never_takes_or_fails_over_for_too_long_is_given_up() {
    for (trouble, times, outcome) in [
        (Trouble::Rejected, 1, NoticeOutcome::Refused),
        (Trouble::Failing, 1_000, NoticeOutcome::GivenUp),
    ] {
        let (world, account) = world(FaultPlan::Seeded(223), &[]).await;
        for _ in 0..times {
            world.vendors.mail.trouble_next(trouble);
        }
        world.owes(&account, Topic::Welcome).await;
        if outcome == NoticeOutcome::GivenUp {
            // Two days of nothing but failures are no reason to give up; some hours more are.
            world.outage(Duration::from_secs(2 * 86_400 - 3_600)).await;
            assert_eq!(world.ended(&account).await[0].1, None);
            world.outage(Duration::from_secs(16 * 3_600)).await;
        }
        world.settle().await;
        assert_eq!(world.outcome_of_one(&account).await, outcome);
        assert_eq!(world.vendors.mail.letters().len(), 0);
        let notices = world
            .stack
            .store
            .notice_list(&account)
            .await
            .expect("the store answers");
        let why = notices[0].why.as_deref().expect("a reason");
        assert!(!why.contains('@') && why.len() > 20, "{why}");
        world.done().await;
    }
}

/// The sender is not verified: nothing is lost, and everything is sent once it is verified.
#[tokio::test(start_paused = true)]
async fn an_unverified_sender_delays_mails_and_loses_none() {
    let (world, account) = world(FaultPlan::Seeded(224), &[]).await;
    world.vendors.mail.verify("somebody@else.example");
    world.owes(&account, Topic::LowBalance(1)).await;
    for _ in 0..50 {
        world.turn_all().await;
        world.elapse(std::time::Duration::from_secs(61)).await;
    }
    assert_eq!(
        world.ended(&account).await,
        [("low_balance#1".to_owned(), None)]
    );
    world.vendors.mail.verify("notices@tallyhook.example");
    world.settle().await;
    world.letter();
    world.done().await;
}

/// When in doubt, a notice that requires action is sent twice rather than never, and an
/// informational one never rather than twice.
#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost_is_decided_by_what_it_was_about() {
    for (topic, effect, times, mails, outcome) in [
        (
            Topic::TopUpNeeded(1),
            Effect::AnswerLost,
            1,
            2,
            NoticeOutcome::Sent,
        ),
        (
            Topic::TopUpNeeded(1),
            Effect::Unreachable,
            1,
            1,
            NoticeOutcome::Sent,
        ),
        (
            Topic::TopUpNeeded(1),
            Effect::Unreachable,
            4,
            1,
            NoticeOutcome::Sent,
        ),
        (
            Topic::TopUpNeeded(1),
            Effect::Unreachable,
            5,
            0,
            NoticeOutcome::Unclear,
        ),
        (
            Topic::TopUpNeeded(1),
            Effect::AnswerLost,
            50,
            5,
            NoticeOutcome::Unclear,
        ),
        (
            Topic::LowBalance(1),
            Effect::AnswerLost,
            1,
            1,
            NoticeOutcome::Unclear,
        ),
        (
            Topic::LowBalance(1),
            Effect::Unreachable,
            1,
            0,
            NoticeOutcome::Unclear,
        ),
    ] {
        let (world, account) = world(FaultPlan::Seeded(226), &[]).await;
        world.stack.faults.inject(Fault {
            on: MAIL.to_owned(),
            times,
            effect,
        });
        world.owes(&account, topic).await;
        world.settle().await;
        assert_eq!(
            world.vendors.mail.letters().len(),
            mails,
            "{effect:?} {times} times"
        );
        assert_eq!(
            world.outcome_of_one(&account).await,
            outcome,
            "{effect:?} {times} times"
        );
        world.done().await;
    }
}

/// Operators set the address and the topics; the address is never shown.
#[tokio::test(start_paused = true)]
async fn operators_set_addresses_and_topics() {
    let world = World::start().await;
    let account = world.account().await;
    let path = format!("/api/v1/admin/accounts/{account}/mail");
    let (_, before) = world.operator("GET", &path, None).await;
    assert_eq!(
        (&before["has_address"], &before["kinds"]["low_balance"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(before["kinds"]["job_finished"], false);
    for (wanted, code) in [
        (json!({ "address": "nobody" }), "bad_address"),
        (
            json!({ "address": ADDRESS, "kinds": { "faults": true } }),
            "bad_kind",
        ),
        (json!({ "mail": ADDRESS }), "bad_body"),
    ] {
        let (status, answer) = world.operator("PUT", &path, Some(&wanted)).await;
        assert!(
            status == 400 && answer.to_string().contains(code),
            "{status} {answer}"
        );
        assert!(!answer.to_string().contains(ADDRESS), "{answer}");
    }
    let (_, refused) = world.operator("GET", &path, None).await;
    assert_eq!(refused, before, "nothing of what was refused was done");
    let wanted = json!({ "address": ADDRESS, "kinds": { "low_balance": false } });
    let (status, changed) = world.operator("PUT", &path, Some(&wanted)).await;
    assert!(
        status.is_success() && !changed.to_string().contains(ADDRESS),
        "{changed}"
    );
    assert_eq!(
        (&changed["has_address"], &changed["kinds"]["low_balance"]),
        (&json!(true), &json!(false))
    );
    world.owes(&account, Topic::LowBalance(1)).await;
    world.owes(&account, Topic::TopUpNeeded(1)).await;
    world.settle().await;
    assert_eq!(world.letter().to, ADDRESS);
    let (_, removed) = world
        .operator("PUT", &path, Some(&json!({ "address": "" })))
        .await;
    assert_eq!(removed["has_address"], false);
    let (status, _) = world
        .operator("PUT", "/api/v1/admin/accounts/acc_none/mail", Some(&wanted))
        .await;
    assert_eq!(status, 404);
    world.done().await;
}

/// A worker hangs beyond its lease, another takes the notice, and then the first gives it back: it
/// stays with the second, so nobody else sends the mail meanwhile.
#[tokio::test(start_paused = true)]
async fn a_late_worker_gives_back_nobody_elses_notice() {
    let (world, account) = world(FaultPlan::None, &[]).await;
    let (store, clock) = (&world.stack.store, || world.stack.outside.now());
    let notice = Notice::new(Topic::TopUpNeeded(1), "x".to_owned(), clock());
    let owed = store.notice_owe(&account, &notice, clock()).await;
    owed.expect("an answer");
    let (key, lease) = (notice.key(&account), Duration::from_secs(60));
    let claim = async |mark| -> Option<Untold> {
        let claimed = store
            .notice_claim(&key, mark, clock().plus(lease), clock())
            .await;
        match claimed.expect("an answer") {
            NoticeClaim::Yours(untold) => Some(untold),
            NoticeClaim::Held | NoticeClaim::Ended => None,
        }
    };
    let first = claim(1).await.expect("nobody has it");
    assert!(claim(2).await.is_none());
    world.elapse(lease).await;
    let second = claim(2).await.expect("the lease ran out");
    let released = store.notice_release(&first, Tried::Failed, clock()).await;
    released.expect("an answer");
    assert!(claim(3).await.is_none(), "it is the second's");
    let ended = store
        .notice_end(&second, NoticeOutcome::Sent, None, clock())
        .await;
    ended.expect("an answer");
    assert_eq!(world.outcome_of_one(&account).await, NoticeOutcome::Sent);
    world.settle().await;
    world.done().await;
}
