//! Notices by mail: from each cause to exactly one mail, with faults on the way.

pub mod bounces;
pub mod failures;
pub mod honest;
pub mod jobs;
pub mod low_balance;
pub mod preferences;
pub mod stops;

use crate::world::money::Sold;
use crate::world::{FaultPlan, World, fixture};
use ::queues::Message;
use domain::accounts::addresses::MailAddress;
use domain::billing::usage::Meter;
use domain::ids::{AccountId, InvoiceId, JobId, SubscriptionId};
use domain::notices::{Notice, NoticeKey, NoticeOutcome, Topic};
use domain::switches::Switch;
use domain::time::Timestamp;
use serde_json::Value;
use stand_in_mail::Letter;
use store::AccountChanged;

const ADDRESS: &str = "billing@acme.example";

fn address() -> MailAddress {
    MailAddress::parse(ADDRESS).expect("an address")
}

impl World {
    /// Gives the account a mail address.
    pub async fn reachable(&self, account: &AccountId) {
        let set = self
            .stack
            .store
            .account_mail_set(account, Some(&address()))
            .await;
        assert_eq!(set.expect("the store answers"), AccountChanged::Now);
    }

    /// Creates a due notice as a function would, and sends its message.
    async fn owes(&self, account: &AccountId, topic: Topic) -> NoticeKey {
        let now = self.stack.outside.now();
        let notice = Notice::new(topic, "something has happened.".to_owned(), now);
        self.stack
            .store
            .notice_owe(account, &notice, now)
            .await
            .expect("the store answers");
        let key = notice.key(account);
        self.queue_gets(&Message::Notice(key.clone())).await;
        key
    }

    /// The fact and the outcome of each notice, sorted.
    async fn ended(&self, account: &AccountId) -> Vec<(String, Option<NoticeOutcome>)> {
        let notices = self
            .stack
            .store
            .notice_list(account)
            .await
            .expect("the store answers");
        let mut ended: Vec<_> = notices
            .into_iter()
            .map(|row| (row.fact, row.ended.map(|(outcome, _)| outcome)))
            .collect();
        ended.sort();
        ended
    }

    /// The outcome of the account's only notice.
    async fn outcome_of_one(&self, account: &AccountId) -> NoticeOutcome {
        let ended = self.ended(account).await;
        assert_eq!(ended.len(), 1, "{ended:?}");
        ended[0].1.expect("it has ended")
    }

    /// The only mail.
    fn letter(&self) -> Letter {
        let letters = self.vendors.mail.letters();
        assert_eq!(
            letters.len(),
            1,
            "{:?}",
            letters
                .iter()
                .map(|letter| &letter.subject)
                .collect::<Vec<_>>()
        );
        letters.into_iter().next().expect("one")
    }

    /// The subjects of all mails, sorted.
    pub fn subjects(&self) -> Vec<String> {
        let mut subjects: Vec<_> = self
            .vendors
            .mail
            .letters()
            .into_iter()
            .map(|letter| letter.subject)
            .collect();
        subjects.sort();
        subjects
    }
}

/// A world whose only account has a mail address.
async fn world(fault_plan: FaultPlan, settings: &[(&str, &str)]) -> (World, AccountId) {
    let world = World::with(fault_plan, settings).await;
    let account = world.account().await;
    world.reachable(&account).await;
    (world, account)
}

fn event(sample: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut event = fixture("stripe", sample);
    change(&mut event["data"]["object"]);
    event
}

#[tokio::test(start_paused = true)]
async fn each_payment_event_becomes_one_mail() {
    for (sample, subject, words) in [
        (
            "invoice.payment_failed",
            "A payment has failed",
            "for invoice TALLY-0002 has failed. Stripe may try again.",
        ),
        (
            "invoice.payment_action_required",
            "A payment needs your confirmation",
            "has to be confirmed",
        ),
        (
            "customer.subscription.trial_will_end",
            "Your trial ends soon",
            "ends on 2026-12-04",
        ),
    ] {
        let dashboard = [("DASHBOARD_URL", "https://tallyhook.test/billing")];
        let (world, account) = world(FaultPlan::Seeded(201), &dashboard).await;
        let event = event(sample, |_| {});
        for _ in 0..2 {
            assert!(world.stripe_delivers(&event).await.is_success());
        }
        world.settle().await;
        let letter = world.letter();
        assert_eq!(
            (letter.to.as_str(), letter.from.as_str()),
            (ADDRESS, "notices@tallyhook.example")
        );
        assert_eq!(letter.subject, subject);
        for body in [&letter.text, &letter.html] {
            assert!(
                body.contains(words) && body.contains("https://tallyhook.test/billing"),
                "{body}"
            );
        }
        assert!(
            letter.reference.starts_with(account.as_str()),
            "{}",
            letter.reference
        );
        assert_eq!(world.outcome_of_one(&account).await, NoticeOutcome::Sent);
        world.done().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_quota_is_warned_of_once_at_four_fifths_and_once_at_the_end() {
    let included = (
        "quotas.pull_requests = { limit = 60,",
        "quotas.pull_requests = { limit = 5,",
    );
    let sold = Sold::with("noticed-teams", &[included]);
    let (world, account) = World::on_plan(
        FaultPlan::Seeded(202),
        "teams",
        &[("CATALOGUE", sold.path())],
    )
    .await;
    world.reachable(&account).await;
    for number in 30..=36 {
        world.issue_opens(number).await;
        world.settle().await;
    }
    assert_eq!(
        world.subjects(),
        ["Most of your quota is used", "Your quota is used up"]
    );
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_balance_is_warned_of_when_it_is_low_and_when_it_is_too_low() {
    let (world, account) = World::on_plan(FaultPlan::Seeded(203), "credits", &[]).await;
    world.reachable(&account).await;
    world.adjusts(&account, "600", "a gift").await;
    world.issue_opens(30).await;
    world.settle().await;
    assert_eq!(world.subjects(), ["Your balance is low"]);
    world.issue_opens(31).await;
    world.settle().await;
    world.issue_opens(32).await;
    world.settle().await;
    assert_eq!(
        world.subjects(),
        ["Credits are used up", "Your balance is low"]
    );
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_welcome_has_a_link_that_is_mailed_once_and_then_forgotten() {
    let (world, account) = world(
        FaultPlan::Seeded(204),
        &[("DASHBOARD_URL", "https://tallyhook.test/billing")],
    )
    .await;
    let now = world.stack.outside.now();
    let welcome = Notice::new(
        Topic::Welcome,
        "The account of acme is ready.".to_owned(),
        now,
    );
    let welcome = welcome.with_link("https://tallyhook.test/in/canary-once");
    // There is no message, so the sweeper finds the row.
    world
        .stack
        .store
        .notice_owe(&account, &welcome, now)
        .await
        .expect("the store answers");
    world.settle().await;
    let letter = world.letter();
    for link in [
        "Get your key: https://tallyhook.test/in/canary-once",
        "Your dashboard: https://tallyhook.test/billing",
    ] {
        assert!(letter.text.contains(link), "{}", letter.text);
    }
    let (status, listed) = world
        .operator(
            "GET",
            &format!("/api/v1/admin/accounts/{account}/notices"),
            None,
        )
        .await;
    assert!(status.is_success());
    assert_eq!(listed["notices"][0]["outcome"], "sent");
    assert!(
        !listed.to_string().contains("canary") && !listed.to_string().contains(ADDRESS),
        "{listed}"
    );
    // Repeating the fact sends no second notice.
    world
        .stack
        .store
        .notice_owe(&account, &welcome, now)
        .await
        .expect("the store answers");
    world
        .queue_gets(&Message::Notice(welcome.key(&account)))
        .await;
    world.settle().await;
    world.letter();
    world.done().await;
}

fn every_topic() -> [Topic; 9] {
    let invoice = InvoiceId::parse("in_1").expect("an id");
    let meter = Meter::pull_requests;
    [
        Topic::Welcome,
        Topic::PaymentFailed(invoice.clone()),
        Topic::ActionRequired(invoice),
        Topic::TrialEnding(SubscriptionId::parse("sub_1").expect("an id")),
        Topic::QuotaNearlyUsed(meter(), "2026-11".to_owned()),
        Topic::QuotaUsed(meter(), "2026-11".to_owned()),
        Topic::LowBalance(1),
        Topic::TopUpNeeded(1),
        Topic::JobFinished(JobId::mint(Timestamp::from_millis(1), [7; 10])),
    ]
}

/// Every message is delivered at least three times, concurrently and out of order: each notice is
/// one mail.
#[tokio::test(start_paused = true)]
async fn every_topic_is_one_mail_with_and_without_faults() {
    for seed in 1..=12 {
        let (world, account) = world(FaultPlan::Seeded(seed), &[]).await;
        let wanted = domain::notices::NoticeKind::JobFinished;
        world
            .stack
            .store
            .account_notices_set(&account, wanted, Switch::On)
            .await
            .expect("the store answers");
        for topic in every_topic() {
            let key = world.owes(&account, topic).await;
            world.queue_gets(&Message::Notice(key)).await;
        }
        world.settle().await;
        let ended = world.ended(&account).await;
        assert_eq!(ended.len(), 9);
        assert!(
            ended
                .iter()
                .all(|(_, outcome)| *outcome == Some(NoticeOutcome::Sent)),
            "seed {seed}: {ended:?}"
        );
        let mut references: Vec<_> = world
            .vendors
            .mail
            .letters()
            .into_iter()
            .map(|letter| letter.reference)
            .collect();
        references.sort();
        let mails = references.len();
        references.dedup();
        assert_eq!(
            (mails, references.len()),
            (9, 9),
            "seed {seed}: {references:?}"
        );
        world.done().await;
    }
}
