//! Bank debits for invoices. The invoice stays open and the subscription active while the payment is
//! processing; only a failure makes the subscription past due
//! (docs.stripe.com/billing/subscriptions/ach-debit, "Monitor subscriptions").

use serde_json::{Value, json};

use super::Stripe;
use super::account::{Account, text};
use super::checkout_actions::Settlement;
use super::error::ApiError;
use super::invoicing::Collected;
use super::objects::{CUSTOMER, INTENT, INVOICE, METHOD, shown};

impl Stripe {
    /// Gives a customer a bank account that is debited for invoices. Returns the payment method.
    pub fn add_bank_account(&self, customer: &str) -> Result<String, ApiError> {
        let mut account = self.account();
        account.find(CUSTOMER, customer)?;
        let id = account.new_bank_account();
        account.attach(&id, customer)?;
        account.set_default_method(customer, &json!(id))?;
        Ok(id)
    }

    /// Ends the bank debit of an invoice.
    pub fn settle_debit(&self, invoice: &str, settlement: Settlement) -> Result<Value, ApiError> {
        self.account()
            .settle_debit(invoice, settlement)
            .map(|invoice| shown(&invoice))
    }
}

impl Account<'_> {
    pub fn is_bank_account(&self, method: &str) -> bool {
        self.find(METHOD, method)
            .is_ok_and(|method| method["type"] == "us_bank_account")
    }

    pub fn start_debit(
        &mut self,
        invoice: &Value,
        intent: &str,
        method: &str,
    ) -> Result<Collected, ApiError> {
        self.start_delayed_charge(intent, method)?;
        self.set(INVOICE, text(invoice, "id"), json!({"attempted": true}))?;
        Ok(Collected::Pending)
    }

    fn settle_debit(&mut self, id: &str, settlement: Settlement) -> Result<Value, ApiError> {
        let payment = self.payment_of(id)?;
        let intent = text(&payment["payment"], "payment_intent").to_owned();
        if self.find(INTENT, &intent)?["status"] != "processing" {
            return Err(ApiError::invalid(
                "No payment of this invoice is in processing.",
            ));
        }
        match settlement {
            Settlement::Paid => {
                self.settle_delayed_charge(&intent, Ok(()))?;
                self.settle_invoice(id)?;
            }
            Settlement::Failed => {
                self.settle_delayed_charge(&intent, Err("insufficient_funds"))?;
                let invoice = self.find(INVOICE, id)?;
                self.record_failed_payment(&invoice)?;
            }
        }
        self.find(INVOICE, id)
    }
}
