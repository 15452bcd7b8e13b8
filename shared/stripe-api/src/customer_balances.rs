//! A customer's balance: entries that the next finalized invoice uses. Stripe counts a credit as a
//! negative amount.

use crate::StripeApi;
use crate::error::StripeError;
use crate::fields::or_empty;
use domain::ids::CustomerId;
use domain::units::Money;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;

/// An entry on a customer's balance.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct BalanceEntry {
    pub id: String,
    #[serde(default, deserialize_with = "or_empty")]
    pub metadata: BTreeMap<String, String>,
}

/// A credit to add to a customer's balance.
pub struct BalanceCredit<'a> {
    pub customer: &'a CustomerId,
    pub amount: Money,
    /// Shown with the entry at Stripe.
    pub description: &'a str,
    pub metadata: &'a BTreeMap<String, String>,
}

const CREATE: &str = "credit the customer's balance";
const LIST: &str = "list the entries of the customer's balance";
const ENTRIES: &str = "balance_transactions";

impl StripeApi {
    pub async fn balance_credit(
        &self,
        credit: &BalanceCredit<'_>,
        key: &str,
    ) -> Result<BalanceEntry, StripeError> {
        let form = json!({
            "amount": -credit.amount.minor,
            "currency": credit.amount.currency.as_str(),
            "description": credit.description,
            "metadata": credit.metadata,
        });
        self.to(CREATE)
            .write(&["customers", credit.customer.as_str(), ENTRIES], form, key)
            .await
    }

    /// All entries of a customer's balance, including those that invoices made.
    pub async fn balance_entries(
        &self,
        customer: &CustomerId,
    ) -> Result<Vec<BalanceEntry>, StripeError> {
        let path = ["customers", customer.as_str(), ENTRIES];
        self.to(LIST)
            .list(&path, json!({}), |entry: &BalanceEntry| &entry.id)
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Peer, Reply};
    use domain::units::Currency;

    const ENTRY: &str = r#"{"id":"cbtxn_1","object":"customer_balance_transaction","amount":-1500,"created":1795000000,
        "currency":"usd","customer":"cus_1","ending_balance":-1500,"metadata":{"usage":"u"},"type":"adjustment"}"#;

    #[tokio::test]
    async fn a_credit_is_a_negative_entry() {
        let page = format!(r#"{{"data":[{ENTRY}],"has_more":false}}"#);
        let peer = Peer::script([Reply::ok(ENTRY), Reply::ok(&page)]);
        let customer = CustomerId::parse("cus_1").expect("an id");
        let metadata = BTreeMap::from([("usage".to_owned(), "u".to_owned())]);
        let credit = BalanceCredit {
            customer: &customer,
            amount: Money {
                minor: 1_500,
                currency: Currency::parse("usd").expect("a currency"),
            },
            description: "a fix",
            metadata: &metadata,
        };
        let made = peer.api().balance_credit(&credit, "k").await;
        let made = made.expect("an entry");
        assert_eq!((made.id.as_str(), &made.metadata), ("cbtxn_1", &metadata));
        let found = peer.api().balance_entries(&customer).await;
        assert_eq!(found.expect("entries"), [made]);
        let heard = peer.heard();
        assert_eq!(
            (
                heard[0].line.as_str(),
                heard[0].header("idempotency-key").as_str()
            ),
            ("POST /v1/customers/cus_1/balance_transactions", "k")
        );
        let expected = [
            "amount=-1500",
            "currency=usd",
            "description=a+fix",
            "metadata[usage]=u",
        ];
        assert_eq!(heard[0].fields(), expected);
        assert_eq!(
            heard[1].line,
            "GET /v1/customers/cus_1/balance_transactions?limit=100"
        );
    }
}
