//! Compares Stripe with the catalogue and lists the changes to make. Only reads, so it can run any
//! number of times.

use super::receivers::Receivers;
use catalogue::offers::{Amount, Price, Product, charged_meters};
use domain::billing::plans::{Catalogue, Interval, Rate, Texts};
use domain::ids::{PriceId, ProductId};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use stripe_api::{
    Meter, MeterStatus, PortalConfiguration, PortalOffer, StripeApi, StripeError, UsageType,
};
use webhooks::stripe::EVENTS;

/// The metadata key under which a product lists its prices, as suffixes of their lookup keys. A
/// later push uses the list to find prices that left the catalogue.
pub const PRICES_NOTE: &str = "tallyhook_prices";
/// The metadata key whose value identifies the content of the portal configuration.
pub const CONTENT_NOTE: &str = "tallyhook_content";
/// Stripe's limit on products in a portal configuration.
const PORTAL_PRODUCTS_MAX: usize = 10;

/// What to push besides the catalogue.
#[derive(Debug, Clone, Default)]
pub struct PushOptions {
    /// The webhook endpoint that Stripe sends events to; without it, endpoints stay unchanged.
    pub webhook_url: Option<String>,
}

/// One change at Stripe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    MeterCreate {
        event_name: String,
        name: String,
    },
    /// A meter that was deactivated.
    MeterReactivate {
        id: String,
        event_name: String,
    },
    ProductCreate(Product),
    /// A new price. It takes the lookup key over from the price that it replaces.
    PriceCreate {
        product: ProductId,
        price: Price,
        replaces: Option<PriceId>,
    },
    PortalCreate,
    PortalUpdate {
        id: String,
    },
    /// A price that left the catalogue; existing subscriptions keep it.
    PriceRetire {
        id: PriceId,
        product: ProductId,
    },
    ProductUpdate(Product),
    EndpointCreate {
        url: String,
    },
    /// An endpoint that is disabled or misses events.
    EndpointUpdate {
        id: String,
        url: String,
        events: Vec<String>,
    },
    /// Where errors about meters are sent.
    DestinationCreate {
        url: String,
    },
    DestinationUpdate {
        id: String,
        url: String,
        events: Vec<String>,
    },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MeterCreate { event_name, .. } => write!(f, "create meter    {event_name}"),
            Self::MeterReactivate { event_name, id } => {
                write!(f, "reactivate meter {event_name} ({id})")
            }
            Self::ProductCreate(product) => write!(f, "create product  {}", product.id),
            Self::ProductUpdate(product) => write!(f, "update product  {}", product.id),
            Self::PriceCreate { price, .. } => write!(
                f,
                "create price    {}: {}",
                price.lookup_key, price.nickname
            ),
            Self::PriceRetire { id, product } => write!(f, "archive price   {id} of {product}"),
            Self::PortalCreate => write!(f, "create portal   configuration"),
            Self::PortalUpdate { id } => write!(f, "update portal   configuration {id}"),
            Self::EndpointCreate { url } => {
                write!(f, "create endpoint {url} for {} events", EVENTS.len())
            }
            Self::EndpointUpdate { url, events, .. } => {
                write!(f, "update endpoint {url} for {} events", events.len())
            }
            Self::DestinationCreate { url } => {
                write!(f, "create destination {url} for errors about meters")
            }
            Self::DestinationUpdate { url, .. } => {
                write!(f, "update destination {url} for errors about meters")
            }
        }
    }
}

/// The catalogue compared with what Stripe has.
pub struct Comparison {
    pub products: Vec<Product>,
    pub texts: Texts,
    /// Event names of the meters that the catalogue charges by, with display names.
    meters_wanted: BTreeMap<String, String>,
    meters: Vec<Meter>,
    products_there: BTreeMap<ProductId, stripe_api::Product>,
    prices_there: BTreeMap<String, stripe_api::Price>,
    portal: Option<PortalConfiguration>,
    receivers: Option<Receivers>,
}

impl Comparison {
    /// Reads everything that a push may change.
    pub async fn look(
        api: &StripeApi,
        catalogue: &Catalogue,
        options: &PushOptions,
    ) -> Result<Self, StripeError> {
        let products = Product::all(catalogue);
        let meters_wanted = charged_meters(catalogue);
        let meters_wanted = meters_wanted
            .into_iter()
            .map(|(meter, name)| (meter.to_string(), name.to_owned()));
        let mut products_there = BTreeMap::new();
        let mut keys = BTreeSet::new();
        for product in &products {
            keys.extend(product.prices.iter().map(|price| price.lookup_key.clone()));
            if let Some(there) = api.product_find(&product.id).await? {
                keys.extend(noted(&there));
                products_there.insert(product.id.clone(), there);
            }
        }
        let keys: Vec<_> = keys.iter().map(String::as_str).collect();
        let prices_there = api.price_list_by_lookup_keys(&keys).await?;
        let prices_there = prices_there
            .into_iter()
            .filter_map(|price| Some((price.lookup_key.clone()?, price)));
        let portal = api.portal_configuration_list().await?;
        let receivers = match &options.webhook_url {
            Some(url) => Some(Receivers::look(api, url).await?),
            None => None,
        };
        Ok(Self {
            products,
            texts: catalogue.texts.clone(),
            meters_wanted: meters_wanted.collect(),
            meters: api.meter_list().await?,
            products_there,
            prices_there: prices_there.collect(),
            portal: portal
                .into_iter()
                .find(|one| one.active && one.metadata.contains_key(CONTENT_NOTE)),
            receivers,
        })
    }

    /// Differences that a push cannot resolve, each with what to do about it.
    pub fn obstacles(&self) -> Vec<String> {
        let other = |meter: &&Meter| {
            meter.status == MeterStatus::Active
                && self.meters_wanted.contains_key(&meter.event_name)
                && !meter.sums_our_reports
        };
        let meters = self.meters.iter().filter(other).map(|meter| {
            format!(
                "meter {} ({}) does not sum `value` by `stripe_customer_id`, which cannot be changed; deactivate it in the \
                 Stripe dashboard and run this command again",
                meter.event_name, meter.id
            )
        });
        let receivers = self.receivers.iter().flat_map(Receivers::obstacles);
        meters.chain(receivers).collect()
    }

    /// The changes, in the order in which they must be made.
    pub fn changes(&self) -> Vec<Change> {
        let mut changes: Vec<_> = self
            .meters_wanted
            .iter()
            .filter_map(|(event, name)| self.meter(event, name))
            .collect();
        let missing = |product: &&Product| !self.products_there.contains_key(&product.id);
        changes.extend(
            self.products
                .iter()
                .filter(missing)
                .cloned()
                .map(Change::ProductCreate),
        );
        changes.extend(self.products.iter().flat_map(|product| {
            product
                .prices
                .iter()
                .filter_map(|price| self.price(&product.id, price))
        }));
        changes.extend(self.portal_change());
        changes.extend(
            self.products
                .iter()
                .flat_map(|product| self.retired(product)),
        );
        changes.extend(
            self.products
                .iter()
                .filter(|product| self.differs(product))
                .cloned()
                .map(Change::ProductUpdate),
        );
        changes.extend(self.receivers.iter().flat_map(Receivers::changes));
        changes
    }

    /// Ids of the active meters, by event name.
    pub fn meter_ids(&self) -> BTreeMap<String, String> {
        let active = self
            .meters
            .iter()
            .filter(|meter| meter.status == MeterStatus::Active);
        active
            .map(|meter| (meter.event_name.clone(), meter.id.clone()))
            .collect()
    }

    /// Ids of the prices that stay, by lookup key.
    pub fn price_ids(&self) -> BTreeMap<String, PriceId> {
        let all = self
            .products
            .iter()
            .flat_map(|product| product.prices.iter().map(|price| (&product.id, price)));
        let there = all.filter_map(|(product, price)| {
            let there = self
                .prices_there
                .get(&price.lookup_key)
                .filter(|there| self.sells(there, product, price))?;
            Some((price.lookup_key.clone(), there.id.clone()))
        });
        there.collect()
    }

    fn meter(&self, event_name: &str, name: &str) -> Option<Change> {
        let mut ours = self
            .meters
            .iter()
            .filter(|meter| meter.event_name == event_name && meter.sums_our_reports);
        if ours
            .clone()
            .any(|meter| meter.status == MeterStatus::Active)
        {
            return None;
        }
        let event_name = event_name.to_owned();
        Some(match ours.next() {
            Some(meter) => Change::MeterReactivate {
                id: meter.id.clone(),
                event_name,
            },
            None => Change::MeterCreate {
                event_name,
                name: name.to_owned(),
            },
        })
    }

    fn price(&self, product: &ProductId, price: &Price) -> Option<Change> {
        let there = self.prices_there.get(&price.lookup_key);
        if there.is_some_and(|there| self.sells(there, product, price)) {
            return None;
        }
        let replaces = there.map(|there| there.id.clone());
        Some(Change::PriceCreate {
            product: product.clone(),
            price: price.clone(),
            replaces,
        })
    }

    /// Whether a price at Stripe has the same content. Its lookup key may have been moved by hand.
    fn sells(&self, there: &stripe_api::Price, product: &ProductId, price: &Price) -> bool {
        let plain = |text: &Option<String>| text.as_deref().map(|text| trimmed(text).to_owned());
        let comes = |every: Interval, usage: &UsageType| {
            there.recurring.as_ref().is_some_and(|recurring| {
                recurring.interval.as_str() == every.as_str()
                    && recurring.interval_count == 1
                    && recurring.usage_type == *usage
            })
        };
        let amount = plain(&there.unit_amount_minor_decimal);
        let same = match &price.amount {
            Amount::Once(money) => {
                there.recurring.is_none() && amount == Some(money.minor.to_string())
            }
            Amount::Recurring(price) => {
                comes(price.every, &UsageType::Licensed)
                    && amount == Some(price.amount.minor.to_string())
            }
            Amount::Metered { meter, every, rate } => {
                let meter = self.meter_ids().get(meter.as_str()).cloned();
                let by = there
                    .recurring
                    .as_ref()
                    .and_then(|recurring| recurring.meter.clone());
                comes(*every, &UsageType::Metered) && by.is_some() && by == meter && {
                    match rate {
                        Rate::PerUnit(unit) => amount.as_deref() == Some(trimmed(unit)),
                        Rate::Graduated(tiers) => {
                            let there = there
                                .tiers
                                .iter()
                                .map(|tier| (tier.up_to, plain(&tier.unit_amount_minor_decimal)));
                            let tiers = tiers
                                .iter()
                                .map(|tier| (tier.up_to, Some(trimmed(&tier.unit).to_owned())));
                            there.eq(tiers)
                        }
                    }
                }
            }
        };
        same && there.active && there.product == *product
    }

    /// Prices that left the product, and prices that have one of its lookup keys with other
    /// content.
    fn retired(&self, product: &Product) -> impl Iterator<Item = Change> {
        let stays: BTreeSet<_> = self.price_ids().into_values().collect();
        let noted = self
            .products_there
            .get(&product.id)
            .map(noted)
            .unwrap_or_default();
        let keys: BTreeSet<_> = noted
            .into_iter()
            .chain(product.prices.iter().map(|price| price.lookup_key.clone()))
            .collect();
        let old = keys
            .into_iter()
            .filter_map(|key| self.prices_there.get(&key));
        let old: Vec<_> = old
            .filter(|price| {
                price.active && price.product == product.id && !stays.contains(&price.id)
            })
            .map(|price| Change::PriceRetire {
                id: price.id.clone(),
                product: product.id.clone(),
            })
            .collect();
        old.into_iter()
    }

    fn differs(&self, product: &Product) -> bool {
        self.products_there.get(&product.id).is_some_and(|there| {
            there.name != product.name
                || there.description.as_deref().unwrap_or_default() != product.description
                || !there.active
                || there
                    .metadata
                    .get(PRICES_NOTE)
                    .map(String::as_str)
                    .unwrap_or_default()
                    != note(product)
        })
    }

    fn portal_change(&self) -> Option<Change> {
        let Some(portal) = &self.portal else {
            return Some(Change::PortalCreate);
        };
        let offers = offers(&self.products, &self.price_ids());
        let same = offers.is_some_and(|offers| {
            portal.metadata.get(CONTENT_NOTE) == Some(&content(&offers, &self.texts))
        });
        (!same).then(|| Change::PortalUpdate {
            id: portal.id.clone(),
        })
    }
}

/// A decimal without trailing zeros.
fn trimmed(decimal: &str) -> &str {
    if decimal.contains('.') {
        decimal.trim_end_matches('0').trim_end_matches('.')
    } else {
        decimal
    }
}

/// The lookup keys in the metadata of a product at Stripe.
fn noted(product: &stripe_api::Product) -> Vec<String> {
    let note = product
        .metadata
        .get(PRICES_NOTE)
        .map(String::as_str)
        .unwrap_or_default();
    note.split_whitespace()
        .map(|end| format!("{}_{end}", product.id))
        .collect()
}

/// The metadata that lists the prices of a product.
pub fn note(product: &Product) -> String {
    let start = format!("{}_", product.id);
    let ends = product.prices.iter().map(|price| {
        price
            .lookup_key
            .strip_prefix(&start)
            .unwrap_or(&price.lookup_key)
    });
    ends.collect::<Vec<_>>().join(" ")
}

/// The plans that customers may switch to in the portal: those with one recurring price, because
/// the portal cannot change a subscription with several prices or a metered one. `None` until all
/// their prices exist.
pub fn offers(
    products: &[Product],
    prices: &BTreeMap<String, PriceId>,
) -> Option<Vec<PortalOffer>> {
    let simple = products
        .iter()
        .filter_map(|product| match product.prices.as_slice() {
            [price] if matches!(price.amount, Amount::Recurring(_)) => Some((product, price)),
            _ => None,
        });
    let offer = |(product, price): (&Product, &Price)| {
        Some(PortalOffer {
            product: product.id.clone(),
            prices: vec![prices.get(&price.lookup_key)?.clone()],
        })
    };
    simple.take(PORTAL_PRODUCTS_MAX).map(offer).collect()
}

/// A digest that identifies the offers and texts of a portal configuration. Stripe's answer does not
/// list its products, so they cannot be compared directly.
pub fn content(offers: &[PortalOffer], texts: &Texts) -> String {
    let Texts {
        portal_headline,
        privacy_url,
        terms_url,
        checkout: _,
    } = texts;
    digest(&format!(
        "2 {offers:?} {portal_headline:?} {privacy_url:?} {terms_url:?}"
    ))
}

/// The first 16 bytes of a SHA-256, in hex.
pub fn digest(text: &str) -> String {
    Sha256::digest(text)
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
