//! Charges: money received, and how much of it was refunded.

use crate::StripeApi;
use crate::error::StripeError;
use crate::fields::{id, id_maybe, moment};
use domain::ids::{ChargeId, CustomerId, PaymentIntentId};
use domain::time::Timestamp;
use serde::Deserialize;
use serde_json::json;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Charge {
    #[serde(deserialize_with = "id")]
    pub id: ChargeId,
    #[serde(default, deserialize_with = "id_maybe")]
    pub payment_intent: Option<PaymentIntentId>,
    #[serde(default, deserialize_with = "id_maybe")]
    pub customer: Option<CustomerId>,
    #[serde(rename = "amount")]
    pub amount_minor: i64,
    #[serde(rename = "amount_refunded")]
    pub amount_refunded_minor: i64,
    pub currency: String,
    pub refunded: bool,
    #[serde(default)]
    pub disputed: bool,
    #[serde(deserialize_with = "moment")]
    pub created: Timestamp,
    pub livemode: bool,
}

const FIND: &str = "find the charge";

impl StripeApi {
    pub async fn charge_find(&self, id: &ChargeId) -> Result<Option<Charge>, StripeError> {
        self.to(FIND)
            .find(&["charges", id.as_str()], json!({}))
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{MISSING, Peer, Reply};

    #[tokio::test]
    async fn charges_are_found() {
        let charge = json!({ "id": "ch_1", "object": "charge", "amount": 2380, "amount_refunded": 380, "created": 1795000000,
            "currency": "eur", "customer": { "id": "cus_1", "object": "customer", "deleted": true }, "disputed": true,
            "livemode": false, "payment_intent": "pi_1", "refunded": false });
        let peer = Peer::script([
            Reply::ok(&charge.to_string()),
            Reply::with(404, &[], MISSING),
        ]);
        let id = ChargeId::parse("ch_1").expect("an id");
        let found = peer
            .api()
            .charge_find(&id)
            .await
            .expect("an answer")
            .expect("a charge");
        assert_eq!(peer.heard()[0].line, "GET /v1/charges/ch_1");
        assert_eq!(
            (found.amount_minor, found.amount_refunded_minor),
            (2380, 380)
        );
        assert_eq!((found.refunded, found.disputed), (false, true));
        assert_eq!(found.customer, CustomerId::parse("cus_1").ok());
        assert_eq!(peer.api().charge_find(&id).await.expect("an answer"), None);
    }
}
