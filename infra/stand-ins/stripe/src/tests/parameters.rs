//! Which parameters are refused.

use super::*;

/// Stripe refuses a parameter that an endpoint does not have, also where it has none
/// (<https://docs.stripe.com/error-codes#parameter-unknown>).
#[tokio::test]
async fn unknown_parameters_are_refused() {
    let scene = scene();
    for path in [
        "billing/meters",
        "billing_portal/configurations",
        "checkout/sessions",
        "customers",
        "disputes",
        "events",
        "invoice_payments",
        "invoices",
        "payment_methods",
        "prices",
        "products",
        "refunds",
        "subscriptions",
        "webhook_endpoints",
    ] {
        for one in ["", "/x"] {
            let answer = scene.get(&format!("/v1/{path}{one}?color=red")).await;
            answer.refuse(400, "code", "parameter_unknown");
        }
        let answer = scene.get(&format!("/v1/{path}/x?expand[]=customer")).await;
        answer.refuse(404, "code", "resource_missing");
    }
    scene
        .post("/v1/billing/meters/x/deactivate", "", "color=red")
        .await
        .refuse(400, "code", "parameter_unknown");
    scene
        .post("/v1/customers", "", "name=x&color=red")
        .await
        .refuse(400, "code", "parameter_unknown");
}

/// A field that a map does not have is refused like any other
/// (<https://docs.stripe.com/api/prices/create>, <https://docs.stripe.com/api/subscriptions/create>).
#[tokio::test]
async fn unknown_fields_of_maps_are_refused() {
    let scene = scene();
    for (path, form) in [
        ("billing/meters", "default_aggregation[color]=red"),
        ("billing/meters", "customer_mapping[color]=red"),
        ("billing/meters", "value_settings[color]=red"),
        ("customers", "address[color]=red"),
        ("customers", "invoice_settings[color]=red"),
        ("prices", "recurring[color]=red"),
        ("subscriptions", "billing_mode[color]=red"),
        ("subscriptions", "payment_settings[color]=red"),
        ("subscriptions", "trial_settings[color]=red"),
    ] {
        let answer = scene.post(&format!("/v1/{path}"), "", form).await;
        answer.refuse(400, "code", "parameter_unknown");
    }
}
