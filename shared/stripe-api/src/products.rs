//! Products. We choose their ids, so creating one twice creates one product.

use crate::StripeApi;
use crate::error::StripeError;
use crate::fields::{id, or_empty};
use domain::ids::ProductId;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Product {
    #[serde(deserialize_with = "id")]
    pub id: ProductId,
    pub name: String,
    /// The text below the product's name.
    #[serde(default)]
    pub description: Option<String>,
    pub active: bool,
    #[serde(default, deserialize_with = "or_empty")]
    pub metadata: BTreeMap<String, String>,
}

/// A product to create.
pub struct ProductOrder<'a> {
    pub id: &'a ProductId,
    pub name: &'a str,
    pub description: Option<&'a str>,
    pub metadata: &'a BTreeMap<String, String>,
}

/// The fields to change; absent ones stay.
#[derive(Default)]
pub struct ProductChange<'a> {
    pub name: Option<&'a str>,
    /// Empty removes it.
    pub description: Option<&'a str>,
    pub active: Option<bool>,
    /// Metadata to add; an empty value removes its key.
    pub metadata: Option<&'a BTreeMap<String, String>>,
}

const CREATE: &str = "create the product";
const FIND: &str = "find the product";
const UPDATE: &str = "update the product";

impl StripeApi {
    pub async fn product_find(&self, id: &ProductId) -> Result<Option<Product>, StripeError> {
        self.to(FIND)
            .find(&["products", id.as_str()], json!({}))
            .await
    }

    /// Creates a product. Stripe rejects an id that already exists.
    pub async fn product_create(
        &self,
        order: &ProductOrder<'_>,
        key: &str,
    ) -> Result<Product, StripeError> {
        let form = json!({
            "id": order.id.as_str(),
            "name": order.name,
            "description": order.description,
            "metadata": order.metadata,
        });
        self.to(CREATE).write(&["products"], form, key).await
    }

    pub async fn product_update(
        &self,
        id: &ProductId,
        change: &ProductChange<'_>,
        key: &str,
    ) -> Result<Product, StripeError> {
        let form = json!({
            "name": change.name,
            "description": change.description,
            "active": change.active,
            "metadata": change.metadata,
        });
        self.to(UPDATE)
            .write(&["products", id.as_str()], form, key)
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{MISSING, Peer, Reply};

    const PRODUCT: &str = r#"{"id":"tallyhook_team","object":"product","active":true,"name":"Team","description":null,
        "metadata":{"plan":"team"},"default_price":null,"livemode":false,"created":1,"updated":1,"type":"service"}"#;

    #[tokio::test]
    async fn products_have_the_ids_we_choose() {
        let peer = Peer::script([
            Reply::with(404, &[], MISSING),
            Reply::ok(PRODUCT),
            Reply::ok(PRODUCT),
        ]);
        let id = ProductId::parse("tallyhook_team").expect("an id");
        assert_eq!(peer.api().product_find(&id).await.expect("an answer"), None);
        assert_eq!(peer.heard()[0].line, "GET /v1/products/tallyhook_team");
        let metadata = BTreeMap::from([("plan".to_owned(), "team".to_owned())]);
        let order = ProductOrder {
            id: &id,
            name: "Team",
            description: None,
            metadata: &metadata,
        };
        let made = peer
            .api()
            .product_create(&order, "product-1")
            .await
            .expect("a product");
        assert_eq!((&made.id, &made.metadata), (&id, &metadata));
        let heard = &peer.heard()[1];
        assert_eq!(
            (
                heard.line.as_str(),
                heard.header("idempotency-key").as_str()
            ),
            ("POST /v1/products", "product-1")
        );
        assert_eq!(
            heard.fields(),
            ["id=tallyhook_team", "metadata[plan]=team", "name=Team"]
        );
        assert_eq!(
            peer.api().product_find(&id).await.expect("an answer"),
            Some(made)
        );
    }

    #[tokio::test]
    async fn only_what_changes_is_sent() {
        let peer = Peer::script([Reply::ok(PRODUCT)]);
        let id = ProductId::parse("tallyhook_team").expect("an id");
        let change = ProductChange {
            active: Some(false),
            description: Some(""),
            ..ProductChange::default()
        };
        peer.api()
            .product_update(&id, &change, "k")
            .await
            .expect("a product");
        assert_eq!(peer.heard()[0].line, "POST /v1/products/tallyhook_team");
        assert_eq!(peer.heard()[0].fields(), ["active=false", "description="]);
    }
}
