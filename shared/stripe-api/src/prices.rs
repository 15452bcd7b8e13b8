//! Prices: what something costs, once or again and again. A price's amount never changes; a new one takes its lookup key.

use crate::StripeApi;
use crate::error::StripeError;
use crate::fields::{decimal, id, or_empty, words};
use crate::subscriptions::PriceChoice;
use domain::ids::{PriceId, ProductId};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A price as Stripe has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Price {
    /// Its id.
    #[serde(deserialize_with = "id")]
    pub id: PriceId,
    /// Of what.
    #[serde(deserialize_with = "id")]
    pub product: ProductId,
    /// What it is looked up by.
    #[serde(default)]
    pub lookup_key: Option<String>,
    /// In lower case.
    pub currency: String,
    /// Absent where it is a fraction or depends on the amount.
    #[serde(default, rename = "unit_amount")]
    pub unit_amount_minor: Option<i64>,
    /// The same with its fraction, in minor units.
    #[serde(default, rename = "unit_amount_decimal", deserialize_with = "decimal")]
    pub unit_amount_minor_decimal: Option<String>,
    /// How it comes again; absent when it is paid once.
    #[serde(default)]
    pub recurring: Option<Recurring>,
    /// The tiers, where they were asked for.
    #[serde(default, deserialize_with = "or_empty")]
    pub tiers: Vec<Tier>,
    /// How the tiers are applied.
    #[serde(default)]
    pub tiers_mode: Option<TiersMode>,
    /// Whether something can still be sold at it.
    #[serde(default = "yes")]
    pub active: bool,
    /// What operators call it.
    #[serde(default)]
    pub nickname: Option<String>,
    /// Our notes on it.
    #[serde(default, deserialize_with = "or_empty")]
    pub metadata: BTreeMap<String, String>,
}

/// How a price comes again.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Recurring {
    /// Which stretch of time.
    pub interval: Interval,
    /// How many of them.
    #[serde(default = "one")]
    pub interval_count: u64,
    /// Whether it is paid for having or for using.
    #[serde(default = "licensed")]
    pub usage_type: UsageType,
    /// What counts the use.
    #[serde(default, deserialize_with = "crate::fields::id_maybe")]
    pub meter: Option<String>,
}

/// What units cost up to a bound.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Tier {
    /// The last unit it is for; none in the last tier.
    #[serde(default)]
    pub up_to: Option<u64>,
    /// For each unit, in minor units.
    #[serde(default, rename = "unit_amount_decimal", deserialize_with = "decimal")]
    pub unit_amount_minor_decimal: Option<String>,
    /// For entering the tier, in minor units.
    #[serde(default, rename = "flat_amount_decimal", deserialize_with = "decimal")]
    pub flat_amount_minor_decimal: Option<String>,
}

words! {
    /// A stretch of time.
    Interval {
        /// A day.
        Day = "day",
        /// A week.
        Week = "week",
        /// A month.
        Month = "month",
        /// A year.
        Year = "year",
    }
    /// What a recurring price is paid for.
    UsageType {
        /// For having so many.
        Licensed = "licensed",
        /// For what a meter counts.
        Metered = "metered",
    }
    /// How tiers are applied.
    TiersMode {
        /// Each unit at its own tier's price.
        Graduated = "graduated",
        /// All units at the last tier's price.
        Volume = "volume",
    }
}

fn yes() -> bool {
    true
}

fn one() -> u64 {
    1
}

fn licensed() -> UsageType {
    UsageType::Licensed
}

/// A price to be made.
pub struct PriceOrder<'a> {
    /// Of what.
    pub product: &'a ProductId,
    /// In lower case.
    pub currency: &'a str,
    /// What it is looked up by.
    pub lookup_key: &'a str,
    /// Whether another price may lose that key to it.
    pub transfer: KeyTransfer,
    /// How much.
    pub amount: Amount<'a>,
    /// What operators call it.
    pub nickname: Option<&'a str>,
    /// Our notes on it.
    pub metadata: &'a BTreeMap<String, String>,
}

/// What becomes of another price with the same lookup key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyTransfer {
    /// It keeps the key, and the new price is refused.
    Never,
    /// It loses the key to the new price.
    IfTaken,
}

/// How much something costs. Decimals are minor units with at most twelve places, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Amount<'a> {
    /// Paid once.
    Once {
        /// For each.
        unit_minor: i64,
    },
    /// Paid again and again for having so many.
    Licensed {
        /// For each.
        unit_minor: i64,
        /// How often.
        interval: Interval,
    },
    /// Paid for what a meter counts, every unit the same.
    PerUnit {
        /// For each.
        unit_minor_decimal: &'a str,
        /// How often.
        interval: Interval,
        /// The meter's id.
        meter: &'a str,
    },
    /// Paid for what a meter counts, each unit at its tier's price.
    Graduated {
        /// From the first unit on; the last one has no bound.
        tiers: &'a [Tier],
        /// How often.
        interval: Interval,
        /// The meter's id.
        meter: &'a str,
    },
}

/// How many keys Stripe looks up at once.
const LOOKUP_KEYS_MAX: usize = 10;
const CREATE: &str = "create the price";
const DEACTIVATE: &str = "deactivate the price";
const FIND: &str = "find the price";
const LIST: &str = "list the prices";

impl Price {
    /// One of it, or as many as a meter counts.
    pub fn choice(self) -> PriceChoice {
        let metered = self
            .recurring
            .is_some_and(|recurring| recurring.usage_type == UsageType::Metered);
        PriceChoice {
            price: self.id,
            quantity: (!metered).then_some(1),
        }
    }
}

impl StripeApi {
    /// What is sold just now under these ids, or, where a catalogue gives none, under these lookup keys. None unless it is
    /// for sale: every key must have its price, but of several ids some may be of prices that are only kept for those who
    /// have them.
    pub async fn price_choices(
        &self,
        ids: &[PriceId],
        keys: &[&str],
    ) -> Result<Option<Vec<PriceChoice>>, StripeError> {
        let mut found = Vec::new();
        for id in ids {
            found.extend(self.price_find(id).await?);
        }
        if ids.is_empty() {
            found = self.price_list_by_lookup_keys(keys).await?;
        }
        found.retain(|price| price.active);
        let whole = !found.is_empty() && (!ids.is_empty() || found.len() == keys.len());
        Ok(whole.then(|| found.into_iter().map(Price::choice).collect()))
    }

    /// The prices that have these lookup keys, inactive ones too, with their tiers.
    pub async fn price_list_by_lookup_keys(
        &self,
        keys: &[&str],
    ) -> Result<Vec<Price>, StripeError> {
        let mut all = Vec::new();
        for keys in keys.chunks(LOOKUP_KEYS_MAX) {
            let query = json!({ "lookup_keys": keys, "expand": ["data.tiers"] });
            all.extend(
                self.to(LIST)
                    .list(&["prices"], query, |price: &Price| price.id.as_str())
                    .await?,
            );
        }
        Ok(all)
    }

    /// A price, with its tiers.
    pub async fn price_find(&self, id: &PriceId) -> Result<Option<Price>, StripeError> {
        self.to(FIND)
            .find(&["prices", id.as_str()], json!({ "expand": ["tiers"] }))
            .await
    }

    /// Makes a price.
    pub async fn price_create(
        &self,
        order: &PriceOrder<'_>,
        key: &str,
    ) -> Result<Price, StripeError> {
        let mut form = amount(&order.amount);
        form["product"] = json!(order.product.as_str());
        form["currency"] = json!(order.currency);
        form["lookup_key"] = json!(order.lookup_key);
        form["transfer_lookup_key"] = json!(order.transfer == KeyTransfer::IfTaken);
        form["nickname"] = json!(order.nickname);
        form["metadata"] = json!(order.metadata);
        form["expand"] = json!(["tiers"]);
        self.to(CREATE).write(&["prices"], form, key).await
    }

    /// Nothing new is sold at this price any more; who has it keeps it.
    pub async fn price_deactivate(&self, id: &PriceId, key: &str) -> Result<Price, StripeError> {
        self.to(DEACTIVATE)
            .write(&["prices", id.as_str()], json!({ "active": false }), key)
            .await
    }
}

fn amount(amount: &Amount<'_>) -> Value {
    let metered = |interval: &Interval, meter: &str| json!({ "interval": interval.as_str(), "usage_type": "metered", "meter": meter });
    match amount {
        Amount::Once { unit_minor } => json!({ "unit_amount": unit_minor }),
        Amount::Licensed {
            unit_minor,
            interval,
        } => {
            json!({ "unit_amount": unit_minor, "recurring": { "interval": interval.as_str(), "usage_type": "licensed" } })
        }
        Amount::PerUnit {
            unit_minor_decimal,
            interval,
            meter,
        } => {
            json!({ "unit_amount_decimal": unit_minor_decimal, "recurring": metered(interval, meter) })
        }
        Amount::Graduated {
            tiers,
            interval,
            meter,
        } => json!({
            "billing_scheme": "tiered",
            "tiers_mode": "graduated",
            "tiers": tiers.iter().map(tier).collect::<Vec<_>>(),
            "recurring": metered(interval, meter),
        }),
    }
}

fn tier(tier: &Tier) -> Value {
    json!({
        "up_to": tier.up_to.map_or(json!("inf"), Value::from),
        "unit_amount_decimal": tier.unit_amount_minor_decimal,
        "flat_amount_decimal": tier.flat_amount_minor_decimal,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{MISSING, Peer, Reply};

    fn price(id: &str) -> Value {
        json!({ "id": id, "object": "price", "active": true, "billing_scheme": "tiered", "currency": "eur",
            "lookup_key": "pulls", "product": "prod_1", "metadata": {}, "nickname": null, "tiers_mode": "graduated",
            "type": "recurring", "unit_amount": null, "unit_amount_decimal": null,
            "recurring": { "interval": "month", "interval_count": 1, "meter": "mtr_1", "usage_type": "metered" },
            "tiers": [
                { "up_to": 10, "unit_amount": 0, "unit_amount_decimal": "0", "flat_amount": null, "flat_amount_decimal": null },
                { "up_to": null, "unit_amount": null, "unit_amount_decimal": "12.5", "flat_amount": 100, "flat_amount_decimal": "100" },
            ] })
    }

    async fn ordered(amount: Amount<'_>) -> Vec<String> {
        let peer = Peer::script([Reply::ok(&price("price_1").to_string())]);
        let product = ProductId::parse("prod_1").expect("an id");
        let metadata = BTreeMap::from([("plan".to_owned(), "team".to_owned())]);
        let order = PriceOrder {
            product: &product,
            currency: "eur",
            lookup_key: "pulls",
            transfer: KeyTransfer::IfTaken,
            amount,
            nickname: None,
            metadata: &metadata,
        };
        let made = peer
            .api()
            .price_create(&order, "price-1")
            .await
            .expect("a price");
        assert_eq!(made.id.as_str(), "price_1");
        let heard = &peer.heard()[0];
        assert_eq!(
            (
                heard.line.as_str(),
                heard.header("idempotency-key").as_str()
            ),
            ("POST /v1/prices", "price-1")
        );
        let shared = [
            "currency=",
            "expand",
            "lookup_key=",
            "metadata[plan]=team",
            "product=",
            "transfer_lookup_key=true",
        ];
        let (shared, own): (Vec<_>, Vec<_>) = heard
            .fields()
            .into_iter()
            .partition(|field| shared.iter().any(|start| field.starts_with(start)));
        assert_eq!(shared.len(), 6);
        own.into_iter().map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn amounts_are_written_as_stripe_takes_them() {
        let month = || Interval::Month;
        assert_eq!(
            ordered(Amount::Once { unit_minor: 2000 }).await,
            ["unit_amount=2000"]
        );
        assert_eq!(
            ordered(Amount::Licensed {
                unit_minor: 900,
                interval: Interval::Year
            })
            .await,
            [
                "recurring[interval]=year",
                "recurring[usage_type]=licensed",
                "unit_amount=900"
            ]
        );
        assert_eq!(
            ordered(Amount::PerUnit {
                unit_minor_decimal: "0.15",
                interval: month(),
                meter: "mtr_1"
            })
            .await,
            [
                "recurring[interval]=month",
                "recurring[meter]=mtr_1",
                "recurring[usage_type]=metered",
                "unit_amount_decimal=0.15"
            ]
        );
        let tiers: Price = serde_json::from_value(price("price_1")).expect("a price");
        assert_eq!(
            ordered(Amount::Graduated {
                tiers: &tiers.tiers,
                interval: month(),
                meter: "mtr_1"
            })
            .await,
            [
                "billing_scheme=tiered",
                "recurring[interval]=month",
                "recurring[meter]=mtr_1",
                "recurring[usage_type]=metered",
                "tiers[0][unit_amount_decimal]=0",
                "tiers[0][up_to]=10",
                "tiers[1][flat_amount_decimal]=100",
                "tiers[1][unit_amount_decimal]=12.5",
                "tiers[1][up_to]=inf",
                "tiers_mode=graduated"
            ]
        );
    }

    #[tokio::test]
    async fn lookup_keys_go_ten_at_a_time() {
        let page = |id| Reply::ok(&json!({ "data": [price(id)], "has_more": false }).to_string());
        let peer = Peer::script([page("price_1"), page("price_2")]);
        let keys: Vec<_> = (0..11).map(|n| format!("k{n}")).collect();
        let keys: Vec<_> = keys.iter().map(String::as_str).collect();
        let prices = peer
            .api()
            .price_list_by_lookup_keys(&keys)
            .await
            .expect("prices");
        assert_eq!(
            peer.heard()[1].line,
            "GET /v1/prices?expand[0]=data.tiers&limit=100&lookup_keys[0]=k10"
        );
        assert_eq!(
            prices
                .iter()
                .map(|price| price.id.as_str())
                .collect::<Vec<_>>(),
            ["price_1", "price_2"]
        );
        assert_eq!(prices[0].tiers_mode, Some(TiersMode::Graduated));
        assert_eq!(
            prices[0].tiers[1].unit_amount_minor_decimal.as_deref(),
            Some("12.5")
        );
        assert_eq!(
            prices[0]
                .recurring
                .clone()
                .expect("it comes again")
                .meter
                .as_deref(),
            Some("mtr_1")
        );
    }

    #[tokio::test]
    async fn prices_are_found_and_retired() {
        let mut plain = price("price_1");
        for field in ["tiers", "tiers_mode", "recurring", "nickname", "metadata"] {
            plain.as_object_mut().expect("an object").remove(field);
        }
        plain["active"] = json!(false);
        let plain = plain.to_string();
        let peer = Peer::script([
            Reply::ok(&plain),
            Reply::with(404, &[], MISSING),
            Reply::ok(&plain),
        ]);
        let id = PriceId::parse("price_1").expect("an id");
        let found = peer
            .api()
            .price_find(&id)
            .await
            .expect("an answer")
            .expect("a price");
        assert_eq!(
            peer.heard()[0].line,
            "GET /v1/prices/price_1?expand[0]=tiers"
        );
        assert_eq!(
            (found.recurring, found.tiers, found.active),
            (None, vec![], false)
        );
        assert_eq!(peer.api().price_find(&id).await.expect("an answer"), None);
        peer.api()
            .price_deactivate(&id, "k")
            .await
            .expect("a price");
        assert_eq!(peer.heard()[2].line, "POST /v1/prices/price_1");
        assert_eq!(peer.heard()[2].fields(), ["active=false"]);
    }

    #[tokio::test]
    async fn all_keys_must_be_sold_and_one_of_several_ids() {
        let one = |id: &str, active: bool| {
            let mut price = price(id);
            price["active"] = json!(active);
            price
        };
        let page = |prices: Vec<Value>| {
            let list =
                json!({ "object": "list", "data": prices, "has_more": false, "url": "/v1/prices" });
            Reply::ok(&list.to_string())
        };
        let keys = |peer: Peer| async move {
            let found = peer
                .api()
                .price_choices(&[], &["a", "b"])
                .await
                .expect("an answer");
            found.map(|found| {
                found
                    .into_iter()
                    .map(|one| (one.price.to_string(), one.quantity))
                    .collect::<Vec<_>>()
            })
        };
        let both = vec![("price_1".to_owned(), None), ("price_2".to_owned(), None)];
        assert_eq!(
            keys(Peer::script([page(vec![
                one("price_1", true),
                one("price_2", true)
            ])]))
            .await,
            Some(both)
        );
        assert_eq!(
            keys(Peer::script([page(vec![
                one("price_1", true),
                one("price_2", false)
            ])]))
            .await,
            None
        );
        assert_eq!(keys(Peer::script([page(vec![])])).await, None);
        let ids = ["price_1", "price_2"].map(|id| PriceId::parse(id).expect("an id"));
        for (first, second, sold) in [(true, true, 2), (false, true, 1), (false, false, 0)] {
            let reply = |id, active| Reply::ok(&one(id, active).to_string());
            let peer = Peer::script([reply("price_1", first), reply("price_2", second)]);
            let found = peer
                .api()
                .price_choices(&ids, &[])
                .await
                .expect("an answer");
            assert_eq!(
                found.map_or(0, |found| found.len()),
                sold,
                "{first} {second}"
            );
        }
    }
}
