//! Payments of a saved card, while its holder is away.
//!
//! A payment is created first and confirmed by its id, because Stripe collects a payment at most
//! once, however often it is confirmed. So a repeated or concurrent attempt never charges twice,
//! even after Stripe has forgotten an idempotency key.

use crate::StripeApi;
use crate::error::StripeError;
use crate::fields::{id, id_maybe, open_words, or_empty};
use domain::ids::{CustomerId, PaymentIntentId, PaymentMethodId};
use domain::units::Money;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PaymentIntent {
    #[serde(deserialize_with = "id")]
    pub id: PaymentIntentId,
    pub status: IntentStatus,
    #[serde(rename = "amount")]
    pub amount_minor: i64,
    /// In lower case.
    pub currency: String,
    #[serde(default, deserialize_with = "id_maybe")]
    pub customer: Option<CustomerId>,
    #[serde(default, deserialize_with = "or_empty")]
    pub metadata: BTreeMap<String, String>,
    #[serde(default)]
    next_action: Option<NextAction>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct NextAction {
    #[serde(default)]
    redirect_to_url: Option<Redirect>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Redirect {
    #[serde(default)]
    url: Option<String>,
}

open_words! {
    IntentStatus {
        /// It was not confirmed yet, or the last attempt failed.
        RequiresPaymentMethod = "requires_payment_method",
        RequiresConfirmation = "requires_confirmation",
        /// The cardholder has to confirm it.
        RequiresAction = "requires_action",
        Processing = "processing",
        Canceled = "canceled",
        Succeeded = "succeeded",
    }
}

impl PaymentIntent {
    /// The page on which the cardholder confirms the payment, if it waits for that.
    pub fn confirmation_page(&self) -> Option<&str> {
        let redirect = self.next_action.as_ref()?.redirect_to_url.as_ref()?;
        redirect.url.as_deref()
    }
}

/// A payment to create.
pub struct PaymentIntentOrder<'a> {
    pub customer: &'a CustomerId,
    pub price: Money,
    /// Shown to the customer.
    pub description: &'a str,
    pub metadata: &'a BTreeMap<String, String>,
}

const CREATE: &str = "create the payment";
const FIND: &str = "find the payment";
const CHARGE: &str = "charge the saved card";
const ASK: &str = "ask the cardholder to confirm the payment";
const CANCEL: &str = "cancel the payment";

impl StripeApi {
    /// Creates a card payment without charging it.
    pub async fn payment_intent_create(
        &self,
        order: &PaymentIntentOrder<'_>,
        key: &str,
    ) -> Result<PaymentIntent, StripeError> {
        let form = json!({
            "amount": order.price.minor,
            "currency": order.price.currency.as_str(),
            "customer": order.customer.as_str(),
            "description": order.description,
            "metadata": order.metadata,
            "allowed_payment_method_types": ["card"],
        });
        self.to(CREATE).write(&["payment_intents"], form, key).await
    }

    pub async fn payment_intent_find(
        &self,
        id: &PaymentIntentId,
    ) -> Result<Option<PaymentIntent>, StripeError> {
        self.to(FIND)
            .find(&["payment_intents", id.as_str()], json!({}))
            .await
    }

    /// Charges a saved card while its holder is away. A bank that wants the holder to confirm the
    /// payment declines it; see [`StripeError::needs_confirmation`].
    pub async fn payment_intent_charge(
        &self,
        id: &PaymentIntentId,
        method: &PaymentMethodId,
        key: &str,
    ) -> Result<PaymentIntent, StripeError> {
        let form = json!({ "payment_method": method.as_str(), "off_session": true });
        self.confirm(CHARGE, id, form, key).await
    }

    /// Starts the payment again, for a holder who is present: it then has a page on which they
    /// confirm it, which leads to `return_url`.
    pub async fn payment_intent_ask(
        &self,
        id: &PaymentIntentId,
        method: &PaymentMethodId,
        return_url: &str,
        key: &str,
    ) -> Result<PaymentIntent, StripeError> {
        let form = json!({ "payment_method": method.as_str(), "return_url": return_url });
        self.confirm(ASK, id, form, key).await
    }

    async fn confirm(
        &self,
        operation: &'static str,
        id: &PaymentIntentId,
        form: Value,
        key: &str,
    ) -> Result<PaymentIntent, StripeError> {
        self.to(operation)
            .write(&["payment_intents", id.as_str(), "confirm"], form, key)
            .await
    }

    /// Cancels a payment, which then can never be paid.
    pub async fn payment_intent_cancel(
        &self,
        id: &PaymentIntentId,
        key: &str,
    ) -> Result<PaymentIntent, StripeError> {
        self.to(CANCEL)
            .write(&["payment_intents", id.as_str(), "cancel"], json!({}), key)
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Peer, Reply};
    use domain::units::Currency;

    const INTENT: &str = r#"{"id":"pi_1","object":"payment_intent","amount":1000,"currency":"usd","customer":"cus_1",
        "metadata":{"a":"b"},"next_action":null,"status":"requires_payment_method"}"#;
    const ACTION: &str = r#"{"id":"pi_1","amount":1000,"currency":"usd","status":"requires_action",
        "next_action":{"type":"redirect_to_url","redirect_to_url":{"url":"https://bank.test/1","return_url":"https://us.test"}}}"#;

    #[tokio::test]
    async fn a_payment_is_created_charged_asked_for_and_cancelled() {
        let peer = Peer::script([
            Reply::ok(INTENT),
            Reply::ok(INTENT),
            Reply::ok(ACTION),
            Reply::ok(INTENT),
        ]);
        let api = peer.api();
        let customer = CustomerId::parse("cus_1").expect("an id");
        let method = PaymentMethodId::parse("pm_1").expect("an id");
        let order = PaymentIntentOrder {
            customer: &customer,
            price: Money {
                minor: 1_000,
                currency: Currency::parse("usd").expect("a currency"),
            },
            description: "10,000 credits",
            metadata: &BTreeMap::from([("a".to_owned(), "b".to_owned())]),
        };
        let made = api.payment_intent_create(&order, "k1").await;
        let id = made.expect("a payment").id;
        let charged = api.payment_intent_charge(&id, &method, "k2").await;
        assert_eq!(charged.expect("an answer").confirmation_page(), None);
        let asked = api
            .payment_intent_ask(&id, &method, "https://us.test", "k3")
            .await
            .expect("an answer");
        assert_eq!(asked.confirmation_page(), Some("https://bank.test/1"));
        api.payment_intent_cancel(&id, "k4").await.expect("an end");
        let heard = peer.heard();
        let said: Vec<_> = heard
            .iter()
            .map(|heard| (heard.line.as_str(), heard.fields().join("&")))
            .collect();
        let expected = [
            (
                "POST /v1/payment_intents",
                "allowed_payment_method_types[0]=card&amount=1000&currency=usd&customer=cus_1&description=10,000+credits&metadata[a]=b",
            ),
            (
                "POST /v1/payment_intents/pi_1/confirm",
                "off_session=true&payment_method=pm_1",
            ),
            (
                "POST /v1/payment_intents/pi_1/confirm",
                "payment_method=pm_1&return_url=https://us.test",
            ),
            ("POST /v1/payment_intents/pi_1/cancel", ""),
        ];
        let expected = expected.map(|(line, form)| (line, form.to_owned()));
        assert_eq!(said, expected);
        let keys: Vec<_> = heard
            .iter()
            .map(|heard| heard.header("idempotency-key"))
            .collect();
        assert_eq!(keys, ["k1", "k2", "k3", "k4"]);
    }

    #[tokio::test]
    async fn a_bank_that_asks_for_its_customer_is_recognized() {
        for (code, asks) in [("authentication_required", true), ("card_declined", false)] {
            let body = format!(r#"{{"error":{{"type":"card_error","code":"{code}"}}}}"#);
            let peer = Peer::script([Reply::with(402, &[], &body)]);
            let id = PaymentIntentId::parse("pi_1").expect("an id");
            let method = PaymentMethodId::parse("pm_1").expect("an id");
            let error = peer.api().payment_intent_charge(&id, &method, "k").await;
            let error = error.expect_err("a decline");
            assert_eq!(
                (error.needs_confirmation(), error.card_declined()),
                (asks, true)
            );
        }
    }
}
