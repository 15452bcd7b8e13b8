//! Products: what is sold. Their ids are ours to choose, so that making one twice cannot make two.

use crate::StripeApi;
use crate::error::StripeError;
use crate::fields::{id, or_empty};
use domain::ids::ProductId;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;

/// A product as Stripe has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Product {
    /// Its id.
    #[serde(deserialize_with = "id")]
    pub id: ProductId,
    /// What customers read.
    pub name: String,
    /// What customers read below it.
    #[serde(default)]
    pub description: Option<String>,
    /// Whether it is sold.
    pub active: bool,
    /// Our notes on it.
    #[serde(default, deserialize_with = "or_empty")]
    pub metadata: BTreeMap<String, String>,
}

/// A product to be made.
pub struct ProductOrder<'a> {
    /// Its id.
    pub id: &'a ProductId,
    /// What customers read.
    pub name: &'a str,
    /// What customers read below it.
    pub description: Option<&'a str>,
    /// Our notes on it.
    pub metadata: &'a BTreeMap<String, String>,
}

/// What is to be another than it was; what is absent stays.
#[derive(Default)]
pub struct ProductChange<'a> {
    /// What customers read.
    pub name: Option<&'a str>,
    /// What customers read below it; empty for nothing.
    pub description: Option<&'a str>,
    /// Whether it is sold.
    pub active: Option<bool>,
    /// Notes to be added; an empty one takes its name away.
    pub metadata: Option<&'a BTreeMap<String, String>>,
}

const CREATE: &str = "create the product";
const FIND: &str = "find the product";
const UPDATE: &str = "update the product";

impl StripeApi {
    /// A product as it is now.
    pub async fn product_find(&self, id: &ProductId) -> Result<Option<Product>, StripeError> {
        self.to(FIND)
            .find(&["products", id.as_str()], json!({}))
            .await
    }

    /// Makes a product; it is refused where its id is taken.
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

    /// Changes a product.
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
