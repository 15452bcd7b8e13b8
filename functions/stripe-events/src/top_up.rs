//! Automatic top-up: charges the default card of an account whose balance fell below its threshold,
//! and grants the pack.
//!
//! Each crossing has one payment at Stripe, which is created and recorded before it is charged.
//! Stripe collects a payment at most once, so this is safe to run twice, at once, and after a death
//! at any call: a run looks at the payment first and continues from there. The row ends only in the
//! version that was read. The grant is that of a bought pack; the payment's event leads to the same
//! one (`payment.rs`).

use crate::{Ctx, record_payment};
use domain::accounts::Account;
use domain::billing::pack_terms::PackTerms;
use domain::billing::payments::{CreditPurchase, PaymentFact};
use domain::billing::top_ups::{Charge, ChargeStage, OffReason, TopUp, idempotency_key, metadata};
use domain::ids::{AccountId, PaymentId, PaymentIntentId, PaymentMethodId};
use domain::notices::{Notice, Topic};
use domain::retry::{Done, Failure, Retry};
use domain::switches::Switch;
use domain::time::Timestamp;
use domain::units::{Currency, Money};
use std::time::Duration;
use store::TopUpSaved;
use stripe_api::{IntentStatus, PaymentIntent, PaymentIntentOrder, StripeApi, StripeError};

/// The number of keys for one call. Stripe stores its own failures under a key, so a new attempt
/// needs a new key.
const KEYS_MAX: u32 = 3;
/// When to look again at a payment that Stripe is processing.
const PROCESSING_WAIT: Duration = Duration::from_secs(600);

const CHANGED: Done = Done::Ignored("another run has continued this top-up");

/// What one run works on.
struct Run<'a> {
    ctx: &'a Ctx,
    stripe: &'a StripeApi,
    account: &'a Account,
    top_up: TopUp,
}

/// Continues the top-up of an account, if one is in progress and due.
pub async fn handle(ctx: &Ctx, id: &AccountId) -> Result<Done, Failure> {
    let now = ctx.outside.now();
    let switch = ctx
        .switches
        .switch_now(now, |switches| switches.account(id));
    if switch.await == Switch::Off {
        return Ok(flows::work::PAUSED);
    }
    let Some(top_up) = ctx.store.top_up_find(id).await? else {
        return Ok(Done::Duplicate);
    };
    let Some(charge) = top_up.charge.clone() else {
        return Ok(Done::Duplicate);
    };
    let Some(account) = ctx.store.account_find(id).await? else {
        return Ok(Done::Ignored("the account is gone"));
    };
    let stripe = ctx.stripe().await?;
    let run = Run {
        ctx,
        stripe: &stripe,
        account: &account,
        top_up,
    };
    match &charge.payment {
        None => run.prepare().await,
        Some(payment) => run.go_on(&charge, payment).await,
    }
}

/// Grants what a payment sold that succeeded, and ends the crossing that it belongs to.
pub async fn grant(
    ctx: &Ctx,
    account: &AccountId,
    intent: &PaymentIntent,
) -> Result<Done, Failure> {
    let terms = PackTerms::read(&intent.metadata).map_err(Failure::never)?;
    let Some(terms) = terms else {
        return Err(Failure::never("the payment of a top-up carries no terms"));
    };
    let now = ctx.outside.now();
    let days = |days: u32| Duration::from_secs(u64::from(days) * 86_400);
    let (what, credits) = (terms.name.clone(), terms.credits);
    let purchase = CreditPurchase {
        account: account.clone(),
        credits,
        paid_minor: intent.amount_minor,
        currency: intent.currency.clone(),
        what: terms.name,
        priced_by: terms.priced_by,
        expires_at: terms.expires_days.map(|count| now.plus(days(count))),
    };
    let payment = PaymentId::parse(intent.id.as_str()).map_err(Failure::never)?;
    let facts = [PaymentFact::Bought(purchase)];
    let done = record_payment::facts(ctx, &payment, &facts, intent.id.as_str()).await?;
    let Some(top_up) = ctx.store.top_up_find(account).await? else {
        return Ok(done);
    };
    let is_this = |charge: &Charge| charge.payment.as_ref() == Some(&intent.id);
    if !top_up.charge.as_ref().is_some_and(is_this) {
        return Ok(done);
    }
    let price = Currency::parse(&intent.currency).map_or_else(String::new, |currency| {
        let minor = intent.amount_minor;
        format!(" for {}", Money { minor, currency })
    });
    let words = format!("Automatic top-up bought {what}{price}.");
    let notice = Notice::new(Topic::TopUpCharged(top_up.crossings), words, now);
    flows::owe::notice(&ctx.store, &ctx.queues, account, &notice, now).await?;
    if ctx.store.top_up_save(account, &top_up.paid()).await? == TopUpSaved::Now {
        // The credits may have paid a debt, and the balance may still be below the threshold.
        ctx.store.top_up_begin(account, now).await?;
    }
    Ok(done)
}

/// Switches automatic top-up off for something that happened at Stripe, with a mail, unless the
/// customer has switched it on since then. A payment in progress is cancelled by the next run.
pub async fn stop(
    ctx: &Ctx,
    account: &AccountId,
    why: OffReason,
    happened_at: Timestamp,
) -> Result<(), Failure> {
    let now = ctx.outside.now();
    while let Some(top_up) = ctx.store.top_up_find(account).await? {
        let Some(next) = top_up.stop_because(why, happened_at, now) else {
            break;
        };
        // The mail comes first, because nothing tells a run that finds it off whether it was owed.
        flows::owe::notice(
            &ctx.store,
            &ctx.queues,
            account,
            &off(&top_up, why, now),
            now,
        )
        .await?;
        if ctx.store.top_up_save(account, &next).await? == TopUpSaved::Now {
            break;
        }
    }
    Ok(())
}

/// The mail that automatic top-up was switched off. Between two agreements of the customer, it is
/// switched off once.
fn off(top_up: &TopUp, why: OffReason, now: Timestamp) -> Notice {
    let words = match why {
        OffReason::Declined => {
            "Your card was declined four times, so automatic top-up has been switched off."
        }
        OffReason::NotConfirmed => {
            "Your bank wants you to confirm the payment, which has not happened, so automatic top-up has been switched off."
        }
        OffReason::PackChanged => {
            "The pack of credits that you chose is no longer sold on the terms that you agreed to, so automatic top-up has \
             been switched off."
        }
        OffReason::Disputed => {
            "A payment of your account is disputed with the bank, so automatic top-up has been switched off."
        }
        OffReason::CustomerDeleted => {
            "Your customer record at our payment provider was deleted, so automatic top-up has been switched off."
        }
    };
    let topic = Topic::TopUpOff(top_up.agreed_at);
    Notice::new(topic, words.to_owned(), now)
}

impl Run<'_> {
    fn key(&self, call: &str, attempt: u32) -> String {
        let call = match attempt {
            1 => call.to_owned(),
            _ => format!("{call}-{attempt}"),
        };
        idempotency_key(&self.account.id, self.top_up.crossings, &call)
    }

    /// Makes a call under a key of this crossing. A failure that Stripe has stored under the key
    /// says nothing any more, and each of these calls may be repeated under another key.
    async fn call<F>(
        &self,
        name: &str,
        send: impl Fn(String) -> F,
    ) -> Result<PaymentIntent, StripeError>
    where
        F: Future<Output = Result<PaymentIntent, StripeError>>,
    {
        let mut attempt = 1;
        loop {
            match send(self.key(name, attempt)).await {
                Err(error) if error.failure_is_stored() && attempt < KEYS_MAX => attempt += 1,
                answer => return answer,
            }
        }
    }

    async fn save(&self, next: &TopUp, done: impl Into<String>) -> Result<Done, Failure> {
        let saved = self.ctx.store.top_up_save(&self.account.id, next).await?;
        Ok(match saved {
            TopUpSaved::Now => Done::Applied(done.into()),
            TopUpSaved::Changed => CHANGED,
        })
    }

    /// Creates the crossing's payment, and records it before anything is charged.
    async fn prepare(&self) -> Result<Done, Failure> {
        if !self.top_up.switch.is_on() {
            return self
                .save(&self.top_up.unpaid(), "it was switched off")
                .await;
        }
        if !self.top_up.terms.is_sold(&self.ctx.catalogue) {
            return self.give_up(OffReason::PackChanged).await;
        }
        let sold = &self.top_up.terms.sold;
        let metadata = metadata(self.top_up.crossings, sold);
        let order = PaymentIntentOrder {
            customer: &self.account.customer,
            price: self.top_up.terms.price,
            description: &sold.name,
            metadata: &metadata,
        };
        let order = &order;
        let intent = self
            .call("create", async |key| {
                self.stripe.payment_intent_create(order, &key).await
            })
            .await?;
        let Some(next) = self.top_up.with_payment(&intent.id) else {
            return Ok(CHANGED);
        };
        if self.ctx.store.top_up_save(&self.account.id, &next).await? == TopUpSaved::Changed {
            return Ok(CHANGED);
        }
        let run = Run {
            top_up: next,
            ..*self
        };
        run.charge(&intent).await
    }

    /// Looks at the crossing's payment, and does what is next.
    async fn go_on(&self, charge: &Charge, payment: &PaymentIntentId) -> Result<Done, Failure> {
        let now = self.ctx.outside.now();
        let is_on = self.top_up.switch.is_on();
        if is_on && charge.next_at > now {
            return Ok(flows::work::NOT_NOW);
        }
        let Some(intent) = self.stripe.payment_intent_find(payment).await? else {
            tracing::error!(account.id = %self.account.id, payment.id = %payment, alarm = true,
                "Stripe does not know the payment of a top-up; the top-up ends");
            return self.save(&self.top_up.unpaid(), "no such payment").await;
        };
        match (&intent.status, charge.stage) {
            (IntentStatus::Succeeded, _) => grant(self.ctx, &self.account.id, &intent).await,
            (IntentStatus::Canceled, _) => {
                let ended = if is_on {
                    self.top_up.given_up(OffReason::NotConfirmed)
                } else {
                    self.top_up.unpaid()
                };
                self.save(&ended, "the payment was cancelled").await
            }
            (IntentStatus::Processing, _) => Err(Failure {
                retry: Retry::After(PROCESSING_WAIT),
                source: "Stripe is processing the payment of a top-up".into(),
            }),
            _ if !is_on => {
                self.cancel(payment).await?;
                self.save(&self.top_up.unpaid(), "it was switched off")
                    .await
            }
            (_, ChargeStage::Confirming) => self.give_up(OffReason::NotConfirmed).await,
            // A run asked the customer and died before it told them.
            (IntentStatus::RequiresAction, ChargeStage::Charging) => self.tell(&intent).await,
            (_, ChargeStage::Charging) => self.charge(&intent).await,
        }
    }

    /// Charges the default card, unless the balance is no longer below the threshold.
    async fn charge(&self, intent: &PaymentIntent) -> Result<Done, Failure> {
        let id = &self.account.id;
        let available = self.ctx.store.balance_find(id).await?.available;
        if available >= self.top_up.terms.threshold {
            self.cancel(&intent.id).await?;
            let why = "the balance is high enough again; nothing was charged";
            return self.save(&self.top_up.unpaid(), why).await;
        }
        let Some(method) = self.default_method().await? else {
            return self.declined("there is no default payment method").await;
        };
        let name = format!("charge-{}-{method}", self.declines());
        let method = &method;
        let charged = self
            .call(&name, async |key| {
                self.stripe
                    .payment_intent_charge(&intent.id, method, &key)
                    .await
            })
            .await;
        match charged {
            Ok(intent) => self.charged(&intent).await,
            Err(error) if error.needs_confirmation() => self.ask(intent, method).await,
            Err(error) => self.refused(error).await,
        }
    }

    /// Has Stripe make a page on which the customer confirms the payment.
    async fn ask(&self, intent: &PaymentIntent, method: &PaymentMethodId) -> Result<Done, Failure> {
        let Some(page) = self.ctx.dashboard_url.as_deref() else {
            return self.give_up(OffReason::NotConfirmed).await;
        };
        let name = format!("ask-{}-{method}", self.declines());
        let asked = self
            .call(&name, async |key| {
                self.stripe
                    .payment_intent_ask(&intent.id, method, page, &key)
                    .await
            })
            .await;
        match asked {
            Ok(intent) => self.charged(&intent).await,
            Err(error) => self.refused(error).await,
        }
    }

    async fn charged(&self, intent: &PaymentIntent) -> Result<Done, Failure> {
        match intent.status {
            IntentStatus::Succeeded => grant(self.ctx, &self.account.id, intent).await,
            IntentStatus::RequiresAction => self.tell(intent).await,
            // The row stays due, and the next run looks again.
            _ => Err(Failure {
                retry: Retry::After(PROCESSING_WAIT),
                source: "Stripe has not decided about the payment of a top-up".into(),
            }),
        }
    }

    /// Mails the customer the page on which they confirm the payment.
    async fn tell(&self, intent: &PaymentIntent) -> Result<Done, Failure> {
        let Some(page) = intent.confirmation_page() else {
            return self.give_up(OffReason::NotConfirmed).await;
        };
        let now = self.ctx.outside.now();
        let Some(next) = self.top_up.confirming(now) else {
            return Ok(CHANGED);
        };
        let terms = &self.top_up.terms;
        let words = format!(
            "Automatic top-up wants to buy {} for {}, and your bank asks for you.",
            terms.sold.name, terms.price
        );
        let topic = Topic::TopUpConfirm(self.top_up.crossings);
        self.owe(&Notice::new(topic, words, now).with_link(page))
            .await?;
        self.save(&next, "the customer has to confirm the payment")
            .await
    }

    /// Handles a charge that Stripe refuses.
    async fn refused(&self, error: StripeError) -> Result<Done, Failure> {
        // Another run has charged or cancelled the payment. The next run looks at it.
        if error.unexpected_state() {
            return Err(Failure {
                retry: Retry::Soon,
                source: error.into(),
            });
        }
        if error.card_declined() || matches!(error, StripeError::Refused { .. }) {
            return self.declined(&error.to_string()).await;
        }
        Err(error.into())
    }

    async fn declined(&self, why: &str) -> Result<Done, Failure> {
        tracing::info!(account.id = %self.account.id, why, "an automatic top-up was declined");
        match self.top_up.declined(self.ctx.outside.now()) {
            Some(next) => self.save(&next, "declined; tried again later").await,
            None => self.give_up(OffReason::Declined).await,
        }
    }

    /// Ends the crossing unpaid, and switches automatic top-up off with a mail.
    async fn give_up(&self, why: OffReason) -> Result<Done, Failure> {
        if let Some(payment) = self.payment() {
            self.cancel(payment).await?;
        }
        let now = self.ctx.outside.now();
        self.owe(&off(&self.top_up, why, now)).await?;
        self.save(&self.top_up.given_up(why), "switched off").await
    }

    /// Cancels the payment, so that it can never be paid. Fails if it is paid already, and the next
    /// run grants it.
    async fn cancel(&self, payment: &PaymentIntentId) -> Result<(), Failure> {
        let cancelled = self
            .call("cancel", async |key| {
                self.stripe.payment_intent_cancel(payment, &key).await
            })
            .await;
        match cancelled {
            Ok(_) => Ok(()),
            Err(error) if error.unexpected_state() => {
                let found = self.stripe.payment_intent_find(payment).await?;
                match found.map(|intent| intent.status) {
                    Some(IntentStatus::Canceled) | None => Ok(()),
                    Some(_) => Err(Failure {
                        retry: Retry::Soon,
                        source: error.into(),
                    }),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn owe(&self, notice: &Notice) -> Result<(), Failure> {
        let (ctx, now) = (self.ctx, self.ctx.outside.now());
        flows::owe::notice(&ctx.store, &ctx.queues, &self.account.id, notice, now).await
    }

    async fn default_method(&self) -> Result<Option<PaymentMethodId>, Failure> {
        let customer = self.stripe.customer_find(&self.account.customer).await?;
        Ok(customer.and_then(|customer| customer.default_payment_method))
    }

    fn payment(&self) -> Option<&PaymentIntentId> {
        self.top_up.charge.as_ref()?.payment.as_ref()
    }

    fn declines(&self) -> u32 {
        self.top_up
            .charge
            .as_ref()
            .map_or(0, |charge| charge.declines)
    }
}
