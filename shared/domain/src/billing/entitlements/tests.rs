//! Tests entitlements for every status of a subscription at Stripe, and the plan after one has
//! lapsed.

mod billed;
mod grace;
mod several;

use super::*;
use crate::billing::marketplace::{EventRank, ListedPlan};
use crate::billing::plans::{
    Availability, BasisPoints, Billable, Limit, ModelPrice, Pays, PhasePredicate, PlanId,
};
use crate::billing::subscriptions::{Invoice, PaymentFailure, SubscriptionItem, payment_failures};
use crate::ids::{AccountId, CustomerId, InvoiceId, OwnerId, PriceId, ProductId, SubscriptionId};
use crate::inbox::{EventKey, EventSource};
use crate::jobs::caps::Caps;
use crate::jobs::{Funding, Offer};
use crate::units::Credits;
use crate::units::Currency;
use std::collections::BTreeMap;

const DAY_SECONDS: i64 = 86_400;
const GRACE_DAYS: i64 = 7;

fn id(text: &str) -> PlanId {
    PlanId::parse(text).expect("a plan's name")
}

fn plan(name: &str, fallback: Option<&str>) -> Plan {
    Plan {
        id: id(name),
        name: name.to_owned(),
        description: String::new(),
        sold: Availability::Public,
        price: None,
        pays: Pays::Nothing,
        charges: vec![],
        fee: Credits::ZERO,
        budget: Credits::ZERO,
        billable: Billable::PrOpened,
        quotas: BTreeMap::new(),
        trial_days: 0,
        grace_days: 7,
        tokens_max: 0,
        overdraft: Credits::ZERO,
        unbilled_max: Limit::Unlimited,
        caps: Caps::default(),
        fallback: fallback.map(id),
        converts_to: None,
        prices: PriceId::parse(&format!("price_{name}"))
            .into_iter()
            .collect(),
        marketplace: Some(format!("listed {name}")),
    }
}

/// `payg` is the default plan, `teams` and `pro` are sold, `free` is the fallback of `teams`, and
/// `trial` is one account's own plan.
fn catalogue() -> Catalogue {
    Catalogue {
        checkout: std::collections::BTreeSet::new(),
        texts: crate::billing::plans::Texts::default(),
        version: "1".to_owned(),
        currency: Currency::parse("usd").expect("a currency"),
        default_plan: id("payg"),
        meters: BTreeMap::new(),
        plans: vec![
            plan("payg", Some("free")),
            plan("teams", Some("free")),
            plan("pro", None),
            plan("free", None),
            plan("trial", None),
        ],
        packs: vec![],
        models: vec![],
        markup: BasisPoints(0),
        output_reserve: 0,
        job_cost_max: Credits::MAX,
        low_balance: Credits::ZERO,
        phase: PhasePredicate {
            phase: String::new(),
            result: String::new(),
        },
    }
}

fn account(plan: &str) -> Account {
    Account {
        id: AccountId::mint(Timestamp::from_millis(1), [1; 10]),
        customer: CustomerId::parse("cus_1").expect("a customer"),
        plan: plan.to_owned(),
        wish: None,
        way: None,
        billing: AccountBilling::Stripe,
        moved_to: None,
        created_at: Timestamp::default(),
    }
}

fn day(days: i64) -> Timestamp {
    Timestamp::from_seconds(days * DAY_SECONDS)
}

/// A subscription created on day 0. Its period began on day 30, and Stripe reported it on day 31.
fn subscription(name: &str, plan: &str, status: Status) -> Subscription {
    Subscription {
        id: SubscriptionId::parse(&format!("sub_{name}")).expect("a subscription"),
        status,
        items: vec![item(&format!("price_{plan}"), None)],
        period: Some(Span {
            start: day(30),
            end: day(60),
        }),
        ends_at: None,
        trial_end: None,
        created_at: day(0),
        as_of: day(31),
    }
}

fn item(price: &str, product: Option<&str>) -> SubscriptionItem {
    SubscriptionItem {
        price: PriceId::parse(price).expect("a price"),
        product: product.map(|product| ProductId::parse(product).expect("a product")),
        quantity: None,
    }
}

/// The plan's name and the coverage of an account whose own plan is `own`.
fn seen(own: &str, subscriptions: &[Subscription], now: Timestamp) -> (String, Coverage) {
    seen_with(own, subscriptions, &[], now)
}

/// Like `seen`, for an account that has also bought something on GitHub.
fn seen_with(
    own: &str,
    subscriptions: &[Subscription],
    purchases: &[MarketplacePurchase],
    now: Timestamp,
) -> (String, Coverage) {
    let catalogue = catalogue();
    let contracts = Contracts {
        subscriptions: subscriptions.to_vec(),
        purchases: purchases.to_vec(),
        failures: BTreeMap::new(),
        planned: BTreeMap::new(),
    };
    let entitlements =
        entitlements(&catalogue, &account(own), &contracts, now).expect("a entitlements");
    (entitlements.plan.id.to_string(), entitlements.coverage)
}

/// An owner's purchase, reported on this day.
fn purchase(
    owner: u64,
    plan: &str,
    price: ListedPrice,
    state: PurchaseState,
    said: i64,
) -> MarketplacePurchase {
    let event = EventKey::parse(EventSource::Github, "d").expect("an id");
    let listed = ListedPlan {
        id: 1,
        name: format!("listed {plan}"),
        price,
    };
    MarketplacePurchase {
        owner: OwnerId::new(owner),
        listed,
        state,
        since: day(said),
        rank: EventRank::new(day(said), day(said), &event),
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one story or table of cases")]
fn what_github_bills_comes_before_stripe_and_what_is_free_after_it() {
    use ListedPrice::{Free, Paid};
    use PurchaseState::{Active, Cancelled};
    let none = || Vec::new();
    let stripe = |status| vec![subscription("1", "pro", status)];
    let until = day(31 + GRACE_DAYS);
    for (own, subscriptions, bought, plan, coverage) in [
        (
            "payg",
            none(),
            vec![("teams", Paid, Active)],
            "teams",
            Coverage::Full,
        ),
        (
            "trial",
            none(),
            vec![("teams", Paid, Active)],
            "teams",
            Coverage::Full,
        ),
        (
            "payg",
            stripe(Status::Active),
            vec![("teams", Paid, Active)],
            "teams",
            Coverage::Full,
        ),
        (
            "payg",
            stripe(Status::PastDue),
            vec![("teams", Paid, Active)],
            "teams",
            Coverage::Full,
        ),
        (
            "payg",
            stripe(Status::Canceled),
            vec![("teams", Paid, Active)],
            "teams",
            Coverage::Full,
        ),
        (
            "payg",
            stripe(Status::Active),
            vec![("trial", Free, Active)],
            "pro",
            Coverage::Full,
        ),
        (
            "payg",
            stripe(Status::PastDue),
            vec![("trial", Free, Active)],
            "pro",
            Coverage::Grace { until },
        ),
        (
            "payg",
            none(),
            vec![("trial", Free, Active)],
            "trial",
            Coverage::Full,
        ),
        (
            "teams",
            none(),
            vec![("trial", Free, Active)],
            "teams",
            Coverage::Full,
        ),
        (
            "payg",
            none(),
            vec![("trial", Free, Cancelled)],
            "payg",
            Coverage::Full,
        ),
        (
            "trial",
            none(),
            vec![("trial", Free, Cancelled)],
            "trial",
            Coverage::Full,
        ),
        (
            "trial",
            none(),
            vec![("teams", Paid, Cancelled)],
            "trial",
            Coverage::Lapsed,
        ),
        (
            "payg",
            none(),
            vec![("teams", Paid, Cancelled)],
            "free",
            Coverage::Lapsed,
        ),
        (
            "payg",
            none(),
            vec![("pro", Paid, Cancelled)],
            "payg",
            Coverage::Lapsed,
        ),
        (
            "payg",
            stripe(Status::Active),
            vec![("teams", Paid, Cancelled)],
            "pro",
            Coverage::Full,
        ),
        (
            "payg",
            none(),
            vec![("a plan we never sold", Paid, Active)],
            "payg",
            Coverage::Full,
        ),
        // One paid purchase of several owners is enough, and of two the latest counts.
        (
            "payg",
            none(),
            vec![("teams", Paid, Active), ("trial", Free, Active)],
            "teams",
            Coverage::Full,
        ),
        (
            "payg",
            none(),
            vec![("teams", Paid, Active), ("pro", Paid, Cancelled)],
            "teams",
            Coverage::Full,
        ),
        (
            "payg",
            none(),
            vec![("teams", Paid, Active), ("pro", Paid, Active)],
            "pro",
            Coverage::Full,
        ),
    ] {
        let what = format!("{own} {subscriptions:?} {bought:?}");
        let mut purchases: Vec<_> = (1_u64..)
            .zip(bought)
            .map(|(owner, (plan, price, state))| {
                purchase(
                    owner,
                    plan,
                    price,
                    state,
                    i64::try_from(owner).expect("few"),
                )
            })
            .collect();
        for _ in 0..2 {
            let seen = seen_with(own, &subscriptions, &purchases, day(32));
            assert_eq!(seen, (plan.to_owned(), coverage), "{what}");
            purchases.reverse();
        }
    }
}

#[test]
fn every_word_of_stripe_s_has_its_meaning() {
    let until = day(31 + GRACE_DAYS);
    let told: Vec<_> = [
        ("active", "teams", Coverage::Full),
        ("trialing", "teams", Coverage::Full),
        ("past_due", "teams", Coverage::Grace { until }),
        ("unpaid", "free", Coverage::Lapsed),
        ("paused", "free", Coverage::Lapsed),
        ("incomplete", "payg", Coverage::Full),
        ("incomplete_expired", "free", Coverage::Lapsed),
        ("canceled", "free", Coverage::Lapsed),
        ("a_word_of_next_year", "teams", Coverage::Full),
    ]
    .into_iter()
    .map(|(word, plan, service)| {
        let subscribed = subscription("1", "teams", Status::parse(word));
        assert_eq!(
            seen("payg", &[subscribed], day(32)),
            (plan.to_owned(), service),
            "{word}"
        );
        Status::parse(word)
    })
    .collect();
    assert!(
        Status::KNOWN.iter().all(|status| told.contains(status)),
        "every known word is in the table"
    );
}

#[test]
fn what_is_left_of_a_lapsed_plan() {
    for (own, lapsed, left) in [
        ("payg", "teams", "free"),
        ("payg", "payg", "free"),
        ("payg", "pro", "payg"),
        ("trial", "teams", "trial"),
        ("trial", "pro", "trial"),
        ("teams", "teams", "free"),
        ("pro", "pro", "payg"),
        ("no such plan", "teams", "free"),
    ] {
        let over = subscription("1", lapsed, Status::Canceled);
        assert_eq!(
            seen(own, &[over], day(32)),
            (left.to_owned(), Coverage::Lapsed),
            "own {own}, lapsed {lapsed}"
        );
    }
}

#[test]
fn without_a_known_subscription_it_is_the_account_s_own_plan() {
    assert_eq!(
        seen("trial", &[], day(1)),
        ("trial".to_owned(), Coverage::Full)
    );
    assert_eq!(
        seen("Nonsense!", &[], day(1)),
        ("payg".to_owned(), Coverage::Full),
        "an unknown plan is everybody's"
    );
    let unknown = subscription("1", "another_shop_s", Status::Active);
    assert_eq!(
        seen("trial", &[unknown], day(32)),
        ("trial".to_owned(), Coverage::Full)
    );
    let nothing = Catalogue {
        plans: vec![],
        ..catalogue()
    };
    assert_eq!(
        entitlements(&nothing, &account("payg"), &Contracts::default(), day(1)),
        None
    );
}

#[test]
fn a_subscription_sells_by_its_price_or_by_its_product() {
    let catalogue = catalogue();
    for (items, sold) in [
        (vec![item("price_teams", None)], Some("teams")),
        (
            vec![item("price_new", Some("tallyhook_plan_pro"))],
            Some("pro"),
        ),
        (
            vec![
                item("price_support", Some("prod_other")),
                item("price_pro", None),
            ],
            Some("pro"),
        ),
        (vec![item("price_new", Some("tallyhook_pack_pro"))], None),
        (vec![item("price_new", None)], None),
        (vec![], None),
    ] {
        let subscription = Subscription {
            items: items.clone(),
            ..subscription("1", "teams", Status::Active)
        };
        assert_eq!(
            plan_of(&catalogue, &subscription).map(|plan| plan.id.as_str()),
            sold,
            "{items:?}"
        );
    }
}

/// One call of the most expensive model could cost more than the plan lets a job cost: an assist
/// reserves what the plan allows, and may not cost more.
#[test]
fn an_assist_reserves_no_more_than_the_plan_allows() {
    let mut catalogue = catalogue();
    catalogue.output_reserve = 4_096;
    catalogue.models = vec![ModelPrice::uncached("dear".to_owned(), 3_000, 15_000)];
    let customer = CustomerId::parse("cus_1").expect("a customer");
    let call_max = catalogue.call_max(100_000);
    for (budget, expected) in [
        (Credits::from_micros(7).expect("an amount"), None),
        (
            Credits::whole(1_000_000).expect("an amount"),
            Some(call_max),
        ),
    ] {
        let payg = &mut catalogue.plans[0];
        (payg.pays, payg.budget) = (Pays::Credits, budget);
        let contracts = Contracts::default();
        let entitlements = entitlements(&catalogue, &account("payg"), &contracts, day(1));
        let entitlements = entitlements.expect("the default plan");
        let offer = Offer::of_assist(&catalogue, &entitlements, &customer, Some(100_000), day(1));
        let held = expected.unwrap_or(budget);
        assert_eq!(offer.terms.budget, Some(held));
        let Funding::Prepaid { held: reserved, .. } = offer.terms.funding else {
            panic!("from credits");
        };
        assert_eq!(reserved, held);
    }
}

/// Who is billed for the metered work of an account on `payg`, which is metered here.
fn metered_to(account: &Account, subscriptions: &[Subscription], now: Timestamp) -> MeteredTo {
    let mut catalogue = catalogue();
    for plan in &mut catalogue.plans {
        if ["payg", "teams"].contains(&plan.id.as_str()) {
            plan.pays = Pays::Meters;
        }
    }
    let contracts = Contracts {
        subscriptions: subscriptions.to_vec(),
        ..Contracts::default()
    };
    let entitlements = entitlements(&catalogue, account, &contracts, now);
    entitlements.expect("the default plan").metered_to
}
