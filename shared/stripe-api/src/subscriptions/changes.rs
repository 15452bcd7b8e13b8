//! Changing a subscription's items, and previewing the cost.
//!
//! Stripe expects the change of each item. [`Subscription::changes_to`] derives these changes from
//! the present items, so the result is empty once the change is made. Look up the subscription,
//! derive the changes, and send only those. After a lost response, a second attempt then sends
//! nothing, while repeating the first request could change the wrong items.

use super::{PriceChoice, Subscription, WhenUnpaid};
use crate::StripeApi;
use crate::calls::Page;
use crate::error::StripeError;
use crate::fields::{id_maybe, moment};
use domain::ids::{PriceId, ProductId, SubscriptionId};
use domain::time::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

/// The change of one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemChange {
    Add(PriceChoice),
    Count { item: String, quantity: u64 },
    Remove { item: String },
}

/// A change of a subscription's items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionChange {
    /// Items that are not listed stay unchanged.
    pub items: Vec<ItemChange>,
    pub proration: Proration,
    /// The proration time. Use the same time for the preview and the change, so that both cost the
    /// same.
    pub proration_at: Option<Timestamp>,
    /// What happens if an immediate payment fails.
    pub when_unpaid: WhenUnpaid,
}

/// How a change within a period is billed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proration {
    None,
    /// The difference is on the next invoice.
    NextInvoice,
    /// The difference is invoiced immediately.
    AtOnce,
}

impl Proration {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::NextInvoice => "create_prorations",
            Self::AtOnce => "always_invoice",
        }
    }
}

impl Subscription {
    /// The changes after which the subscription has exactly these prices; empty if it already has
    /// them.
    pub fn changes_to(&self, prices: &[PriceChoice]) -> Vec<ItemChange> {
        let mut changes = Vec::new();
        for item in &self.items {
            match prices.iter().find(|choice| choice.price == item.price.id) {
                None => changes.push(ItemChange::Remove {
                    item: item.id.clone(),
                }),
                Some(PriceChoice {
                    quantity: Some(quantity),
                    ..
                }) if item.quantity != Some(*quantity) => {
                    changes.push(ItemChange::Count {
                        item: item.id.clone(),
                        quantity: *quantity,
                    });
                }
                Some(_) => {}
            }
        }
        let missing = prices
            .iter()
            .filter(|choice| self.items.iter().all(|item| item.price.id != choice.price));
        changes.extend(missing.cloned().map(ItemChange::Add));
        changes
    }
}

/// The preview of an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Preview {
    /// The amount due after the customer's credit.
    #[serde(rename = "amount_due")]
    pub amount_due_minor: i64,
    /// The amount before the customer's credit.
    #[serde(rename = "total")]
    pub total_minor: i64,
    pub currency: String,
    /// The lines; if there are very many, only the first ones.
    pub lines: Page<PreviewLine>,
}

/// A line of an invoice preview.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "LineShape")]
pub struct PreviewLine {
    /// Negative for refunds.
    pub amount_minor: i64,
    pub description: Option<String>,
    pub price: Option<PriceId>,
    pub product: Option<ProductId>,
    pub quantity: Option<u64>,
    pub period_start: Timestamp,
    pub period_end: Timestamp,
    /// Whether the line covers part of a period because of a change.
    pub proration: bool,
}

#[derive(Deserialize)]
struct LineShape {
    amount: i64,
    description: Option<String>,
    pricing: Option<Pricing>,
    quantity: Option<u64>,
    period: Period,
    #[serde(default)]
    parent: Value,
}

#[derive(Deserialize)]
struct Pricing {
    price_details: Option<PriceDetails>,
}

#[derive(Deserialize)]
struct PriceDetails {
    #[serde(default, deserialize_with = "id_maybe")]
    price: Option<PriceId>,
    #[serde(default, deserialize_with = "id_maybe")]
    product: Option<ProductId>,
}

#[derive(Deserialize)]
struct Period {
    #[serde(deserialize_with = "moment")]
    start: Timestamp,
    #[serde(deserialize_with = "moment")]
    end: Timestamp,
}

impl From<LineShape> for PreviewLine {
    fn from(shape: LineShape) -> Self {
        let details = shape.pricing.and_then(|pricing| pricing.price_details);
        let (price, product) =
            details.map_or((None, None), |details| (details.price, details.product));
        let of = |parent: &str| shape.parent[parent]["proration"].as_bool().unwrap_or(false);
        Self {
            amount_minor: shape.amount,
            description: shape.description,
            price,
            product,
            quantity: shape.quantity,
            period_start: shape.period.start,
            period_end: shape.period.end,
            proration: of("subscription_item_details") || of("invoice_item_details"),
        }
    }
}

const CHANGE: &str = "change the subscription";
const PREVIEW: &str = "preview the subscription's change";

impl StripeApi {
    pub async fn subscription_change(
        &self,
        id: &SubscriptionId,
        change: &SubscriptionChange,
        key: &str,
    ) -> Result<Subscription, StripeError> {
        let mut form = details(change);
        form["payment_behavior"] = json!(change.when_unpaid.as_str());
        self.to(CHANGE)
            .write(&["subscriptions", id.as_str()], form, key)
            .await
    }

    /// Previews the next invoice after a change; with [`Proration::AtOnce`], the immediate invoice.
    pub async fn subscription_preview(
        &self,
        id: &SubscriptionId,
        change: &SubscriptionChange,
    ) -> Result<Preview, StripeError> {
        let form = json!({ "subscription": id.as_str(), "subscription_details": details(change) });
        self.to(PREVIEW)
            .ask(&["invoices", "create_preview"], form)
            .await
    }
}

fn details(change: &SubscriptionChange) -> Value {
    json!({
        "items": change.items.iter().map(item).collect::<Vec<_>>(),
        "proration_behavior": change.proration.as_str(),
        "proration_date": change.proration_at.map(Timestamp::seconds),
    })
}

fn item(change: &ItemChange) -> Value {
    match change {
        ItemChange::Add(choice) => {
            json!({ "price": choice.price.as_str(), "quantity": choice.quantity })
        }
        ItemChange::Count { item, quantity } => json!({ "id": item, "quantity": quantity }),
        ItemChange::Remove { item } => json!({ "id": item, "deleted": true }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{item, subscription};
    use super::*;
    use crate::testing::{Peer, Reply};

    fn choice(price: &str, quantity: Option<u64>) -> PriceChoice {
        PriceChoice {
            price: PriceId::parse(price).expect("an id"),
            quantity,
        }
    }

    fn present() -> Value {
        subscription(&[
            item("si_1", "price_seat", "licensed", json!(3)),
            item("si_2", "price_pulls", "metered", json!(null)),
        ])
    }

    #[test]
    fn only_what_differs_changes() {
        let present: Subscription = serde_json::from_value(present()).expect("a subscription");
        let remove = |item: &str| ItemChange::Remove {
            item: item.to_owned(),
        };
        let count = |quantity| ItemChange::Count {
            item: "si_1".to_owned(),
            quantity,
        };
        let (seat, pulls) = (choice("price_seat", Some(3)), choice("price_pulls", None));
        for (wanted, expected) in [
            (vec![seat.clone(), pulls.clone()], vec![]),
            (vec![pulls.clone(), choice("price_seat", None)], vec![]),
            (vec![choice("price_seat", Some(5)), pulls], vec![count(5)]),
            (vec![seat], vec![remove("si_2")]),
            (
                vec![choice("price_big", Some(1))],
                vec![
                    remove("si_1"),
                    remove("si_2"),
                    ItemChange::Add(choice("price_big", Some(1))),
                ],
            ),
        ] {
            assert_eq!(present.changes_to(&wanted), expected, "{wanted:?}");
        }
    }

    fn change() -> SubscriptionChange {
        SubscriptionChange {
            items: vec![
                ItemChange::Remove {
                    item: "si_1".to_owned(),
                },
                ItemChange::Count {
                    item: "si_3".to_owned(),
                    quantity: 2,
                },
                ItemChange::Add(choice("price_big", Some(1))),
                ItemChange::Add(choice("price_pulls", None)),
            ],
            proration: Proration::AtOnce,
            proration_at: Some(Timestamp::from_seconds(1_795_000_000)),
            when_unpaid: WhenUnpaid::Refuse,
        }
    }

    const ITEMS: [&str; 8] = [
        "items[0][deleted]=true",
        "items[0][id]=si_1",
        "items[1][id]=si_3",
        "items[1][quantity]=2",
        "items[2][price]=price_big",
        "items[2][quantity]=1",
        "items[3][price]=price_pulls",
        "payment_behavior=error_if_incomplete",
    ];

    #[tokio::test]
    async fn a_change_names_every_item() {
        let peer = Peer::script([Reply::ok(&present().to_string())]);
        let id = SubscriptionId::parse("sub_1").expect("an id");
        peer.api()
            .subscription_change(&id, &change(), "change-1")
            .await
            .expect("a subscription");
        let heard = &peer.heard()[0];
        assert_eq!(heard.line, "POST /v1/subscriptions/sub_1");
        assert_eq!(heard.header("idempotency-key"), "change-1");
        assert_eq!(heard.fields()[..8], ITEMS);
        assert_eq!(
            heard.fields()[8..],
            [
                "proration_behavior=always_invoice",
                "proration_date=1795000000"
            ]
        );
    }

    #[tokio::test]
    async fn a_preview_changes_nothing_and_says_what_it_costs() {
        let parent = json!({ "type": "subscription_item_details", "subscription_item_details":
            { "invoice_item": null, "proration": true, "subscription": "sub_1", "subscription_item": "si_1" } });
        let pricing = json!({ "type": "price_details", "unit_amount_decimal": "2000",
            "price_details": { "price": "price_seat", "product": "prod_1" } });
        let line = json!({ "id": "il_1", "object": "line_item", "amount": -500, "currency": "eur", "quantity": 1,
            "description": "Unused time", "period": { "start": 1795000000, "end": 1797592000 }, "parent": parent,
            "pricing": pricing, "subtotal": -500 });
        let invoice = json!({ "object": "invoice", "amount_due": 1500, "total": 1700, "currency": "eur",
            "lines": { "object": "list", "data": [line], "has_more": false, "url": "/v1/x" } });
        let peer = Peer::script([Reply::ok(&invoice.to_string())]);
        let id = SubscriptionId::parse("sub_1").expect("an id");
        let preview = peer
            .api()
            .subscription_preview(&id, &change())
            .await
            .expect("a preview");
        let heard = &peer.heard()[0];
        assert_eq!(
            (
                heard.line.as_str(),
                heard.header("idempotency-key").as_str()
            ),
            ("POST /v1/invoices/create_preview", "")
        );
        assert!(heard.fields().contains(&"subscription=sub_1"));
        assert!(
            heard
                .fields()
                .contains(&"subscription_details[items][0][deleted]=true")
        );
        assert!(
            heard
                .fields()
                .contains(&"subscription_details[proration_behavior]=always_invoice")
        );
        assert_eq!(
            (preview.amount_due_minor, preview.total_minor),
            (1500, 1700)
        );
        let line = &preview.lines.data[0];
        assert_eq!((line.amount_minor, line.proration), (-500, true));
        assert_eq!(line.price.as_ref().map(PriceId::as_str), Some("price_seat"));
    }
}
