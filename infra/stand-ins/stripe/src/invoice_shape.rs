//! The JSON of an invoice before it is stored and emitted.

use serde_json::{Value, json};

use super::account::{Account, number, shape, text};
use super::error::ApiError;
use super::invoicing::InvoiceDraft;
use super::lines::sum;
use super::objects::{CUSTOMER, INVOICE};

impl Account<'_> {
    /// A draft, or a preview: an invoice without an id.
    pub fn invoice_shape(&mut self, draft: InvoiceDraft<'_>) -> Result<Value, ApiError> {
        let subscription = draft.subscription;
        let customer = self.find(CUSTOMER, text(subscription, "customer"))?;
        let mut invoice = shape(
            &NULLS,
            json!({
                "object": INVOICE.object,
                "account_country": "US",
                "attempted": false,
                "auto_advance": true,
                "billing_reason": draft.reason,
                "collection_method": "charge_automatically",
                "created": self.now,
                "currency": subscription["currency"],
                "customer": customer["id"],
                "customer_email": customer["email"],
                "customer_name": customer["name"],
                "customer_phone": customer["phone"],
                "customer_tax_exempt": "none",
                "issuer": {"type": "self"},
                "livemode": false,
                "metadata": {},
                "parent": {
                    "quote_details": null,
                    "subscription_details": {
                        "metadata": subscription["metadata"],
                        "subscription": subscription["id"],
                    },
                    "type": "subscription_details",
                },
                "period_end": draft.period.1,
                "period_start": draft.period.0,
                "starting_balance": number(&customer, "balance"),
                "status": "draft",
            }),
        );
        set_settings(&mut invoice);
        set_amounts(&mut invoice, sum(&draft.lines));
        invoice["lines"] = json!({"object": "list", "data": draft.lines, "has_more": false, "url": "/v1/invoices/upcoming/lines"});
        Ok(invoice)
    }
}

fn set_settings(invoice: &mut Value) {
    invoice["automatic_tax"] = shape(
        &["disabled_reason", "liability", "provider", "status"],
        json!({"enabled": false}),
    );
    invoice["payment_settings"] = shape(
        &[
            "default_mandate",
            "payment_method_options",
            "payment_method_types",
        ],
        json!({}),
    );
    invoice["status_transitions"] = shape(
        &[
            "finalized_at",
            "marked_uncollectible_at",
            "paid_at",
            "voided_at",
        ],
        json!({}),
    );
    for list in LISTS {
        invoice[list] = json!([]);
    }
}

pub(super) fn set_amounts(invoice: &mut Value, total: i64) {
    for nothing in ZEROS {
        invoice[nothing] = json!(0);
    }
    for whole in [
        "subtotal",
        "subtotal_excluding_tax",
        "total",
        "total_excluding_tax",
    ] {
        invoice[whole] = json!(total);
    }
    for due in ["amount_due", "amount_remaining"] {
        invoice[due] = json!(total.max(0));
    }
}

const ZEROS: [&str; 6] = [
    "amount_overpaid",
    "amount_paid",
    "amount_shipping",
    "attempt_count",
    "post_payment_credit_notes_amount",
    "pre_payment_credit_notes_amount",
];

const LISTS: [&str; 6] = [
    "customer_tax_ids",
    "default_tax_rates",
    "discounts",
    "total_discount_amounts",
    "total_pretax_credit_amounts",
    "total_taxes",
];

const NULLS: [&str; 30] = [
    "account_name",
    "account_tax_ids",
    "application",
    "automatically_finalizes_at",
    "custom_fields",
    "customer_account",
    "customer_address",
    "customer_shipping",
    "default_payment_method",
    "default_source",
    "description",
    "due_date",
    "effective_at",
    "ending_balance",
    "footer",
    "from_invoice",
    "hosted_invoice_url",
    "invoice_pdf",
    "last_finalization_error",
    "latest_revision",
    "next_payment_attempt",
    "number",
    "on_behalf_of",
    "receipt_number",
    "rendering",
    "shipping_cost",
    "shipping_details",
    "statement_descriptor",
    "test_clock",
    "webhooks_delivered_at",
];
