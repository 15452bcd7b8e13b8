//! The objects that Stripe needs for a catalogue: products and their prices.
//!
//! A price's lookup key is its product's id and a digest of the price's meaning. The catalogue
//! therefore finds exactly the prices that match it; a changed price has another key.

use crate::amounts::major;
use domain::billing::plans::{
    Availability, Catalogue, CreditPack, Interval, Pays, Plan, Rate, RateTier, RecurringPrice,
};
use domain::billing::usage::Meter;
use domain::ids::ProductId;
use domain::units::{Currency, Money};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// A product at Stripe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    pub id: ProductId,
    pub name: String,
    /// The text below the product's name; may be empty.
    pub description: String,
    /// The prices of the product. A customer subscribes to all prices of a plan together. Empty if
    /// prices are agreed with each customer.
    pub prices: Vec<Price>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Price {
    pub lookup_key: String,
    pub nickname: String,
    pub amount: Amount,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Amount {
    /// A single payment.
    Once(Money),
    Recurring(RecurringPrice),
    Metered {
        meter: Meter,
        every: Interval,
        rate: Rate,
    },
}

const DIGEST_BYTES: usize = 6;

impl Product {
    pub fn lookup_keys(&self) -> Vec<&str> {
        self.prices
            .iter()
            .map(|price| price.lookup_key.as_str())
            .collect()
    }

    /// The product of a plan. Returns `None` if the plan is not sold at Stripe, or if its prices
    /// were not created from the catalogue.
    pub fn of_plan(plan: &Plan, currency: Currency) -> Option<Self> {
        let free =
            plan.price.is_none() && plan.charges.is_empty() && plan.sold == Availability::Public;
        if free || !plan.prices.is_empty() {
            return None;
        }
        let id = ProductId::parse(&plan.product()).ok()?;
        let every = plan.price.map_or(Interval::Month, |price| price.every);
        let fee = plan.price.map(Amount::Recurring);
        let charges = plan.charges.iter().filter(|_| plan.pays == Pays::Meters);
        let charges = charges.map(|charge| Amount::Metered {
            meter: charge.meter.clone(),
            every,
            rate: charge.rate.clone(),
        });
        let prices = fee
            .into_iter()
            .chain(charges)
            .map(|amount| Price::new(&id, amount, currency))
            .collect();
        Some(Self {
            id,
            name: plan.name.clone(),
            description: plan.description.clone(),
            prices,
        })
    }

    /// The product of a pack. Returns `None` if its prices were not created from the catalogue.
    pub fn of_pack(pack: &CreditPack) -> Option<Self> {
        if !pack.prices.is_empty() {
            return None;
        }
        let id = ProductId::parse(&pack.product()).ok()?;
        let prices = vec![Price::new(
            &id,
            Amount::Once(pack.price),
            pack.price.currency,
        )];
        Some(Self {
            id,
            name: pack.name.clone(),
            description: String::new(),
            prices,
        })
    }

    pub fn all(catalogue: &Catalogue) -> Vec<Self> {
        let plans = catalogue
            .plans
            .iter()
            .filter_map(|plan| Self::of_plan(plan, catalogue.currency));
        plans
            .chain(catalogue.packs.iter().filter_map(Self::of_pack))
            .collect()
    }
}

impl Price {
    fn new(product: &ProductId, amount: Amount, currency: Currency) -> Self {
        let digest = Sha256::digest(format!("{currency} {}", amount.meaning()));
        let digest: String = digest
            .iter()
            .take(DIGEST_BYTES)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Self {
            lookup_key: format!("{product}_{digest}"),
            nickname: amount.text(currency),
            amount,
        }
    }
}

impl Amount {
    /// Describes the price. The text for a given price must never change, because lookup keys at
    /// Stripe are derived from it.
    fn meaning(&self) -> String {
        match self {
            Self::Once(money) => format!("once {}", money.minor),
            Self::Recurring(price) => format!("{} {}", price.every.as_str(), price.amount.minor),
            Self::Metered {
                meter,
                every,
                rate: Rate::PerUnit(unit),
            } => {
                format!("{} of {meter} {unit}", every.as_str())
            }
            Self::Metered {
                meter,
                every,
                rate: Rate::Graduated(tiers),
            } => {
                let start = format!("{} of {meter}", every.as_str());
                let end = |tier: &RateTier| {
                    tier.up_to
                        .map_or("inf".to_owned(), |up_to| up_to.to_string())
                };
                tiers.iter().fold(start, |text, tier| {
                    format!("{text} {}:{}", end(tier), tier.unit)
                })
            }
        }
    }

    /// The description for people.
    pub fn text(&self, currency: Currency) -> String {
        match self {
            Self::Once(money) => money.to_string(),
            Self::Recurring(price) => format!("{} each {}", price.amount, price.every.as_str()),
            Self::Metered { meter, rate, .. } => format!("{meter}: {}", rate_text(rate, currency)),
        }
    }
}

/// The description of a rate: `15.00 USD each`, `0.00 USD each up to 60, then 8.00 USD each`.
pub fn rate_text(rate: &Rate, currency: Currency) -> String {
    let each = |unit: &str| {
        format!(
            "{} {} each",
            major(unit, currency),
            currency.as_str().to_ascii_uppercase()
        )
    };
    let tier = |tier: &RateTier| match tier.up_to {
        Some(up_to) => format!("{} up to {up_to}", each(&tier.unit)),
        None => each(&tier.unit),
    };
    match rate {
        Rate::PerUnit(unit) => each(unit),
        Rate::Graduated(tiers) => tiers.iter().map(tier).collect::<Vec<_>>().join(", then "),
    }
}

/// The meters that at least one plan charges, by event name, with their display names.
pub fn charged_meters(catalogue: &Catalogue) -> BTreeMap<&Meter, &str> {
    let charged = catalogue.plans.iter().flat_map(|plan| &plan.charges);
    charged
        .filter_map(|charge| {
            Some((
                &charge.meter,
                catalogue.meters.get(&charge.meter)?.name.as_str(),
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BUILT_IN, parse};

    fn built_in() -> Catalogue {
        parse(BUILT_IN).unwrap_or_else(|errors| panic!("{errors}"))
    }

    #[test]
    fn what_costs_something_is_a_product_with_prices_a_person_can_read() {
        let products = Product::all(&built_in());
        let nicknames = |id: &str| -> Vec<&str> {
            let product = products
                .iter()
                .find(|product| product.id.as_str() == id)
                .expect("a product");
            product
                .prices
                .iter()
                .map(|price| price.nickname.as_str())
                .collect()
        };
        for (id, said) in [
            ("tallyhook_plan_payg", vec!["pull_requests: 15.00 USD each"]),
            (
                "tallyhook_plan_teams",
                vec![
                    "480.00 USD each month",
                    "pull_requests: 0.00 USD each up to 60, then 8.00 USD each",
                ],
            ),
            (
                "tallyhook_plan_hybrid",
                vec!["20.00 USD each month", "tokens: 0.000018 USD each"],
            ),
            ("tallyhook_plan_enterprise", vec![]),
            ("tallyhook_pack_10k", vec!["10.00 USD"]),
        ] {
            assert_eq!(nicknames(id), said, "{id}");
        }
        for free in ["trial", "free", "credits"] {
            assert!(
                products
                    .iter()
                    .all(|product| product.id.as_str() != format!("tallyhook_plan_{free}")),
                "{free}"
            );
        }
        let meters: Vec<_> = charged_meters(&built_in())
            .into_keys()
            .map(|meter| meter.to_string())
            .collect();
        assert_eq!(meters, ["pull_requests", "tokens"]);
    }

    #[test]
    fn a_key_says_what_its_price_means() {
        let keys = |text: &str| -> Vec<String> {
            let catalogue = parse(text).unwrap_or_else(|errors| panic!("{errors}"));
            let products = Product::all(&catalogue);
            products
                .into_iter()
                .flat_map(|product| product.prices)
                .map(|price| price.lookup_key)
                .collect()
        };
        let before = keys(BUILT_IN);
        assert!(
            before
                .iter()
                .all(|key| key.len() <= 200 && key.starts_with("tallyhook_p")),
            "{before:?}"
        );
        let changed = |from: &str, to: &str| {
            assert!(BUILT_IN.contains(from), "{from}");
            keys(&BUILT_IN.replace(from, to))
                .iter()
                .filter(|key| !before.contains(key))
                .count()
        };
        for (from, to, others) in [
            ("\"29.00\"", "\"30.00\"", 1),
            ("each = \"8.00\"", "each = \"9.00\"", 1),
            ("up_to = 60", "up_to = 50", 1),
            ("currency = \"usd\"", "currency = \"eur\"", before.len()),
            ("name = \"Teams\"", "name = \"Groups\"", 0),
            ("limit = 60", "limit = 70", 0),
        ] {
            assert_eq!(changed(from, to), others, "{to}");
        }
    }

    /// Prices at Stripe have these keys. Changing how keys are derived would create every price
    /// again.
    #[test]
    fn keys_are_for_ever() {
        let products = Product::all(&built_in());
        let keys: Vec<_> = products
            .iter()
            .flat_map(|product| &product.prices)
            .map(|price| &price.lookup_key)
            .collect();
        for key in [
            "tallyhook_plan_payg_25b9b8e6cb84",
            "tallyhook_plan_teams_7fc7e8b549d2",
            "tallyhook_plan_teams_872e2efe35e4",
            "tallyhook_pack_1k_b4e75ff2d3b4",
        ] {
            assert!(keys.iter().any(|found| *found == key), "{key}: {keys:?}");
        }
    }

    #[test]
    fn what_has_prices_elsewhere_is_left_alone() {
        let text = BUILT_IN.replace("id = \"pro\"", "id = \"pro\"\nprices = [\"price_1\"]");
        let catalogue = parse(&text).unwrap_or_else(|errors| panic!("{errors}"));
        assert!(
            Product::all(&catalogue)
                .iter()
                .all(|product| product.id.as_str() != "tallyhook_plan_pro")
        );
    }
}
