//! Gives back what operators credit for usage that Stripe no longer cancels.
//!
//! A credit's amount and identity are fixed in its row. Each run looks for it among the entries of
//! the customer's balance before it asks for it, and asks under the same idempotency key, so this is
//! safe to run twice and after a death. Stripe stores its own failures under a key; only then the
//! row moves on to the next key, and the next run looks first.

use super::Reporter;
use domain::billing::usage::AccountMeter;
use domain::billing::usage_credits::{CreditProgress, UsageCredit};
use domain::retry::Failure;
use store::Finished;
use stripe_api::{BalanceCredit, BalanceEntry, StripeError};

impl Reporter<'_> {
    /// Credits at Stripe what operators have credited. Returns the number of credits.
    pub(super) async fn credit_all(&self, debts: &AccountMeter) -> Result<usize, Failure> {
        let mut credits = self.store.usage_credit_list(&debts.account).await?;
        credits.retain(|credit| {
            credit.debts == *debts && credit.progress == CreditProgress::Requested
        });
        for credit in &credits {
            self.credit(credit).await?;
        }
        Ok(credits.len())
    }

    async fn credit(&self, credit: &UsageCredit) -> Result<(), Failure> {
        match self.entry(credit).await {
            Ok(made) => self.credited(credit, &made.id).await,
            Err(error) if matches!(error, StripeError::Refused { .. }) => {
                self.store
                    .usage_credit_refused(credit, &error.to_string())
                    .await?;
                tracing::error!(account.id = %credit.debts.account, usage.id = %credit.usage, operator.name = credit.by,
                    error = %error, alarm = true, "Stripe refuses a credit that an operator requested");
                Ok(())
            }
            Err(error) => {
                if error.failure_is_stored() {
                    self.store.usage_credit_next_key(credit).await?;
                }
                Err(error.into())
            }
        }
    }

    /// The entry of a credit on the customer's balance, which is made if it is not there.
    async fn entry(&self, credit: &UsageCredit) -> Result<BalanceEntry, StripeError> {
        let entries = self.stripe.balance_entries(&credit.customer).await?;
        let mut made = entries.into_iter();
        if let Some(made) = made.find(|entry| credit.is_in(&entry.metadata)) {
            return Ok(made);
        }
        let order = BalanceCredit {
            customer: &credit.customer,
            amount: credit.amount,
            description: &format!("Credit for {} {}", credit.debts.meter, credit.usage),
            metadata: &credit.metadata(),
        };
        let key = credit.idempotency_key();
        self.stripe.balance_credit(&order, &key).await
    }

    async fn credited(&self, credit: &UsageCredit, entry: &str) -> Result<(), Failure> {
        if self.store.usage_credit_done(credit, entry).await? == Finished::Now {
            tracing::info!(account.id = %credit.debts.account, usage.id = %credit.usage, entry.id = entry,
                operator.name = credit.by, audit = true, "credited usage that was billed wrongly");
        }
        Ok(())
    }
}
