//! Customers. A customer is the permanent counterpart of an account at Stripe.

use crate::StripeApi;
use crate::calls::Page;
use crate::error::StripeError;
use crate::fields::{id, id_maybe};
use domain::ids::{AccountId, CustomerId, PaymentMethodId};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;

/// The metadata key with the account's id.
pub const ACCOUNT_NOTE: &str = "tallyhook_account";

/// A customer to create.
pub struct CustomerOrder<'a> {
    pub account: &'a AccountId,
    pub email: Option<&'a str>,
    pub name: Option<&'a str>,
}

/// The fields to change; absent ones stay.
#[derive(Default)]
pub struct CustomerChange<'a> {
    pub email: Option<&'a str>,
    pub name: Option<&'a str>,
    pub address: Option<&'a BillingAddress<'a>>,
}

/// A billing address; absent fields stay.
pub struct BillingAddress<'a> {
    pub line1: &'a str,
    pub line2: Option<&'a str>,
    pub city: Option<&'a str>,
    pub state: Option<&'a str>,
    pub postal_code: Option<&'a str>,
    pub country: &'a str,
}

#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Shape")]
pub struct Customer {
    pub id: CustomerId,
    /// Stripe keeps only the id of a deleted customer.
    pub deleted: bool,
    pub email: Option<String>,
    pub name: Option<String>,
    pub default_payment_method: Option<PaymentMethodId>,
    /// The account whose id is in the metadata, if any.
    pub account: Option<AccountId>,
}

/// Omits personal data.
impl std::fmt::Debug for Customer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Customer")
            .field("id", &self.id)
            .field("deleted", &self.deleted)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Shape {
    #[serde(deserialize_with = "id")]
    id: CustomerId,
    #[serde(default)]
    deleted: bool,
    email: Option<String>,
    name: Option<String>,
    invoice_settings: Option<InvoiceSettings>,
    metadata: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct InvoiceSettings {
    #[serde(default, deserialize_with = "id_maybe")]
    default_payment_method: Option<PaymentMethodId>,
}

impl From<Shape> for Customer {
    fn from(shape: Shape) -> Self {
        let account = shape
            .metadata
            .and_then(|notes| AccountId::parse(notes.get(ACCOUNT_NOTE)?).ok());
        Self {
            id: shape.id,
            deleted: shape.deleted,
            email: shape.email,
            name: shape.name,
            default_payment_method: shape
                .invoice_settings
                .and_then(|settings| settings.default_payment_method),
            account,
        }
    }
}

const CREATE: &str = "create the customer";
const FIND: &str = "find the customer";
const SEARCH: &str = "look for the customer";
const UPDATE: &str = "update the customer";

impl StripeApi {
    /// Creates a customer. The key should depend on the account alone, so that an account cannot
    /// get two customers.
    pub async fn customer_create(
        &self,
        order: &CustomerOrder<'_>,
        key: &str,
    ) -> Result<CustomerId, StripeError> {
        let form = json!({
            "email": order.email,
            "name": order.name,
            "metadata": { ACCOUNT_NOTE: order.account.as_str() },
        });
        let customer: Customer = self.to(CREATE).write(&["customers"], form, key).await?;
        Ok(customer.id)
    }

    pub async fn customer_update(
        &self,
        id: &CustomerId,
        change: &CustomerChange<'_>,
        key: &str,
    ) -> Result<(), StripeError> {
        let address = change.address.map(|address| {
            json!({
                "line1": address.line1,
                "line2": address.line2,
                "city": address.city,
                "state": address.state,
                "postal_code": address.postal_code,
                "country": address.country,
            })
        });
        let form = json!({ "email": change.email, "name": change.name, "address": address });
        let _customer: Customer = self
            .to(UPDATE)
            .write(&["customers", id.as_str()], form, key)
            .await?;
        Ok(())
    }

    /// Finds the customer of an account. Stripe's search lags by a minute, and by more during an
    /// outage, so it cannot prove that a recent customer does not exist.
    pub async fn customer_search(
        &self,
        account: &AccountId,
    ) -> Result<Option<Customer>, StripeError> {
        let query = format!("metadata[\"{ACCOUNT_NOTE}\"]:\"{account}\"");
        let page: Page<Customer> = self
            .to(SEARCH)
            .read(&["customers", "search"], json!({ "query": query }))
            .await?;
        Ok(page
            .data
            .into_iter()
            .filter(|one| one.account.as_ref() == Some(account))
            .min_by(|a, b| a.id.cmp(&b.id)))
    }

    /// Finds a customer by id. A deleted customer is returned as deleted.
    pub async fn customer_find(&self, id: &CustomerId) -> Result<Option<Customer>, StripeError> {
        self.to(FIND)
            .find(&["customers", id.as_str()], json!({}))
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{MISSING, Peer, Reply};
    use domain::time::Timestamp;

    const CUSTOMER: &str = r#"{"id":"cus_1","object":"customer","email":"a@b.test","name":"A canary","livemode":false,
        "invoice_settings":{"default_payment_method":{"id":"pm_1","object":"payment_method"}},"metadata":{}}"#;

    fn account() -> AccountId {
        AccountId::mint(Timestamp::from_seconds(1_795_000_000), [7; 10])
    }

    #[tokio::test]
    async fn a_customer_is_made_for_its_account() {
        let peer = Peer::script([Reply::ok(CUSTOMER)]);
        let account = account();
        let order = CustomerOrder {
            account: &account,
            email: Some("a+b@c.test"),
            name: None,
        };
        let id = peer
            .api()
            .customer_create(&order, "customer-1")
            .await
            .expect("a customer");
        assert_eq!(id.as_str(), "cus_1");
        let heard = &peer.heard()[0];
        assert_eq!(
            (
                heard.line.as_str(),
                heard.header("idempotency-key").as_str()
            ),
            ("POST /v1/customers", "customer-1")
        );
        let note = format!("metadata[tallyhook_account]={account}");
        assert_eq!(heard.fields(), ["email=a%2Bb@c.test", note.as_str()]);
    }

    #[tokio::test]
    async fn a_customer_is_looked_for_by_its_account() {
        let account = account();
        let page = |notes: &str| {
            let customer = CUSTOMER.replace(r#""metadata":{}"#, &format!(r#""metadata":{notes}"#));
            Reply::ok(&format!(
                r#"{{"object":"search_result","data":[{customer}],"has_more":false}}"#
            ))
        };
        let ours = format!(r#"{{"tallyhook_account":"{account}"}}"#);
        let peer = Peer::script([page(&ours), page("{}")]);
        let found = peer
            .api()
            .customer_search(&account)
            .await
            .expect("an answer");
        assert_eq!(
            found.map(|customer| customer.id.to_string()).as_deref(),
            Some("cus_1")
        );
        assert!(
            peer.heard()[0]
                .line
                .starts_with("GET /v1/customers/search?query=metadata"),
            "{}",
            peer.heard()[0].line
        );
        let found = peer
            .api()
            .customer_search(&account)
            .await
            .expect("an answer");
        assert_eq!(
            found, None,
            "another's customer is not ours, whatever the search says"
        );
    }

    #[tokio::test]
    async fn only_what_changes_is_sent() {
        let peer = Peer::script([Reply::ok(CUSTOMER)]);
        let id = CustomerId::parse("cus_1").expect("an id");
        let change = CustomerChange {
            name: Some("B"),
            ..CustomerChange::default()
        };
        peer.api()
            .customer_update(&id, &change, "k")
            .await
            .expect("an answer");
        assert_eq!(peer.heard()[0].line, "POST /v1/customers/cus_1");
        assert_eq!(peer.heard()[0].fields(), ["name=B"]);
    }

    #[tokio::test]
    async fn customers_are_found_even_deleted() {
        let account = account();
        let ours = CUSTOMER.replace(
            r#""metadata":{}"#,
            &format!(r#""metadata":{{"tallyhook_account":"{account}"}}"#),
        );
        let deleted = r#"{"id":"cus_1","object":"customer","deleted":true}"#;
        let peer = Peer::script([
            Reply::ok(&ours),
            Reply::ok(deleted),
            Reply::with(404, &[], MISSING),
        ]);
        let id = CustomerId::parse("cus_1").expect("an id");
        let found = peer
            .api()
            .customer_find(&id)
            .await
            .expect("an answer")
            .expect("a customer");
        assert_eq!(
            (found.account.as_ref(), found.deleted),
            (Some(&account), false)
        );
        assert_eq!(
            found.default_payment_method,
            PaymentMethodId::parse("pm_1").ok()
        );
        assert!(!format!("{found:?}").contains("canary"));
        let found = peer
            .api()
            .customer_find(&id)
            .await
            .expect("an answer")
            .expect("a customer");
        assert_eq!((found.email, found.deleted), (None, true));
        assert_eq!(
            peer.api().customer_find(&id).await.expect("an answer"),
            None
        );
    }
}
