//! `/v1/checkout/sessions`: one-time pages on which a customer pays. This file handles the calls;
//! `checkout_actions.rs` does what the person on the page does.

use axum::extract::{Path, State as From};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::Stripe;
use super::account::{Account, Answer, answer, number, shape, text};
use super::amounts;
use super::error::ApiError;
use super::metadata;
use super::objects::{CUSTOMER, LINE_ITEMS, PAGING, PRICE, PRIVATE, PRODUCT, SESSION, list};
use super::params::{NoParams, Params};

const URL: &str = "/v1/checkout/sessions";
const ONE: &str = "/v1/checkout/sessions/{id}";
const EXPIRES_SECONDS_MIN: i64 = 30 * 60;
const EXPIRES_SECONDS_MAX: i64 = 24 * 3600;
/// Tolerates a difference between the caller's clock and ours.
const EXPIRES_SECONDS_SLACK: i64 = 60;
const LINE_ITEMS_MAX: usize = 100;
const REFERENCE_CHARS_MAX: usize = 200;
const KNOWN: [&str; 29] = [
    "allow_promotion_codes",
    "automatic_tax",
    "billing_address_collection",
    "cancel_url",
    "client_reference_id",
    "consent_collection",
    "currency",
    "custom_text",
    "customer",
    "customer_creation",
    "customer_email",
    "customer_update",
    "expires_at",
    "invoice_creation",
    "line_items",
    "locale",
    "metadata",
    "mode",
    "payment_intent_data",
    "payment_method_collection",
    "payment_method_types",
    "redirect_on_completion",
    "return_url",
    "saved_payment_method_options",
    "setup_intent_data",
    "submit_type",
    "subscription_data",
    "success_url",
    "ui_mode",
];

pub(super) fn routes() -> Router<Stripe> {
    Router::new()
        .route(URL, post(create).get(index))
        .route(ONE, get(show).post(update))
        .route("/v1/checkout/sessions/{id}/expire", post(expire))
        .route("/v1/checkout/sessions/{id}/line_items", get(line_items))
}

async fn create(From(stripe): From<Stripe>, params: Params) -> Answer {
    params.only(
        &[
            &KNOWN[..],
            &[
                "tax_id_collection",
                "phone_number_collection",
                "wallet_options",
            ],
        ]
        .concat(),
    )?;
    params.required("mode")?;
    let mode = params
        .word("mode", &["payment", "setup", "subscription"])?
        .unwrap_or_default();
    let mut account = stripe.account();
    let customer = payer(&account, &params)?;
    let orders = orders(&account, &params, mode)?;
    let data = data(&params, mode, account.now)?;
    let mut session = blank(account.now, mode, &params)?;
    addresses(&mut session, &params)?;
    super::session_options::apply(&mut session, &params, mode)?;
    session["expires_at"] = json!(expiry(&params, account.now)?);
    session["customer"] = json!(params.get("customer"));
    session["customer_details"] = customer_details(customer.as_ref(), params.get("customer_email"));
    session["metadata"] = metadata::new(&params)?;
    session[PRIVATE] = data;
    let id = account.fresh_id(SESSION);
    session["id"] = json!(id);
    if session["ui_mode"] == "hosted_page" {
        session["url"] = json!(format!("{}/pay/{id}", account.site));
    } else {
        session["client_secret"] = json!(format!("{id}_secret_test"));
    }
    let items: Vec<Value> = orders
        .into_iter()
        .map(|order| order.item(&mut account))
        .collect();
    total(&mut session, &items, &params);
    session[LINE_ITEMS] = Value::Array(items);
    // Emits nothing: Stripe has no event for a new session.
    account.objects.insert(SESSION, session.clone());
    answer(&session)
}

async fn show(From(stripe): From<Stripe>, Path(id): Path<String>, _: NoParams) -> Answer {
    answer(&stripe.account().find(SESSION, &id)?)
}

async fn update(From(stripe): From<Stripe>, Path(id): Path<String>, params: Params) -> Answer {
    params.only(&["metadata"])?;
    let mut account = stripe.account();
    let metadata = metadata::merged(&account.find(SESSION, &id)?, &params)?;
    answer(&account.set(SESSION, &id, json!({"metadata": metadata}))?)
}

async fn index(From(stripe): From<Stripe>, params: Params) -> Answer {
    let fields = ["customer", "payment_intent", "subscription", "status"];
    params.only(&[&PAGING[..], &fields, &["created", "customer_details"]].concat())?;
    let email = params.get("customer_details[email]");
    let wanted = |session: &Value| {
        fields.into_iter().all(|field| {
            params
                .get(field)
                .is_none_or(|value| session[field] == value)
        }) && email.is_none_or(|email| session["customer_details"]["email"] == email)
    };
    Ok(Json(list(
        URL,
        &params,
        stripe.account().select(SESSION, wanted),
    )?))
}

async fn expire(From(stripe): From<Stripe>, Path(id): Path<String>, params: Params) -> Answer {
    params.only(&[])?;
    answer(&stripe.account().expire_session(&id)?)
}

async fn line_items(From(stripe): From<Stripe>, Path(id): Path<String>, params: Params) -> Answer {
    params.only(&PAGING)?;
    let session = stripe.account().find(SESSION, &id)?;
    let items = session[LINE_ITEMS].as_array().cloned().unwrap_or_default();
    Ok(Json(list(
        &format!("{URL}/{id}/line_items"),
        &params,
        items,
    )?))
}

/// One requested line item.
struct Order {
    price: Value,
    product: Value,
    /// `None` for metered prices.
    quantity: Option<i64>,
}

impl Order {
    fn item(self, account: &mut Account<'_>) -> Value {
        let amount = self
            .quantity
            .map_or(0, |quantity| amounts::cost(&self.price, quantity));
        json!({
            "id": account.objects.fresh_id("li"),
            "object": "item",
            "adjustable_quantity": null,
            "amount_discount": 0,
            "amount_subtotal": amount,
            "amount_tax": 0,
            "amount_total": amount,
            "currency": self.price["currency"],
            "description": self.product["name"],
            "metadata": {},
            "price": super::objects::shown(&self.price),
            "quantity": self.quantity,
        })
    }
}

fn orders(account: &Account<'_>, params: &Params, mode: &str) -> Result<Vec<Order>, ApiError> {
    let rows = params.rows("line_items");
    if mode == "setup" {
        let message = "You can not pass `line_items` in `setup` mode.";
        return if rows.is_empty() {
            Ok(Vec::new())
        } else {
            Err(ApiError::invalid(message).about("line_items"))
        };
    }
    if rows.is_empty() || rows.len() > LINE_ITEMS_MAX {
        return Err(ApiError::missing_parameter("line_items"));
    }
    let orders = rows
        .iter()
        .enumerate()
        .map(|(at, row)| order(account, row, &format!("line_items[{at}]")));
    let orders: Vec<Order> = orders.collect::<Result<_, ApiError>>()?;
    let recurring = |order: &Order| order.price["type"] == "recurring";
    if mode == "payment" && orders.iter().any(recurring) {
        let message = "You specified `payment` mode but passed a recurring price. Either switch to `subscription` mode \
                       or use only one-time prices.";
        return Err(ApiError::invalid(message).about("mode"));
    }
    if mode == "subscription" && !orders.iter().any(recurring) {
        let message = "You must provide at least one recurring price in `subscription` mode when using prices.";
        return Err(ApiError::invalid(message).about("line_items"));
    }
    let currency = &orders[0].price["currency"];
    if orders
        .iter()
        .any(|order| order.price["currency"] != *currency)
    {
        return Err(
            ApiError::invalid("All prices must have the same currency.").about("line_items")
        );
    }
    Ok(orders)
}

fn order(account: &Account<'_>, row: &Params, name: &str) -> Result<Order, ApiError> {
    row.only(&["price", "quantity", "adjustable_quantity", "metadata"])?;
    let at = format!("{name}[price]");
    let id = row
        .get("price")
        .filter(|price| !price.is_empty())
        .ok_or_else(|| ApiError::missing_parameter(&at))?;
    let price = account
        .find(PRICE, id)
        .map_err(|_| ApiError::no_such_reference(PRICE.noun, id, &at))?;
    if price["active"] != true {
        let message = "The price specified is inactive. This field only accepts active prices.";
        return Err(ApiError::invalid(message).about(&at));
    }
    let quantity = row.integer("quantity")?;
    let metered = price["recurring"]["usage_type"] == "metered";
    let at = format!("{name}[quantity]");
    if metered && quantity.is_some() {
        let message = format!(
            "Quantity should not be specified where usage_type is `metered`. Remove quantity from `{name}`"
        );
        return Err(ApiError::invalid(message).about(&at));
    }
    if !metered && quantity.is_none_or(|quantity| quantity < 1) {
        let message = format!("Quantity is required. Add `quantity` to `{name}`");
        return Err(ApiError::invalid(message).about(&at));
    }
    let product = account.find(PRODUCT, text(&price, "product"))?;
    Ok(Order {
        price,
        product,
        quantity,
    })
}

fn payer(account: &Account<'_>, params: &Params) -> Result<Option<Value>, ApiError> {
    let Some(id) = params.get("customer") else {
        return Ok(None);
    };
    if params.mentions("customer_email") {
        let message = "You may only specify one of these parameters: customer, customer_email.";
        return Err(ApiError::invalid(message).about("customer"));
    }
    account
        .customer(id)
        .map(Some)
        .map_err(|_| ApiError::no_such_reference(CUSTOMER.noun, id, "customer"))
}

/// The data for the payment, the subscription or the setup. It is kept until the customer pays.
fn data(params: &Params, mode: &str, now: i64) -> Result<Value, ApiError> {
    for (name, its_mode) in [
        ("payment_intent_data", "payment"),
        ("subscription_data", "subscription"),
        ("setup_intent_data", "setup"),
    ] {
        if params.mentions(name) && mode != its_mode {
            return Err(
                ApiError::invalid(format!("You can not pass `{name}` in `{mode}` mode."))
                    .about(name),
            );
        }
    }
    let payment = params.inside("payment_intent_data");
    payment.only(&[
        "metadata",
        "description",
        "receipt_email",
        "setup_future_usage",
        "statement_descriptor_suffix",
    ])?;
    let setup = params.inside("setup_intent_data");
    setup.only(&["metadata", "description"])?;
    let subscription = params.inside("subscription_data");
    subscription.only(&[
        "metadata",
        "description",
        "trial_end",
        "trial_period_days",
        "trial_settings",
    ])?;
    let trial_end = match subscription.integer("trial_period_days")? {
        Some(days) => Some(now + days * 86_400),
        None => subscription.integer("trial_end")?,
    };
    let inner = [
        ("payment", &payment),
        ("subscription", &subscription),
        ("setup", &setup),
    ];
    let inner = inner
        .into_iter()
        .find(|(its_mode, _)| *its_mode == mode)
        .map_or(&payment, |(_, inner)| inner);
    Ok(json!({
        "description": inner.get("description"),
        "metadata": metadata::new(inner)?,
        "setup_future_usage": payment.get("setup_future_usage"),
        "trial_end": trial_end,
        "missing_payment_method": subscription.get("trial_settings[end_behavior][missing_payment_method]"),
    }))
}

fn addresses(session: &mut Value, params: &Params) -> Result<(), ApiError> {
    let modes = ["elements", "embedded_page", "form", "hosted_page"];
    let ui_mode = params.word("ui_mode", &modes)?.unwrap_or("hosted_page");
    session["ui_mode"] = json!(ui_mode);
    let (wanted, strange) = if ui_mode == "hosted_page" {
        ("success_url", &["return_url"][..])
    } else {
        ("return_url", &["success_url", "cancel_url"][..])
    };
    if let Some(name) = strange.iter().find(|name| params.mentions(name)) {
        let message =
            format!("The `{name}` parameter is not supported when `ui_mode` is `{ui_mode}`.");
        return Err(ApiError::invalid(message).about(name));
    }
    let redirects = params.word(
        "redirect_on_completion",
        &["always", "if_required", "never"],
    )?;
    if redirects != Some("never") {
        params.required(wanted)?;
    }
    for name in ["success_url", "cancel_url", "return_url"] {
        if let Some(url) = params.get(name) {
            if !url.starts_with("http://") && !url.starts_with("https://") {
                return Err(ApiError::parameter(name, "url_invalid", "Not a valid URL"));
            }
            session[name] = json!(url);
        }
    }
    Ok(())
}

fn expiry(params: &Params, now: i64) -> Result<i64, ApiError> {
    let Some(at) = params.integer("expires_at")? else {
        return Ok(now + EXPIRES_SECONDS_MAX);
    };
    let message = if at < now + EXPIRES_SECONDS_MIN - EXPIRES_SECONDS_SLACK {
        "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation."
    } else if at > now + EXPIRES_SECONDS_MAX + EXPIRES_SECONDS_SLACK {
        "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation."
    } else {
        return Ok(at);
    };
    Err(ApiError::invalid(message).about("expires_at"))
}

fn total(session: &mut Value, items: &[Value], params: &Params) {
    let sum: i64 = items.iter().map(|item| number(item, "amount_total")).sum();
    // A trial charges only one-time items today.
    let recurring = |item: &&Value| item["price"]["type"] == "recurring";
    let later: i64 = items
        .iter()
        .filter(recurring)
        .map(|item| number(item, "amount_total"))
        .sum();
    let sum = if session[PRIVATE]["trial_end"].is_null() {
        sum
    } else {
        sum - later
    };
    if let Some(item) = items.first() {
        session["currency"] = item["currency"].clone();
        session["amount_subtotal"] = json!(sum);
        session["amount_total"] = json!(sum);
    } else {
        session["currency"] = json!(params.get("currency"));
    }
    if sum == 0 {
        session["payment_status"] = json!("no_payment_required");
    }
}

/// The known details of the customer.
pub(super) fn customer_details(customer: Option<&Value>, email: Option<&str>) -> Value {
    let known = |field: &str| customer.map_or(Value::Null, |customer| customer[field].clone());
    if customer.is_none() && email.is_none() {
        return Value::Null;
    }
    json!({
        "address": null,
        "business_name": null,
        "email": email.map_or_else(|| known("email"), |email| json!(email)),
        "individual_name": null,
        "name": known("name"),
        "phone": known("phone"),
        "tax_exempt": "none",
        "tax_ids": [],
    })
}

fn blank(now: i64, mode: &str, params: &Params) -> Result<Value, ApiError> {
    let reference = params.get("client_reference_id");
    if reference.is_some_and(|reference| reference.chars().count() > REFERENCE_CHARS_MAX) {
        let message = format!(
            "Invalid string: client_reference_id must be at most {REFERENCE_CHARS_MAX} characters"
        );
        return Err(ApiError::invalid(message).about("client_reference_id"));
    }
    Ok(shape(
        &NULLS,
        json!({
            "object": SESSION.object,
            "adaptive_pricing": {"enabled": false},
            "automatic_tax": {"enabled": false, "liability": null, "provider": null, "status": null},
            "client_reference_id": reference,
            "created": now,
            "custom_fields": [],
            "custom_text": {
                "after_submit": null,
                "shipping_address": null,
                "submit": null,
                "terms_of_service_acceptance": null,
            },
            "customer_creation": match (mode, params.get("customer")) {
                (_, Some(_)) | ("setup", None) => Value::Null,
                ("payment", None) => json!(params.get("customer_creation").unwrap_or("if_required")),
                (_, None) => json!("always"),
            },
            "customer_email": params.get("customer_email"),
            "livemode": false,
            "mode": mode,
            "payment_method_collection": if mode == "subscription" { json!("always") } else { Value::Null },
            "payment_method_options": {},
            "payment_method_types": ["card"],
            "payment_status": if mode == "setup" { "no_payment_required" } else { "unpaid" },
            "permissions": null,
            "phone_number_collection": {"enabled": false},
            "shipping_options": [],
            "status": "open",
            "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        }),
    ))
}

const NULLS: [&str; 35] = [
    "after_expiration",
    "allow_promotion_codes",
    "allowed_payment_method_types",
    "amount_subtotal",
    "amount_total",
    "billing_address_collection",
    "cancel_url",
    "client_secret",
    "collected_information",
    "consent",
    "consent_collection",
    "currency",
    "currency_conversion",
    "customer_account",
    "discounts",
    "integration_identifier",
    "invoice",
    "invoice_creation",
    "locale",
    "managed_payments",
    "origin_context",
    "payment_intent",
    "payment_link",
    "payment_method_configuration_details",
    "recovered_from",
    "saved_payment_method_options",
    "setup_intent",
    "shipping_address_collection",
    "shipping_cost",
    "submit_type",
    "subscription",
    "success_url",
    "ui_mode",
    "url",
    "wallet_options",
];
