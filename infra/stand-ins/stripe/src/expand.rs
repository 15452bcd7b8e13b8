//! `expand[]`: replaces an id in an answer with the object that it refers to, and adds fields that
//! Stripe shows only on request. Anything that cannot be expanded stays unchanged.

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, Request, State as From};
use axum::http::header;
use axum::middleware::Next;
use axum::response::Response;
use serde_json::{Value, json};

use super::Stripe;
use super::account::text;
use super::error::ApiError;
use super::objects::{
    CHARGE, INVOICE, INVOICE_PAYMENT, LINE_ITEMS, Objects, PRICE, REFUND, SESSION, TIERS, shown,
};
use super::params::Params;
use super::portal;

const DEPTH_MAX: usize = 4;
const PORTAL_PRODUCTS: [&str; 3] = ["features", "subscription_update", "products"];

/// Runs between the request checks and the routes, so a replay is expanded like its first result.
pub(super) async fn pass(
    From(stripe): From<Stripe>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let (head, body) = request.into_parts();
    let unread = |_| ApiError::invalid("The request body could not be read.");
    let body = to_bytes(body, usize::MAX).await.map_err(unread)?;
    let copy = Request::from_parts(head.clone(), Body::from(body.clone()));
    // If the parameters cannot be read, the route refuses them; only it knows whether it takes any.
    let params = Params::from_request(copy, &()).await.ok();
    let paths: Vec<String> = params
        .iter()
        .flat_map(|params| params.list("expand"))
        .map(str::to_owned)
        .collect();
    let response = next.run(Request::from_parts(head, Body::from(body))).await;
    if paths.is_empty() || !response.status().is_success() {
        return Ok(response);
    }
    let (mut head, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX)
        .await
        .expect("our own body is in memory");
    let mut answer: Value = serde_json::from_slice(&body).expect("our own answers are JSON");
    let state = stripe.lock();
    for path in &paths {
        let steps: Vec<&str> = path.split('.').take(DEPTH_MAX + 1).collect();
        expand(&state.objects, &mut answer, &steps);
    }
    head.headers.remove(header::CONTENT_LENGTH);
    Ok(Response::from_parts(head, Body::from(answer.to_string())))
}

fn expand(objects: &Objects, value: &mut Value, steps: &[&str]) {
    let Some((first, rest)) = steps.split_first() else {
        return;
    };
    if let Some(items) = value.as_array_mut() {
        return items
            .iter_mut()
            .for_each(|item| expand(objects, item, steps));
    }
    if *steps == PORTAL_PRODUCTS {
        let kept = objects
            .any(text(value, "id"))
            .and_then(portal::products_of)
            .cloned();
        if let Some(products) = kept {
            value["features"]["subscription_update"]["products"] = products;
        }
        return;
    }
    if value.get(first).is_none_or(Value::is_null)
        && let Some(hidden) = hidden(objects, value, first)
    {
        value[*first] = hidden;
    }
    let Some(inner) = value.get_mut(first) else {
        return;
    };
    if let Some(found) = inner.as_str().and_then(|id| objects.any(id)) {
        *inner = shown(found);
    }
    expand(objects, inner, rest);
}

/// A field that its object has but hides by default.
fn hidden(objects: &Objects, value: &Value, field: &str) -> Option<Value> {
    let (kind, id) = (text(value, "object"), text(value, "id"));
    let kept = |name: &str| objects.any(id).and_then(|object| object.get(name)).cloned();
    if kind == PRICE.object && field == TIERS {
        return kept(TIERS);
    }
    if kind == SESSION.object && field == LINE_ITEMS {
        return kept(LINE_ITEMS)
            .map(|items| enveloped(&format!("/v1/checkout/sessions/{id}/line_items"), items));
    }
    if kind == INVOICE.object && field == "payments" {
        let payments = objects
            .all(INVOICE_PAYMENT)
            .filter(|payment| payment["invoice"] == id)
            .cloned();
        return Some(enveloped(
            &format!("/v1/invoice_payments?invoice={id}"),
            payments.collect(),
        ));
    }
    if kind == CHARGE.object && field == "refunds" {
        let refunds: Vec<Value> = objects
            .all(REFUND)
            .filter(|refund| refund["charge"] == id)
            .map(shown)
            .collect();
        return Some(enveloped(
            &format!("/v1/charges/{id}/refunds"),
            Value::Array(refunds),
        ));
    }
    None
}

/// A list inside an object.
pub(super) fn enveloped(url: &str, items: Value) -> Value {
    json!({"object": "list", "data": items, "has_more": false, "url": url})
}
