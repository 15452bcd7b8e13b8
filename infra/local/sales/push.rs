//! Bringing the catalogue to Stripe.
//!
//! Safe to run twice, and to be stopped anywhere: it looks first. Meters, products and prices have a name that Stripe gives
//! away once, and an idempotency key that follows from their content. The other calls set something to a value, or make
//! what was just looked for; their keys also say when, since Stripe answers a key from memory for a day, and changing
//! something back within it would not be done. A price is never edited: a new one takes its place, and the old one is
//! retired when the new one stands.

use super::changes::{CONTENT_NOTE, Change, PRICES_NOTE, Shop, content, digest, note, offers};
use super::events::EVENTS;
use super::table::columns;
use anyhow::{Context, bail};
use catalogue::offers::{Amount, Price, Product};
use domain::billing::plans::{Catalogue, Interval, Rate, RateTier};
use domain::ids::{PriceId, ProductId};
use domain::retry::{Retry, Retryable};
use domain::time::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;
use stripe_api::{
    KeyTransfer, PortalCancel, PortalOrder, PriceOrder, ProductChange, ProductOrder, Proration,
    StripeApi, StripeError, WebhookEndpointChange, WebhookEndpointOrder, api_version,
};

/// What is wanted beside the catalogue.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// Where Stripe is to knock; its endpoints are left alone without it.
    pub webhook_url: Option<String>,
}

/// One push.
pub struct Push<'a> {
    /// To this Stripe.
    pub api: &'a StripeApi,
    /// What is sold.
    pub catalogue: &'a Catalogue,
    /// What else.
    pub wish: &'a Wish,
    /// When.
    pub now: Timestamp,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Stripe had everything.
    NothingToDo,
    /// So many changes are to be made.
    Shown(usize),
    /// So many were made.
    Applied(usize),
}

/// Between tries of one call.
const WAITS: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];
const OURS: &str = "Tallyhook";

/// What is at Stripe by now.
struct Made {
    meters: BTreeMap<String, String>,
    prices: BTreeMap<String, PriceId>,
}

impl Push<'_> {
    /// Says what would be done.
    pub async fn show(&self, say: &mut dyn FnMut(&str)) -> anyhow::Result<Outcome> {
        let (shop, changes) = self.look(say).await?;
        if changes.is_empty() {
            say(&summary(&shop.products, &shop.price_ids()));
            return Ok(Outcome::NothingToDo);
        }
        say("Nothing was changed: this is a dry run.");
        Ok(Outcome::Shown(changes.len()))
    }

    /// Says what is to be done and does it.
    pub async fn apply(&self, say: &mut dyn FnMut(&str)) -> anyhow::Result<Outcome> {
        let (shop, changes) = self.look(say).await?;
        let mut made = Made {
            meters: shop.meter_ids(),
            prices: shop.price_ids(),
        };
        for (at, change) in changes.iter().enumerate() {
            let done = self.make(change, &shop, &mut made).await;
            let done = done.with_context(|| {
                format!("stopped at: {change}. Run it again; it goes on from here")
            })?;
            say(&format!("{:>4}/{}  {change}{done}", at + 1, changes.len()));
        }
        say(&format!("\n{}", summary(&shop.products, &made.prices)));
        Ok(if changes.is_empty() {
            Outcome::NothingToDo
        } else {
            Outcome::Applied(changes.len())
        })
    }

    async fn look(&self, say: &mut dyn FnMut(&str)) -> anyhow::Result<(Shop, Vec<Change>)> {
        let shop = Shop::look(self.api, self.catalogue, self.wish)
            .await
            .context("cannot see what Stripe has")?;
        let elsewhere = self
            .catalogue
            .plans
            .iter()
            .filter(|plan| !plan.prices.is_empty());
        for plan in elsewhere {
            say(&format!(
                "plan {} is sold by {:?}, which was made elsewhere and is left alone",
                plan.id, plan.prices
            ));
        }
        let (blocked, notes): (Vec<_>, Vec<_>) = shop
            .obstacles()
            .into_iter()
            .partition(|obstacle| obstacle.starts_with("meter"));
        for note in notes {
            say(&note);
        }
        if !blocked.is_empty() {
            bail!("{}", blocked.join("\n"));
        }
        let changes = shop.changes();
        if changes.is_empty() {
            say("nothing to do: Stripe has everything");
        } else {
            say(&format!("{} to do:", changes.len()));
        }
        for change in &changes {
            say(&format!("  {change}"));
        }
        Ok((shop, changes))
    }

    /// Makes one change. What is to be said of it beside what it is, is the answer.
    async fn make(&self, change: &Change, shop: &Shop, made: &mut Made) -> anyhow::Result<String> {
        match change {
            Change::MeterCreate { event_name, name } => {
                let key = fixed(&["meter", event_name, name]);
                let meter =
                    again(async || self.api.meter_create(event_name, name, &key).await).await?;
                made.meters.insert(event_name.clone(), meter.id);
            }
            Change::MeterReactivate { id, event_name } => {
                let key = self.passing(&["meter", id]);
                again(async || self.api.meter_reactivate(id, &key).await).await?;
                made.meters.insert(event_name.clone(), id.clone());
            }
            Change::ProductCreate(product) => self.product_create(product).await?,
            Change::ProductUpdate(product) => self.product_update(product).await?,
            Change::PriceCreate {
                product,
                price,
                replaces,
            } => {
                let id = self
                    .price_create(product, price, replaces.as_ref(), made)
                    .await?;
                made.prices.insert(price.lookup_key.clone(), id);
            }
            Change::PriceRetire { id, .. } => {
                let key = self.passing(&["price", id.as_str()]);
                again(async || self.api.price_deactivate(id, &key).await).await?;
            }
            Change::PortalCreate => self.portal(None, shop, made).await?,
            Change::PortalUpdate { id } => self.portal(Some(id), shop, made).await?,
            Change::EndpointCreate { url } => return self.endpoint_create(url).await,
            Change::EndpointUpdate { id, events, .. } => {
                let events: Vec<_> = events.iter().map(String::as_str).collect();
                let key = self.passing(&["endpoint", id]);
                let change = WebhookEndpointChange {
                    url: None,
                    events: Some(&events),
                    disabled: Some(false),
                };
                again(async || self.api.webhook_endpoint_update(id, &change, &key).await).await?;
            }
        }
        Ok(String::new())
    }

    async fn product_create(&self, product: &Product) -> Result<(), StripeError> {
        let metadata = BTreeMap::from([(PRICES_NOTE.to_owned(), note(product))]);
        let order = ProductOrder {
            id: &product.id,
            name: &product.name,
            description: Some(product.description.as_str()).filter(|text| !text.is_empty()),
            metadata: &metadata,
        };
        let key = fixed(&[
            "product",
            product.id.as_str(),
            &product.name,
            &product.description,
            &note(product),
        ]);
        again(async || self.api.product_create(&order, &key).await)
            .await
            .map(drop)
    }

    async fn product_update(&self, product: &Product) -> Result<(), StripeError> {
        let metadata = BTreeMap::from([(PRICES_NOTE.to_owned(), note(product))]);
        let change = ProductChange {
            name: Some(&product.name),
            description: Some(&product.description),
            active: Some(true),
            metadata: Some(&metadata),
        };
        let key = self.passing(&["product", product.id.as_str()]);
        again(async || self.api.product_update(&product.id, &change, &key).await)
            .await
            .map(drop)
    }

    async fn price_create(
        &self,
        product: &ProductId,
        price: &Price,
        replaces: Option<&PriceId>,
        made: &Made,
    ) -> anyhow::Result<PriceId> {
        let meter = match &price.amount {
            Amount::Metered { meter, .. } => made
                .meters
                .get(meter.as_str())
                .context("its meter is missing")?
                .as_str(),
            Amount::Once(_) | Amount::Recurring(_) => "",
        };
        let tiers = tiers(&price.amount);
        let order = PriceOrder {
            product,
            currency: self.catalogue.currency.as_str(),
            lookup_key: &price.lookup_key,
            transfer: if replaces.is_some() {
                KeyTransfer::IfTaken
            } else {
                KeyTransfer::Never
            },
            amount: amount(&price.amount, meter, &tiers),
            nickname: Some(&price.nickname),
            metadata: &BTreeMap::new(),
        };
        let key = fixed(&[
            "price",
            &price.lookup_key,
            meter,
            replaces.map_or("", PriceId::as_str),
        ]);
        Ok(again(async || self.api.price_create(&order, &key).await)
            .await?
            .id)
    }

    async fn portal(&self, id: Option<&str>, shop: &Shop, made: &Made) -> anyhow::Result<()> {
        let offers =
            offers(&shop.products, &made.prices).context("one of its prices is missing")?;
        let metadata = BTreeMap::from([(CONTENT_NOTE.to_owned(), content(&offers))]);
        let order = PortalOrder {
            name: OURS,
            headline: None,
            privacy_url: None,
            terms_url: None,
            return_url: None,
            cancel: PortalCancel::AtPeriodEnd,
            offers: &offers,
            proration: Proration::NextInvoice,
            metadata: &metadata,
        };
        match id {
            Some(id) => {
                let key = self.passing(&["portal", id]);
                again(async || self.api.portal_configuration_update(id, &order, &key).await)
                    .await?;
            }
            None => {
                let key = self.passing(&["portal", &content(&offers)]);
                again(async || self.api.portal_configuration_create(&order, &key).await).await?;
            }
        }
        Ok(())
    }

    /// Stripe says an endpoint's secret once, so it is said here, to be put where the door finds it.
    async fn endpoint_create(&self, url: &str) -> anyhow::Result<String> {
        let metadata = BTreeMap::new();
        let order = WebhookEndpointOrder {
            url,
            events: &EVENTS,
            api_version: api_version(),
            description: Some(OURS),
            metadata: &metadata,
        };
        let key = self.passing(&["endpoint", url]);
        let made = again(async || self.api.webhook_endpoint_create(&order, &key).await).await?;
        let secret = secrecy::ExposeSecret::expose_secret(&made.secret).to_owned();
        Ok(format!(
            "\n           Keep its secret, which is said only now: STRIPE_WEBHOOK_SECRETS={secret}"
        ))
    }

    /// A key for what may be done again at any time.
    fn passing(&self, parts: &[&str]) -> String {
        format!("{}-{}", fixed(parts), self.now.millis())
    }
}

/// A key that follows from what is to be made, so that making it again is making it once.
fn fixed(parts: &[&str]) -> String {
    format!("tallyhook-catalogue-{}", digest(&parts.join("\n")))
}

/// One call, and a few more where Stripe asks to wait or did not answer.
async fn again<T>(call: impl AsyncFn() -> Result<T, StripeError>) -> Result<T, StripeError> {
    for wait in WAITS {
        match call().await {
            Err(error) if matches!(error.retry(), Retry::Soon) && !error.failure_is_stored() => {
                tokio::time::sleep(wait).await;
            }
            answer => return answer,
        }
    }
    call().await
}

fn interval(every: Interval) -> stripe_api::Interval {
    match every {
        Interval::Month => stripe_api::Interval::Month,
        Interval::Year => stripe_api::Interval::Year,
    }
}

fn tiers(amount: &Amount) -> Vec<stripe_api::Tier> {
    let tier = |tier: &RateTier| stripe_api::Tier {
        up_to: tier.up_to,
        unit_amount_minor_decimal: Some(tier.unit.clone()),
        flat_amount_minor_decimal: None,
    };
    match amount {
        Amount::Metered {
            rate: Rate::Graduated(tiers),
            ..
        } => tiers.iter().map(tier).collect(),
        Amount::Metered {
            rate: Rate::PerUnit(_),
            ..
        }
        | Amount::Once(_)
        | Amount::Recurring(_) => Vec::new(),
    }
}

fn amount<'p>(
    amount: &'p Amount,
    meter: &'p str,
    tiers: &'p [stripe_api::Tier],
) -> stripe_api::Amount<'p> {
    match amount {
        Amount::Once(money) => stripe_api::Amount::Once {
            unit_minor: money.minor,
        },
        Amount::Recurring(price) => stripe_api::Amount::Licensed {
            unit_minor: price.amount.minor,
            interval: interval(price.every),
        },
        Amount::Metered {
            every,
            rate: Rate::PerUnit(unit),
            ..
        } => stripe_api::Amount::PerUnit {
            unit_minor_decimal: unit,
            interval: interval(*every),
            meter,
        },
        Amount::Metered {
            every,
            rate: Rate::Graduated(_),
            ..
        } => stripe_api::Amount::Graduated {
            tiers,
            interval: interval(*every),
            meter,
        },
    }
}

/// What is sold, by Stripe's ids.
fn summary(products: &[Product], prices: &BTreeMap<String, PriceId>) -> String {
    let mut rows = vec![["product", "price", "how much"].map(str::to_owned).to_vec()];
    for product in products {
        if product.prices.is_empty() {
            rows.push(vec![
                product.id.to_string(),
                "–".to_owned(),
                "agreed with each customer".to_owned(),
            ]);
        }
        for price in &product.prices {
            let id = prices
                .get(&price.lookup_key)
                .map_or("?".to_owned(), PriceId::to_string);
            rows.push(vec![product.id.to_string(), id, price.nickname.clone()]);
        }
    }
    columns(&rows)
}
