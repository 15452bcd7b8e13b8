//! Products and prices.

use super::*;

const PRO: &str = "currency=usd&product=pro&unit_amount=2000&recurring[interval]=month";

async fn shop() -> Scene {
    let scene = scene();
    scene.make("/v1/products", "id=pro&name=Pro").await;
    scene
}

#[tokio::test]
async fn a_product_has_the_id_its_maker_chose() {
    let scene = shop().await;
    scene
        .post("/v1/products", "", "id=pro&name=Again")
        .await
        .refuse(400, "code", "resource_already_exists");
    scene
        .post("/v1/products", "", "id=other")
        .await
        .refuse(400, "param", "name");
    let product = scene
        .make(
            "/v1/products/pro",
            "name=Professional&active=false&metadata[plan]=pro",
        )
        .await;
    assert_eq!(
        (&product["name"], &product["metadata"]["plan"]),
        (&json!("Professional"), &json!("pro"))
    );
    let found = scene
        .get("/v1/products?active=false&ids[]=pro")
        .await
        .expect(200);
    assert_eq!(found["data"], json!([product]));
    scene
        .get("/v1/products/none")
        .await
        .refuse(404, "code", "resource_missing");
    let events = scene.stripe.outbox_take();
    let update = events.last().expect("an event");
    assert_eq!(update["type"], "product.updated");
    let before = json!({"name": "Pro", "active": true, "metadata": {"plan": null}});
    assert_eq!(update["data"]["previous_attributes"], before);
}

#[tokio::test]
async fn a_lookup_key_is_one_prices_and_moves_on_request() {
    let scene = shop().await;
    let keyed = format!("{PRO}&lookup_key=pro_monthly");
    let old = scene.make("/v1/prices", &keyed).await;
    let message = format!("A price (`{}`) already uses that lookup key.", id(&old));
    scene
        .post("/v1/prices", "", &keyed)
        .await
        .refuse(400, "message", &message);
    let new = scene
        .make(
            "/v1/prices",
            &format!("{keyed}&transfer_lookup_key=true&unit_amount=2500"),
        )
        .await;
    let found = scene
        .get("/v1/prices?lookup_keys[]=pro_monthly&lookup_keys[]=none&active=true")
        .await
        .expect(200);
    assert_eq!(found["data"], json!([new]));
    assert_eq!(
        scene
            .get(&format!("/v1/prices/{}", id(&old)))
            .await
            .expect(200)["lookup_key"],
        Value::Null
    );
    assert_eq!(
        &scene.told()[2..],
        [
            "product.created",
            "price.created",
            "price.updated",
            "price.created"
        ]
    );
    scene
        .post(&format!("/v1/prices/{}", id(&new)), "", "unit_amount=1")
        .await
        .refuse(400, "code", "parameter_unknown");
    let away = scene
        .make(
            &format!("/v1/prices/{}", id(&new)),
            "active=false&nickname=old",
        )
        .await;
    assert_eq!(
        (&away["active"], &away["unit_amount"]),
        (&json!(false), &json!(2500))
    );
}

#[tokio::test]
async fn amounts_are_whole_or_decimal_and_tiers_show_on_request() {
    let scene = shop().await;
    let meter = scene.stripe.add_meter("tokens");
    let metered =
        format!("recurring[interval]=month&recurring[usage_type]=metered&recurring[meter]={meter}");
    let form = format!("currency=USD&product=pro&unit_amount_decimal=0.0250&{metered}");
    let price = scene.make("/v1/prices", &form).await;
    assert_eq!(
        (
            &price["unit_amount"],
            &price["unit_amount_decimal"],
            &price["currency"],
            &price["recurring"]["meter"]
        ),
        (&Value::Null, &json!("0.025"), &json!("usd"), &json!(meter))
    );
    let form = format!(
        "currency=usd&product=pro&billing_scheme=tiered&tiers_mode=graduated&{metered}\
         &tiers[0][up_to]=100&tiers[0][unit_amount]=0&tiers[1][up_to]=inf&tiers[1][unit_amount_decimal]=1.5"
    );
    let price = scene.make("/v1/prices", &form).await;
    assert_eq!(price.get("tiers"), None);
    let price = scene
        .get(&format!(
            "/v1/prices/{}?expand[]=tiers&expand[]=product",
            id(&price)
        ))
        .await
        .expect(200);
    assert_eq!(
        (
            &price["tiers"][1]["unit_amount_decimal"],
            &price["product"]["name"]
        ),
        (&json!("1.5"), &json!("Pro"))
    );
    assert_eq!(
        (&price["tiers"][0]["up_to"], &price["tiers"][1]["up_to"]),
        (&json!(100), &Value::Null)
    );
    let all = scene
        .get("/v1/prices?expand[]=data.tiers")
        .await
        .expect(200);
    assert_eq!(all["data"][0]["tiers"], price["tiers"]);
}

#[tokio::test]
async fn a_price_that_makes_no_sense_is_refused() {
    let scene = shop().await;
    for (form, field, value) in [
        ("product=pro&unit_amount=1", "param", "currency"),
        ("currency=usd&unit_amount=1", "param", "product"),
        (
            "currency=usd&product=none&unit_amount=1",
            "message",
            "No such product: 'none'",
        ),
        ("currency=usd&product=pro", "param", "unit_amount"),
        (
            "currency=usd&product=pro&unit_amount=-1",
            "param",
            "unit_amount",
        ),
        (
            "currency=usd&product=pro&unit_amount=1.5",
            "param",
            "unit_amount",
        ),
        (
            "currency=usd&product=pro&unit_amount=1&recurring[interval]=hour",
            "param",
            "recurring[interval]",
        ),
        (
            &format!("{PRO}&recurring[usage_type]=metered"),
            "param",
            "recurring[meter]",
        ),
        (
            "currency=usd&product=pro&billing_scheme=tiered&tiers_mode=volume",
            "param",
            "tiers",
        ),
        (
            "currency=usd&product=pro&billing_scheme=tiered&tiers_mode=volume&tiers[0][up_to]=5",
            "param",
            "tiers",
        ),
        (&format!("{PRO}&color=red"), "code", "parameter_unknown"),
    ] {
        scene
            .post("/v1/prices", "", form)
            .await
            .refuse(400, field, value);
    }
    scene
        .get("/v1/prices/price_none")
        .await
        .refuse(404, "message", "No such price: 'price_none'");
}
