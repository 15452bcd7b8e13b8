//! Checkout sessions: Stripe's payment page, and its result. `orders.rs` creates them.

mod orders;

pub use orders::{CheckoutMode, CheckoutOrder, CheckoutUi};

use crate::StripeApi;
use crate::calls::Page;
use crate::error::StripeError;
use crate::fields::{id, id_maybe, moment, open_words, or_empty, secret};
use crate::prices::Price;
use domain::ids::{CheckoutSessionId, CustomerId, PaymentIntentId, SubscriptionId};
use domain::time::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;

#[derive(Debug, Clone, Deserialize)]
pub struct CheckoutSession {
    #[serde(deserialize_with = "id")]
    pub id: CheckoutSessionId,
    /// The hosted page; absent once the session has ended.
    #[serde(default)]
    pub url: Option<String>,
    /// For showing an embedded session on a page of ours.
    #[serde(default, deserialize_with = "secret")]
    pub client_secret: Option<SecretString>,
    #[serde(default)]
    pub status: Option<SessionStatus>,
    /// A complete session may stay unpaid for days if the bank is slow.
    pub payment_status: PaymentStatus,
    pub mode: SessionMode,
    /// The payment, in mode `payment`.
    #[serde(default, deserialize_with = "id_maybe")]
    pub payment_intent: Option<PaymentIntentId>,
    /// The subscription, in mode `subscription`.
    #[serde(default, deserialize_with = "id_maybe")]
    pub subscription: Option<SubscriptionId>,
    #[serde(default, deserialize_with = "id_maybe")]
    pub customer: Option<CustomerId>,
    /// Our reference.
    #[serde(default)]
    pub client_reference_id: Option<String>,
    #[serde(default, deserialize_with = "or_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Before taxes and discounts.
    #[serde(default, rename = "amount_subtotal")]
    pub amount_subtotal_minor: Option<i64>,
    #[serde(default, rename = "amount_total")]
    pub amount_total_minor: Option<i64>,
    /// In lower case.
    #[serde(default)]
    pub currency: Option<String>,
    #[serde(deserialize_with = "moment")]
    pub created: Timestamp,
    #[serde(deserialize_with = "moment")]
    pub expires_at: Timestamp,
    pub livemode: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Line {
    pub id: String,
    pub price: Price,
    /// Absent for metered prices.
    #[serde(default)]
    pub quantity: Option<u64>,
    /// Before taxes and discounts.
    #[serde(rename = "amount_subtotal")]
    pub amount_subtotal_minor: i64,
    /// After taxes and discounts.
    #[serde(rename = "amount_total")]
    pub amount_total_minor: i64,
    pub currency: String,
}

open_words! {
    SessionStatus {
        Open = "open",
        /// The customer completed the session; it may still be unpaid.
        Complete = "complete",
        Expired = "expired",
    }
    PaymentStatus {
        Paid = "paid",
        Unpaid = "unpaid",
        NoPaymentRequired = "no_payment_required",
    }
    SessionMode {
        Payment = "payment",
        Subscription = "subscription",
        Setup = "setup",
    }
}

const FIND: &str = "find the checkout session";
const FIND_BY_PAYMENT: &str = "find the payment's checkout session";
const LIST_OPEN: &str = "list the customer's open checkout sessions";
const LINES: &str = "list what the checkout session sells";

impl StripeApi {
    pub async fn checkout_find(
        &self,
        id: &CheckoutSessionId,
    ) -> Result<Option<CheckoutSession>, StripeError> {
        self.to(FIND)
            .find(&["checkout", "sessions", id.as_str()], json!({}))
            .await
    }

    /// Finds the session that led to a payment.
    pub async fn checkout_find_by_payment(
        &self,
        payment: &PaymentIntentId,
    ) -> Result<Option<CheckoutSession>, StripeError> {
        let query = json!({ "payment_intent": payment.as_str(), "limit": 1 });
        let page: Page<CheckoutSession> = self
            .to(FIND_BY_PAYMENT)
            .read(&["checkout", "sessions"], query)
            .await?;
        Ok(page.data.into_iter().next())
    }

    /// A customer's open sessions, newest first.
    pub async fn checkout_list_open(
        &self,
        customer: &CustomerId,
    ) -> Result<Vec<CheckoutSession>, StripeError> {
        let query = json!({ "customer": customer.as_str(), "status": "open" });
        let operation = self.to(LIST_OPEN);
        operation
            .list(
                &["checkout", "sessions"],
                query,
                |session: &CheckoutSession| session.id.as_str(),
            )
            .await
    }

    /// All line items of a session.
    pub async fn checkout_lines(&self, id: &CheckoutSessionId) -> Result<Vec<Line>, StripeError> {
        let path = ["checkout", "sessions", id.as_str(), "line_items"];
        self.to(LINES)
            .list(&path, json!({}), |line: &Line| &line.id)
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{MISSING, Peer, Reply};
    use serde_json::Value;

    fn session() -> Value {
        json!({ "id": "cs_test_1", "object": "checkout.session", "amount_subtotal": 2000, "amount_total": 2380,
            "client_reference_id": "acc_1", "client_secret": null, "created": 1795000000, "currency": "eur",
            "customer": "cus_1", "expires_at": 1795086400, "livemode": false, "metadata": { "pack": "small" },
            "mode": "payment", "payment_intent": "pi_1", "payment_status": "paid", "status": "complete",
            "subscription": null, "ui_mode": "hosted_page", "url": null, "total_details": { "amount_tax": 380 } })
    }

    fn line(id: &str) -> Value {
        json!({ "id": id, "object": "item", "amount_discount": 0, "amount_subtotal": 2000, "amount_tax": 380,
            "amount_total": 2380, "currency": "eur", "quantity": 1, "price": { "id": "price_1", "object": "price",
            "active": true, "currency": "eur", "lookup_key": "pack_small", "product": "prod_1", "recurring": null,
            "unit_amount": 2000, "unit_amount_decimal": "2000", "type": "one_time", "metadata": {} } })
    }

    #[tokio::test]
    async fn sessions_are_found() {
        let session = session().to_string();
        let peer = Peer::script([Reply::ok(&session), Reply::with(404, &[], MISSING)]);
        let id = CheckoutSessionId::parse("cs_test_1").expect("an id");
        let found = peer
            .api()
            .checkout_find(&id)
            .await
            .expect("an answer")
            .expect("a session");
        assert_eq!(peer.heard()[0].line, "GET /v1/checkout/sessions/cs_test_1");
        assert_eq!(
            (found.id, found.status),
            (id.clone(), Some(SessionStatus::Complete))
        );
        assert_eq!(
            (found.payment_status, found.mode),
            (PaymentStatus::Paid, SessionMode::Payment)
        );
        assert_eq!(
            (found.amount_subtotal_minor, found.amount_total_minor),
            (Some(2000), Some(2380))
        );
        assert_eq!(found.payment_intent, PaymentIntentId::parse("pi_1").ok());
        assert_eq!(found.metadata["pack"], "small");
        assert!(
            peer.api()
                .checkout_find(&id)
                .await
                .expect("an answer")
                .is_none()
        );
    }

    #[tokio::test]
    async fn sessions_are_found_by_their_payment() {
        let page = json!({ "object": "list", "url": "/v1/checkout/sessions", "has_more": false, "data": [session()] });
        let peer = Peer::script([
            Reply::ok(&page.to_string()),
            Reply::ok(r#"{"data":[],"has_more":false}"#),
        ]);
        let payment = PaymentIntentId::parse("pi_1").expect("an id");
        let found = peer
            .api()
            .checkout_find_by_payment(&payment)
            .await
            .expect("an answer")
            .expect("a session");
        assert_eq!(
            peer.heard()[0].line,
            "GET /v1/checkout/sessions?limit=1&payment_intent=pi_1"
        );
        assert_eq!(found.customer, CustomerId::parse("cus_1").ok());
        assert!(
            peer.api()
                .checkout_find_by_payment(&payment)
                .await
                .expect("an answer")
                .is_none()
        );
    }

    #[tokio::test]
    async fn open_sessions_are_listed() {
        let page = json!({ "object": "list", "url": "/v1/checkout/sessions", "has_more": false, "data": [session()] });
        let peer = Peer::script([Reply::ok(&page.to_string())]);
        let customer = CustomerId::parse("cus_1").expect("an id");
        let found = peer
            .api()
            .checkout_list_open(&customer)
            .await
            .expect("sessions");
        assert_eq!(
            peer.heard()[0].line,
            "GET /v1/checkout/sessions?customer=cus_1&limit=100&status=open"
        );
        assert_eq!(found[0].client_reference_id.as_deref(), Some("acc_1"));
    }

    #[tokio::test]
    async fn lines_say_what_was_sold() {
        let page =
            |id, more| Reply::ok(&json!({ "has_more": more, "data": [line(id)] }).to_string());
        let peer = Peer::script([page("li_1", true), page("li_2", false)]);
        let id = CheckoutSessionId::parse("cs_test_1").expect("an id");
        let lines = peer.api().checkout_lines(&id).await.expect("lines");
        assert_eq!(
            peer.heard()[1].line,
            "GET /v1/checkout/sessions/cs_test_1/line_items?limit=100&starting_after=li_1"
        );
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].price.lookup_key.as_deref(), Some("pack_small"));
        assert_eq!(
            (lines[0].quantity, lines[0].amount_subtotal_minor),
            (Some(1), 2000)
        );
    }

    #[test]
    fn a_client_secret_is_not_printed() {
        let mut session = session();
        session["client_secret"] = json!("canary");
        let session: CheckoutSession = serde_json::from_value(session).expect("a session");
        assert!(session.client_secret.is_some() && !format!("{session:?}").contains("canary"));
    }
}
