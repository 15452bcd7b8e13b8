//! A payment fails: the grace counts from the failure, every mail names a day that lies ahead, and
//! the customer is reminded before the plan stops and told when it stops.

use crate::world::money::Sold;
use crate::world::program::{Program, program};
use crate::world::shop::subscribes;
use crate::world::verbs::permutations;
use crate::world::{FaultPlan, World};
use domain::ids::AccountId;
use local_stack::world::CUSTOMER;
use serde_json::{Value, json};
use stand_in_shared::faults::{Called, Moment, deaths};
use stand_in_stripe::Settlement;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);
const FAILED: &str = "A payment has failed";
const ENDING: &str = "Your plan is about to be suspended";
const STOPPED: &str = "Your plan no longer applies";

async fn shown(world: &World, account: &AccountId) -> Value {
    let path = format!("/api/v1/admin/accounts/{account}");
    world.operator("GET", &path, None).await.1
}

async fn service(world: &World, account: &AccountId) -> String {
    let seen = shown(world, account).await;
    let state = seen["service"]["state"].as_str();
    state.expect("a state").to_owned()
}

/// The customer's only unpaid invoice.
fn unpaid(world: &World) -> String {
    let invoices = world.vendors.stripe.invoices();
    let open = invoices.iter().find(|invoice| invoice["status"] == "open");
    let open = open.expect("an unpaid invoice");
    open["id"].as_str().expect("an id").to_owned()
}

/// Lets days pass, and the sweeper run.
async fn days(world: &World, count: u32) {
    world.skip(count * DAY);
    world.sweep().await;
    world.settle().await;
}

/// The text of the latest mail with this subject.
fn letter(world: &World, subject: &str) -> String {
    let letters = world.vendors.mail.letters();
    let found = letters.iter().rev().find(|one| one.subject == subject);
    found
        .unwrap_or_else(|| panic!("no {subject:?} in {:?}", world.subjects()))
        .text
        .clone()
}

/// A world whose customer pays for `starter`, with a grace of seven days, by bank debit. A month
/// has passed, and the debit of the second month is under way.
async fn debited() -> (Program, String) {
    let program = program("free", &[]).await;
    let world = &program.world;
    world.reachable(&program.account).await;
    world.adjusts(&program.account, "5000", "for work").await;
    let subscription = subscribes(world, CUSTOMER).await;
    world.settle().await;
    let stripe = &world.vendors.stripe;
    stripe.add_bank_account(CUSTOMER).expect("a customer");
    world.skip(31 * DAY);
    stripe.roll_period(&subscription).expect("the next period");
    world.settle().await;
    (program, subscription)
}

/// The debit of day 0 fails on day 8. Seven days of grace follow, with a reminder on day 13.
#[tokio::test(start_paused = true)]
async fn the_grace_counts_from_the_failure() {
    let (program, _) = debited().await;
    let (world, account) = (&program.world, &program.account);
    assert_eq!(service(world, account).await, "full", "nothing has failed");
    days(world, 8).await;
    let failed = world.stack.outside.now();
    let stripe = &world.vendors.stripe;
    stripe
        .settle_debit(&unpaid(world), Settlement::Failed)
        .expect("a debit under way");
    world.settle().await;
    assert_eq!(service(world, account).await, "grace");
    let end = failed.plus(7 * DAY).day();
    let text = letter(world, FAILED);
    let words = format!("Starter stays active until {end}");
    assert!(text.contains(&words), "{words}: {text}");
    let own = program.get("/api/v1/account").await;
    assert_eq!(own["can_use_service"], json!(true), "{own}");

    days(world, 4).await;
    assert_eq!(world.subjects(), [FAILED], "no reminder yet");
    days(world, 1).await;
    assert_eq!(world.subjects(), [FAILED, ENDING]);
    let text = letter(world, ENDING);
    let words = format!("Starter is suspended on {end} unless invoice ");
    assert!(
        text.contains(&words) && text.contains("29.00 USD"),
        "{text}"
    );
    assert_eq!(service(world, account).await, "grace");

    days(world, 2).await;
    assert_eq!(service(world, account).await, "lapsed");
    assert_eq!(world.subjects(), [FAILED, ENDING, STOPPED]);
    let text = letter(world, STOPPED);
    assert!(
        text.contains("Starter is suspended, because invoice "),
        "{text}"
    );
    days(world, 20).await;
    assert_eq!(world.subjects().len(), 3, "each once");
    program.world.done().await;
}

/// A payment in time ends the notices, and a later failure has a grace of its own.
#[tokio::test(start_paused = true)]
async fn a_payment_in_time_ends_the_notices() {
    let (program, subscription) = debited().await;
    let (world, account) = (&program.world, &program.account);
    let stripe = &world.vendors.stripe;
    days(world, 8).await;
    let invoice = unpaid(world);
    stripe
        .settle_debit(&invoice, Settlement::Failed)
        .expect("a debit under way");
    world.settle().await;
    days(world, 3).await;
    stripe.add_card(CUSTOMER, "pm_card_visa").expect("a card");
    stripe.pay_invoice(&invoice).expect("a card that works");
    world.settle().await;
    assert_eq!(service(world, account).await, "full");
    days(world, 10).await;
    assert_eq!(world.subjects(), [FAILED], "it was paid in time");

    world.skip(10 * DAY);
    stripe.fail_next_payment(CUSTOMER).expect("a customer");
    stripe.roll_period(&subscription).expect("the next period");
    world.settle().await;
    assert_eq!(service(world, account).await, "grace");
    days(world, 6).await;
    days(world, 2).await;
    assert_eq!(service(world, account).await, "lapsed");
    assert_eq!(world.subjects(), [FAILED, FAILED, ENDING, STOPPED]);
    program.world.done().await;
}

/// Stripe gives up before the grace has ended: the mail comes then.
#[tokio::test(start_paused = true)]
async fn a_plan_that_ends_early_is_notified_at_once() {
    let (program, subscription) = debited().await;
    let (world, account) = (&program.world, &program.account);
    let stripe = &world.vendors.stripe;
    days(world, 8).await;
    stripe
        .settle_debit(&unpaid(world), Settlement::Failed)
        .expect("a debit under way");
    world.settle().await;
    days(world, 1).await;
    stripe
        .cancel_subscription(&subscription)
        .expect("it is there");
    world.settle().await;
    world.sweep().await;
    world.settle().await;
    assert_eq!(service(world, account).await, "lapsed");
    assert_eq!(world.subjects(), [FAILED, STOPPED]);
    let text = letter(world, STOPPED);
    assert!(text.contains("Starter has ended, and invoice "), "{text}");
    days(world, 10).await;
    assert_eq!(world.subjects().len(), 2, "no reminder of what has ended");
    program.world.done().await;
}

/// An event of the failure that waited for longer than the grace names no day in the past.
#[tokio::test(start_paused = true)]
async fn a_late_event_names_no_past_day() {
    let (program, _) = debited().await;
    let (world, account) = (&program.world, &program.account);
    days(world, 8).await;
    world
        .vendors
        .stripe
        .settle_debit(&unpaid(world), Settlement::Failed)
        .expect("a debit under way");
    world.skip(9 * DAY);
    world.settle().await;
    world.sweep().await;
    world.settle().await;
    assert_eq!(service(world, account).await, "lapsed");
    assert_eq!(
        world.subjects(),
        [FAILED, STOPPED],
        "it is too late for a reminder"
    );
    let text = letter(world, FAILED);
    assert!(
        text.contains("Starter is suspended until the invoice is paid.")
            && !text.contains("stays active until"),
        "{text}"
    );
    program.world.done().await;
}

/// The first failure, the second one and the state of the subscription, in every order and each
/// twice: the end of the grace is the same, and so are the notices.
#[tokio::test(start_paused = true)]
async fn every_order_of_the_events_ends_the_same() {
    for order in permutations(3) {
        let (program, _) = debited().await;
        let (world, account) = (&program.world, &program.account);
        days(world, 8).await;
        let invoice = unpaid(world);
        let stripe = &world.vendors.stripe;
        stripe.outbox_take();
        stripe
            .settle_debit(&invoice, Settlement::Failed)
            .expect("a debit under way");
        let kinds = ["invoice.payment_failed", "customer.subscription.updated"];
        let mut events = world.stripe_sent(&kinds);
        assert_eq!(events.len(), 2);
        let mut second = events[0].clone();
        second["id"] = json!("evt_second");
        let created = second["created"].as_i64().expect("a time");
        second["created"] = json!(created + 3 * 86_400);
        second["data"]["object"]["attempt_count"] = json!(2);
        events.push(second);
        for place in order {
            for _ in 0..2 {
                assert!(world.stripe_delivers(&events[place]).await.is_success());
            }
            world.drain(::queues::Queue::StripeEvents).await;
        }
        let seen = shown(world, account).await;
        let due = world
            .stack
            .store
            .due_list(domain::time::Timestamp::from_millis(i64::MAX / 4), 100);
        let mut planned: Vec<_> = due
            .await
            .expect("the store answers")
            .into_iter()
            .map(|due| (format!("{:?}", due.item), due.due_at))
            .filter(|(item, _)| item.contains("service_"))
            .map(|(item, due_at)| {
                let since = due_at.millis() - created * 1_000;
                (item.contains("service_stopped"), since)
            })
            .collect();
        planned.sort_unstable();
        let day = 86_400_000;
        assert_eq!(planned, [(false, 5 * day), (true, 7 * day)]);
        let until = seen["service"]["until"].as_str().map(str::to_owned);
        let end = domain::time::Timestamp::from_seconds(created).plus(7 * DAY);
        assert_eq!(until, Some(end.to_string()), "{seen}");
        program.world.abandoned();
    }
}

/// Plays a failure and the end of the grace with a death at this call. Returns its calls.
async fn play(death: Option<(u64, Moment)>) -> Vec<Called> {
    let (world, account) = World::on_plan(FaultPlan::None, "free", &[]).await;
    world.reachable(&account).await;
    let subscription = subscribes(&world, CUSTOMER).await;
    world.settle().await;
    world.skip(31 * DAY);
    let stripe = &world.vendors.stripe;
    stripe.fail_next_payment(CUSTOMER).expect("a customer");
    stripe.roll_period(&subscription).expect("the next period");
    let before = world.stack.faults.calls();
    if let Some((call, moment)) = death {
        world.stack.faults.crash_at(before + call, moment);
    }
    world.settle().await;
    for count in [5, 2, 1] {
        world.skip(count * DAY);
        let _ = world.stack.faults.run(world.stack.sweep()).await;
        world.settle().await;
    }
    let mut subjects = world.subjects();
    // A mail whose process died may be sent once more.
    subjects.dedup();
    assert_eq!(subjects, [FAILED, ENDING, STOPPED], "{death:?}");
    let calls = world.stack.faults.since(before);
    world.done().await;
    calls
}

#[tokio::test(start_paused = true)]
async fn a_process_may_die_at_any_call_of_a_failure() {
    let calls = play(None).await;
    assert!(calls.len() >= 30, "{calls:?}");
    for death in deaths(&calls) {
        play(Some(death)).await;
    }
}

/// A plan without grace stops when the payment fails.
#[tokio::test(start_paused = true)]
async fn without_grace_the_plan_stops_at_once() {
    let grace = (
        "quotas.users = { limit = 3 }\ngrace_days = 7",
        "quotas.users = { limit = 3 }\ngrace_days = 0",
    );
    let sold = Sold::with("graceless", &[grace]);
    let program = program("free", &[("CATALOGUE", sold.path())]).await;
    let (world, account) = (&program.world, &program.account);
    world.reachable(account).await;
    let subscription = subscribes(world, CUSTOMER).await;
    world.settle().await;
    world.skip(31 * DAY);
    let stripe = &world.vendors.stripe;
    stripe.fail_next_payment(CUSTOMER).expect("a customer");
    stripe.roll_period(&subscription).expect("the next period");
    world.settle().await;
    world.sweep().await;
    world.settle().await;
    assert_eq!(service(world, account).await, "lapsed");
    assert_eq!(world.subjects(), [FAILED, STOPPED]);
    let text = letter(world, FAILED);
    assert!(text.contains("Starter is suspended until"), "{text}");
    program.world.done().await;
}
