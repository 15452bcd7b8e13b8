//! Prices. A price's amount never changes. To change an amount, a new price takes over the lookup
//! key.

use crate::StripeApi;
use crate::error::StripeError;
use crate::fields::{decimal, id, open_words, or_empty};
use domain::ids::{PriceId, ProductId};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

mod choice;

pub use choice::PriceChoice;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Price {
    #[serde(deserialize_with = "id")]
    pub id: PriceId,
    #[serde(deserialize_with = "id")]
    pub product: ProductId,
    #[serde(default)]
    pub lookup_key: Option<String>,
    pub currency: String,
    /// Absent if the amount has a fraction or depends on the quantity.
    #[serde(default, rename = "unit_amount")]
    pub unit_amount_minor: Option<i64>,
    /// The amount including its fraction.
    #[serde(default, rename = "unit_amount_decimal", deserialize_with = "decimal")]
    pub unit_amount_minor_decimal: Option<String>,
    /// Absent for one-time prices.
    #[serde(default)]
    pub recurring: Option<Recurring>,
    /// Present only if the request asked for them.
    #[serde(default, deserialize_with = "or_empty")]
    pub tiers: Vec<Tier>,
    #[serde(default)]
    pub tiers_mode: Option<TiersMode>,
    /// Whether new sales can use it.
    #[serde(default = "yes")]
    pub active: bool,
    /// The name for operators.
    #[serde(default)]
    pub nickname: Option<String>,
    #[serde(default, deserialize_with = "or_empty")]
    pub metadata: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Recurring {
    pub interval: Interval,
    #[serde(default = "one")]
    pub interval_count: u64,
    /// Licensed or metered.
    #[serde(default = "licensed")]
    pub usage_type: UsageType,
    #[serde(default, deserialize_with = "crate::fields::id_maybe")]
    pub meter: Option<String>,
}

/// A tier of a graduated price.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Tier {
    /// The last unit of the tier; absent for the last tier.
    #[serde(default)]
    pub up_to: Option<u64>,
    /// In minor units.
    #[serde(default, rename = "unit_amount_decimal", deserialize_with = "decimal")]
    pub unit_amount_minor_decimal: Option<String>,
    /// The fee for entering the tier, in minor units.
    #[serde(default, rename = "flat_amount_decimal", deserialize_with = "decimal")]
    pub flat_amount_minor_decimal: Option<String>,
}

open_words! {
    Interval {
        Day = "day",
        Week = "week",
        Month = "month",
        Year = "year",
    }
    UsageType {
        Licensed = "licensed",
        Metered = "metered",
    }
    TiersMode {
        Graduated = "graduated",
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

/// A price to create.
pub struct PriceOrder<'a> {
    pub product: &'a ProductId,
    pub currency: &'a str,
    pub lookup_key: &'a str,
    /// Whether it takes the lookup key from another price.
    pub transfer: KeyTransfer,
    pub amount: Amount<'a>,
    pub nickname: Option<&'a str>,
    pub metadata: &'a BTreeMap<String, String>,
}

/// What happens to another price with the same lookup key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyTransfer {
    /// The other price keeps the key, and Stripe rejects the new one.
    Never,
    IfTaken,
}

/// The amount of a price. Decimals are texts in minor units with at most twelve places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Amount<'a> {
    Once {
        unit_minor: i64,
    },
    Licensed {
        unit_minor: i64,
        interval: Interval,
    },
    /// Metered, with the same amount for every unit.
    PerUnit {
        unit_minor_decimal: &'a str,
        interval: Interval,
        meter: &'a str,
    },
    /// Metered, with the amount of each unit's tier.
    Graduated {
        /// The tiers, beginning with the first unit; the last tier has no end.
        tiers: &'a [Tier],
        interval: Interval,
        meter: &'a str,
    },
}

/// The maximum number of lookup keys that Stripe accepts in one request.
const LOOKUP_KEYS_MAX: usize = 10;
const CREATE: &str = "create the price";
const DEACTIVATE: &str = "deactivate the price";
const FIND: &str = "find the price";
const LIST: &str = "list the prices";

impl Price {
    /// Chooses one unit of the price, or a metered quantity.
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
    /// Returns the active prices with these ids or, if no ids are given, with these lookup keys.
    /// Returns `None` unless they can be sold: every key needs a price, but some ids may belong to
    /// prices that are kept for existing customers only.
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

    /// The prices with these lookup keys, including inactive ones, with their tiers.
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

    /// Finds a price with its tiers.
    pub async fn price_find(&self, id: &PriceId) -> Result<Option<Price>, StripeError> {
        self.to(FIND)
            .find(&["prices", id.as_str()], json!({ "expand": ["tiers"] }))
            .await
    }

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

    /// Stops new sales at this price. Existing customers keep it.
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
mod tests;
