//! The life of an invoice: draft, finalize, collect; or void, or mark uncollectible. Updates the
//! customer's balance and the status of the subscription with it.

use serde_json::{Value, json};

use super::account::{Account, number, text};
use super::customer_balances::Movement;
use super::error::ApiError;
use super::objects::{CUSTOMER, INTENT, INVOICE, INVOICE_PAYMENT, METHOD, SUBSCRIPTION};
use super::payments::{NewPayment, Outcome};

const RETRY_SECONDS: i64 = 3 * 86_400;
const UPDATED: &str = "customer.subscription.updated";

/// The parameters of a new invoice.
pub(super) struct InvoiceDraft<'a> {
    pub subscription: &'a Value,
    pub reason: &'static str,
    pub lines: Vec<Value>,
    pub period: (i64, i64),
}

/// The result of collecting an invoice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Collected {
    Paid,
    Declined(&'static str),
    NoMethod,
    /// A bank debit was started, which is paid or fails days later.
    Pending,
}

impl Account<'_> {
    /// Drafts an invoice, finalizes it and tries to collect it.
    pub fn invoice(&mut self, draft: InvoiceDraft<'_>) -> Result<(String, Collected), ApiError> {
        let id = self.draft_invoice(draft)?;
        self.finalize_invoice(&id)?;
        let collected = self.collect_invoice(&id, None)?;
        Ok((id, collected))
    }

    pub fn draft_invoice(&mut self, draft: InvoiceDraft<'_>) -> Result<String, ApiError> {
        let subscription = text(draft.subscription, "id").to_owned();
        let mut invoice = self.invoice_shape(draft)?;
        let id = self.fresh_id(INVOICE);
        invoice["id"] = json!(id);
        invoice["lines"]["url"] = json!(format!("/v1/invoices/{id}/lines"));
        invoice["lines"]["data"]
            .as_array_mut()
            .into_iter()
            .flatten()
            .for_each(|line| line["invoice"] = json!(id));
        self.create(INVOICE, "invoice.created", invoice);
        self.set(SUBSCRIPTION, &subscription, json!({"latest_invoice": id}))?;
        Ok(id)
    }

    /// Fixes the amount due and creates the payment.
    pub fn finalize_invoice(&mut self, id: &str) -> Result<(), ApiError> {
        let invoice = self.find(INVOICE, id)?;
        let customer = self.find(CUSTOMER, text(&invoice, "customer"))?;
        let balance = number(&customer, "balance");
        let owed = number(&invoice, "total") + balance;
        let due = owed.max(0);
        let sequence = number(&customer, "next_invoice_sequence");
        let mut transitions = invoice["status_transitions"].clone();
        transitions["finalized_at"] = json!(self.now);
        let fields = json!({
            "amount_due": due,
            "amount_remaining": due,
            "auto_advance": due > 0,
            "effective_at": self.now,
            "ending_balance": owed.min(0),
            "hosted_invoice_url": format!("{}/invoices/{id}", self.site),
            "invoice_pdf": format!("{}/invoices/{id}/pdf", self.site),
            "number": format!("{}-{sequence:04}", text(&customer, "invoice_prefix")),
            "starting_balance": balance,
            "status": "open",
            "status_transitions": transitions,
        });
        let invoice = self.set(INVOICE, id, fields)?;
        self.emit("invoice.finalized", &invoice);
        let customer_id = text(&customer, "id");
        self.set(
            CUSTOMER,
            customer_id,
            json!({"next_invoice_sequence": sequence + 1}),
        )?;
        if owed.min(0) != balance {
            self.move_balance(Movement {
                customer: customer_id,
                amount: owed.min(0) - balance,
                currency: invoice["currency"].clone(),
                description: Value::Null,
                invoice: json!(id),
                metadata: json!({}),
                kind: "applied_to_invoice",
            })?;
        }
        if due == 0 {
            return self.settle_invoice(id);
        }
        let intent = self.create_intent(NewPayment {
            amount: due,
            currency: invoice["currency"].clone(),
            customer: invoice["customer"].clone(),
            description: json!("Subscription"),
            metadata: json!({}),
        });
        let payment = self.invoice_payment_shape(&invoice, &intent, due);
        self.objects.insert(INVOICE_PAYMENT, payment);
        Ok(())
    }

    /// Charges an open invoice to this payment method, or to its default one.
    pub fn collect_invoice(
        &mut self,
        id: &str,
        method: Option<&str>,
    ) -> Result<Collected, ApiError> {
        let invoice = self.find(INVOICE, id)?;
        if invoice["status"] == "paid" {
            return Ok(Collected::Paid);
        }
        let payment = self.payment_of(id)?;
        let intent = text(&payment["payment"], "payment_intent").to_owned();
        let method = method
            .map(str::to_owned)
            .or_else(|| self.method_of_invoice(&invoice));
        let collected = match method {
            Some(method) if self.is_bank_account(&method) => {
                return self.start_debit(&invoice, &intent, &method);
            }
            Some(method) => match self.charge(&intent, &method)? {
                Outcome::Paid => Collected::Paid,
                Outcome::Declined(code) => Collected::Declined(code),
            },
            None => Collected::NoMethod,
        };
        if collected == Collected::Paid {
            self.settle_invoice(id)?;
        } else {
            self.record_failed_payment(&invoice)?;
        }
        Ok(collected)
    }

    /// Marks an invoice paid, by a payment or because nothing was due.
    pub fn settle_invoice(&mut self, id: &str) -> Result<(), ApiError> {
        let invoice = self.find(INVOICE, id)?;
        let due = number(&invoice, "amount_due");
        let mut transitions = invoice["status_transitions"].clone();
        transitions["paid_at"] = json!(self.now);
        let fields = json!({
            "amount_paid": due,
            "amount_remaining": 0,
            "attempt_count": number(&invoice, "attempt_count") + i64::from(due > 0),
            "attempted": true,
            "auto_advance": false,
            "next_payment_attempt": null,
            "status": "paid",
            "status_transitions": transitions,
        });
        let invoice = self.set(INVOICE, id, fields)?;
        self.emit("invoice.paid", &invoice);
        self.emit("invoice.payment_succeeded", &invoice);
        if let Ok(payment) = self.payment_of(id) {
            let fields = json!({
                "amount_paid": due,
                "status": "paid",
                "status_transitions": {"canceled_at": null, "paid_at": self.now},
            });
            let payment = self.set(INVOICE_PAYMENT, text(&payment, "id"), fields)?;
            self.emit("invoice_payment.paid", &payment);
        }
        self.reactivate_if_paid(subscription_of(&invoice))
    }

    pub fn void_invoice(&mut self, id: &str) -> Result<Value, ApiError> {
        let invoice = self.end_invoice(
            id,
            &["open", "uncollectible"],
            "void",
            "voided_at",
            "invoice.voided",
        )?;
        if let Ok(payment) = self.payment_of(id) {
            let fields = json!({
                "canceled_at": self.now,
                "cancellation_reason": "void_invoice",
                "status": "canceled",
            });
            let intent = self.set(INTENT, text(&payment["payment"], "payment_intent"), fields)?;
            self.emit("payment_intent.canceled", &intent);
            self.set(
                INVOICE_PAYMENT,
                text(&payment, "id"),
                json!({"status": "canceled"}),
            )?;
        }
        Ok(invoice)
    }

    pub fn mark_uncollectible(&mut self, id: &str) -> Result<Value, ApiError> {
        let event = "invoice.marked_uncollectible";
        self.end_invoice(
            id,
            &["open"],
            "uncollectible",
            "marked_uncollectible_at",
            event,
        )
    }

    /// The payment of an invoice.
    pub fn payment_of(&self, invoice: &str) -> Result<Value, ApiError> {
        let mut payments = self.select(INVOICE_PAYMENT, |payment| payment["invoice"] == invoice);
        payments
            .pop()
            .ok_or_else(|| ApiError::no_such(INVOICE_PAYMENT.noun, invoice))
    }

    /// The default payment method: of the subscription, else of the customer.
    pub fn method_of_invoice(&self, invoice: &Value) -> Option<String> {
        let subscription = self
            .find(SUBSCRIPTION, subscription_of(invoice))
            .unwrap_or_default();
        let customer = self.find(CUSTOMER, text(invoice, "customer")).ok()?;
        let candidates = [
            &invoice["default_payment_method"],
            &subscription["default_payment_method"],
            &customer["invoice_settings"]["default_payment_method"],
        ];
        let mut known = candidates
            .into_iter()
            .filter_map(Value::as_str)
            .filter(|id| self.find(METHOD, id).is_ok());
        known.next().map(str::to_owned)
    }

    /// Records a failed attempt to collect.
    pub fn record_failed_payment(&mut self, invoice: &Value) -> Result<(), ApiError> {
        let again = invoice["billing_reason"] != "subscription_create";
        let fields = json!({
            "attempt_count": number(invoice, "attempt_count") + 1,
            "attempted": true,
            "next_payment_attempt": again.then_some(self.now + RETRY_SECONDS),
        });
        let invoice = self.set(INVOICE, text(invoice, "id"), fields)?;
        self.emit("invoice.payment_failed", &invoice);
        let subscription = subscription_of(&invoice);
        let status = self.find(SUBSCRIPTION, subscription)?["status"].clone();
        if again && ["active", "trialing"].iter().any(|live| status == *live) {
            self.update(
                SUBSCRIPTION,
                subscription,
                UPDATED,
                json!({"status": "past_due"}),
            )?;
        }
        Ok(())
    }

    /// Reactivates a subscription whose invoice was paid, unless another one is open.
    fn reactivate_if_paid(&mut self, subscription: &str) -> Result<(), ApiError> {
        let Ok(found) = self.find(SUBSCRIPTION, subscription) else {
            return Ok(());
        };
        let open = |invoice: &Value| {
            invoice["status"] == "open" && subscription_of(invoice) == subscription
        };
        let waits = ["incomplete", "past_due", "unpaid"]
            .iter()
            .any(|status| found["status"] == *status);
        if waits && self.select(INVOICE, open).is_empty() {
            self.update(
                SUBSCRIPTION,
                subscription,
                UPDATED,
                json!({"status": "active"}),
            )?;
        }
        Ok(())
    }

    fn end_invoice(
        &mut self,
        id: &str,
        from: &[&str],
        status: &str,
        moment: &str,
        event: &str,
    ) -> Result<Value, ApiError> {
        let invoice = self.find(INVOICE, id)?;
        if !from.iter().any(|from| invoice["status"] == *from) {
            let message = "You can only pass in open invoices. This invoice isn't open.";
            return Err(ApiError::invalid(message).coded("invoice_not_editable"));
        }
        let mut transitions = invoice["status_transitions"].clone();
        transitions[moment] = json!(self.now);
        let fields = json!({
            "auto_advance": false,
            "next_payment_attempt": null,
            "status": status,
            "status_transitions": transitions,
        });
        self.update_and_emit(INVOICE, id, &[event], fields)
    }

    fn invoice_payment_shape(&mut self, invoice: &Value, intent: &str, due: i64) -> Value {
        json!({
            "id": self.fresh_id(INVOICE_PAYMENT),
            "object": INVOICE_PAYMENT.object,
            "amount_paid": null,
            "amount_requested": due,
            "created": self.now,
            "currency": invoice["currency"],
            "invoice": invoice["id"],
            "is_default": true,
            "livemode": false,
            "payment": {"payment_intent": intent, "type": "payment_intent"},
            "status": "open",
            "status_transitions": {"canceled_at": null, "paid_at": null},
        })
    }
}

/// The subscription that an invoice is for.
pub(super) fn subscription_of(invoice: &Value) -> &str {
    text(&invoice["parent"]["subscription_details"], "subscription")
}
