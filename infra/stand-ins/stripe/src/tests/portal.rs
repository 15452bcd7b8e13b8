//! The smaller APIs: the customer portal, webhook endpoints, cancelled usage.

use super::*;

#[tokio::test]
async fn a_portal_is_set_up_and_opened() {
    let scene = scene();
    let path = "/v1/billing_portal/configurations";
    let form = "features[subscription_cancel][enabled]=true&features[subscription_cancel][mode]=immediately\
                &features[subscription_update][enabled]=true&features[subscription_update][products][0][product]=plan\
                &features[subscription_update][products][0][prices][0]=price_1\
                &features[subscription_update][default_allowed_updates][0]=price&business_profile[headline]=Hello\
                &default_return_url=https://x.example&metadata[version]=1";
    let configuration = scene.make(path, form).await;
    let features = &configuration["features"];
    assert_eq!(
        (
            &features["subscription_cancel"]["mode"],
            &features["invoice_history"]["enabled"]
        ),
        (&json!("immediately"), &json!(false))
    );
    assert_eq!(features["subscription_update"].get("products"), None);
    let one = format!("{path}/{}", id(&configuration));
    let expanded = scene
        .get(&format!(
            "{one}?expand[]=features.subscription_update.products"
        ))
        .await
        .expect(200);
    assert_eq!(
        expanded["features"]["subscription_update"]["products"],
        json!([{"product": "plan", "prices": ["price_1"]}])
    );
    scene
        .post(path, "", "name=x")
        .await
        .refuse(400, "param", "features");
    scene
        .post(path, "", "features[magic][enabled]=true")
        .await
        .refuse(400, "code", "parameter_unknown");
    let changed = scene
        .make(
            &one,
            "features[invoice_history][enabled]=true&metadata[version]=2",
        )
        .await;
    assert_eq!(
        (
            &changed["features"]["invoice_history"]["enabled"],
            &changed["metadata"]["version"]
        ),
        (&json!(true), &json!("2"))
    );
    assert_eq!(
        changed["features"]["subscription_cancel"]["mode"],
        "immediately"
    );

    let form = format!("customer=cus_1&configuration={}", id(&configuration));
    let session = scene.make("/v1/billing_portal/sessions", &form).await;
    assert!(
        session["url"]
            .as_str()
            .is_some_and(|url| url.starts_with("https://stripe.stand-in/portal/bps_"))
    );
    assert_eq!(session["return_url"], "https://x.example");
    let refused = scene
        .post("/v1/billing_portal/sessions", "", "customer=cus_1")
        .await;
    refused.refuse(400, "type", "invalid_request_error");
    scene.make(&one, "active=false").await;
    scene
        .post("/v1/billing_portal/sessions", "", &form)
        .await
        .refuse(400, "param", "configuration");
    assert_eq!(
        scene.get(&format!("{path}?active=true")).await.expect(200)["data"],
        json!([])
    );
}

#[tokio::test]
async fn an_endpoint_tells_its_secret_once() {
    let scene = scene();
    let path = "/v1/webhook_endpoints";
    let form = "url=https://x.example/stripe&enabled_events[]=invoice.paid&enabled_events[]=charge.refunded";
    let endpoint = scene.make(path, form).await;
    assert!(
        endpoint["secret"]
            .as_str()
            .is_some_and(|secret| secret.starts_with("whsec_"))
    );
    let one = format!("{path}/{}", id(&endpoint));
    assert_eq!(scene.get(&one).await.expect(200).get("secret"), None);
    let changed = scene.make(&one, "enabled_events[]=*&disabled=true").await;
    assert_eq!(
        (&changed["enabled_events"], &changed["status"]),
        (&json!(["*"]), &json!("disabled"))
    );
    scene
        .post(path, "", "url=x&enabled_events[]=*")
        .await
        .refuse(400, "code", "url_invalid");
    scene
        .post(path, "", "url=https://x.example")
        .await
        .refuse(400, "param", "enabled_events");
    assert_eq!(
        scene.get(path).await.expect(200)["data"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    let request = Request::delete(&one).header("authorization", "Bearer sk_test_x");
    assert_eq!(
        scene
            .send(request.body(Body::empty()).expect("a request"))
            .await
            .expect(200)["deleted"],
        true
    );
    scene.get(&one).await.expect(404);
}

#[tokio::test]
async fn usage_is_taken_back_within_a_day() {
    let scene = scene();
    let path = "/v1/billing/meter_event_adjustments";
    let cancel =
        |identifier: &str| format!("event_name=jobs&type=cancel&cancel[identifier]={identifier}");
    scene.make(EVENTS, &format!("{USAGE}&identifier=a")).await;
    scene.make(EVENTS, &format!("{USAGE}&identifier=b")).await;
    let done = scene.make(path, &cancel("a")).await;
    assert_eq!((&done["status"], scene.total()), (&json!("complete"), 5));
    scene
        .post(path, "", &cancel("a"))
        .await
        .refuse(400, "param", "cancel[identifier]");
    scene
        .post(path, "", &cancel("none"))
        .await
        .refuse(400, "code", "resource_missing");
    // A cancelled identifier still counts as used.
    scene
        .post(EVENTS, "", &format!("{USAGE}&identifier=a"))
        .await
        .expect(400);
    scene.pass_seconds(86_401);
    scene
        .post(path, "", &cancel("b"))
        .await
        .refuse(400, "param", "cancel[identifier]");
    assert_eq!(scene.total(), 5);
}

#[tokio::test]
async fn a_meter_gets_another_name() {
    let scene = scene();
    let meter = scene.stripe.add_meter("jobs");
    let renamed = scene
        .make(
            &format!("/v1/billing/meters/{meter}"),
            "display_name=Jobs%20done",
        )
        .await;
    assert_eq!(
        (&renamed["display_name"], &renamed["event_name"]),
        (&json!("Jobs done"), &json!("jobs"))
    );
    assert_eq!(
        scene.told().last().map(String::as_str),
        Some("billing.meter.updated")
    );
}
