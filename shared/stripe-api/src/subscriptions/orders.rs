//! Creating a subscription, cancelling it, and undoing the cancellation.

use super::Subscription;
use crate::StripeApi;
use crate::calls::unless_missing;
use crate::error::StripeError;
pub use crate::prices::PriceChoice;
use domain::ids::{CustomerId, PaymentMethodId, SubscriptionId};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A trial at the start of a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trial {
    /// At least one day.
    pub days: u32,
    /// What happens at the end of the trial without a payment method.
    pub method_missing: MethodMissing,
}

/// What happens at the end of a trial without a payment method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MethodMissing {
    Invoice,
    /// The subscription becomes [`super::SubscriptionStatus::Paused`] until it is resumed.
    Pause,
    Cancel,
}

impl Trial {
    pub(crate) fn settings(self) -> Value {
        let word = match self.method_missing {
            MethodMissing::Invoice => "create_invoice",
            MethodMissing::Pause => "pause",
            MethodMissing::Cancel => "cancel",
        };
        json!({ "end_behavior": { "missing_payment_method": word } })
    }
}

/// What happens if an immediate payment fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenUnpaid {
    /// Stripe rejects the request ([`StripeError::card_declined`]), and nothing changes.
    Refuse,
    Owe,
}

impl WhenUnpaid {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Refuse => "error_if_incomplete",
            Self::Owe => "allow_incomplete",
        }
    }
}

/// A subscription to create.
pub struct SubscriptionOrder<'a> {
    pub customer: &'a CustomerId,
    pub prices: &'a [PriceChoice],
    pub trial: Option<Trial>,
    /// Absent if the customer's default method is used.
    pub payment_method: Option<&'a PaymentMethodId>,
    /// What happens if the first invoice is not paid.
    pub when_unpaid: WhenUnpaid,
    pub metadata: &'a BTreeMap<String, String>,
}

/// How a subscription is cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancel {
    /// At the end of the paid period.
    AtPeriodEnd,
    /// Immediately. Metered usage since the last invoice is never billed.
    Now,
    /// Immediately, with a last invoice for metered usage.
    NowWithLastInvoice,
}

const CREATE: &str = "create the subscription";
const CANCEL: &str = "cancel the subscription";
const SUPERSEDE: &str = "cancel the superseded subscription";
const SET_DEFAULT: &str = "set the subscription's payment method";
const UNCANCEL: &str = "keep the subscription";
const RESUME: &str = "resume the subscription";

impl StripeApi {
    pub async fn subscription_create(
        &self,
        order: &SubscriptionOrder<'_>,
        key: &str,
    ) -> Result<Subscription, StripeError> {
        let form = json!({
            "customer": order.customer.as_str(),
            "items": chosen(order.prices),
            "trial_period_days": order.trial.map(|trial| trial.days),
            "trial_settings": order.trial.map(Trial::settings),
            "default_payment_method": order.payment_method.map(PaymentMethodId::as_str),
            "payment_behavior": order.when_unpaid.as_str(),
            "metadata": order.metadata,
        });
        self.to(CREATE).write(&["subscriptions"], form, key).await
    }

    /// Cancels a subscription. Returns `None` if the subscription does not exist. An immediate
    /// cancellation is a DELETE, which needs no idempotency key.
    pub async fn subscription_cancel(
        &self,
        id: &SubscriptionId,
        how: Cancel,
        key: &str,
    ) -> Result<Option<Subscription>, StripeError> {
        let path = ["subscriptions", id.as_str()];
        let operation = self.to(CANCEL);
        unless_missing(match how {
            Cancel::AtPeriodEnd => {
                operation
                    .write(&path, json!({ "cancel_at_period_end": true }), key)
                    .await
            }
            Cancel::Now => operation.delete(&path, json!({})).await,
            Cancel::NowWithLastInvoice => {
                operation
                    .delete(&path, json!({ "invoice_now": true }))
                    .await
            }
        })
    }

    /// Cancels a subscription immediately because another one of the same account stands. A last
    /// invoice bills the usage since the previous one and credits unused time. Returns `None` if
    /// there is no such active subscription.
    pub async fn subscription_supersede(
        &self,
        id: &SubscriptionId,
        by: &SubscriptionId,
        last_invoice: bool,
    ) -> Result<Option<Subscription>, StripeError> {
        let form = json!({
            "invoice_now": last_invoice.then_some(true),
            "prorate": last_invoice.then_some(true),
            "cancellation_details": { "comment": superseded_by(by) },
        });
        unless_missing(
            self.to(SUPERSEDE)
                .delete(&["subscriptions", id.as_str()], form)
                .await,
        )
    }

    /// Sets the payment method that pays a subscription's invoices from now on.
    pub async fn subscription_default_set(
        &self,
        id: &SubscriptionId,
        method: &PaymentMethodId,
        key: &str,
    ) -> Result<Subscription, StripeError> {
        let form = json!({ "default_payment_method": method.as_str() });
        self.to(SET_DEFAULT)
            .write(&["subscriptions", id.as_str()], form, key)
            .await
    }

    /// Undoes a cancellation that has not taken effect. A cancellation through the API sets
    /// `cancel_at_period_end`. Under flexible billing, the portal sets only `cancel_at`, which that
    /// flag does not clear.
    pub async fn subscription_uncancel(
        &self,
        there: &Subscription,
        key: &str,
    ) -> Result<Subscription, StripeError> {
        let form = if there.cancel_at_period_end {
            json!({ "cancel_at_period_end": false })
        } else {
            json!({ "cancel_at": "" })
        };
        self.to(UNCANCEL)
            .write(&["subscriptions", there.id.as_str()], form, key)
            .await
    }

    /// Resumes a paused subscription with a new period that starts now.
    pub async fn subscription_resume(
        &self,
        id: &SubscriptionId,
        key: &str,
    ) -> Result<Subscription, StripeError> {
        self.to(RESUME)
            .write(&["subscriptions", id.as_str(), "resume"], json!({}), key)
            .await
    }
}

/// The comment on a cancelled subscription that names the one that stands.
fn superseded_by(by: &SubscriptionId) -> String {
    format!("Superseded by {by}: an account has one subscription.")
}

pub(crate) fn chosen(prices: &[PriceChoice]) -> Value {
    prices
        .iter()
        .map(|choice| json!({ "price": choice.price.as_str(), "quantity": choice.quantity }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{item, subscription};
    use super::*;
    use crate::testing::{MISSING, Peer, Reply};
    use domain::ids::PriceId;

    /// A subscription with these fields.
    fn cancelled(fields: &Value) -> Subscription {
        let mut body = subscription(&[item("si_1", "price_1", "licensed", json!(1))]);
        for (name, value) in fields.as_object().expect("fields") {
            body[name] = value.clone();
        }
        serde_json::from_value(body).expect("a subscription")
    }

    fn sample() -> Reply {
        Reply::ok(&subscription(&[item("si_1", "price_1", "licensed", json!(1))]).to_string())
    }

    fn id() -> SubscriptionId {
        SubscriptionId::parse("sub_1").expect("an id")
    }

    #[tokio::test]
    async fn a_subscription_is_made_of_prices() {
        let peer = Peer::script([sample(), sample()]);
        let customer = CustomerId::parse("cus_1").expect("an id");
        let method = PaymentMethodId::parse("pm_1").expect("an id");
        let prices = [
            PriceChoice {
                price: PriceId::parse("price_1").expect("an id"),
                quantity: Some(3),
            },
            PriceChoice {
                price: PriceId::parse("price_2").expect("an id"),
                quantity: None,
            },
        ];
        let metadata = BTreeMap::from([("plan".to_owned(), "team".to_owned())]);
        let mut order = SubscriptionOrder {
            customer: &customer,
            prices: &prices,
            trial: None,
            payment_method: Some(&method),
            when_unpaid: WhenUnpaid::Refuse,
            metadata: &metadata,
        };
        peer.api()
            .subscription_create(&order, "sub-1")
            .await
            .expect("a subscription");
        let heard = &peer.heard()[0];
        assert_eq!(heard.line, "POST /v1/subscriptions");
        assert_eq!(heard.header("idempotency-key"), "sub-1");
        let expected = [
            "customer=cus_1",
            "default_payment_method=pm_1",
            "items[0][price]=price_1",
            "items[0][quantity]=3",
            "items[1][price]=price_2",
            "metadata[plan]=team",
            "payment_behavior=error_if_incomplete",
        ];
        assert_eq!(heard.fields(), expected);
        order.trial = Some(Trial {
            days: 14,
            method_missing: MethodMissing::Cancel,
        });
        peer.api()
            .subscription_create(&order, "sub-2")
            .await
            .expect("a subscription");
        let trial = [
            "trial_period_days=14",
            "trial_settings[end_behavior][missing_payment_method]=cancel",
        ];
        assert_eq!(peer.heard()[1].fields()[7..], trial);
    }

    #[tokio::test]
    async fn subscriptions_end_and_do_not() {
        let gone = Reply::with(404, &[], MISSING);
        let peer = Peer::script([sample(), sample(), sample(), gone, sample()]);
        let api = peer.api();
        for how in [Cancel::AtPeriodEnd, Cancel::Now, Cancel::NowWithLastInvoice] {
            assert!(
                api.subscription_cancel(&id(), how, "k")
                    .await
                    .expect("an answer")
                    .is_some()
            );
        }
        assert_eq!(
            api.subscription_cancel(&id(), Cancel::Now, "k")
                .await
                .expect("an answer"),
            None
        );
        api.subscription_resume(&id(), "k")
            .await
            .expect("a subscription");
        let heard = peer.heard();
        let said: Vec<_> = heard
            .iter()
            .map(|heard| (heard.line.as_str(), heard.body.as_str()))
            .collect();
        let expected = [
            ("POST /v1/subscriptions/sub_1", "cancel_at_period_end=true"),
            ("DELETE /v1/subscriptions/sub_1", ""),
            ("DELETE /v1/subscriptions/sub_1?invoice_now=true", ""),
            ("DELETE /v1/subscriptions/sub_1", ""),
            ("POST /v1/subscriptions/sub_1/resume", ""),
        ];
        assert_eq!(said, expected);
        let keys: Vec<_> = heard
            .iter()
            .map(|heard| heard.header("idempotency-key"))
            .collect();
        assert_eq!(keys, ["k", "", "", "", "k"]);
    }

    #[tokio::test]
    async fn a_cancellation_is_undone_as_it_was_made() {
        let peer = Peer::script([sample(), sample()]);
        let api = peer.api();
        for (flag, form) in [
            (true, "cancel_at_period_end=false"),
            // As the portal cancels under flexible billing.
            (false, "cancel_at="),
        ] {
            let there = json!({ "cancel_at_period_end": flag, "cancel_at": 1797592000 });
            let there = cancelled(&there);
            api.subscription_uncancel(&there, "k")
                .await
                .expect("a subscription");
            let heard = peer.heard().pop().expect("a request");
            assert_eq!(heard.body, form);
        }
    }

    #[tokio::test]
    async fn a_superseded_subscription_names_the_one_that_stands() {
        let peer = Peer::script([sample(), sample(), sample()]);
        let api = peer.api();
        for last_invoice in [true, false] {
            api.subscription_supersede(&id(), &id(), last_invoice)
                .await
                .expect("an answer");
        }
        let method = PaymentMethodId::parse("pm_1").expect("an id");
        api.subscription_default_set(&id(), &method, "k")
            .await
            .expect("a subscription");
        let heard = peer.heard();
        for (nth, more) in [(0, true), (1, false)] {
            let line = &heard[nth].line;
            assert!(
                line.starts_with("DELETE /v1/subscriptions/sub_1?"),
                "{line}"
            );
            assert!(line.contains("cancellation_details"), "{line}");
            assert_eq!(line.contains("invoice_now=true"), more, "{line}");
            assert_eq!(line.contains("prorate=true"), more, "{line}");
        }
        assert_eq!(heard[2].body, "default_payment_method=pm_1");
        assert_eq!(heard[2].header("idempotency-key"), "k");
    }
}
