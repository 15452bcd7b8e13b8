//! Payment methods of a customer, and the default one.

use crate::StripeApi;
use crate::customers::Customer;
use crate::error::StripeError;
use crate::fields::{id, id_maybe, moment};
use domain::ids::{CustomerId, PaymentMethodId};
use domain::time::Timestamp;
use serde::Deserialize;
use serde_json::json;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PaymentMethod {
    #[serde(deserialize_with = "id")]
    pub id: PaymentMethodId,
    /// Stripe's type, such as `card`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Absent once it is detached.
    #[serde(default, deserialize_with = "id_maybe")]
    pub customer: Option<CustomerId>,
    /// The card's details, if the method is a card.
    #[serde(default)]
    pub card: Option<Card>,
    #[serde(deserialize_with = "moment")]
    pub created: Timestamp,
}

/// The details that identify a card to its holder.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Card {
    /// The brand, such as `visa`.
    pub brand: String,
    #[serde(default)]
    pub last4: Option<String>,
    pub exp_month: u32,
    pub exp_year: u32,
}

const DETACH: &str = "detach the payment method";
const LIST: &str = "list the customer's payment methods";
const SET_DEFAULT: &str = "set the customer's usual payment method";

impl StripeApi {
    /// All payment methods of a customer.
    pub async fn payment_method_list(
        &self,
        customer: &CustomerId,
    ) -> Result<Vec<PaymentMethod>, StripeError> {
        let path = ["customers", customer.as_str(), "payment_methods"];
        self.to(LIST)
            .list(&path, json!({}), |method: &PaymentMethod| {
                method.id.as_str()
            })
            .await
    }

    /// Detaches a payment method permanently.
    pub async fn payment_method_detach(
        &self,
        id: &PaymentMethodId,
        key: &str,
    ) -> Result<PaymentMethod, StripeError> {
        self.to(DETACH)
            .write(&["payment_methods", id.as_str(), "detach"], json!({}), key)
            .await
    }

    /// Sets the default payment method for invoices.
    pub async fn payment_method_default_set(
        &self,
        customer: &CustomerId,
        id: &PaymentMethodId,
        key: &str,
    ) -> Result<(), StripeError> {
        let form = json!({ "invoice_settings": { "default_payment_method": id.as_str() } });
        let _customer: Customer = self
            .to(SET_DEFAULT)
            .write(&["customers", customer.as_str()], form, key)
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Peer, Reply};

    const METHOD: &str = r#"{"id":"pm_1","object":"payment_method","created":1795000000,"customer":"cus_1","type":"card",
        "card":{"brand":"visa","exp_month":8,"exp_year":2030,"last4":"4242"}}"#;

    #[tokio::test]
    async fn ways_to_pay_are_listed_taken_and_preferred() {
        let page = format!(
            r#"{{"data":[{METHOD},{{"id":"pm_2","created":1,"type":"sepa_debit","sepa_debit":{{}}}}],"has_more":false}}"#
        );
        let peer = Peer::script([
            Reply::ok(&page),
            Reply::ok(METHOD),
            Reply::ok(r#"{"id":"cus_1"}"#),
        ]);
        let customer = CustomerId::parse("cus_1").expect("an id");
        let methods = peer
            .api()
            .payment_method_list(&customer)
            .await
            .expect("methods");
        assert_eq!(
            methods[0].card.as_ref().map(|card| card.exp_year),
            Some(2030)
        );
        assert_eq!(
            (methods[1].kind.as_str(), &methods[1].card),
            ("sepa_debit", &None)
        );
        let id = &methods[0].id;
        peer.api()
            .payment_method_detach(id, "detach-1")
            .await
            .expect("a method");
        peer.api()
            .payment_method_default_set(&customer, id, "default-1")
            .await
            .expect("an answer");
        let heard = peer.heard();
        let said: Vec<_> = heard
            .iter()
            .map(|heard| (heard.line.as_str(), heard.body.as_str()))
            .collect();
        let expected = [
            ("GET /v1/customers/cus_1/payment_methods?limit=100", ""),
            ("POST /v1/payment_methods/pm_1/detach", ""),
            (
                "POST /v1/customers/cus_1",
                "invoice_settings[default_payment_method]=pm_1",
            ),
        ];
        assert_eq!(said, expected);
        assert_eq!(heard[1].header("idempotency-key"), "detach-1");
        assert_eq!(heard[2].header("idempotency-key"), "default-1");
    }
}
