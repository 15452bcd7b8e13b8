//! Stripe's test cards, and the payment methods made from them.

use serde_json::{Value, json};

use super::account::{Account, text};
use super::objects::METHOD;

/// A test card under its id, and how the bank answers a charge.
pub(super) struct Card {
    pub id: &'static str,
    brand: &'static str,
    last4: &'static str,
    funding: &'static str,
    /// `None` means that a charge succeeds.
    pub decline_code: Option<&'static str>,
    /// Whether it can be attached to a customer. Stripe refuses some cards at that point.
    pub attaches: bool,
}

const fn good(
    id: &'static str,
    brand: &'static str,
    last4: &'static str,
    funding: &'static str,
) -> Card {
    Card {
        id,
        brand,
        last4,
        funding,
        decline_code: None,
        attaches: true,
    }
}

const fn bad(id: &'static str, last4: &'static str, code: &'static str, attaches: bool) -> Card {
    Card {
        id,
        brand: "visa",
        last4,
        funding: "credit",
        decline_code: Some(code),
        attaches,
    }
}

/// A card whose bank wants its holder to confirm every payment. A charge while the holder is away is
/// declined (docs.stripe.com/testing, "3D Secure: always authenticate").
pub(super) const ALWAYS_AUTHENTICATE: &str = "3184";
/// The decline code of such a charge.
pub(super) const AUTHENTICATION_REQUIRED: &str = "authentication_required";

const CARDS: [Card; 9] = [
    good("pm_card_visa", "visa", "4242", "credit"),
    good("pm_card_visa_debit", "visa", "5556", "debit"),
    good("pm_card_mastercard", "mastercard", "4444", "credit"),
    good("pm_card_amex", "amex", "8431", "credit"),
    bad(
        "pm_card_authenticationRequired",
        ALWAYS_AUTHENTICATE,
        AUTHENTICATION_REQUIRED,
        true,
    ),
    bad(
        "pm_card_chargeCustomerFail",
        "0341",
        "generic_decline",
        true,
    ),
    bad("pm_card_chargeDeclined", "0002", "generic_decline", false),
    bad(
        "pm_card_chargeDeclinedInsufficientFunds",
        "9995",
        "insufficient_funds",
        false,
    ),
    bad(
        "pm_card_visa_chargeDeclinedExpiredCard",
        "0069",
        "expired_card",
        false,
    ),
];

/// The test card with this id.
pub(super) fn card(id: &str) -> Option<&'static Card> {
    CARDS.iter().find(|card| card.id == id)
}

/// The bank's decline code for a charge on a payment method; `None` if the charge succeeds.
pub(super) fn decline_code(method: &Value) -> Option<&'static str> {
    let last4 = method["card"]["last4"].as_str()?;
    CARDS.iter().find(|card| card.last4 == last4)?.decline_code
}

impl Account<'_> {
    /// Creates a payment method from a test card, without a customer.
    pub fn new_card(&mut self, card: &Card) -> String {
        let mut method = self.blank_method("card");
        method["card"] = json!({
            "brand": card.brand,
            "checks": {"address_line1_check": null, "address_postal_code_check": null, "cvc_check": "pass"},
            "country": "US",
            "display_brand": card.brand,
            "exp_month": 8,
            "exp_year": 2030,
            "fingerprint": format!("fingerprint{}", card.last4),
            "funding": card.funding,
            "generated_from": null,
            "last4": card.last4,
            "networks": {"available": [card.brand], "preferred": null},
            "regulated_status": "unregulated",
            "three_d_secure_usage": {"supported": true},
            "wallet": null,
        });
        self.shelve_method(method)
    }

    /// Creates a bank account. Payments from it arrive or fail days later.
    pub fn new_bank_account(&mut self) -> String {
        let mut method = self.blank_method("us_bank_account");
        method["us_bank_account"] = json!({
            "account_holder_type": "individual",
            "account_type": "checking",
            "bank_name": "STRIPE TEST BANK",
            "financial_connections_account": null,
            "fingerprint": "fingerprint6789",
            "last4": "6789",
            "networks": {"preferred": "ach", "supported": ["ach"]},
            "routing_number": "110000000",
            "status_details": {},
        });
        self.shelve_method(method)
    }

    fn blank_method(&mut self, kind: &str) -> Value {
        json!({
            "id": self.fresh_id(METHOD),
            "object": METHOD.object,
            "allow_redisplay": "unspecified",
            "billing_details": nobody(),
            "created": self.now,
            "customer": null,
            "customer_account": null,
            "livemode": false,
            "metadata": {},
            "type": kind,
        })
    }

    fn shelve_method(&mut self, method: Value) -> String {
        let id = text(&method, "id").to_owned();
        self.objects.insert(METHOD, method);
        id
    }
}

/// Billing details without any values.
pub(super) fn nobody() -> Value {
    json!({"address": no_address(), "email": null, "name": null, "phone": null, "tax_id": null})
}

pub(super) fn no_address() -> Value {
    json!({"city": null, "country": null, "line1": null, "line2": null, "postal_code": null, "state": null})
}

/// The payment method's details as a charge shows them.
pub(super) fn details(method: &Value) -> Value {
    if method["type"] == "us_bank_account" {
        // A charge shows what the payment method has, except for what only the method can tell.
        let mut account = method["us_bank_account"].clone();
        if let Some(fields) = account.as_object_mut() {
            for only in [
                "financial_connections_account",
                "networks",
                "status_details",
            ] {
                fields.remove(only);
            }
        }
        account["payment_reference"] = Value::Null;
        return json!({"type": "us_bank_account", "us_bank_account": account});
    }
    let card = &method["card"];
    json!({
        "type": "card",
        "card": {
            "amount_authorized": null,
            "authorization_code": null,
            "brand": card["brand"],
            "checks": card["checks"],
            "country": card["country"],
            "electronic_commerce_indicator": null,
            "exp_month": card["exp_month"],
            "exp_year": card["exp_year"],
            "extended_authorization": {"status": "disabled"},
            "fingerprint": card["fingerprint"],
            "funding": card["funding"],
            "incremental_authorization": {"status": "unavailable"},
            "installments": null,
            "last4": card["last4"],
            "mandate": null,
            "multicapture": {"status": "unavailable"},
            "network": card["brand"],
            "network_token": {"used": false},
            "network_transaction_id": null,
            "overcapture": {"status": "unavailable", "maximum_amount_capturable": 0},
            "regulated_status": "unregulated",
            "three_d_secure": null,
            "transaction_link_id": null,
            "wallet": null,
        },
    })
}
