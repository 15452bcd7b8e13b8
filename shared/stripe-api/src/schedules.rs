//! Subscription schedules: a change of a subscription that Stripe makes when the period ends.
//!
//! A schedule that is made from a subscription takes no other parameters, so a planned change is two
//! calls: one attaches the schedule, one sets its phases
//! (docs.stripe.com/api/subscription_schedules/create). The first phase repeats the present items,
//! the second one has the new items. At most one schedule is attached to a subscription, so a repeat
//! finds it there.

use crate::StripeApi;
use crate::error::StripeError;
use crate::fields::{id, id_maybe, moment, moment_maybe, open_words, or_empty};
use crate::prices::PriceChoice;
use crate::subscriptions::chosen;
use domain::ids::{PaymentMethodId, PriceId, ProductId, ScheduleId, SubscriptionId};
use domain::time::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

/// A schedule at Stripe.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Schedule {
    #[serde(deserialize_with = "id")]
    pub id: ScheduleId,
    pub status: ScheduleStatus,
    /// Absent if the schedule no longer manages a subscription.
    #[serde(default, deserialize_with = "id_maybe")]
    pub subscription: Option<SubscriptionId>,
    #[serde(default)]
    current_phase: Option<CurrentPhase>,
    #[serde(default, deserialize_with = "or_empty")]
    pub phases: Vec<SchedulePhase>,
}

open_words! {
    ScheduleStatus {
        NotStarted = "not_started",
        Active = "active",
        Completed = "completed",
        Released = "released",
        Canceled = "canceled",
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct CurrentPhase {
    #[serde(rename = "start_date", deserialize_with = "moment")]
    start: Timestamp,
}

/// What a subscription is during a part of its schedule.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SchedulePhase {
    #[serde(rename = "start_date", deserialize_with = "moment")]
    pub start: Timestamp,
    #[serde(rename = "end_date", deserialize_with = "moment")]
    pub end: Timestamp,
    pub items: Vec<PhaseItem>,
    #[serde(default, deserialize_with = "moment_maybe")]
    trial_end: Option<Timestamp>,
    #[serde(default, deserialize_with = "or_empty")]
    discounts: Vec<PhaseDiscount>,
}

/// A price of a phase.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "ItemShape")]
pub struct PhaseItem {
    pub price: PriceId,
    /// Known if the price was expanded.
    pub product: Option<ProductId>,
    /// Absent for metered prices.
    pub quantity: Option<u64>,
}

#[derive(Deserialize)]
struct ItemShape {
    price: PriceShape,
    #[serde(default)]
    quantity: Option<u64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum PriceShape {
    Whole {
        #[serde(deserialize_with = "id")]
        id: PriceId,
        #[serde(default, deserialize_with = "id_maybe")]
        product: Option<ProductId>,
    },
    Id(#[serde(deserialize_with = "id")] PriceId),
}

impl From<ItemShape> for PhaseItem {
    fn from(shape: ItemShape) -> Self {
        let (price, product) = match shape.price {
            PriceShape::Whole { id, product } => (id, product),
            PriceShape::Id(id) => (id, None),
        };
        Self {
            price,
            product,
            quantity: shape.quantity,
        }
    }
}

/// A discount that a phase inherited from the subscription.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct PhaseDiscount {
    #[serde(default, deserialize_with = "id_maybe")]
    discount: Option<String>,
    #[serde(default, deserialize_with = "id_maybe")]
    coupon: Option<String>,
}

impl Schedule {
    /// Whether it manages a subscription. Only such a schedule can be changed or released.
    pub fn is_active(&self) -> bool {
        matches!(
            self.status,
            ScheduleStatus::NotStarted | ScheduleStatus::Active
        )
    }

    /// The phase that comes after the present one, if there is one.
    pub fn next_phase(&self) -> Option<&SchedulePhase> {
        let present = self.present().filter(|_| self.is_active())?;
        self.phases.iter().find(|phase| phase.start > present.start)
    }

    /// The phase that has begun.
    fn present(&self) -> Option<&SchedulePhase> {
        let begun = self.current_phase.as_ref().map(|phase| phase.start);
        self.phases
            .iter()
            .find(|phase| begun.is_none_or(|begun| phase.start == begun))
    }
}

const FIND: &str = "find the subscription's schedule";
const ATTACH: &str = "schedule the subscription";
const PLAN: &str = "plan the subscription's change";
const SET_DEFAULT: &str = "set the schedule's payment method";
const RELEASE: &str = "release the subscription's schedule";
/// The products say which plan the prices sell.
const EXPANDED: [&str; 1] = ["phases.items.price"];

impl StripeApi {
    /// Finds a schedule by id, whatever its status.
    pub async fn schedule_find(&self, id: &ScheduleId) -> Result<Option<Schedule>, StripeError> {
        let query = json!({ "expand": EXPANDED });
        self.to(FIND)
            .find(&["subscription_schedules", id.as_str()], query)
            .await
    }

    /// Attaches a schedule to a subscription. Until its phases are set, it changes nothing.
    pub async fn schedule_create(
        &self,
        subscription: &SubscriptionId,
        key: &str,
    ) -> Result<Schedule, StripeError> {
        let form = json!({ "from_subscription": subscription.as_str() });
        self.to(ATTACH)
            .write(&["subscription_schedules"], form, key)
            .await
    }

    /// Has Stripe give the subscription these prices at a moment, without a proration. Afterwards
    /// the schedule ends, and the subscription continues with them.
    pub async fn schedule_plan(
        &self,
        schedule: &Schedule,
        (prices, at): (&[PriceChoice], Timestamp),
        key: &str,
    ) -> Result<Schedule, StripeError> {
        let operation = self.to(PLAN);
        let present = schedule
            .present()
            .ok_or_else(|| operation.unaskable("the schedule has no phase"))?;
        // What a phase does not name is reset, so the present one is repeated.
        let present_items = present
            .items
            .iter()
            .map(|item| json!({ "price": item.price.as_str(), "quantity": item.quantity }));
        let discounts: Vec<Value> = present.discounts.iter().map(discount).collect();
        let form = json!({
            "end_behavior": "release",
            "proration_behavior": "none",
            "phases": [
                {
                    "start_date": present.start.seconds(),
                    "end_date": at.seconds(),
                    "items": present_items.collect::<Vec<_>>(),
                    "trial_end": present.trial_end.map(Timestamp::seconds),
                    "discounts": discounts,
                },
                {
                    "items": chosen(prices),
                    "duration": { "interval": "month", "interval_count": 1 },
                    "proration_behavior": "none",
                    "discounts": discounts,
                },
            ],
        });
        operation
            .write(&["subscription_schedules", schedule.id.as_str()], form, key)
            .await
    }

    /// Sets the payment method that pays the subscription's invoices after the planned change. The
    /// subscription's own method counts until then.
    pub async fn schedule_default_set(
        &self,
        id: &ScheduleId,
        method: &PaymentMethodId,
        key: &str,
    ) -> Result<Schedule, StripeError> {
        let form = json!({ "default_settings": { "default_payment_method": method.as_str() } });
        self.to(SET_DEFAULT)
            .write(&["subscription_schedules", id.as_str()], form, key)
            .await
    }

    /// Ends a schedule and leaves its subscription as it is.
    pub async fn schedule_release(
        &self,
        id: &ScheduleId,
        key: &str,
    ) -> Result<Schedule, StripeError> {
        self.to(RELEASE)
            .write(
                &["subscription_schedules", id.as_str(), "release"],
                json!({}),
                key,
            )
            .await
    }
}

fn discount(known: &PhaseDiscount) -> Value {
    match &known.discount {
        Some(discount) => json!({ "discount": discount }),
        None => json!({ "coupon": known.coupon }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{MISSING, Peer, Reply};

    fn schedule(status: &str) -> Value {
        let item = json!({ "price": "price_1", "plan": "price_1", "quantity": 1, "metadata": {} });
        let whole = json!({ "price": { "id": "price_2", "object": "price", "product": "prod_2" } });
        json!({ "id": "sub_sched_1", "object": "subscription_schedule", "status": status,
            "subscription": "sub_1", "current_phase": { "start_date": 1795000000, "end_date": 1797592000 },
            "phases": [
                { "start_date": 1792000000, "end_date": 1795000000, "items": [item], "trial_end": null },
                { "start_date": 1795000000, "end_date": 1797592000, "items": [item], "trial_end": null,
                  "discounts": [{ "coupon": null, "discount": "di_1", "promotion_code": null }] },
                { "start_date": 1797592000, "end_date": 1800270400, "items": [whole], "trial_end": null, "discounts": null },
            ] })
    }

    fn read(status: &str) -> Schedule {
        serde_json::from_value(schedule(status)).expect("a schedule")
    }

    #[test]
    fn the_next_phase_is_the_planned_change() {
        let at = Timestamp::from_seconds;
        let planned = read("active");
        let next = planned.next_phase().expect("a phase");
        let product = next.items[0].product.as_ref().map(ProductId::as_str);
        assert_eq!((next.start, product), (at(1_797_592_000), Some("prod_2")));
        let mut last = planned.clone();
        last.current_phase = Some(CurrentPhase { start: next.start });
        assert_eq!(last.next_phase(), None, "it has begun");
        assert_eq!(read("released").next_phase(), None);
    }

    #[tokio::test]
    async fn a_planned_change_repeats_the_present_phase() {
        let answer = || Reply::ok(&schedule("active").to_string());
        let peer = Peer::script([answer(), answer(), answer(), Reply::with(404, &[], MISSING)]);
        let api = peer.api();
        let id = SubscriptionId::parse("sub_1").expect("an id");
        let attached = api.schedule_create(&id, "a").await.expect("a schedule");
        let prices = [PriceChoice {
            price: PriceId::parse("price_2").expect("an id"),
            quantity: None,
        }];
        let at = Timestamp::from_seconds(1_797_592_000);
        let planned = api.schedule_plan(&attached, (&prices, at), "b").await;
        planned.expect("a schedule");
        let released = api.schedule_release(&attached.id, "c").await;
        released.expect("a schedule");
        assert_eq!(
            api.schedule_find(&attached.id).await.expect("an answer"),
            None
        );
        let heard = peer.heard();
        let lines = heard.iter().map(|one| one.line.as_str());
        assert_eq!(
            lines.collect::<Vec<_>>(),
            [
                "POST /v1/subscription_schedules",
                "POST /v1/subscription_schedules/sub_sched_1",
                "POST /v1/subscription_schedules/sub_sched_1/release",
                "GET /v1/subscription_schedules/sub_sched_1?expand[0]=phases.items.price",
            ]
        );
        assert_eq!(heard[0].fields(), ["from_subscription=sub_1"]);
        assert_eq!(
            heard[1].fields(),
            [
                "end_behavior=release",
                "phases[0][discounts][0][discount]=di_1",
                "phases[0][end_date]=1797592000",
                "phases[0][items][0][price]=price_1",
                "phases[0][items][0][quantity]=1",
                "phases[0][start_date]=1795000000",
                "phases[1][discounts][0][discount]=di_1",
                "phases[1][duration][interval]=month",
                "phases[1][duration][interval_count]=1",
                "phases[1][items][0][price]=price_2",
                "phases[1][proration_behavior]=none",
                "proration_behavior=none",
            ]
        );
    }
}
