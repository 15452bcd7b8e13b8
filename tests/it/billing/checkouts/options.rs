//! The catalogue's options of Checkout reach Stripe, and pages that embed it get the publishable
//! key.

use super::{CHECKOUT, METHODS};
use crate::world::money::Sold;
use crate::world::program::{Program, program};
use http::StatusCode;
use serde_json::{Value, json};

const CURRENCY: &str = "currency = \"usd\"\n";
const KEY: &str = "pk_test_shown";

async fn shop(name: &str, options: &str) -> Program {
    let chosen = format!("{CURRENCY}checkout = {options}\n");
    let sold = Sold::with(name, &[(CURRENCY, &chosen)]);
    let settings = [("CATALOGUE", sold.path()), ("STRIPE_PUBLISHABLE_KEY", KEY)];
    let program = program("credits", &settings).await;
    program.world.pushes_the_catalogue().await;
    program
}

impl Program {
    /// Our answer about a new session, and what Stripe stores of it.
    async fn starts(&self, path: &str, wanted: &Value) -> (Value, Value) {
        let (status, shown) = self.ask("POST", path, Some(wanted)).await;
        assert_eq!(status, StatusCode::CREATED, "{shown}");
        let id = shown["id"].as_str().expect("an id");
        let stored = self.world.vendors.stripe.session(id).expect("a session");
        (shown, stored)
    }
}

fn options(stored: &Value) -> [bool; 4] {
    [
        stored["automatic_tax"]["enabled"] == true,
        stored["tax_id_collection"]["enabled"] == true,
        stored["allow_promotion_codes"] == true,
        stored["invoice_creation"]["enabled"] == true,
    ]
}

#[tokio::test(start_paused = true)]
async fn each_kind_of_checkout_has_the_options_that_it_can_have() {
    let all =
        r#"["automatic_tax", "tax_id_collection", "allow_promotion_codes", "invoice_creation"]"#;
    let program = shop("all", all).await;
    let pack = json!({ "pack": "10k" });
    let plan = json!({ "plan": "starter" });
    for (path, wanted, expected) in [
        (CHECKOUT, &pack, [true; 4]),
        (CHECKOUT, &plan, [true, true, true, false]),
        (METHODS, &json!({}), [false; 4]),
    ] {
        let (_, stored) = program.starts(path, wanted).await;
        assert_eq!(options(&stored), expected, "{wanted}: {stored}");
    }
    program.world.settle().await;
    program.world.done().await;

    let program = shop("taxes", r#"["automatic_tax"]"#).await;
    let (_, stored) = program.starts(CHECKOUT, &pack).await;
    assert_eq!(options(&stored), [true, false, false, false]);
    program.world.done().await;
}

/// The text beside the button, and the links of the pages.
#[tokio::test(start_paused = true)]
async fn texts_of_the_catalogue_are_shown() {
    let texts = "[texts]\ncheckout = \"Credits last a year.\"\nprivacy_url = \"https://acme.example/privacy\"\n\n[phase]";
    let sold = Sold::with("texts", &[("[phase]", texts)]);
    let program = program("credits", &[("CATALOGUE", sold.path())]).await;
    program.world.pushes_the_catalogue().await;
    for (path, wanted, text) in [
        (CHECKOUT, json!({ "pack": "10k" }), "Credits last a year."),
        (
            CHECKOUT,
            json!({ "plan": "starter" }),
            "Credits last a year.",
        ),
        (METHODS, json!({}), ""),
    ] {
        let (_, stored) = program.starts(path, &wanted).await;
        let submit = &stored["custom_text"]["submit"]["message"];
        assert_eq!(submit.as_str().unwrap_or_default(), text, "{stored}");
    }
    let reader = program.world.browser();
    for path in ["/", "/signup"] {
        let page = reader.ask("GET", path, &[], "").await;
        let page = String::from_utf8_lossy(page.body());
        assert!(page.contains("https://acme.example/privacy"), "{page}");
        assert!(!page.contains("Terms"), "{page}");
    }
    program.world.settle().await;
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_page_that_embeds_checkout_gets_the_publishable_key() {
    let program = shop("key", "[]").await;
    let embedded = json!({ "pack": "10k", "ui": "embedded" });
    let (shown, stored) = program.starts(CHECKOUT, &embedded).await;
    assert_eq!(shown["publishable_key"], KEY);
    assert_eq!(options(&stored), [false; 4]);
    let (shown, _) = program.starts(METHODS, &json!({ "ui": "embedded" })).await;
    assert_eq!(shown["publishable_key"], KEY);
    let (shown, _) = program.starts(CHECKOUT, &json!({ "pack": "10k" })).await;
    assert_eq!(shown["publishable_key"], Value::Null, "a page at Stripe");
    program.world.done().await;
}
