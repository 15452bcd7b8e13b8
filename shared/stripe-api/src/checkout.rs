//! Checkout sessions: Stripe's page on which somebody pays, and what became of it. `orders.rs` makes them.

mod orders;

pub use orders::{CheckoutMode, CheckoutOrder, CheckoutUi};

use crate::StripeApi;
use crate::calls::Page;
use crate::error::StripeError;
use crate::fields::{id, id_maybe, moment, or_empty, secret, words};
use crate::prices::Price;
use domain::ids::{CheckoutSessionId, CustomerId, PaymentIntentId, SubscriptionId};
use domain::time::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;

/// A session as Stripe has it.
#[derive(Debug, Clone, Deserialize)]
pub struct CheckoutSession {
    /// Its id.
    #[serde(deserialize_with = "id")]
    pub id: CheckoutSessionId,
    /// Where a hosted one is; absent once it is over.
    #[serde(default)]
    pub url: Option<String>,
    /// What a page of ours shows an embedded one with.
    #[serde(default, deserialize_with = "secret")]
    pub client_secret: Option<SecretString>,
    /// How far it has come.
    #[serde(default)]
    pub status: Option<SessionStatus>,
    /// Whether it is paid. A complete session may be unpaid for days, where the bank is slow.
    pub payment_status: PaymentStatus,
    /// What it is for.
    pub mode: SessionMode,
    /// The payment it has led to, in mode payment.
    #[serde(default, deserialize_with = "id_maybe")]
    pub payment_intent: Option<PaymentIntentId>,
    /// The subscription it has led to, in mode subscription.
    #[serde(default, deserialize_with = "id_maybe")]
    pub subscription: Option<SubscriptionId>,
    /// Whose it is.
    #[serde(default, deserialize_with = "id_maybe")]
    pub customer: Option<CustomerId>,
    /// Our name for it.
    #[serde(default)]
    pub client_reference_id: Option<String>,
    /// Our notes on it.
    #[serde(default, deserialize_with = "or_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Before taxes and discounts.
    #[serde(default, rename = "amount_subtotal")]
    pub amount_subtotal_minor: Option<i64>,
    /// What is paid.
    #[serde(default, rename = "amount_total")]
    pub amount_total_minor: Option<i64>,
    /// In lower case.
    #[serde(default)]
    pub currency: Option<String>,
    /// When it was made.
    #[serde(deserialize_with = "moment")]
    pub created: Timestamp,
    /// Until when it can be completed.
    #[serde(deserialize_with = "moment")]
    pub expires_at: Timestamp,
    /// Whether the money is real.
    pub livemode: bool,
}

/// One thing that a session sells.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Line {
    /// Its id.
    pub id: String,
    /// At what price, and with it which product.
    pub price: Price,
    /// How many; absent where a meter counts.
    #[serde(default)]
    pub quantity: Option<u64>,
    /// Before taxes and discounts.
    #[serde(rename = "amount_subtotal")]
    pub amount_subtotal_minor: i64,
    /// After them.
    #[serde(rename = "amount_total")]
    pub amount_total_minor: i64,
    /// In lower case.
    pub currency: String,
}

words! {
    /// How far a session has come.
    SessionStatus {
        /// Somebody may be at it.
        Open = "open",
        /// Somebody has gone through with it; whether it is paid is another question.
        Complete = "complete",
        /// It is over without.
        Expired = "expired",
    }
    /// Whether a session is paid.
    PaymentStatus {
        /// It is.
        Paid = "paid",
        /// It is not, or not yet.
        Unpaid = "unpaid",
        /// There is nothing to pay now.
        NoPaymentRequired = "no_payment_required",
    }
    /// What a session is for.
    SessionMode {
        /// One payment.
        Payment = "payment",
        /// A subscription.
        Subscription = "subscription",
        /// A way to pay later.
        Setup = "setup",
    }
}

const FIND: &str = "find the checkout session";
const FIND_BY_PAYMENT: &str = "find the payment's checkout session";
const LIST_OPEN: &str = "list the customer's open checkout sessions";
const LINES: &str = "list what the checkout session sells";

impl StripeApi {
    /// A session as it is now.
    pub async fn checkout_find(
        &self,
        id: &CheckoutSessionId,
    ) -> Result<Option<CheckoutSession>, StripeError> {
        self.to(FIND)
            .find(&["checkout", "sessions", id.as_str()], json!({}))
            .await
    }

    /// The session that has led to a payment.
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

    /// The sessions that a customer could still complete, the newest first.
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

    /// All that a session sells.
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
