//! The last known state of subscriptions and invoices at Stripe.
//!
//! Each row keeps the timestamp, in seconds, of the event that it came from. A later event wins,
//! and an earlier one changes nothing. If two events have the same second, their order is unknown,
//! so the caller has to ask Stripe.

use crate::Store;
use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, number, text, texts, time};
use crate::db::keys;
use crate::db::table::Updated;
use crate::db::tx::Change;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::accounts::Account;
use domain::billing::plans::{PlanId, Span};
use domain::billing::subscriptions::{
    Contracts, Invoice, PaymentFailures, PlannedChange, Status, Subscription, SubscriptionItem,
    payment_failures,
};
use domain::ids::{AccountId, InvoiceId, PriceId, ProductId, SubscriptionId};
use domain::time::Timestamp;

/// The result of recording an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Noted {
    /// The event was written.
    Now,
    /// A newer event, or this same event, was already recorded.
    Outdated,
    /// A different event of the same second is already recorded. Only Stripe can say which one is
    /// newer.
    Tie(Box<Subscription>),
}

impl Store {
    /// Records the subscription in an event.
    pub async fn subscription_note(
        &self,
        account: &AccountId,
        said: &Subscription,
    ) -> Result<Noted, StoreError> {
        // A final status ends the subscription, however late its event arrives.
        let newer = if said.status.is_final() {
            "attribute_not_exists(#as_of) OR NOT #status IN (:canceled, :expired)"
        } else {
            "attribute_not_exists(#as_of) OR (#as_of < :as_of AND NOT #status IN (:canceled, :expired))"
        };
        let change = subscription_change(account, said).when(newer, finals());
        Ok(
            match self.table.update("note a subscription", change).await? {
                Updated::Done(()) => Noted::Now,
                Updated::Refused(known) => {
                    let known = subscription_of(&known)?;
                    let tied =
                        known.as_of == said.as_of && known != *said && !known.status.is_final();
                    if tied {
                        Noted::Tie(Box::new(known))
                    } else {
                        Noted::Outdated
                    }
                }
            },
        )
    }

    /// Writes Stripe's answer, unless the row changed in the meantime.
    pub async fn subscription_settle(
        &self,
        account: &AccountId,
        known: &Subscription,
        asked: &Subscription,
    ) -> Result<Noted, StoreError> {
        let same = vec![
            ("known_status", text(known.status.as_str())),
            ("known", time(known.as_of)),
        ];
        let change = subscription_change(account, asked)
            .when("#as_of = :known AND #status = :known_status", same);
        self.note("settle a subscription", change).await
    }

    /// Records what Stripe had planned for a subscription at `as_of`. A later answer stays.
    pub async fn subscription_planned_set(
        &self,
        account: &AccountId,
        id: &SubscriptionId,
        planned: Option<&PlannedChange>,
        as_of: Timestamp,
    ) -> Result<Noted, StoreError> {
        let plan = planned.and_then(|planned| planned.plan.as_ref());
        let change = Change::of(keys::subscription(account, id))
            .set("planned_as_of", time(as_of))
            .set_or_remove("planned_at", planned.map(|planned| time(planned.at)))
            .set_or_remove("planned_plan", plan.map(|plan| text(plan.as_str())))
            .when(
                "attribute_exists(pk) AND (attribute_not_exists(#planned_as_of) OR #planned_as_of <= :planned_as_of)",
                vec![],
            );
        self.note("note a planned change", change).await
    }

    /// Records the invoice in an event. The status that is further along wins, and a status never
    /// goes back.
    pub async fn invoice_note(
        &self,
        account: &AccountId,
        invoice: &Invoice,
    ) -> Result<Noted, StoreError> {
        let rank = Invoice::rank(&invoice.status);
        let key = keys::invoice(account, &invoice.id);
        let listed = keys::Listing::Invoices.of(&key);
        let change = Change::of(key)
            .set("owner", text(listed))
            .set("at", time(invoice.created_at))
            .set("status", text(&invoice.status))
            .set("rank", number(rank))
            .set("amount_due_minor", number(invoice.amount_due_minor))
            .set("amount_paid_minor", number(invoice.amount_paid_minor))
            .set("currency", text(&invoice.currency))
            .set("created_at", time(invoice.created_at))
            .set("as_of", time(invoice.as_of))
            .set_or_remove("number", invoice.number.as_ref().map(text))
            .set_or_remove("url", invoice.url.as_ref().map(text))
            .set_or_remove("subscription", invoice.subscription.as_ref().map(|id| text(id.as_str())))
            .when("attribute_not_exists(#as_of) OR #rank < :rank OR (#rank = :rank AND #as_of < :as_of)", vec![]);
        self.note("note an invoice", change).await
    }

    /// Records when a payment of an invoice failed. The first failure stays, whatever the order of
    /// the events.
    pub async fn invoice_failed(
        &self,
        account: &AccountId,
        invoice: &InvoiceId,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let change = Change::of(keys::invoice(account, invoice))
            .set("failed_at", time(at))
            .when(
                "attribute_exists(pk) AND (attribute_not_exists(#failed_at) OR #failed_at > :failed_at)",
                vec![],
            );
        self.note("note a failed payment", change).await.map(drop)
    }

    /// Finds an invoice; strongly consistent.
    pub async fn invoice_find(
        &self,
        account: &AccountId,
        id: &InvoiceId,
    ) -> Result<Option<Invoice>, StoreError> {
        let key = keys::invoice(account, id);
        let found = self.table.get("find an invoice", &key).await?;
        found.as_ref().map(invoice_of).transpose()
    }

    /// Finds a subscription; strongly consistent.
    pub async fn subscription_find(
        &self,
        account: &AccountId,
        id: &SubscriptionId,
    ) -> Result<Option<Subscription>, StoreError> {
        let key = keys::subscription(account, id);
        let found = self.table.get("find a subscription", &key).await?;
        found.as_ref().map(subscription_of).transpose()
    }

    /// Finds the payments that an account's subscriptions wait for; strongly consistent.
    pub async fn payment_failures(
        &self,
        account: &AccountId,
    ) -> Result<PaymentFailures, StoreError> {
        const FIND: &str = "find failed payments";
        let mut invoices = Vec::new();
        for item in self
            .table
            .query_prefix(FIND, keys::account(account).pk, keys::INVOICE)
            .await?
        {
            let failed_at = Item::new(&item, FIND).find_time("failed_at")?;
            invoices.push((invoice_of(&item)?, failed_at));
        }
        Ok(payment_failures(&invoices))
    }

    async fn note(&self, operation: &'static str, change: Change) -> Result<Noted, StoreError> {
        Ok(match self.table.update(operation, change).await? {
            Updated::Done(()) => Noted::Now,
            Updated::Refused(_) => Noted::Outdated,
        })
    }

    /// Reads an account with its subscriptions and purchases, in one strongly consistent query. Its
    /// entitlements are computed from these. For a subscription that is past due, a second query
    /// reads since when.
    pub async fn account_find_whole(
        &self,
        id: &AccountId,
    ) -> Result<Option<(Account, Contracts)>, StoreError> {
        let (first, last) = keys::STANDING;
        let mut pages = self
            .table
            .query()
            .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":pk", text(keys::account(id).pk))
            .expression_attribute_values(":first", text(first))
            .expression_attribute_values(":last", text(last))
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let (mut account, mut contracts) = (None, Contracts::default());
        while let Some(item) = pages.next().await {
            let item = item.map_err(|e| StoreError::sdk("read an account", e))?;
            let sk = Item::new(&item, "read an account").text("sk")?.to_owned();
            if sk == keys::PROFILE {
                account = Some(crate::accounts::account_of(&item)?);
            } else if sk.starts_with(keys::SUBSCRIPTION) {
                let subscription = subscription_of(&item)?;
                if let Some(planned) = planned_of(&item)? {
                    contracts.planned.insert(subscription.id.clone(), planned);
                }
                contracts.subscriptions.push(subscription);
            } else if sk.starts_with(keys::PURCHASE) {
                contracts
                    .purchases
                    .push(crate::billing::marketplace::purchase_of(&item)?);
            }
        }
        // Few subscriptions are past due, so the invoices are rarely read.
        let late = |one: &Subscription| one.status == Status::PastDue;
        if contracts.subscriptions.iter().any(late) {
            contracts.failures = self.payment_failures(id).await?;
        }
        Ok(account.map(|account| (account, contracts)))
    }

    /// Lists an account's invoices, newest first.
    pub async fn invoice_list(&self, account: &AccountId) -> Result<Vec<Invoice>, StoreError> {
        let mut invoices = Vec::new();
        for item in self
            .table
            .query_prefix("list invoices", keys::account(account).pk, keys::INVOICE)
            .await?
        {
            invoices.push(invoice_of(&item)?);
        }
        invoices.sort_by_key(|invoice| std::cmp::Reverse((invoice.created_at, invoice.id.clone())));
        Ok(invoices)
    }
}

fn finals() -> Vec<(&'static str, AttributeValue)> {
    vec![
        ("canceled", text(Status::Canceled.as_str())),
        ("expired", text(Status::IncompleteExpired.as_str())),
    ]
}

/// An unknown status does not overwrite a known one.
fn subscription_change(account: &AccountId, said: &Subscription) -> Change {
    let change = Change::of(keys::subscription(account, &said.id));
    let change = match &said.status {
        Status::Other(word) => change.set_expression(
            "#status = if_not_exists(#status, :status)",
            vec![("status", text(word))],
        ),
        known => change.set("status", text(known.as_str())),
    };
    change
        .set("items", texts(said.items.iter().map(item_text)))
        .set("created_at", time(said.created_at))
        .set("as_of", time(said.as_of))
        .set_or_remove("period_start", said.period.map(|period| time(period.start)))
        .set_or_remove("period_end", said.period.map(|period| time(period.end)))
        .set_or_remove("ends_at", said.ends_at.map(time))
        .set_or_remove("trial_end", said.trial_end.map(time))
}

fn item_text(item: &SubscriptionItem) -> String {
    let product = item.product.as_ref().map_or("-", ProductId::as_str);
    let quantity = item
        .quantity
        .map_or_else(|| "-".to_owned(), |quantity| quantity.to_string());
    format!("{} {product} {quantity}", item.price)
}

fn item_of(line: &str) -> Option<SubscriptionItem> {
    let mut words = line.split(' ');
    let price = PriceId::parse(words.next()?).ok()?;
    let product = words
        .next()
        .filter(|word| *word != "-")
        .map(ProductId::parse)
        .transpose()
        .ok()?;
    let quantity = words
        .next()
        .filter(|word| *word != "-")
        .map(str::parse)
        .transpose()
        .ok()?;
    Some(SubscriptionItem {
        price,
        product,
        quantity,
    })
}

fn subscription_of(attributes: &Attributes) -> Result<Subscription, StoreError> {
    let item = Item::new(attributes, "read a subscription");
    let id = item
        .text("sk")?
        .strip_prefix(keys::SUBSCRIPTION)
        .ok_or_else(|| item.bad("sk"))?;
    let items = item
        .texts("items")?
        .into_iter()
        .map(item_of)
        .collect::<Option<_>>();
    let period = match (
        item.find_time("period_start")?,
        item.find_time("period_end")?,
    ) {
        (Some(start), Some(end)) => Some(Span { start, end }),
        _ => None,
    };
    let as_of = item.time("as_of")?;
    Ok(Subscription {
        id: SubscriptionId::parse(id).map_err(|_| item.bad("sk"))?,
        status: Status::parse(item.text("status")?),
        items: items.ok_or_else(|| item.bad("items"))?,
        period,
        ends_at: item.find_time("ends_at")?,
        trial_end: item.find_time("trial_end")?,
        created_at: item.find_time("created_at")?.unwrap_or(as_of),
        as_of,
    })
}

fn planned_of(attributes: &Attributes) -> Result<Option<PlannedChange>, StoreError> {
    let item = Item::new(attributes, "read a planned change");
    let plan = item.find_text("planned_plan")?.and_then(PlanId::parse);
    let at = item.find_time("planned_at")?;
    Ok(at.map(|at| PlannedChange { plan, at }))
}

pub(crate) fn invoice_of(attributes: &Attributes) -> Result<Invoice, StoreError> {
    let item = Item::new(attributes, "read an invoice");
    let id = item
        .text("sk")?
        .strip_prefix(keys::INVOICE)
        .ok_or_else(|| item.bad("sk"))?;
    let subscription = item
        .find_text("subscription")?
        .map(SubscriptionId::parse)
        .transpose();
    let as_of: Timestamp = item.time("as_of")?;
    Ok(Invoice {
        id: InvoiceId::parse(id).map_err(|_| item.bad("sk"))?,
        number: item.find_text("number")?.map(str::to_owned),
        status: item.text("status")?.to_owned(),
        amount_due_minor: item.number("amount_due_minor")?,
        amount_paid_minor: item.find_number("amount_paid_minor")?.unwrap_or(0),
        currency: item.text("currency")?.to_owned(),
        subscription: subscription.map_err(|_| item.bad("subscription"))?,
        url: item.find_text("url")?.map(str::to_owned),
        created_at: item.find_time("created_at")?.unwrap_or(as_of),
        as_of,
    })
}
