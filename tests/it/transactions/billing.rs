//! The ledger, payments, usage, purchases and switches.

use super::{act, customer, on_both, opened};
use crate::billing::spending::crowds::{PERIOD, hold, job};
use crate::ledger::{NOW, account, gift, micros};
use domain::billing::payments::{CreditPurchase, PaymentFact};
use domain::billing::plans::Limit;
use domain::billing::spending::SpendLimit;
use domain::billing::subscriptions::{Status, Subscription};
use domain::billing::usage::{AccountMeter, Meter, Usage, UsageIdentifier, UsageSource};
use domain::ids::{AccountId, PaymentId, SubscriptionId};
use domain::inbox::EventSource;
use domain::jobs::{self, PullRef, Staged};
use domain::ledger::{Balance, EntryDetails, HoldId, Posting};
use domain::switches::{Switch, SwitchName};
use domain::units::Credits;
use std::time::Duration;
use store::{
    Advanced, Attempted, Begun, Cancelled, Cancelling, Decided, Expiring, Expiry, Finished, Intent,
    Noted, Owed, PaymentRecorded, Post, ReportClaim, Store, SwitchWord, Switched, Unbilled,
    UsageRecord, UsageRecorded, UsageState, Which, WriteOff,
};

#[tokio::test]
async fn a_posting_says_why_it_is_not_written() {
    on_both(async |_, store, on| {
        let id = account(1);
        let post = async |postings: &[Posting]| {
            let posted = store.ledger_post(postings).await;
            posted.expect("an answer")
        };
        assert_eq!(post(&[gift(&id, 1, 10)]).await, Post::Posted, "{on}");
        assert_eq!(post(&[gift(&id, 1, 10)]).await, Post::AlreadyPosted, "{on}");
        assert_eq!(post(&[gift(&id, 1, 11)]).await, Post::CauseReused, "{on}");
        // If one of several entries exists, none is written.
        let both = [gift(&id, 2, 10), gift(&id, 1, 10)];
        assert_eq!(post(&both).await, Post::AlreadyPosted, "{on}");

        let (first, outlay) = hold(&id, 1, micros(7));
        let limit = |credits| SpendLimit {
            money: None,
            credits: Some(micros(credits)),
        };
        let limited = async |credits| {
            let set = store.spend_limit_set(&id, &limit(credits), NOW).await;
            set.expect("an answer");
        };
        let make = async |(hold, outlay): &(Posting, _)| {
            let made = store.hold_make(hold, outlay).await;
            made.expect("an answer")
        };
        limited(8).await;
        let first = (first, outlay);
        assert_eq!(make(&first).await, Post::Posted, "{on}");
        // The limit is also reached by now, but the entry decides.
        assert_eq!(make(&first).await, Post::AlreadyPosted, "{on}");
        let small = hold(&id, 2, micros(2));
        assert_eq!(make(&small).await, Post::SpendLimitReached, "{on}");
        limited(1_000).await;
        let large = hold(&id, 3, micros(100));
        let has = Balance {
            available: micros(3),
            held: micros(7),
            debt: Credits::ZERO,
        };
        assert_eq!(make(&large).await, Post::Insufficient(has), "{on}");
        // Neither the balance nor the limit is sufficient, but the balance decides first.
        limited(8).await;
        assert_eq!(make(&large).await, Post::Insufficient(has), "{on}");

        let nothing = HoldId::Own(act(9));
        let amounts = (micros(1), micros(1));
        let end = Posting::settle(&id, nothing, amounts, EntryDetails::default(), NOW);
        assert_eq!(post(&[end]).await, Post::NoHold, "{on}");
    })
    .await;
}

#[tokio::test]
async fn a_payment_is_recorded_and_expires_once() {
    on_both(async |_, store, on| {
        let id = PaymentId::parse("pi_1").expect("an id");
        let end = NOW.plus(Duration::from_secs(86_400));
        let bought = PaymentFact::Bought(CreditPurchase {
            account: account(1),
            credits: micros(10),
            paid_minor: 100,
            currency: "usd".to_owned(),
            what: "ten".to_owned(),
            priced_by: "v".to_owned(),
            expires_at: Some(end),
        });
        // Both read that nothing is known; the second writer reads again.
        let (one, other) = tokio::join!(
            store.payment_record(&id, &bought, "evt_1", NOW),
            store.payment_record(&id, &bought, "evt_1", NOW)
        );
        let (one, other) = (one.expect("an answer"), other.expect("an answer"));
        assert!(matches!(one, PaymentRecorded::News(_)), "{on}: {one:?}");
        assert_eq!(other, PaymentRecorded::Known, "{on}");

        let later = end.plus(Duration::from_secs(86_400 * 2));
        let rows = store.expiry_list(later, None, 10).await.expect("rows");
        let [row]: [Expiring; 1] = rows.try_into().expect("one payment expires");
        let (one, other) =
            tokio::join!(store.lot_expire(&row, later), store.lot_expire(&row, later));
        let expected = Expiry::Posted(micros(10), account(1));
        assert_eq!(one.expect("an answer"), expected, "{on}");
        assert_eq!(other.expect("an answer"), Expiry::Before, "{on}");
        let again = store.lot_expire(&row, later).await;
        assert_eq!(again.expect("an answer"), Expiry::Before, "{on}");
    })
    .await;
}

#[tokio::test]
async fn a_customers_usage_is_counted_once_and_within_the_limit() {
    on_both(async |_, store, on| {
        let record = |n, amount| UsageRecord {
            act: act(n),
            meter: Meter::pull_requests(),
            period: PERIOD.to_owned(),
            amount,
            metadata: String::new(),
            at: NOW,
        };
        let recorded = async |n, amount| {
            let limit = Limit::Of(3);
            let (account, record) = (account(1), record(n, amount));
            store
                .usage_record(&account, &record, limit)
                .await
                .expect("an answer")
        };
        assert_eq!(recorded(1, 2).await, UsageRecorded::Now, "{on}");
        // The same amount again would exceed the limit, but the existing record decides.
        assert_eq!(recorded(1, 2).await, UsageRecorded::Already, "{on}");
        assert_eq!(recorded(1, 3).await, UsageRecorded::ActReused, "{on}");
        assert_eq!(recorded(2, 2).await, UsageRecorded::UsedUp, "{on}");
    })
    .await;
}

/// A delivered and billed job. Its usage is owed by then.
async fn delivered(store: &Store, id: &AccountId) -> (AccountMeter, Owed) {
    let mut new = job(id, 1, "1.00");
    new.row = jobs::delegated(new.row.facts);
    store.job_create(&new).await.expect("an answer");
    let Staged::Delegated(job) = new.row.staged() else {
        panic!("it is delegated");
    };
    let pull = PullRef {
        number: 1,
        url: "https://github.com/acme/greeter/pull/1".to_owned(),
    };
    let advanced = store.job_advance(&job.delivered(pull, NOW)).await;
    assert!(matches!(advanced, Ok(Advanced::Applied(_))));
    let debts = AccountMeter {
        account: id.clone(),
        meter: Meter::pull_requests(),
    };
    let owed = store.owed_list(&debts, 10).await.expect("rows");
    let [owed]: [Owed; 1] = owed.try_into().expect("one record");
    (debts, owed)
}

#[tokio::test]
async fn a_usage_record_is_in_one_place() {
    on_both(async |_, store, on| {
        let id = opened(store, 1).await;
        let (debts, owed) = delivered(store, &id).await;
        let Usage {
            id: usage,
            identifier,
            of: UsageSource::Job(_),
            ..
        } = &owed.usage
        else {
            panic!("it is of a job");
        };
        let customer = customer(1);
        assert_eq!(owed.usage.customer, customer, "{on}");

        let report = async || store.usage_reported(&owed, NOW).await.expect("an answer");
        assert_eq!(report().await, Finished::Now, "{on}");
        assert_eq!(report().await, Finished::Already, "{on}");
        let park = store.usage_park(&owed, "why", NOW).await;
        assert_eq!(park.expect("an answer"), Finished::Already, "{on}");

        let unbill = async |identifier: &UsageIdentifier| {
            let unbilled = store.usage_unbill(&debts, identifier, "why", NOW).await;
            unbilled.expect("an answer")
        };
        // Of two concurrent calls, one moves it.
        let (one, other) = tokio::join!(unbill(identifier), unbill(identifier));
        assert_eq!((one, other), (Unbilled::Now, Unbilled::Already), "{on}");

        let (one, other) = tokio::join!(
            store.usage_resend(&debts, usage, NOW),
            store.usage_resend(&debts, usage, NOW)
        );
        let one = one.expect("an answer");
        assert!(matches!(one, Decided::Now(_)), "{on}: {one:?}");
        let other = other.expect("an answer");
        assert_eq!(other, Decided::NotStuck(UsageState::Owed), "{on}");
        assert_eq!(unbill(identifier).await, Unbilled::Already, "{on}");
    })
    .await;
}

#[tokio::test]
async fn usage_is_sent_only_under_the_lease_and_before_its_invoice() {
    on_both(async |_, store, on| {
        let id = opened(store, 1).await;
        let (debts, mut owed) = delivered(store, &id).await;
        let (lease, later) = (
            NOW.plus(Duration::from_secs(60)),
            NOW.plus(Duration::from_secs(1)),
        );
        let attempt = async |owed: &mut Owed, lease| {
            let attempted = store.owed_attempt(owed, None, (lease, NOW)).await;
            attempted.expect("an answer")
        };
        assert_eq!(
            attempt(&mut owed, lease).await,
            Attempted::Lost,
            "{on}: no lease"
        );
        let claimed = store.report_claim(&debts, lease, NOW).await;
        let mine = ReportClaim::Yours { billed_until: None };
        assert_eq!(claimed.expect("an answer"), mine, "{on}");
        assert_eq!(
            attempt(&mut owed, later).await,
            Attempted::Lost,
            "{on}: another lease"
        );
        assert_eq!(attempt(&mut owed, lease).await, Attempted::Yours, "{on}");
        assert_eq!(
            attempt(&mut owed, lease).await,
            Attempted::Yours,
            "{on}: again"
        );
        for until in [later, NOW] {
            let set = store.billed_until_set(&debts, until).await;
            set.expect("an answer");
        }
        let closed = Attempted::Closed(later);
        assert_eq!(
            attempt(&mut owed, lease).await,
            closed,
            "{on}: it stays final"
        );
        let identifier = owed.usage.identifier.next();
        for expected in [Finished::Now, Finished::Already] {
            let restarted = store.owed_restart(&owed, &identifier, NOW).await;
            assert_eq!(restarted.expect("an answer"), expected, "{on}");
        }
        assert_eq!(
            attempt(&mut owed, lease).await,
            Attempted::Lost,
            "{on}: it has changed"
        );
        let [mut again]: [Owed; 1] = store
            .owed_list(&debts, 10)
            .await
            .expect("rows")
            .try_into()
            .expect("one record");
        assert_eq!((again.attempts_made, again.looked_up), (None, true), "{on}");
        assert_eq!(again.usage.identifier, identifier, "{on}");
        let carried = store
            .owed_attempt(&mut again, Some(later), (lease, NOW))
            .await;
        assert_eq!(carried.expect("an answer"), Attempted::Yours, "{on}");
        assert_eq!(again.moment(), later, "{on}");
    })
    .await;
}

#[tokio::test]
async fn reported_usage_is_cancelled_once_and_before_its_invoice() {
    on_both(async |_, store, on| {
        let id = opened(store, 1).await;
        let (debts, owed) = delivered(store, &id).await;
        let usage = &owed.usage.id;
        let word = WriteOff {
            at: NOW,
            by: "ann".to_owned(),
            reason: "why".to_owned(),
        };
        let cancel = async || {
            let cancelled = store.usage_cancel(&debts, usage, &word).await;
            cancelled.expect("an answer")
        };
        let owed_only = Cancelled::NotReported(UsageState::Owed);
        assert_eq!(cancel().await, owed_only, "{on}");
        let reported = store.usage_reported(&owed, NOW).await;
        assert_eq!(reported.expect("an answer"), Finished::Now, "{on}");
        let (one, other) = tokio::join!(cancel(), cancel());
        let (Cancelled::Now(row), Cancelled::Already(same)) = (one, other) else {
            panic!("{on}: one of two cancels it");
        };
        assert_eq!(row, same, "{on}");
        let [waiting]: [Cancelling; 1] = store
            .cancelling_list(&debts)
            .await
            .expect("rows")
            .try_into()
            .expect("one");
        assert_eq!(waiting.row, *row, "{on}");
        let refused = async || {
            store
                .cancelling_refused(&row, "no")
                .await
                .expect("an answer")
        };
        assert_eq!(refused().await, Finished::Now, "{on}");
        assert_eq!(refused().await, Finished::Already, "{on}");
        let until = NOW.plus(Duration::from_secs(1));
        assert!(matches!(cancel().await, Cancelled::Now(_)), "{on}: again");
        for expected in [Finished::Now, Finished::Already] {
            let done = store.cancelling_done(&row, NOW).await;
            assert_eq!(done.expect("an answer"), expected, "{on}");
        }
        assert_eq!(refused().await, Finished::Already, "{on}: it is done");
        store
            .billed_until_set(&debts, until)
            .await
            .expect("an answer");
        assert!(matches!(cancel().await, Cancelled::Already(_)), "{on}");
    })
    .await;
}

#[tokio::test]
async fn usage_of_a_final_invoice_is_not_cancelled() {
    on_both(async |_, store, on| {
        let id = opened(store, 1).await;
        let (debts, owed) = delivered(store, &id).await;
        let reported = store.usage_reported(&owed, NOW).await;
        assert_eq!(reported.expect("an answer"), Finished::Now, "{on}");
        let until = NOW.plus(Duration::from_secs(1));
        store
            .billed_until_set(&debts, until)
            .await
            .expect("an answer");
        let word = WriteOff {
            at: NOW,
            by: "ann".to_owned(),
            reason: "why".to_owned(),
        };
        let cancelled = store.usage_cancel(&debts, &owed.usage.id, &word).await;
        assert_eq!(cancelled.expect("an answer"), Cancelled::Invoiced, "{on}");
    })
    .await;
}

#[tokio::test]
async fn an_act_begins_one_thing() {
    on_both(async |_, store, on| {
        let id = opened(store, 1).await;
        let intent = |what: &str| Intent {
            what: what.to_owned(),
            params: "{}".to_owned(),
            answer: None,
            begun_at: NOW,
        };
        let begin = async |what: &str| {
            let begun = store.intent_begin(&id, &act(1), &intent(what)).await;
            begun.expect("an answer")
        };
        assert_eq!(begin("one").await, Begun::New, "{on}");
        assert_eq!(begin("one").await, Begun::Same(intent("one")), "{on}");
        assert_eq!(begin("other").await, Begun::Other, "{on}");
        let nobody = store
            .intent_begin(&account(9), &act(1), &intent("one"))
            .await;
        let error = nobody.expect_err("there is no such account");
        assert_eq!(
            error.to_string(),
            "could not begin an intent (contended)",
            "{on}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_switch_in_its_position_is_not_switched() {
    on_both(async |connection, _, on| {
        let word = SwitchWord {
            position: Switch::Off,
            by: "ann".to_owned(),
            reason: "why".to_owned(),
            at: NOW,
        };
        let switches = connection.switches("main");
        let which = Which::Named(SwitchName::Billing);
        let ingest = connection.ingest("events", EventSource::Github);
        for expected in [Switched::Now, Switched::Already] {
            let switched = switches.switch_set(&which, &word, &act(1)).await;
            assert_eq!(switched.expect("an answer"), expected, "{on}");
            let switched = ingest.ingest_set(&word, &act(1)).await;
            assert_eq!(switched.expect("an answer"), expected, "{on}");
        }
    })
    .await;
}

/// Stripe is asked which of two states of one moment holds, and a newer event comes meanwhile: the
/// answer is about the past.
#[tokio::test]
async fn an_answer_about_a_subscription_does_not_replace_what_is_newer() {
    on_both(async |_, store, on| {
        let id = opened(store, 1).await;
        let subscription = |status, second| Subscription {
            id: SubscriptionId::parse("sub_1").expect("an id"),
            status,
            items: Vec::new(),
            period: None,
            ends_at: None,
            trial_end: None,
            created_at: NOW,
            as_of: NOW.plus(Duration::from_secs(second)),
        };
        let note = async |said: &Subscription| {
            let noted = store.subscription_note(&id, said).await;
            noted.expect("an answer")
        };
        let known = subscription(Status::Active, 1);
        assert_eq!(note(&known).await, Noted::Now, "{on}");
        let tied = note(&subscription(Status::PastDue, 1)).await;
        assert_eq!(tied, Noted::Tie(Box::new(known.clone())), "{on}");
        let settle = async |asked: &Subscription| {
            let noted = store.subscription_settle(&id, &known, asked).await;
            noted.expect("an answer")
        };
        // A newer event arrives while Stripe is asked.
        let newer = subscription(Status::Unpaid, 9);
        assert_eq!(note(&newer).await, Noted::Now, "{on}");
        let asked = subscription(Status::PastDue, 2);
        assert_eq!(settle(&asked).await, Noted::Outdated, "{on}");
        let kept = store.account_find_whole(&id).await.expect("an answer");
        let (_, contracts) = kept.expect("the account");
        assert_eq!(contracts.subscriptions, [newer], "{on}");
    })
    .await;
}
