//! What Stripe last said of subscriptions and invoices.
//!
//! Each row keeps the moment of the event it came from; an older event changes nothing, and of two of the same second the
//! final word stands.

use crate::error::StoreError;
use crate::expression::Change;
use crate::item::{number, text, time};
use crate::{Store, keys};
use domain::ids::AccountId;
use domain::subscriptions::{Invoice, Subscription};

/// Whether what was said was news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noted {
    /// Written.
    Now,
    /// Something newer was known.
    Outdated,
}

impl Store {
    /// Notes what an event says of a subscription.
    pub async fn subscription_note(
        &self,
        account: &AccountId,
        subscription: &Subscription,
    ) -> Result<Noted, StoreError> {
        let change = Change::of(keys::subscription(account, &subscription.id))
            .set("status", text(&subscription.status))
            .set_or_remove("period_end", subscription.period_end.map(time))
            .set("as_of", time(subscription.as_of))
            .when(
                "(attribute_not_exists(#as_of) OR #as_of <= :as_of) AND (attribute_not_exists(#status) OR #status <> :final)",
                vec![("final", text(Subscription::CANCELED))],
            );
        self.note("note a subscription", change).await
    }

    /// Notes what an event says of an invoice. Paid is final.
    pub async fn invoice_note(&self, account: &AccountId, invoice: &Invoice) -> Result<Noted, StoreError> {
        let change = Change::of(keys::invoice(account, &invoice.id))
            .set("status", text(&invoice.status))
            .set("amount_due_minor", number(invoice.amount_due_minor))
            .set("currency", text(&invoice.currency))
            .set("as_of", time(invoice.as_of))
            .when(
                "(attribute_not_exists(#as_of) OR #as_of <= :as_of) AND (attribute_not_exists(#status) OR #status <> :final)",
                vec![("final", text("paid"))],
            );
        self.note("note an invoice", change).await
    }

    async fn note(&self, operation: &'static str, change: Change) -> Result<Noted, StoreError> {
        match change.call(&self.client, &self.table).send().await {
            Ok(_) => Ok(Noted::Now),
            Err(error) if error.as_service_error().is_some_and(|e| e.is_conditional_check_failed_exception()) => {
                Ok(Noted::Outdated)
            }
            Err(error) => Err(StoreError::sdk(operation, error)),
        }
    }
}
