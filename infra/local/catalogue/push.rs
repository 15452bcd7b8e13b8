//! Pushes the catalogue to Stripe.
//!
//! A push can be stopped anywhere and run again, because it compares before it changes anything.
//! Meters, products and prices have unique names at Stripe and idempotency keys derived from their
//! content. The other calls set a value; their keys include the time, because Stripe replays a
//! key's first answer for a day and would ignore a change back within it. A price is never edited:
//! a new price replaces it, then the old one is deactivated.

use super::changes::{
    CONTENT_NOTE, Change, Comparison, PRICES_NOTE, PushOptions, content, digest, note, offers,
};
use super::table::columns;
use anyhow::{Context, bail};
use catalogue::offers::{Amount, Price, Product};
use domain::billing::plans::{Catalogue, Interval, Rate, RateTier};
use domain::ids::{PriceId, ProductId};
use domain::retry::Retryable;
use domain::time::Timestamp;
use secrecy::ExposeSecret;
use std::collections::BTreeMap;
use std::time::Duration;
use stripe_api::{
    EventDestinationOrder, KeyTransfer, PortalCancel, PortalOrder, PriceOrder, ProductChange,
    ProductOrder, Proration, StripeApi, StripeError, WebhookEndpointChange, WebhookEndpointOrder,
    api_version,
};
use webhooks::stripe::{EVENTS, THIN_EVENTS};

/// One run of `catalogue push`.
pub struct Push<'a> {
    pub api: &'a StripeApi,
    pub catalogue: &'a Catalogue,
    pub options: &'a PushOptions,
    pub now: Timestamp,
}

/// The result of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Stripe already has everything.
    NothingToDo,
    /// The number of changes that a dry run printed.
    Shown(usize),
    /// The number of changes made.
    Applied(usize),
}

/// The pauses between attempts of one call.
const WAITS: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];
const OURS: &str = "Tallyhook";

/// The ids of meters and prices that exist at Stripe so far.
struct Created {
    meters: BTreeMap<String, String>,
    prices: BTreeMap<String, PriceId>,
}

impl Push<'_> {
    /// Prints the changes without making them.
    pub async fn show(&self, say: &mut dyn FnMut(&str)) -> anyhow::Result<Outcome> {
        let (comparison, changes) = self.look(say).await?;
        if changes.is_empty() {
            say(&summary(&comparison.products, &comparison.price_ids()));
            return Ok(Outcome::NothingToDo);
        }
        say("Dry run: nothing was changed.");
        Ok(Outcome::Shown(changes.len()))
    }

    /// Prints the changes and makes them.
    pub async fn apply(&self, say: &mut dyn FnMut(&str)) -> anyhow::Result<Outcome> {
        let (comparison, changes) = self.look(say).await?;
        let mut created = Created {
            meters: comparison.meter_ids(),
            prices: comparison.price_ids(),
        };
        for (at, change) in changes.iter().enumerate() {
            let done = self.make(change, &comparison, &mut created).await;
            let done = done.with_context(|| {
                format!("cannot {change}. Run the command again to continue from here")
            })?;
            say(&format!("{:>4}/{}  {change}{done}", at + 1, changes.len()));
        }
        say(&format!(
            "\n{}",
            summary(&comparison.products, &created.prices)
        ));
        Ok(if changes.is_empty() {
            Outcome::NothingToDo
        } else {
            Outcome::Applied(changes.len())
        })
    }

    async fn look(&self, say: &mut dyn FnMut(&str)) -> anyhow::Result<(Comparison, Vec<Change>)> {
        let comparison = Comparison::look(self.api, self.catalogue, self.options)
            .await
            .context("cannot read the current state at Stripe")?;
        let elsewhere = self
            .catalogue
            .plans
            .iter()
            .filter(|plan| !plan.prices.is_empty());
        for plan in elsewhere {
            say(&format!(
                "plan {} uses the prices {:?}, which are managed elsewhere; they stay unchanged",
                plan.id, plan.prices
            ));
        }
        let (blocked, notes): (Vec<_>, Vec<_>) = comparison
            .obstacles()
            .into_iter()
            .partition(|obstacle| obstacle.starts_with("meter"));
        for note in notes {
            say(&note);
        }
        if !blocked.is_empty() {
            bail!("{}", blocked.join("\n"));
        }
        let changes = comparison.changes();
        if changes.is_empty() {
            say("Stripe is up to date; nothing to change.");
        } else {
            say(&format!("{} changes:", changes.len()));
        }
        for change in &changes {
            say(&format!("  {change}"));
        }
        Ok((comparison, changes))
    }

    /// Makes one change and returns what to print after it.
    async fn make(
        &self,
        change: &Change,
        comparison: &Comparison,
        created: &mut Created,
    ) -> anyhow::Result<String> {
        match change {
            Change::MeterCreate { event_name, name } => {
                let key = content_key(&["meter", event_name, name]);
                let meter =
                    retry(async || self.api.meter_create(event_name, name, &key).await).await?;
                created.meters.insert(event_name.clone(), meter.id);
            }
            Change::MeterReactivate { id, event_name } => {
                let key = self.timed_key(&["meter", id]);
                retry(async || self.api.meter_reactivate(id, &key).await).await?;
                created.meters.insert(event_name.clone(), id.clone());
            }
            Change::ProductCreate(product) => self.product_create(product).await?,
            Change::ProductUpdate(product) => self.product_update(product).await?,
            Change::PriceCreate {
                product,
                price,
                replaces,
            } => {
                let id = self
                    .price_create(product, price, replaces.as_ref(), created)
                    .await?;
                created.prices.insert(price.lookup_key.clone(), id);
            }
            Change::PriceRetire { id, .. } => {
                let key = self.timed_key(&["price", id.as_str()]);
                retry(async || self.api.price_deactivate(id, &key).await).await?;
            }
            Change::PortalCreate => self.portal(None, comparison, created).await?,
            Change::PortalUpdate { id } => self.portal(Some(id), comparison, created).await?,
            Change::EndpointCreate { url } => return self.endpoint_create(url).await,
            Change::DestinationCreate { url } => return self.destination_create(url).await,
            Change::DestinationUpdate { id, events, .. } => {
                let key = self.timed_key(&["destination", id]);
                retry(async || self.api.event_destination_mend(id, events, &key).await).await?;
            }
            Change::EndpointUpdate { id, events, .. } => {
                let events: Vec<_> = events.iter().map(String::as_str).collect();
                let key = self.timed_key(&["endpoint", id]);
                let change = WebhookEndpointChange {
                    url: None,
                    events: Some(&events),
                    disabled: Some(false),
                };
                retry(async || self.api.webhook_endpoint_update(id, &change, &key).await).await?;
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
        let key = content_key(&[
            "product",
            product.id.as_str(),
            &product.name,
            &product.description,
            &note(product),
        ]);
        retry(async || self.api.product_create(&order, &key).await)
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
        let key = self.timed_key(&["product", product.id.as_str()]);
        retry(async || self.api.product_update(&product.id, &change, &key).await)
            .await
            .map(drop)
    }

    async fn price_create(
        &self,
        product: &ProductId,
        price: &Price,
        replaces: Option<&PriceId>,
        created: &Created,
    ) -> anyhow::Result<PriceId> {
        let meter = match &price.amount {
            Amount::Metered { meter, .. } => created
                .meters
                .get(meter.as_str())
                .context("the meter of this price is missing")?
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
        let key = content_key(&[
            "price",
            &price.lookup_key,
            meter,
            replaces.map_or("", PriceId::as_str),
        ]);
        Ok(retry(async || self.api.price_create(&order, &key).await)
            .await?
            .id)
    }

    async fn portal(
        &self,
        id: Option<&str>,
        comparison: &Comparison,
        created: &Created,
    ) -> anyhow::Result<()> {
        let offers = offers(&comparison.products, &created.prices)
            .context("a price of the portal configuration is missing")?;
        let texts = &comparison.texts;
        let content = content(&offers, texts);
        let metadata = BTreeMap::from([(CONTENT_NOTE.to_owned(), content.clone())]);
        let order = PortalOrder {
            name: OURS,
            headline: texts.portal_headline.as_deref(),
            privacy_url: texts.privacy_url.as_deref(),
            terms_url: texts.terms_url.as_deref(),
            return_url: None,
            cancel: PortalCancel::AtPeriodEnd,
            offers: &offers,
            proration: Proration::NextInvoice,
            metadata: &metadata,
        };
        match id {
            Some(id) => {
                let key = self.timed_key(&["portal", id]);
                retry(async || self.api.portal_configuration_update(id, &order, &key).await)
                    .await?;
            }
            None => {
                let key = self.timed_key(&["portal", &content]);
                retry(async || self.api.portal_configuration_create(&order, &key).await).await?;
            }
        }
        Ok(())
    }

    /// Stripe returns the signing secret only once, at creation, so it is printed here.
    async fn endpoint_create(&self, url: &str) -> anyhow::Result<String> {
        let metadata = BTreeMap::new();
        let order = WebhookEndpointOrder {
            url,
            events: &EVENTS,
            api_version: api_version(),
            description: Some(OURS),
            metadata: &metadata,
        };
        let key = self.timed_key(&["endpoint", url]);
        let made = retry(async || self.api.webhook_endpoint_create(&order, &key).await).await?;
        Ok(format!(
            "\n           Store its signing secret now; Stripe does not show it again: STRIPE_WEBHOOK_SECRETS={}",
            made.secret.expose_secret()
        ))
    }

    async fn destination_create(&self, url: &str) -> anyhow::Result<String> {
        let order = EventDestinationOrder {
            name: OURS,
            url,
            events: &THIN_EVENTS,
        };
        let key = self.timed_key(&["destination", url]);
        let made = retry(async || self.api.event_destination_create(&order, &key).await).await?;
        Ok(format!(
            "\n           Its signing secret is another one. Add it to STRIPE_WEBHOOK_SECRETS, after a comma: {}",
            made.secret.expose_secret()
        ))
    }

    /// A key for a call that may be repeated later.
    fn timed_key(&self, parts: &[&str]) -> String {
        format!("{}-{}", content_key(parts), self.now.millis())
    }
}

/// A key derived from the content, so that a repeated call creates one object.
fn content_key(parts: &[&str]) -> String {
    format!("tallyhook-catalogue-{}", digest(&parts.join("\n")))
}

/// Makes a call, and repeats it when Stripe is busy or does not answer.
async fn retry<T>(call: impl AsyncFn() -> Result<T, StripeError>) -> Result<T, StripeError> {
    for wait in WAITS {
        match call().await {
            Err(error) if error.retry().is_transient() && !error.failure_is_stored() => {
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

/// The products and prices with their ids at Stripe.
fn summary(products: &[Product], prices: &BTreeMap<String, PriceId>) -> String {
    let mut rows = vec![["product", "price", "amount"].map(str::to_owned).to_vec()];
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
