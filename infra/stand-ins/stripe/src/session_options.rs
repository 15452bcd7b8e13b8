//! What a Checkout session does besides selling: taxes, tax ids, promotion codes and invoices.
//!
//! Nothing of it changes an amount here. What Stripe refuses about it is refused.

use super::error::ApiError;
use super::params::Params;
use serde_json::{Value, json};

const TEXTS: [&str; 4] = [
    "after_submit",
    "shipping_address",
    "submit",
    "terms_of_service_acceptance",
];
const TEXT_CHARS_MAX: usize = 1_200;

/// Sets the options of a new session.
pub(super) fn apply(session: &mut Value, params: &Params, mode: &str) -> Result<(), ApiError> {
    let update = params.inside("customer_update");
    update.only(&["address", "name", "shipping"])?;
    for field in ["address", "name", "shipping"] {
        update.word(field, &["auto", "never"])?;
    }
    if params.mentions("customer_update") && params.get("customer").is_none() {
        let message = "`customer_update` can only be used with `customer`.";
        return Err(ApiError::invalid(message).about("customer_update"));
    }
    let enabled = |name: &str, more: &[&str]| -> Result<bool, ApiError> {
        let inside = params.inside(name);
        inside.only(&[&["enabled"], more].concat())?;
        if params.mentions(name) {
            inside.required("enabled")?;
        }
        Ok(inside.boolean("enabled")?.unwrap_or(false))
    };
    let known = params.get("customer").is_some();
    if enabled("automatic_tax", &["liability"])? {
        sells(mode, "automatic_tax")?;
        session["automatic_tax"] = json!({
            "enabled": true,
            "liability": {"type": "self"},
            "provider": "stripe",
            "status": "requires_location_inputs",
        });
    }
    if enabled("tax_id_collection", &["required"])? {
        sells(mode, "tax_id_collection")?;
        // https://docs.stripe.com/tax/checkout/tax-ids, "Existing customers".
        if known && update.get("name") != Some("auto") {
            let message = "Tax ID collection requires updating business name on the customer. To enable tax ID collection for an \
                existing customer, please set `customer_update[name]` to `auto`.";
            return Err(ApiError::invalid(message).about("customer_update"));
        }
        session["tax_id_collection"] = json!({"enabled": true, "required": "never"});
    }
    if enabled("invoice_creation", &["invoice_data"])? {
        if mode != "payment" {
            let message = "You can only enable invoice creation when `mode` is set to `payment`.";
            return Err(ApiError::invalid(message).about("invoice_creation"));
        }
        session["invoice_creation"] = json!({"enabled": true, "invoice_data": {
            "account_tax_ids": null,
            "custom_fields": null,
            "description": null,
            "footer": null,
            "issuer": null,
            "metadata": {},
            "rendering_options": null,
        }});
    }
    let texts = params.inside("custom_text");
    texts.only(&TEXTS)?;
    for text in TEXTS {
        let inside = texts.inside(text);
        inside.only(&["message"])?;
        if texts.mentions(text) {
            session["custom_text"][text] = json!({"message": message(&inside)?});
        }
    }
    if params.boolean("allow_promotion_codes")? == Some(true) {
        sells(mode, "allow_promotion_codes")?;
        session["allow_promotion_codes"] = json!(true);
    }
    Ok(())
}

fn message(text: &Params) -> Result<&str, ApiError> {
    let message = text.required("message")?;
    if message.chars().count() <= TEXT_CHARS_MAX {
        return Ok(message);
    }
    let error = format!("Invalid string: must be at most {TEXT_CHARS_MAX} characters");
    Err(ApiError::invalid(error).about("message"))
}

fn sells(mode: &str, name: &str) -> Result<(), ApiError> {
    if mode != "setup" {
        return Ok(());
    }
    let message = format!("`{name}` cannot be used in `setup` mode.");
    Err(ApiError::invalid(message).about(name))
}
