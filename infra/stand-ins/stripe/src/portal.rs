//! `/v1/billing_portal`: what customers may do in the portal (configurations), and access to it for
//! one customer (sessions).

use axum::Json;
use axum::Router;
use axum::extract::{Path, State as From};
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::Stripe;
use super::account::{Account, Answer, answer, text};
use super::error::ApiError;
use super::metadata;
use super::objects::{CUSTOMER, PAGING, PORTAL, PORTAL_SESSION, SUBSCRIPTION, list};
use super::params::{NoParams, Params};

const CONFIGURATIONS: &str = "/v1/billing_portal/configurations";

pub(super) fn routes() -> Router<Stripe> {
    Router::new()
        .route(CONFIGURATIONS, post(create).get(index))
        .route(
            "/v1/billing_portal/configurations/{id}",
            get(show).post(update),
        )
        .route("/v1/billing_portal/sessions", post(open))
}

impl Stripe {
    /// Every portal session, oldest first.
    pub fn portal_sessions(&self) -> Vec<Value> {
        self.read_all(PORTAL_SESSION)
    }
}

async fn create(From(stripe): From<Stripe>, params: Params) -> Answer {
    params.only(&[
        "business_profile",
        "default_return_url",
        "features",
        "login_page",
        "metadata",
        "name",
    ])?;
    if !params.mentions("features") {
        return Err(ApiError::missing_parameter("features"));
    }
    let mut account = stripe.account();
    let mut configuration = blank(&mut account, metadata::new(&params)?);
    overlay(&mut configuration, &params, "", &SETTINGS)?;
    answer(&account.create(
        PORTAL,
        "billing_portal.configuration.created",
        configuration,
    ))
}

async fn show(From(stripe): From<Stripe>, Path(id): Path<String>, _: NoParams) -> Answer {
    answer(&stripe.account().find(PORTAL, &id)?)
}

async fn update(From(stripe): From<Stripe>, Path(id): Path<String>, params: Params) -> Answer {
    params.only(&[&SETTINGS[..], &["active", "metadata"]].concat())?;
    let mut account = stripe.account();
    let before = account.find(PORTAL, &id)?;
    let mut configuration = before.clone();
    overlay(&mut configuration, &params, "", &SETTINGS)?;
    configuration["metadata"] = metadata::merged(&before, &params)?;
    if let Some(active) = params.boolean("active")? {
        configuration["active"] = json!(active);
    }
    if configuration != before {
        configuration["updated"] = json!(account.now);
    }
    answer(&account.update(
        PORTAL,
        &id,
        "billing_portal.configuration.updated",
        configuration,
    )?)
}

async fn index(From(stripe): From<Stripe>, params: Params) -> Answer {
    params.only(&[&PAGING[..], &["active", "is_default"]].concat())?;
    let (active, default) = (params.boolean("active")?, params.boolean("is_default")?);
    let wanted = |configuration: &Value| {
        active.is_none_or(|active| configuration["active"] == active)
            && default.is_none_or(|default| configuration["is_default"] == default)
    };
    Ok(Json(list(
        CONFIGURATIONS,
        &params,
        stripe.account().select(PORTAL, wanted),
    )?))
}

async fn open(From(stripe): From<Stripe>, params: Params) -> Answer {
    params.only(&[
        "configuration",
        "customer",
        "flow_data",
        "locale",
        "return_url",
    ])?;
    let customer = params.required("customer")?;
    let mut account = stripe.account();
    account
        .customer(customer)
        .map_err(|_| ApiError::no_such_reference(CUSTOMER.noun, customer, "customer"))?;
    let Some(id) = params.get("configuration") else {
        let message = "No configuration provided and your test mode default configuration has not been created. \
                       Provide a configuration or create your default by saving your customer portal settings in test \
                       mode at https://dashboard.stripe.com/test/settings/billing/portal.";
        return Err(ApiError::invalid(message));
    };
    let found = account.find(PORTAL, id);
    let configuration =
        found.map_err(|_| ApiError::no_such_reference(PORTAL.noun, id, "configuration"))?;
    if configuration["active"] != true {
        return Err(
            ApiError::invalid("The configuration is inactive and cannot be used.")
                .about("configuration"),
        );
    }
    let flow = flow(&account, customer, &params.inside("flow_data"))?;
    let return_url = params
        .get("return_url")
        .map_or(configuration["default_return_url"].clone(), |url| {
            json!(url)
        });
    let id = account.fresh_id(PORTAL_SESSION);
    let session = json!({
        "id": id,
        "object": PORTAL_SESSION.object,
        "configuration": configuration["id"],
        "created": account.now,
        "customer": customer,
        "customer_account": null,
        "flow": flow,
        "livemode": false,
        "locale": params.get("locale"),
        "on_behalf_of": null,
        "return_url": return_url,
        "url": format!("{}/portal/{id}", account.site),
    });
    answer(&account.create(PORTAL_SESSION, "billing_portal.session.created", session))
}

fn flow(account: &Account<'_>, customer: &str, params: &Params) -> Result<Value, ApiError> {
    let kinds = [
        "payment_method_update",
        "subscription_cancel",
        "subscription_update",
    ];
    let Some(kind) = params.word("type", &kinds)? else {
        return Ok(Value::Null);
    };
    let back = params.get("after_completion[redirect][return_url]");
    let mut flow = json!({
        "after_completion": {
            "hosted_confirmation": null,
            "redirect": back.map(|url| json!({"return_url": url})),
            "type": params.get("after_completion[type]").unwrap_or("portal_homepage"),
        },
        "customer_update": null,
        "subscription_cancel": null,
        "subscription_update": null,
        "subscription_update_confirm": null,
        "type": kind,
    });
    if kind != "payment_method_update" {
        let at = format!("{kind}[subscription]");
        let id = params.required(&at)?;
        let own = account
            .find(SUBSCRIPTION, id)
            .is_ok_and(|subscription| subscription["customer"] == customer);
        own.then_some(()).ok_or_else(|| {
            ApiError::no_such_reference(
                SUBSCRIPTION.noun,
                id,
                &format!("flow_data[{kind}][subscription]"),
            )
        })?;
        flow[kind] = json!({"subscription": id});
    }
    Ok(flow)
}

const SETTINGS: [&str; 5] = [
    "business_profile",
    "default_return_url",
    "features",
    "login_page",
    "name",
];

fn blank(account: &mut Account<'_>, metadata: Value) -> Value {
    json!({
        "id": account.fresh_id(PORTAL),
        "object": PORTAL.object,
        "active": true,
        "application": null,
        "business_profile": {"headline": null, "privacy_policy_url": null, "terms_of_service_url": null},
        "created": account.now,
        "default_return_url": null,
        "features": {
            "customer_update": {"allowed_updates": [], "enabled": false},
            "invoice_history": {"enabled": false},
            "payment_method_update": {"enabled": false, "payment_method_configuration": null},
            "subscription_cancel": {
                "cancellation_reason": {"enabled": false, "feedback_options": null, "options": []},
                "enabled": false,
                "mode": "at_period_end",
                "proration_behavior": "none",
            },
            "subscription_update": {
                "billing_cycle_anchor": null,
                "default_allowed_updates": [],
                "enabled": false,
                "products": [],
                "proration_behavior": "none",
                "schedule_at_period_end": {"conditions": []},
                "trial_update_behavior": "end_trial",
            },
        },
        "is_default": false,
        "livemode": false,
        "login_page": {"enabled": false, "url": null},
        "metadata": metadata,
        "name": null,
        "updated": account.now,
    })
}

/// Overwrites the settings that the parameters name. Each value is parsed as the type of the
/// existing setting.
fn overlay(
    settings: &mut Value,
    params: &Params,
    path: &str,
    known: &[&str],
) -> Result<(), ApiError> {
    for name in known {
        if !params.mentions(name) {
            continue;
        }
        let path = if path.is_empty() {
            (*name).to_owned()
        } else {
            format!("{path}[{name}]")
        };
        let setting = &mut settings[*name];
        if *name == "products" {
            *setting = products(&params.rows(name));
        } else if let Some(fields) = setting.as_object() {
            let known: Vec<String> = fields.keys().cloned().collect();
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let inside = params.inside(name);
            inside.only(&known)?;
            overlay(setting, &inside, &path, &known)?;
        } else if setting.is_boolean() {
            *setting = json!(params.boolean(name).map_err(|error| error.about(&path))?);
        } else if setting.is_array() {
            *setting = json!(params.list(name));
        } else {
            *setting = json!(params.get(name).filter(|value| !value.is_empty()));
        }
    }
    Ok(())
}

fn products(rows: &[Params]) -> Value {
    let row = |row: &Params| json!({"product": row.get("product"), "prices": row.list("prices")});
    rows.iter().map(row).collect()
}

/// The products that customers may switch to. A configuration shows them only on request.
pub(super) fn products_of(configuration: &Value) -> Option<&Value> {
    let updates = &configuration["features"]["subscription_update"];
    (text(configuration, "object") == PORTAL.object)
        .then(|| updates.get("products"))
        .flatten()
}
