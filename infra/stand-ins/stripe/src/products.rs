//! `/v1/products`: the products for sale. The caller may choose the id.

use axum::extract::{Path, State as From};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::Stripe;
use super::account::{Answer, answer, text};
use super::error::ApiError;
use super::metadata;
use super::objects::{PAGING, PRICE, PRODUCT, list};
use super::params::{NoParams, Params};

const URL: &str = "/v1/products";
/// Plain text fields; an empty value clears one.
const TEXTS: [&str; 6] = [
    "name",
    "description",
    "unit_label",
    "statement_descriptor",
    "tax_code",
    "url",
];

pub(super) fn routes() -> Router<Stripe> {
    Router::new()
        .route(URL, post(create).get(index))
        .route("/v1/products/{id}", get(show).post(update).delete(remove))
}

async fn create(From(stripe): From<Stripe>, params: Params) -> Answer {
    params.only(
        &[
            &TEXTS[..],
            &["id", "active", "images", "metadata", "shippable"],
        ]
        .concat(),
    )?;
    params.required("name")?;
    let active = params.boolean("active")?.unwrap_or(true);
    let metadata = metadata::new(&params)?;
    let mut account = stripe.account();
    let id = match params.get("id").filter(|id| !id.is_empty()) {
        Some(id) if account.find(PRODUCT, id).is_ok() => {
            return Err(
                ApiError::invalid("Product already exists.").coded("resource_already_exists")
            );
        }
        Some(id) => id.to_owned(),
        None => account.fresh_id(PRODUCT),
    };
    let mut product = json!({
        "id": id,
        "object": PRODUCT.object,
        "active": active,
        "created": account.now,
        "default_price": null,
        "description": null,
        "images": params.list("images"),
        "livemode": false,
        "marketing_features": [],
        "metadata": metadata,
        "package_dimensions": null,
        "shippable": params.boolean("shippable")?,
        "statement_descriptor": null,
        "tax_code": null,
        "tax_details": null,
        "type": "service",
        "unit_label": null,
        "updated": account.now,
        "url": null,
    });
    texts(&mut product, &params);
    answer(&account.create(PRODUCT, "product.created", product))
}

async fn show(From(stripe): From<Stripe>, Path(id): Path<String>, _: NoParams) -> Answer {
    answer(&stripe.account().find(PRODUCT, &id)?)
}

async fn update(From(stripe): From<Stripe>, Path(id): Path<String>, params: Params) -> Answer {
    params.only(
        &[
            &TEXTS[..],
            &["active", "default_price", "images", "metadata"],
        ]
        .concat(),
    )?;
    let mut account = stripe.account();
    let before = account.find(PRODUCT, &id)?;
    let mut product = before.clone();
    if params.get("name") == Some("") {
        return Err(ApiError::parameter(
            "name",
            "parameter_invalid_empty",
            "You passed an empty string for 'name'.",
        ));
    }
    texts(&mut product, &params);
    if let Some(active) = params.boolean("active")? {
        product["active"] = json!(active);
    }
    if let Some(price) = params
        .get("default_price")
        .filter(|price| !price.is_empty())
    {
        let known = account
            .find(PRICE, price)
            .is_ok_and(|price| price["product"] == id.as_str());
        known
            .then_some(())
            .ok_or_else(|| ApiError::no_such_reference(PRICE.noun, price, "default_price"))?;
        product["default_price"] = json!(price);
    }
    if params.mentions("images") {
        product["images"] = json!(params.list("images"));
    }
    product["metadata"] = metadata::merged(&before, &params)?;
    if product != before {
        product["updated"] = json!(account.now);
    }
    answer(&account.update(PRODUCT, &id, "product.updated", product)?)
}

async fn index(From(stripe): From<Stripe>, params: Params) -> Answer {
    params.only(&[&PAGING[..], &["active", "ids", "created", "url"]].concat())?;
    let (active, ids) = (params.boolean("active")?, params.list("ids"));
    let wanted = |product: &Value| {
        active.is_none_or(|active| product["active"] == active)
            && (ids.is_empty() || ids.contains(&text(product, "id")))
    };
    Ok(Json(list(
        URL,
        &params,
        stripe.account().select(PRODUCT, wanted),
    )?))
}

async fn remove(From(stripe): From<Stripe>, Path(id): Path<String>, _: NoParams) -> Answer {
    let mut account = stripe.account();
    if account
        .objects
        .all(PRICE)
        .any(|price| price["product"] == id.as_str())
    {
        let message =
            "This product cannot be deleted because it has one or more user-created prices.";
        return Err(ApiError::invalid(message));
    }
    let product = account.objects.remove(PRODUCT, &id)?;
    account.emit("product.deleted", &product);
    Ok(Json(
        json!({"id": id, "object": PRODUCT.object, "deleted": true}),
    ))
}

fn texts(product: &mut Value, params: &Params) {
    for field in TEXTS {
        if let Some(value) = params.get(field) {
            product[field] = if value.is_empty() {
                Value::Null
            } else {
                json!(value)
            };
        }
    }
}
