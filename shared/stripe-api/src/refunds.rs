//! Refunds.

use crate::StripeApi;
use crate::error::StripeError;
use crate::fields::{id, id_maybe, moment, open_words, or_empty};
use domain::ids::{ChargeId, PaymentIntentId, RefundId};
use domain::time::Timestamp;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Refund {
    #[serde(deserialize_with = "id")]
    pub id: RefundId,
    #[serde(rename = "amount")]
    pub amount_minor: i64,
    pub currency: String,
    /// A succeeded refund may still fail later.
    #[serde(default)]
    pub status: Option<RefundStatus>,
    #[serde(default, deserialize_with = "id_maybe")]
    pub payment_intent: Option<PaymentIntentId>,
    #[serde(default, deserialize_with = "id_maybe")]
    pub charge: Option<ChargeId>,
    #[serde(default)]
    pub reason: Option<RefundReason>,
    #[serde(deserialize_with = "moment")]
    pub created: Timestamp,
    #[serde(default, deserialize_with = "or_empty")]
    pub metadata: BTreeMap<String, String>,
}

/// A refund to create.
pub struct RefundOrder<'a> {
    pub payment: &'a PaymentIntentId,
    pub amount_minor: Option<i64>,
    pub reason: Option<RefundReason>,
    pub metadata: &'a BTreeMap<String, String>,
}

open_words! {
    RefundStatus {
        Pending = "pending",
        /// The payer has to act.
        RequiresAction = "requires_action",
        Succeeded = "succeeded",
        Failed = "failed",
        Canceled = "canceled",
    }
    RefundReason {
        /// The payment was a duplicate.
        Duplicate = "duplicate",
        /// The payment was fraudulent; Stripe blocks the card.
        Fraudulent = "fraudulent",
        RequestedByCustomer = "requested_by_customer",
    }
}

const CREATE: &str = "refund the payment";
const FIND: &str = "find the refund";
const LIST: &str = "list the payment's refunds";

impl StripeApi {
    pub async fn refund_create(
        &self,
        order: &RefundOrder<'_>,
        key: &str,
    ) -> Result<Refund, StripeError> {
        let form = json!({
            "payment_intent": order.payment.as_str(),
            "amount": order.amount_minor,
            "reason": order.reason.as_ref().map(RefundReason::as_str),
            "metadata": order.metadata,
        });
        self.to(CREATE).write(&["refunds"], form, key).await
    }

    pub async fn refund_find(&self, id: &RefundId) -> Result<Option<Refund>, StripeError> {
        self.to(FIND)
            .find(&["refunds", id.as_str()], json!({}))
            .await
    }

    /// All refunds of a payment, including those created elsewhere.
    pub async fn refund_list(&self, payment: &PaymentIntentId) -> Result<Vec<Refund>, StripeError> {
        let query = json!({ "payment_intent": payment.as_str() });
        self.to(LIST)
            .list(&["refunds"], query, |refund: &Refund| refund.id.as_str())
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{MISSING, Peer, Reply};

    const REFUND: &str = r#"{"id":"re_1","object":"refund","amount":500,"charge":"ch_1","created":1795000000,"currency":"eur",
        "metadata":{"action":"act_1"},"payment_intent":"pi_1","reason":"requested_by_customer","status":"succeeded"}"#;

    #[tokio::test]
    async fn money_goes_back_in_part_or_whole() {
        let peer = Peer::script([Reply::ok(REFUND), Reply::ok(REFUND)]);
        let payment = PaymentIntentId::parse("pi_1").expect("an id");
        let metadata = BTreeMap::from([("action".to_owned(), "act_1".to_owned())]);
        let reason = Some(RefundReason::RequestedByCustomer);
        let order = RefundOrder {
            payment: &payment,
            amount_minor: Some(500),
            reason,
            metadata: &metadata,
        };
        let refund = peer
            .api()
            .refund_create(&order, "act_1")
            .await
            .expect("a refund");
        assert_eq!(
            (refund.amount_minor, refund.status),
            (500, Some(RefundStatus::Succeeded))
        );
        let heard = &peer.heard()[0];
        assert_eq!(
            (
                heard.line.as_str(),
                heard.header("idempotency-key").as_str()
            ),
            ("POST /v1/refunds", "act_1")
        );
        let expected = [
            "amount=500",
            "metadata[action]=act_1",
            "payment_intent=pi_1",
            "reason=requested_by_customer",
        ];
        assert_eq!(heard.fields(), expected);
        let whole = RefundOrder {
            payment: &payment,
            amount_minor: None,
            reason: None,
            metadata: &BTreeMap::new(),
        };
        peer.api()
            .refund_create(&whole, "act_2")
            .await
            .expect("a refund");
        assert_eq!(peer.heard()[1].fields(), ["payment_intent=pi_1"]);
    }

    #[tokio::test]
    async fn refunds_are_found_and_listed() {
        let page = format!(r#"{{"data":[{REFUND}],"has_more":false}}"#);
        let peer = Peer::script([
            Reply::ok(REFUND),
            Reply::with(404, &[], MISSING),
            Reply::ok(&page),
        ]);
        let id = RefundId::parse("re_1").expect("an id");
        let found = peer
            .api()
            .refund_find(&id)
            .await
            .expect("an answer")
            .expect("a refund");
        assert_eq!(found.charge, ChargeId::parse("ch_1").ok());
        assert_eq!(peer.api().refund_find(&id).await.expect("an answer"), None);
        let payment = PaymentIntentId::parse("pi_1").expect("an id");
        assert_eq!(
            peer.api().refund_list(&payment).await.expect("refunds"),
            [found]
        );
        let lines: Vec<_> = peer
            .heard()
            .iter()
            .map(|heard| heard.line.clone())
            .collect();
        assert_eq!(lines[0], "GET /v1/refunds/re_1");
        assert_eq!(lines[2], "GET /v1/refunds?limit=100&payment_intent=pi_1");
    }
}
