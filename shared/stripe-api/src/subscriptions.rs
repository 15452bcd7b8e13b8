//! Subscriptions. `orders.rs` creates and cancels them; `changes.rs` changes their items.

mod changes;
mod orders;

pub use changes::{ItemChange, Preview, PreviewLine, Proration, SubscriptionChange};
pub(crate) use orders::chosen;
pub use orders::{Cancel, MethodMissing, PriceChoice, SubscriptionOrder, Trial, WhenUnpaid};

use crate::StripeApi;
use crate::calls::Page;
use crate::error::StripeError;
use crate::fields::{id, id_maybe, is_there, moment, moment_maybe, open_words, or_empty};
use crate::prices::Price;
use domain::billing::plans::Span;
use domain::billing::subscriptions as kept;
use domain::billing::subscriptions::Status;
use domain::ids::{CustomerId, InvoiceId, PaymentMethodId, ScheduleId, SubscriptionId};
use domain::time::Timestamp;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;

/// A subscription at Stripe.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Subscription {
    #[serde(deserialize_with = "id")]
    pub id: SubscriptionId,
    #[serde(deserialize_with = "id")]
    pub customer: CustomerId,
    pub status: SubscriptionStatus,
    #[serde(deserialize_with = "items")]
    pub items: Vec<SubscriptionItem>,
    #[serde(default)]
    pub cancel_at_period_end: bool,
    #[serde(default, deserialize_with = "moment_maybe")]
    pub cancel_at: Option<Timestamp>,
    /// When cancellation was requested.
    #[serde(default, deserialize_with = "moment_maybe")]
    pub canceled_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "moment_maybe")]
    pub ended_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "moment_maybe")]
    pub trial_end: Option<Timestamp>,
    /// Whether an operator paused collection. [`SubscriptionStatus::Paused`] is different.
    #[serde(default, rename = "pause_collection", deserialize_with = "is_there")]
    pub collection_paused: bool,
    /// Absent if the customer's default method is used.
    #[serde(default, deserialize_with = "id_maybe")]
    pub default_payment_method: Option<PaymentMethodId>,
    /// The newest invoice; a new subscription to metered prices alone has none.
    #[serde(default, deserialize_with = "id_maybe")]
    pub latest_invoice: Option<InvoiceId>,
    /// The schedule that manages it.
    #[serde(default, deserialize_with = "id_maybe")]
    pub schedule: Option<ScheduleId>,
    /// What was said at its cancellation.
    #[serde(
        default,
        rename = "cancellation_details",
        deserialize_with = "comment_of"
    )]
    pub comment: Option<String>,
    #[serde(deserialize_with = "moment")]
    pub created: Timestamp,
    #[serde(default, deserialize_with = "or_empty")]
    pub metadata: BTreeMap<String, String>,
    pub livemode: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SubscriptionItem {
    pub id: String,
    /// The price, with its product and usage type.
    pub price: Price,
    /// Absent for metered prices.
    #[serde(default)]
    pub quantity: Option<u64>,
    #[serde(rename = "current_period_start", deserialize_with = "moment")]
    pub period_start: Timestamp,
    #[serde(rename = "current_period_end", deserialize_with = "moment")]
    pub period_end: Timestamp,
}

open_words! {
    SubscriptionStatus {
        Incomplete = "incomplete",
        /// The first payment never arrived.
        IncompleteExpired = "incomplete_expired",
        Trialing = "trialing",
        Active = "active",
        PastDue = "past_due",
        Unpaid = "unpaid",
        Paused = "paused",
        Canceled = "canceled",
    }
}

#[derive(Deserialize)]
struct CancellationDetails {
    #[serde(default)]
    comment: Option<String>,
}

fn comment_of<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    let details = Option::<CancellationDetails>::deserialize(deserializer)?;
    Ok(details.and_then(|details| details.comment))
}

/// Reads the items. Stripe allows twenty items per subscription and sends all of them.
fn items<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<SubscriptionItem>, D::Error> {
    let page = Page::deserialize(deserializer)?;
    if page.has_more {
        return Err(serde::de::Error::custom(
            "there are more items than Stripe allows",
        ));
    }
    Ok(page.data)
}

impl Subscription {
    /// Converts the subscription to the form that the store keeps, as an event at `as_of` would
    /// report it.
    pub fn as_kept(&self, as_of: Timestamp) -> kept::Subscription {
        // Items may renew at different times, so the subscription is paid until the last item's
        // period ends.
        let spans = self.items.iter().map(|item| Span {
            start: item.period_start,
            end: item.period_end,
        });
        let period = spans.max_by_key(|span| (span.end, span.start));
        let with_period = period
            .filter(|_| self.cancel_at_period_end)
            .map(|period| period.end);
        let item = |item: &SubscriptionItem| kept::SubscriptionItem {
            price: item.price.id.clone(),
            product: Some(item.price.product.clone()),
            quantity: item.quantity,
        };
        kept::Subscription {
            id: self.id.clone(),
            status: Status::parse(self.status.as_str()),
            items: self.items.iter().map(item).collect(),
            period,
            ends_at: self.cancel_at.or(with_period),
            trial_end: self.trial_end,
            created_at: self.created,
            as_of,
        }
    }
}

const FIND: &str = "find the subscription";
const LIST: &str = "list the customer's subscriptions";

impl StripeApi {
    /// Finds a subscription by id, including one that has ended.
    pub async fn subscription_find(
        &self,
        id: &SubscriptionId,
    ) -> Result<Option<Subscription>, StripeError> {
        self.to(FIND)
            .find(&["subscriptions", id.as_str()], json!({}))
            .await
    }

    /// All subscriptions of a customer, including those that have ended.
    pub async fn subscription_list(
        &self,
        customer: &CustomerId,
    ) -> Result<Vec<Subscription>, StripeError> {
        let query = json!({ "customer": customer.as_str(), "status": "all" });
        self.to(LIST)
            .list(&["subscriptions"], query, |subscription: &Subscription| {
                subscription.id.as_str()
            })
            .await
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::prices::UsageType;
    use crate::testing::{MISSING, Peer, Reply};
    use serde_json::Value;

    pub(crate) fn item(id: &str, price: &str, usage_type: &str, quantity: Value) -> Value {
        json!({ "id": id, "object": "subscription_item", "current_period_start": 1795000000,
            "current_period_end": 1797592000, "quantity": quantity, "price": { "id": price, "object": "price",
            "active": true, "currency": "eur", "lookup_key": null, "product": "prod_1", "unit_amount": 2000,
            "recurring": { "interval": "month", "interval_count": 1, "meter": null, "usage_type": usage_type } } })
    }

    pub(crate) fn subscription(items: &[Value]) -> Value {
        json!({ "id": "sub_1", "object": "subscription", "customer": "cus_1", "status": "trialing",
            "cancel_at_period_end": true, "cancel_at": 1797592000, "canceled_at": 1795000100, "ended_at": null,
            "trial_end": 1797592000, "pause_collection": null, "default_payment_method": "pm_1",
            "created": 1795000000, "livemode": false, "metadata": { "plan": "team" },
            "items": { "object": "list", "data": items, "has_more": false, "url": "/v1/subscription_items" } })
    }

    #[tokio::test]
    async fn subscriptions_are_found() {
        let items = [
            item("si_1", "price_1", "licensed", json!(3)),
            item("si_2", "price_2", "metered", json!(null)),
        ];
        let mut paused = subscription(&items);
        paused["pause_collection"] = json!({ "behavior": "void" });
        paused["status"] = json!("resting");
        let replies = [subscription(&items), paused].map(|body| Reply::ok(&body.to_string()));
        let [first, second] = replies;
        let peer = Peer::script([first, second, Reply::with(404, &[], MISSING)]);
        let id = SubscriptionId::parse("sub_1").expect("an id");
        let found = peer
            .api()
            .subscription_find(&id)
            .await
            .expect("an answer")
            .expect("a subscription");
        assert_eq!(peer.heard()[0].line, "GET /v1/subscriptions/sub_1");
        assert_eq!(
            (found.status, found.collection_paused),
            (SubscriptionStatus::Trialing, false)
        );
        assert_eq!(
            found.trial_end,
            Some(Timestamp::from_seconds(1_797_592_000))
        );
        let usage = |item: &SubscriptionItem| {
            item.price
                .recurring
                .clone()
                .expect("it is repeated")
                .usage_type
        };
        assert_eq!(
            (usage(&found.items[0]), found.items[0].quantity),
            (UsageType::Licensed, Some(3))
        );
        assert_eq!(
            (usage(&found.items[1]), found.items[1].quantity),
            (UsageType::Metered, None)
        );
        assert_eq!(
            found.items[1].period_end,
            Timestamp::from_seconds(1_797_592_000)
        );
        let found = peer
            .api()
            .subscription_find(&id)
            .await
            .expect("an answer")
            .expect("a subscription");
        assert_eq!(
            (found.status.as_str(), found.collection_paused),
            ("resting", true)
        );
        assert_eq!(
            peer.api().subscription_find(&id).await.expect("an answer"),
            None
        );
    }

    #[tokio::test]
    async fn lists_have_what_is_over_too() {
        let one = subscription(&[item("si_1", "price_1", "licensed", json!(1))]);
        let peer = Peer::script([Reply::ok(
            &json!({ "data": [one], "has_more": false }).to_string(),
        )]);
        let customer = CustomerId::parse("cus_1").expect("an id");
        let all = peer
            .api()
            .subscription_list(&customer)
            .await
            .expect("a list");
        assert_eq!(
            peer.heard()[0].line,
            "GET /v1/subscriptions?customer=cus_1&limit=100&status=all"
        );
        assert_eq!(all[0].id.as_str(), "sub_1");
    }
}
