//! Tests the parsing of prices, and which prices can be sold.

use super::*;
use crate::testing::{MISSING, Peer, Reply};

fn price(id: &str) -> Value {
    json!({ "id": id, "object": "price", "active": true, "billing_scheme": "tiered", "currency": "eur",
        "lookup_key": "pulls", "product": "prod_1", "metadata": {}, "nickname": null, "tiers_mode": "graduated",
        "type": "recurring", "unit_amount": null, "unit_amount_decimal": null,
        "recurring": { "interval": "month", "interval_count": 1, "meter": "mtr_1", "usage_type": "metered" },
        "tiers": [
            { "up_to": 10, "unit_amount": 0, "unit_amount_decimal": "0", "flat_amount": null, "flat_amount_decimal": null },
            { "up_to": null, "unit_amount": null, "unit_amount_decimal": "12.5", "flat_amount": 100, "flat_amount_decimal": "100" },
        ] })
}

async fn ordered(amount: Amount<'_>) -> Vec<String> {
    let peer = Peer::script([Reply::ok(&price("price_1").to_string())]);
    let product = ProductId::parse("prod_1").expect("an id");
    let metadata = BTreeMap::from([("plan".to_owned(), "team".to_owned())]);
    let order = PriceOrder {
        product: &product,
        currency: "eur",
        lookup_key: "pulls",
        transfer: KeyTransfer::IfTaken,
        amount,
        nickname: None,
        metadata: &metadata,
    };
    let made = peer
        .api()
        .price_create(&order, "price-1")
        .await
        .expect("a price");
    assert_eq!(made.id.as_str(), "price_1");
    let heard = &peer.heard()[0];
    assert_eq!(
        (
            heard.line.as_str(),
            heard.header("idempotency-key").as_str()
        ),
        ("POST /v1/prices", "price-1")
    );
    let shared = [
        "currency=",
        "expand",
        "lookup_key=",
        "metadata[plan]=team",
        "product=",
        "transfer_lookup_key=true",
    ];
    let (shared, own): (Vec<_>, Vec<_>) = heard
        .fields()
        .into_iter()
        .partition(|field| shared.iter().any(|start| field.starts_with(start)));
    assert_eq!(shared.len(), 6);
    own.into_iter().map(str::to_owned).collect()
}

#[tokio::test]
async fn amounts_are_written_as_stripe_takes_them() {
    let month = || Interval::Month;
    assert_eq!(
        ordered(Amount::Once { unit_minor: 2000 }).await,
        ["unit_amount=2000"]
    );
    assert_eq!(
        ordered(Amount::Licensed {
            unit_minor: 900,
            interval: Interval::Year
        })
        .await,
        [
            "recurring[interval]=year",
            "recurring[usage_type]=licensed",
            "unit_amount=900"
        ]
    );
    assert_eq!(
        ordered(Amount::PerUnit {
            unit_minor_decimal: "0.15",
            interval: month(),
            meter: "mtr_1"
        })
        .await,
        [
            "recurring[interval]=month",
            "recurring[meter]=mtr_1",
            "recurring[usage_type]=metered",
            "unit_amount_decimal=0.15"
        ]
    );
    let tiers: Price = serde_json::from_value(price("price_1")).expect("a price");
    assert_eq!(
        ordered(Amount::Graduated {
            tiers: &tiers.tiers,
            interval: month(),
            meter: "mtr_1"
        })
        .await,
        [
            "billing_scheme=tiered",
            "recurring[interval]=month",
            "recurring[meter]=mtr_1",
            "recurring[usage_type]=metered",
            "tiers[0][unit_amount_decimal]=0",
            "tiers[0][up_to]=10",
            "tiers[1][flat_amount_decimal]=100",
            "tiers[1][unit_amount_decimal]=12.5",
            "tiers[1][up_to]=inf",
            "tiers_mode=graduated"
        ]
    );
}

#[tokio::test]
async fn lookup_keys_go_ten_at_a_time() {
    let page = |id| Reply::ok(&json!({ "data": [price(id)], "has_more": false }).to_string());
    let peer = Peer::script([page("price_1"), page("price_2")]);
    let keys: Vec<_> = (0..11).map(|n| format!("k{n}")).collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    let prices = peer
        .api()
        .price_list_by_lookup_keys(&keys)
        .await
        .expect("prices");
    assert_eq!(
        peer.heard()[1].line,
        "GET /v1/prices?expand[0]=data.tiers&limit=100&lookup_keys[0]=k10"
    );
    assert_eq!(
        prices
            .iter()
            .map(|price| price.id.as_str())
            .collect::<Vec<_>>(),
        ["price_1", "price_2"]
    );
    assert_eq!(prices[0].tiers_mode, Some(TiersMode::Graduated));
    assert_eq!(
        prices[0].tiers[1].unit_amount_minor_decimal.as_deref(),
        Some("12.5")
    );
    assert_eq!(
        prices[0]
            .recurring
            .clone()
            .expect("it is repeated")
            .meter
            .as_deref(),
        Some("mtr_1")
    );
}

#[tokio::test]
async fn prices_are_found_and_retired() {
    let mut plain = price("price_1");
    for field in ["tiers", "tiers_mode", "recurring", "nickname", "metadata"] {
        plain.as_object_mut().expect("an object").remove(field);
    }
    plain["active"] = json!(false);
    let plain = plain.to_string();
    let peer = Peer::script([
        Reply::ok(&plain),
        Reply::with(404, &[], MISSING),
        Reply::ok(&plain),
    ]);
    let id = PriceId::parse("price_1").expect("an id");
    let found = peer
        .api()
        .price_find(&id)
        .await
        .expect("an answer")
        .expect("a price");
    assert_eq!(
        peer.heard()[0].line,
        "GET /v1/prices/price_1?expand[0]=tiers"
    );
    assert_eq!(
        (found.recurring, found.tiers, found.active),
        (None, vec![], false)
    );
    assert_eq!(peer.api().price_find(&id).await.expect("an answer"), None);
    peer.api()
        .price_deactivate(&id, "k")
        .await
        .expect("a price");
    assert_eq!(peer.heard()[2].line, "POST /v1/prices/price_1");
    assert_eq!(peer.heard()[2].fields(), ["active=false"]);
}

#[tokio::test]
async fn all_keys_must_be_sold_and_one_of_several_ids() {
    let one = |id: &str, active: bool| {
        let mut price = price(id);
        price["active"] = json!(active);
        price
    };
    let page = |prices: Vec<Value>| {
        let list =
            json!({ "object": "list", "data": prices, "has_more": false, "url": "/v1/prices" });
        Reply::ok(&list.to_string())
    };
    let keys = |peer: Peer| async move {
        let found = peer
            .api()
            .price_choices(&[], &["a", "b"])
            .await
            .expect("an answer");
        found.map(|found| {
            found
                .into_iter()
                .map(|one| (one.price.to_string(), one.quantity))
                .collect::<Vec<_>>()
        })
    };
    let both = vec![("price_1".to_owned(), None), ("price_2".to_owned(), None)];
    assert_eq!(
        keys(Peer::script([page(vec![
            one("price_1", true),
            one("price_2", true)
        ])]))
        .await,
        Some(both)
    );
    assert_eq!(
        keys(Peer::script([page(vec![
            one("price_1", true),
            one("price_2", false)
        ])]))
        .await,
        None
    );
    assert_eq!(keys(Peer::script([page(vec![])])).await, None);
    let ids = ["price_1", "price_2"].map(|id| PriceId::parse(id).expect("an id"));
    for (first, second, sold) in [(true, true, 2), (false, true, 1), (false, false, 0)] {
        let reply = |id, active| Reply::ok(&one(id, active).to_string());
        let peer = Peer::script([reply("price_1", first), reply("price_2", second)]);
        let found = peer
            .api()
            .price_choices(&ids, &[])
            .await
            .expect("an answer");
        assert_eq!(
            found.map_or(0, |found| found.len()),
            sold,
            "{first} {second}"
        );
    }
}
