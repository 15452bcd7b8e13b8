//! Prices: what something costs, once or again and again. A price's amount never changes; a new one takes its lookup key.

use crate::fields::{decimal, id, or_empty, words};
use domain::ids::{PriceId, ProductId};
use serde::Deserialize;
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
