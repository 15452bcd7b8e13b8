//! Finds reported usage that no invoice covers, and sets it aside with its reason, so that what was
//! delivered is billed or on an operator's list.
//!
//! Stripe accepts usage at any time, but it bills only what it knows when an invoice becomes final,
//! and only while a subscription has a price on the meter. So a final invoice is compared with what
//! was reported within its lines' periods, and the end of a subscription with its invoices.
//!
//! Safe to run twice: what is set aside no longer counts as reported. How far invoices are final is
//! recorded before the comparison, so nothing is sent into their periods afterwards.

use domain::billing::entitlements::bills;
use domain::billing::plans::Catalogue;
use domain::billing::subscriptions::{Status, Subscription};
use domain::billing::usage::{AccountMeter, Meter};
use domain::ids::{AccountId, InvoiceId, PriceId, SubscriptionId};
use domain::retry::Failure;
use domain::time::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;
use store::{Store, UsageRow};
use stripe_api::{Invoice, InvoiceStatus, StripeApi, UsageType};

/// How long to wait for the result of attempts to report usage of a final invoice.
const ATTEMPTS_WAIT: Duration = Duration::from_secs(60);

/// What a comparison needs.
#[derive(Clone, Copy)]
pub struct InvoiceCheck<'a> {
    pub store: &'a Store,
    pub stripe: &'a StripeApi,
    pub catalogue: &'a Catalogue,
    pub now: Timestamp,
}

/// The usage that an invoice bills on a meter in a period.
#[derive(Debug, Clone, PartialEq, Eq)]
struct BilledSpan {
    meter: Meter,
    start: Timestamp,
    end: Timestamp,
    quantity: u64,
}

impl InvoiceCheck<'_> {
    /// Compares a final invoice of a subscription with what was reported, and sets aside what is
    /// missing. Returns the number of records.
    pub async fn check_invoice(
        &self,
        account: &AccountId,
        invoice: &InvoiceId,
        subscription: &SubscriptionId,
    ) -> Result<usize, Failure> {
        let subscriptions = self.subscriptions(account).await?;
        let of = subscriptions.iter().find(|one| one.id == *subscription);
        let invoices = self.stripe.invoice_list_of(subscription).await?;
        let Some(checked) = invoices.iter().find(|one| one.id == *invoice) else {
            return Ok(0);
        };
        let mut missing = 0;
        for span in self.spans(checked).await? {
            // Usage of a trial is free.
            if of.is_some_and(|one| one.trial_end.is_some_and(|end| end >= span.end)) {
                continue;
            }
            let debts = AccountMeter {
                account: account.clone(),
                meter: span.meter.clone(),
            };
            let later = self.until_another(&subscriptions, subscription, &span.meter);
            let end = span.end.min(later);
            self.store.billed_until_set(&debts, end).await?;
            let reported = self.settled_within(&debts, (span.start, end)).await?;
            let quantity = self.invoiced_within(&invoices, &span).await?;
            missing += self.compare(&debts, reported, quantity, invoice).await?;
        }
        Ok(missing)
    }

    /// What final invoices bill on the span's meter within it. After a change of price, one period
    /// has several lines.
    async fn invoiced_within(
        &self,
        invoices: &[Invoice],
        span: &BilledSpan,
    ) -> Result<u64, Failure> {
        let mut quantity = 0_u64;
        for invoice in invoices.iter().filter(|one| one.created >= span.start) {
            if !is_final(invoice) {
                continue;
            }
            let within = self.spans(invoice).await?.into_iter().filter(|one| {
                one.meter == span.meter && one.start >= span.start && one.end <= span.end
            });
            quantity = within.fold(quantity, |sum, one| sum.saturating_add(one.quantity));
        }
        Ok(quantity)
    }

    /// Sets aside what was reported on meters that the subscription no longer bills and that none of
    /// its invoices covers. Returns the number of records.
    pub async fn check_end(
        &self,
        account: &AccountId,
        subscription: &SubscriptionId,
    ) -> Result<usize, Failure> {
        let subscriptions = self.subscriptions(account).await?;
        let found = subscriptions.iter().find(|one| one.id == *subscription);
        let Some((one, period)) = found.and_then(|one| Some((one, one.period?))) else {
            return Ok(0);
        };
        let mut missing = 0;
        let mut invoiced: Option<Vec<BilledSpan>> = None;
        for meter in self.catalogue.charged_meters() {
            if !one.status.is_final() && bills(self.catalogue, one, &meter) {
                continue;
            }
            let debts = AccountMeter {
                account: account.clone(),
                meter,
            };
            let end = self.until_another(&subscriptions, subscription, &debts.meter);
            let span = (period.start, end);
            // If nothing is owed now, nothing is sent by a function that has read an older state.
            let is_empty = self.store.reported_within(&debts, span).await?.is_empty()
                && self.store.owed_list(&debts, 1).await?.is_empty();
            if is_empty {
                continue;
            }
            let spans = match &invoiced {
                Some(spans) => spans,
                None => match self.all_spans(subscription, period.start).await? {
                    Some(spans) => invoiced.insert(spans),
                    // The comparison follows when the invoice is final.
                    None => return Ok(missing),
                },
            };
            self.store.billed_until_set(&debts, end).await?;
            for row in self.settled_within(&debts, span).await? {
                let moment = row.carried_to.unwrap_or(row.usage.at);
                let is_covered = spans.iter().any(|span| {
                    span.meter == debts.meter && span.start <= moment && moment < span.end
                });
                if !is_covered {
                    let why = format!("no invoice of the subscription {subscription} covers it");
                    missing += self.set_aside(&debts, &row, &why).await?;
                }
            }
        }
        Ok(missing)
    }

    async fn subscriptions(&self, account: &AccountId) -> Result<Vec<Subscription>, Failure> {
        let account = self.store.account_find_whole(account).await?;
        Ok(account
            .map(|(_, contracts)| contracts.subscriptions)
            .unwrap_or_default())
    }

    /// Up to when usage on the meter is this subscription's: until now, or until another one that
    /// bills the meter began.
    fn until_another(
        &self,
        subscriptions: &[Subscription],
        subscription: &SubscriptionId,
        meter: &Meter,
    ) -> Timestamp {
        let others = subscriptions.iter().filter(|one| {
            one.id != *subscription
                && !matches!(one.status, Status::IncompleteExpired)
                && bills(self.catalogue, one, meter)
        });
        let mine = subscriptions.iter().find(|one| one.id == *subscription);
        let later = others
            .map(|one| one.created_at)
            .filter(|created| mine.is_none_or(|mine| *created > mine.created_at));
        later.min().map_or(self.now, |began| began.min(self.now))
    }

    /// Lists what was reported in a span, once it is known of every attempt whether it was counted.
    async fn settled_within(
        &self,
        debts: &AccountMeter,
        span: (Timestamp, Timestamp),
    ) -> Result<Vec<UsageRow>, Failure> {
        if !self.store.attempted_within(debts, span).await?.is_empty() {
            let why = "usage of a final invoice is still being looked up";
            return Err(Failure::after(ATTEMPTS_WAIT, why));
        }
        Ok(self.store.reported_within(debts, span).await?)
    }

    /// Sets aside the latest reports that an invoice lacks.
    async fn compare(
        &self,
        debts: &AccountMeter,
        mut reported: Vec<UsageRow>,
        quantity: u64,
        invoice: &InvoiceId,
    ) -> Result<usize, Failure> {
        let values = reported.iter().map(|row| row.usage.value);
        let sum = values.fold(0, u64::saturating_add);
        if quantity > sum {
            tracing::error!(account.id = %debts.account, meter = %debts.meter, invoice.id = %invoice, quantity, sum, alarm = true,
                "Stripe has invoiced more usage than was reported");
            return Ok(0);
        }
        let mut lacking = sum - quantity;
        reported.sort_by_key(|row| (row.reported_at, row.usage.id.clone()));
        let mut missing = 0;
        let why =
            format!("invoice {invoice} bills {quantity} of the {sum} units that were reported");
        for row in reported.iter().rev() {
            if row.usage.value <= lacking {
                lacking -= row.usage.value;
                missing += self.set_aside(debts, row, &why).await?;
            }
        }
        if lacking > 0 {
            tracing::error!(account.id = %debts.account, meter = %debts.meter, invoice.id = %invoice, lacking, alarm = true,
                "Stripe has invoiced less usage than was reported, and no record is of that size");
        }
        Ok(missing)
    }

    async fn set_aside(
        &self,
        debts: &AccountMeter,
        row: &UsageRow,
        why: &str,
    ) -> Result<usize, Failure> {
        let identifier = &row.usage.identifier;
        tracing::error!(usage.id = %row.usage.id, reason = why, alarm = true, "delivered work is not billed; an operator has to decide");
        self.store
            .usage_unbill(debts, identifier, why, self.now)
            .await?;
        Ok(1)
    }

    /// The metered spans of a subscription's final invoices since a moment, or `None` while one is a
    /// draft.
    async fn all_spans(
        &self,
        subscription: &SubscriptionId,
        since: Timestamp,
    ) -> Result<Option<Vec<BilledSpan>>, Failure> {
        let invoices = self.stripe.invoice_list_of(subscription).await?;
        let mut spans = Vec::new();
        for invoice in invoices.iter().filter(|one| one.created >= since) {
            match invoice.status {
                Some(InvoiceStatus::Draft) => return Ok(None),
                _ if is_final(invoice) => spans.extend(self.spans(invoice).await?),
                _ => {}
            }
        }
        Ok(Some(spans))
    }

    /// The metered spans of an invoice, up to its creation. The tiers of a price are one span.
    async fn spans(&self, invoice: &Invoice) -> Result<Vec<BilledSpan>, Failure> {
        let Some(lines) = self.stripe.invoice_lines(&invoice.id).await? else {
            return Ok(Vec::new());
        };
        let (mut meters, mut spans) = (BTreeMap::new(), Vec::<BilledSpan>::new());
        for line in lines {
            // Stripe tells the creation in whole seconds; usage of that second came before it.
            let created = invoice.created.plus(Duration::from_secs(1));
            let (start, end) = (line.period_start, line.period_end.min(created));
            let Some(price) = line.price.filter(|_| start < end) else {
                continue;
            };
            let meter = match meters.get(&price) {
                Some(known) => Clone::clone(known),
                None => {
                    let found = self.meter_of(&price).await?;
                    meters.insert(price, found.clone());
                    found
                }
            };
            let Some(meter) = meter else { continue };
            let same = |span: &&mut BilledSpan| {
                (&span.meter, span.start, span.end) == (&meter, start, end)
            };
            match spans.iter_mut().find(same) {
                Some(span) => span.quantity = span.quantity.saturating_add(line.quantity),
                None => spans.push(BilledSpan {
                    meter,
                    start,
                    end,
                    quantity: line.quantity,
                }),
            }
        }
        Ok(spans)
    }

    /// The meter of a price, if it is metered by one of ours.
    async fn meter_of(&self, price: &PriceId) -> Result<Option<Meter>, Failure> {
        let found = self.stripe.price_find(price).await?;
        let recurring = found.and_then(|price| price.recurring);
        let Some(id) = recurring
            .filter(|recurring| recurring.usage_type == UsageType::Metered)
            .and_then(|recurring| recurring.meter)
        else {
            return Ok(None);
        };
        let meters = self.stripe.meter_list().await?;
        let name = meters.into_iter().find(|meter| meter.id == id);
        Ok(name.and_then(|meter| Meter::parse(&meter.event_name).ok()))
    }
}

/// Whether an invoice bills what its lines say.
fn is_final(invoice: &Invoice) -> bool {
    !matches!(
        invoice.status,
        None | Some(InvoiceStatus::Draft | InvoiceStatus::Void)
    )
}
