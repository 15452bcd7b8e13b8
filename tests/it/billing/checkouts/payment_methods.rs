//! The customer portal and the payment methods of an account.

use super::*;

#[tokio::test(start_paused = true)]
async fn the_portal_opens_for_the_account_s_own_customer() {
    let program = shop("credits").await;
    let (status, portal) = program.ask("POST", "/api/v1/billing/portal", None).await;
    assert_eq!(status, StatusCode::CREATED, "{portal}");
    assert!(
        portal["url"]
            .as_str()
            .is_some_and(|url| url.starts_with("https://")),
        "{portal}"
    );
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn payment_methods_are_added_preferred_and_taken_away() {
    let program = shop("credits").await;
    let stripe = program.world.vendors.stripe.clone();
    let (status, setup) = program
        .asks_as("a", "POST", METHODS, Some(&json!({})))
        .await;
    assert_eq!(status, StatusCode::CREATED, "{setup}");
    let (_, again) = program
        .asks_as("a", "POST", METHODS, Some(&json!({})))
        .await;
    assert_eq!(again, setup);
    stripe
        .pay_session(setup["id"].as_str().expect("an id"))
        .expect("an open session");
    program.world.settle().await;
    let usual = stripe.add_card(CUSTOMER, "pm_card_visa").expect("a card");
    let listed = program.get(METHODS).await;
    let methods = listed["payment_methods"].as_array().expect("a list");
    let of = |wanted: bool| {
        methods
            .iter()
            .filter(move |method| method["is_default"] == wanted)
    };
    assert_eq!(
        of(true)
            .map(|method| method["id"].as_str())
            .collect::<Vec<_>>(),
        [Some(usual.as_str())]
    );
    let other = of(false).next().expect("the one of the checkout")["id"]
        .as_str()
        .expect("an id")
        .to_owned();

    let (status, _) = program
        .ask("POST", &format!("{METHODS}/{other}/default"), None)
        .await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (status, _) = program
        .ask("DELETE", &format!("{METHODS}/{usual}"), None)
        .await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let listed = program.get(METHODS).await;
    let left = listed["payment_methods"].as_array().expect("a list");
    assert!(
        left.iter().all(|method| method["id"] != usual.as_str()),
        "{listed}"
    );
    assert!(
        left.iter()
            .any(|method| method["id"] == other.as_str() && method["is_default"] == true),
        "{listed}"
    );

    // Another customer's card looks missing.
    stripe.add_customer("cus_Other", "other@customer.example");
    let theirs = stripe
        .add_card("cus_Other", "pm_card_visa")
        .expect("a card");
    for id in [theirs.as_str(), "pm_none"] {
        for (method, path) in [
            ("DELETE", format!("{METHODS}/{id}")),
            ("POST", format!("{METHODS}/{id}/default")),
        ] {
            let answer = program.ask(method, &path, None).await;
            assert_eq!(
                code(&answer),
                (StatusCode::NOT_FOUND, "not_found"),
                "{method} {path}"
            );
        }
    }
    program.world.settle().await;
    program.world.abandoned();
}
