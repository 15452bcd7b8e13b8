//! `/v1/prices`: the price of a product. An amount never changes after creation. A lookup key
//! belongs to one price at a time and moves only if the caller requests it.

use axum::extract::{Path, State as From};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::Stripe;
use super::account::{Account, Answer, answer, text};
use super::amounts;
use super::error::ApiError;
use super::metadata;
use super::objects::{METER, PAGING, PRICE, PRODUCT, list};
use super::params::{NoParams, Params};

const URL: &str = "/v1/prices";
const LOOKUP_KEYS_MAX: usize = 10;
const LOOKUP_KEY_CHARS_MAX: usize = 200;

pub(super) fn routes() -> Router<Stripe> {
    Router::new()
        .route(URL, post(create).get(index))
        .route("/v1/prices/{id}", get(show).post(update))
}

async fn create(From(stripe): From<Stripe>, params: Params) -> Answer {
    params.only(&[
        "active",
        "billing_scheme",
        "currency",
        "lookup_key",
        "metadata",
        "nickname",
        "product",
        "recurring",
        "tax_behavior",
        "tiers",
        "tiers_mode",
        "transfer_lookup_key",
        "unit_amount",
        "unit_amount_decimal",
    ])?;
    let (currency, product) = (
        params.required("currency")?.to_lowercase(),
        params.required("product")?,
    );
    let mut account = stripe.account();
    account
        .find(PRODUCT, product)
        .map_err(|_| ApiError::no_such_reference(PRODUCT.noun, product, "product"))?;
    let mut price = json!({
        "id": null,
        "object": PRICE.object,
        "active": params.boolean("active")?.unwrap_or(true),
        "billing_scheme": "per_unit",
        "created": account.now,
        "currency": currency,
        "custom_unit_amount": null,
        "livemode": false,
        "lookup_key": null,
        "metadata": metadata::new(&params)?,
        "nickname": params.get("nickname"),
        "product": product,
        "recurring": recurring(&account, &params)?,
        "tax_behavior": params.get("tax_behavior").unwrap_or("unspecified"),
        "tiers_mode": null,
        "transform_quantity": null,
        "type": if params.mentions("recurring") { "recurring" } else { "one_time" },
        "unit_amount": null,
        "unit_amount_decimal": null,
    });
    set_amounts(&mut price, &params)?;
    price["lookup_key"] = account.claim_lookup_key(&params, "")?;
    price["id"] = json!(account.fresh_id(PRICE));
    answer(&account.create(PRICE, "price.created", price))
}

async fn show(From(stripe): From<Stripe>, Path(id): Path<String>, _: NoParams) -> Answer {
    answer(&stripe.account().find(PRICE, &id)?)
}

async fn update(From(stripe): From<Stripe>, Path(id): Path<String>, params: Params) -> Answer {
    params.only(&[
        "active",
        "lookup_key",
        "metadata",
        "nickname",
        "tax_behavior",
        "transfer_lookup_key",
    ])?;
    let mut account = stripe.account();
    let mut price = account.find(PRICE, &id)?;
    if let Some(active) = params.boolean("active")? {
        price["active"] = json!(active);
    }
    price["metadata"] = metadata::merged(&price, &params)?;
    for field in ["nickname", "tax_behavior"] {
        if let Some(value) = params.get(field) {
            price[field] = if value.is_empty() {
                Value::Null
            } else {
                json!(value)
            };
        }
    }
    if params.mentions("lookup_key") {
        price["lookup_key"] = account.claim_lookup_key(&params, &id)?;
    }
    answer(&account.update(PRICE, &id, "price.updated", price)?)
}

async fn index(From(stripe): From<Stripe>, params: Params) -> Answer {
    params.only(
        &[
            &PAGING[..],
            &[
                "active",
                "created",
                "currency",
                "lookup_keys",
                "product",
                "type",
            ],
        ]
        .concat(),
    )?;
    let (active, keys) = (params.boolean("active")?, params.list("lookup_keys"));
    if keys.len() > LOOKUP_KEYS_MAX {
        let message =
            format!("Array lookup_keys exceeded maximum {LOOKUP_KEYS_MAX} allowed elements.");
        return Err(ApiError::invalid(message).about("lookup_keys"));
    }
    let wanted = |price: &Value| {
        let named = |field: &str| params.get(field).is_none_or(|value| price[field] == value);
        active.is_none_or(|active| price["active"] == active)
            && (keys.is_empty()
                || price["lookup_key"]
                    .as_str()
                    .is_some_and(|key| keys.contains(&key)))
            && ["currency", "product", "type"].into_iter().all(named)
    };
    Ok(Json(list(
        URL,
        &params,
        stripe.account().select(PRICE, wanted),
    )?))
}

impl Account<'_> {
    /// The lookup key for a price, moved from another price if the caller requests it.
    fn claim_lookup_key(&mut self, params: &Params, owner: &str) -> Result<Value, ApiError> {
        let Some(key) = params.get("lookup_key").filter(|key| !key.is_empty()) else {
            return Ok(Value::Null);
        };
        if key.chars().count() > LOOKUP_KEY_CHARS_MAX {
            let message = format!(
                "Invalid string: lookup_key must be at most {LOOKUP_KEY_CHARS_MAX} characters"
            );
            return Err(ApiError::invalid(message).about("lookup_key"));
        }
        let other = self
            .select(PRICE, |price| {
                price["lookup_key"] == key && price["id"] != owner
            })
            .pop();
        let Some(other) = other else {
            return Ok(json!(key));
        };
        let other = text(&other, "id");
        if params.boolean("transfer_lookup_key")? != Some(true) {
            let message = format!("A price (`{other}`) already uses that lookup key.");
            return Err(ApiError::invalid(message).about("lookup_key"));
        }
        self.update(PRICE, other, "price.updated", json!({"lookup_key": null}))?;
        Ok(json!(key))
    }
}

fn recurring(account: &Account<'_>, params: &Params) -> Result<Value, ApiError> {
    if !params.mentions("recurring") {
        return Ok(Value::Null);
    }
    let recurring = params.inside("recurring");
    recurring.only(&[
        "interval",
        "interval_count",
        "meter",
        "trial_period_days",
        "usage_type",
    ])?;
    params.required("recurring[interval]")?;
    let interval = params.word("recurring[interval]", &["day", "week", "month", "year"])?;
    let usage = params
        .word("recurring[usage_type]", &["licensed", "metered"])?
        .unwrap_or("licensed");
    let meter = recurring.get("meter").filter(|meter| !meter.is_empty());
    match (usage, meter) {
        ("metered", None) => {
            let message =
                "Metered prices must be backed by a meter. Please specify `recurring[meter]`.";
            return Err(ApiError::invalid(message).about("recurring[meter]"));
        }
        ("licensed", Some(_)) => {
            let message = "`recurring[meter]` can only be set on prices with `recurring[usage_type]=metered`.";
            return Err(ApiError::invalid(message).about("recurring[meter]"));
        }
        (_, Some(meter)) => {
            account
                .find(METER, meter)
                .map_err(|_| ApiError::no_such_reference(METER.noun, meter, "recurring[meter]"))?;
        }
        (_, None) => {}
    }
    Ok(json!({
        "interval": interval,
        "interval_count": recurring.integer("interval_count")?.unwrap_or(1),
        "meter": meter,
        "trial_period_days": null,
        "usage_type": usage,
    }))
}

fn set_amounts(price: &mut Value, params: &Params) -> Result<(), ApiError> {
    let scheme = params
        .word("billing_scheme", &["per_unit", "tiered"])?
        .unwrap_or("per_unit");
    price["billing_scheme"] = json!(scheme);
    if scheme == "tiered" {
        if params.mentions("unit_amount") || params.mentions("unit_amount_decimal") {
            let message = "You cannot specify `unit_amount` when `billing_scheme=tiered`.";
            return Err(ApiError::invalid(message).about("unit_amount"));
        }
        params.required("tiers_mode")?;
        price["tiers_mode"] = json!(params.word("tiers_mode", &["graduated", "volume"])?);
        price["tiers"] = tiers(params)?;
        return Ok(());
    }
    if params.mentions("tiers") || params.mentions("tiers_mode") {
        let message = "You cannot specify `tiers` unless `billing_scheme=tiered`.";
        return Err(ApiError::invalid(message).about("tiers"));
    }
    set_amount(price, params, "unit_amount")?;
    if price["unit_amount_decimal"].is_null() {
        return Err(ApiError::missing_parameter("unit_amount"));
    }
    Ok(())
}

/// Sets `unit_amount` and `unit_amount_decimal` from whichever was given. `unit_amount` is null
/// unless the amount is whole.
fn set_amount(object: &mut Value, params: &Params, field: &str) -> Result<(), ApiError> {
    let decimal = format!("{field}_decimal");
    let given = match (params.get(field), params.get(&decimal)) {
        (None, None) => return Ok(()),
        (Some(_), Some(_)) => {
            let message =
                format!("You may only specify one of these parameters: {field}, {decimal}.");
            return Err(ApiError::invalid(message).about(field));
        }
        (Some(given), None) if given.contains('.') => None,
        (Some(given), None) | (None, Some(given)) => amounts::parse(given),
    };
    let units = given.ok_or_else(|| {
        let message = format!(
            "Invalid {field}: must be a number of at least 0 with at most 12 decimal places."
        );
        ApiError::invalid(message).about(field)
    })?;
    object[field] = json!(amounts::whole(units));
    object[decimal] = json!(amounts::format(units));
    Ok(())
}

fn tiers(params: &Params) -> Result<Value, ApiError> {
    let rows = params.rows("tiers");
    let Some(last) = rows.len().checked_sub(1) else {
        return Err(ApiError::missing_parameter("tiers"));
    };
    let (mut tiers, mut reached) = (Vec::new(), 0);
    for (at, row) in rows.iter().enumerate() {
        row.only(&[
            "up_to",
            "unit_amount",
            "unit_amount_decimal",
            "flat_amount",
            "flat_amount_decimal",
        ])?;
        let up_to = match row.required("up_to")? {
            "inf" if at == last => None,
            _ if at == last => {
                return Err(
                    ApiError::invalid("The last tier must have `up_to` set to `inf`.")
                        .about("tiers"),
                );
            }
            _ => row.integer("up_to")?.filter(|up_to| *up_to > reached),
        };
        if up_to.is_none() && at != last {
            return Err(ApiError::invalid(
                "Each tier's `up_to` must be greater than the one before it.",
            )
            .about("tiers"));
        }
        reached = up_to.unwrap_or(reached);
        let mut tier = json!({
            "flat_amount": null,
            "flat_amount_decimal": null,
            "unit_amount": null,
            "unit_amount_decimal": null,
            "up_to": up_to,
        });
        set_amount(&mut tier, row, "unit_amount")?;
        set_amount(&mut tier, row, "flat_amount")?;
        if tier["unit_amount_decimal"].is_null() && tier["flat_amount_decimal"].is_null() {
            return Err(ApiError::missing_parameter(&format!(
                "tiers[{at}][unit_amount]"
            )));
        }
        tiers.push(tier);
    }
    Ok(Value::Array(tiers))
}
