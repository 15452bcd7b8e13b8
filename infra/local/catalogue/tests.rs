//! Pushes to the stand-in Stripe: the first push creates everything and the next one changes
//! nothing, wherever a push was interrupted.

mod elsewhere;

use super::changes::PRICES_NOTE;
use super::{Outcome, Push, PushOptions};
use axum::Router;
use boot::Env;
use catalogue::BUILT_IN;
use domain::billing::plans::Catalogue;
use domain::ids::ProductId;
use domain::time::Timestamp;
use stand_in_shared::faults::Faults;
use stand_in_shared::web::StandInWeb;
use stand_in_stripe::{Fault, Stripe};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use stripe_api::{StripeApi, StripeConfig, Web};
use tower::ServiceExt;

const HOOK: &str = "https://hooks.example/stripe/webhook";
const BORN: i64 = 1_795_000_000_000;

/// A stand-in Stripe with its router and clock.
struct Scene {
    stripe: Stripe,
    router: Router,
    clock: Arc<AtomicI64>,
}

/// On which side of a change the connection breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Break {
    Before,
    After,
}

impl Scene {
    fn open() -> Self {
        crate::world::record_contracts();
        let clock = Arc::new(AtomicI64::new(BORN));
        let now = Arc::clone(&clock);
        let stripe = Stripe::new(Arc::new(move || now.load(Ordering::Relaxed)));
        let router = stripe.router();
        Self {
            stripe,
            router,
            clock,
        }
    }

    /// A client whose connection breaks at every change from number `from` on.
    fn api(&self, from: usize, how: Break) -> StripeApi {
        let web = StandInWeb::new(Faults::none()).host("stripe.stand-in", self.router.clone());
        let changes = Arc::new(AtomicUsize::new(0));
        let web = tower::service_fn(move |request: http::Request<bytes::Bytes>| {
            let (web, changes) = (web.clone(), Arc::clone(&changes));
            async move {
                let change = request.method() == http::Method::POST;
                let broken = change && changes.fetch_add(1, Ordering::Relaxed) >= from;
                if broken && (how == Break::Before || changes.load(Ordering::Relaxed) > from + 1) {
                    return Err("the line broke".into());
                }
                let answer = web.oneshot(request).await;
                if broken {
                    Err("the line broke".into())
                } else {
                    answer
                }
            }
        });
        let config = StripeConfig {
            url: "https://stripe.stand-in".to_owned(),
            secret_key: "sk_test_1".into(),
        };
        StripeApi::new(config, Web::new(web)).expect("a client")
    }

    async fn push_by(
        &self,
        api: &StripeApi,
        text: &str,
        dry: bool,
    ) -> Result<(Outcome, String), String> {
        let catalogue = read(text);
        let options = PushOptions {
            webhook_url: Some(HOOK.to_owned()),
        };
        let now = Timestamp::from_millis(self.clock.fetch_add(60_000, Ordering::Relaxed));
        let push = Push {
            api,
            catalogue: &catalogue,
            options: &options,
            now,
        };
        let mut said = String::new();
        let mut say = |line: &str| said += &format!("{line}\n");
        let outcome = if dry {
            push.show(&mut say).await
        } else {
            push.apply(&mut say).await
        };
        match outcome {
            Ok(outcome) => Ok((outcome, said)),
            Err(error) => Err(format!("{error:#}")),
        }
    }

    async fn push(&self, text: &str) -> (Outcome, String) {
        self.push_by(&self.api(usize::MAX, Break::Before), text, false)
            .await
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// A product's active prices: amount and lookup key.
    async fn prices(&self, product: &str) -> Vec<(Option<i64>, String)> {
        let query = format!("/v1/prices?active=true&limit=100&product={product}");
        let prices = elsewhere::get(&self.router, &query).await;
        let price = |price: &serde_json::Value| {
            (
                price["unit_amount"].as_i64(),
                price["lookup_key"].as_str().unwrap_or_default().to_owned(),
            )
        };
        prices["data"]
            .as_array()
            .expect("a list")
            .iter()
            .map(price)
            .collect()
    }
}

fn read(text: &str) -> Catalogue {
    catalogue::parse(text).unwrap_or_else(|errors| panic!("{errors}"))
}

#[tokio::test(start_paused = true)]
async fn the_first_push_makes_everything_and_the_second_nothing() {
    let shop = Scene::open();
    let (outcome, said) = shop.push(BUILT_IN).await;
    // 2 meters, 12 products, 12 prices, the portal, the endpoint, the destination.
    assert_eq!(outcome, Outcome::Applied(29), "{said}");
    for line in [
        "create meter    pull_requests",
        "create product  tallyhook_plan_teams",
        "pull_requests: 0.00 USD each up to 60, then 8.00 USD each",
        "create portal   configuration",
        "STRIPE_WEBHOOK_SECRETS=whsec_",
        "after a comma: whsec_",
        "tallyhook_plan_enterprise      –",
    ] {
        assert!(said.contains(line), "{line} is not in\n{said}");
    }
    let (outcome, said) = shop.push(BUILT_IN).await;
    assert_eq!(outcome, Outcome::NothingToDo, "{said}");
    assert!(said.starts_with("Stripe is up to date"), "{said}");
    assert_eq!(
        shop.prices("tallyhook_plan_starter").await[0].0,
        Some(2_900)
    );
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_writes_nothing() {
    let shop = Scene::open();
    let api = shop.api(0, Break::Before);
    let (outcome, said) = shop
        .push_by(&api, BUILT_IN, true)
        .await
        .expect("it only looks");
    assert_eq!(outcome, Outcome::Shown(29), "{said}");
    assert!(said.contains("nothing was changed"), "{said}");
    shop.push(BUILT_IN).await;
    let (outcome, _) = shop
        .push_by(&api, BUILT_IN, true)
        .await
        .expect("it only looks");
    assert_eq!(outcome, Outcome::NothingToDo);
}

#[tokio::test(start_paused = true)]
async fn a_changed_price_is_a_new_one_and_the_old_one_is_retired_there_and_back_again() {
    let shop = Scene::open();
    shop.push(BUILT_IN).await;
    let dearer = BUILT_IN.replace("\"29.00\"", "\"31.00\"");
    // All within a day, so Stripe still remembers every idempotency key.
    for (text, minor) in [
        (&*dearer, 3_100),
        (BUILT_IN, 2_900),
        (&dearer, 3_100),
        (BUILT_IN, 2_900),
    ] {
        let (outcome, said) = shop.push(text).await;
        // The price, the portal that offers it, the old price, the product's metadata.
        assert_eq!(outcome, Outcome::Applied(4), "{said}");
        let prices = shop.prices("tallyhook_plan_starter").await;
        assert_eq!(
            prices.iter().map(|(minor, _)| *minor).collect::<Vec<_>>(),
            [Some(minor)],
            "{said}"
        );
        assert_eq!(shop.push(text).await.0, Outcome::NothingToDo);
    }
}

#[tokio::test(start_paused = true)]
async fn names_tiers_and_meters_follow_the_catalogue() {
    let shop = Scene::open();
    shop.push(BUILT_IN).await;
    for (from, to, changes) in [
        ("name = \"Starter\"", "name = \"Small\"", 1),
        ("description = \"For a small team.\"\n", "", 1),
        ("each = \"8.00\"", "each = \"9.00\"", 3),
        (
            "meter = \"tokens\", counts",
            "meter = \"api_calls\", counts",
            4,
        ),
        (
            "pays = \"meters\"\ncharges = [{ meter = \"tokens\"",
            "prices = [\"price_1\"]\npays = \"meters\"\ncharges = [{ meter = \"tokens\"",
            0,
        ),
    ] {
        assert!(BUILT_IN.contains(from), "{from}");
        let (outcome, said) = shop.push(&BUILT_IN.replacen(from, to, 1)).await;
        let expected = if changes == 0 {
            Outcome::NothingToDo
        } else {
            Outcome::Applied(changes)
        };
        assert_eq!(outcome, expected, "{to}: {said}");
        shop.push(BUILT_IN).await;
        assert_eq!(
            shop.push(BUILT_IN).await.0,
            Outcome::NothingToDo,
            "back from {to}"
        );
    }
}

/// A push is interrupted at each change, before or after Stripe makes it. The next push continues,
/// and in the end every object exists once.
#[tokio::test(start_paused = true)]
async fn a_push_that_was_stopped_resumes() {
    let dearer = BUILT_IN
        .replace("\"29.00\"", "\"31.00\"")
        .replace("each = \"8.00\"", "each = \"9.00\"");
    for (before, last) in [(None, 29), (Some(BUILT_IN), 7)] {
        for stop in 0..last {
            for how in [Break::Before, Break::After] {
                let shop = Scene::open();
                if let Some(text) = before {
                    shop.push(text).await;
                }
                let error = shop
                    .push_by(&shop.api(stop, how), &dearer, false)
                    .await
                    .expect_err("it was stopped");
                assert!(error.contains("Run the command again"), "{error}");
                let (_, said) = shop.push(&dearer).await;
                assert_eq!(
                    shop.push(&dearer).await.0,
                    Outcome::NothingToDo,
                    "{stop} {how:?}: {said}"
                );
                assert_eq!(
                    shop.prices("tallyhook_plan_starter").await.len(),
                    1,
                    "{stop} {how:?}: {said}"
                );
                assert_eq!(
                    shop.prices("tallyhook_plan_teams").await.len(),
                    2,
                    "{stop} {how:?}: {said}"
                );
                let counts = elsewhere::counts(&shop.router).await;
                assert_eq!(
                    counts,
                    (1, 1),
                    "one portal's configuration and one endpoint, {stop} {how:?}"
                );
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_portal_says_what_the_catalogue_says() {
    let shop = Scene::open();
    shop.push(BUILT_IN).await;
    let texts =
        "[texts]\nportal_headline = \"Acme's plans\"\nterms_url = \"https://acme.example/terms\"\n";
    let with_texts = BUILT_IN.replacen("[phase]", &format!("{texts}\n[phase]"), 1);
    for (text, headline) in [(&*with_texts, "Acme's plans"), (BUILT_IN, "")] {
        let (outcome, said) = shop.push(text).await;
        assert_eq!(outcome, Outcome::Applied(1), "{said}");
        let portals = elsewhere::get(&shop.router, "/v1/billing_portal/configurations").await;
        let shown = &portals["data"][0]["business_profile"];
        assert_eq!(shown["headline"].as_str().unwrap_or_default(), headline);
        assert_eq!(shown["terms_of_service_url"], "https://acme.example/terms");
        assert_eq!(shop.push(text).await.0, Outcome::NothingToDo);
    }
}

#[tokio::test(start_paused = true)]
async fn what_somebody_changed_at_stripe_is_mended() {
    let shop = Scene::open();
    shop.push(BUILT_IN).await;
    let pro = "/v1/products/tallyhook_plan_pro";
    elsewhere::post(&shop.router, pro, "active=false").await;
    let meters = elsewhere::get(&shop.router, "/v1/billing/meters").await;
    let meter = meters["data"][0]["id"]
        .as_str()
        .expect("a meter")
        .to_owned();
    elsewhere::post(
        &shop.router,
        &format!("/v1/billing/meters/{meter}/deactivate"),
        "",
    )
    .await;
    let endpoints = elsewhere::get(&shop.router, "/v1/webhook_endpoints").await;
    let endpoint = endpoints["data"][0]["id"]
        .as_str()
        .expect("an endpoint")
        .to_owned();
    let narrowed = "enabled_events[0]=charge.updated&enabled_events[1]=invoice.paid";
    elsewhere::post(
        &shop.router,
        &format!("/v1/webhook_endpoints/{endpoint}"),
        narrowed,
    )
    .await;
    let (_, said) = shop.push(BUILT_IN).await;
    for line in [
        "reactivate meter",
        "update product  tallyhook_plan_pro",
        "for 40 events",
    ] {
        assert!(said.contains(line), "{line} is not in\n{said}");
    }
    assert_eq!(shop.push(BUILT_IN).await.0, Outcome::NothingToDo);
    assert_eq!(elsewhere::get(&shop.router, pro).await["active"], true);
}

/// Errors about meters arrive through a destination of Stripe's second API.
#[tokio::test(start_paused = true)]
async fn errors_about_meters_have_a_destination() {
    const DESTINATIONS: &str = "/v2/core/event_destinations";
    let shop = Scene::open();
    shop.push(BUILT_IN).await;
    let there = async || elsewhere::get(&shop.router, DESTINATIONS).await["data"].clone();
    let made = there().await;
    let id = made[0]["id"].as_str().expect("an id").to_owned();
    assert_eq!(
        made[0]["enabled_events"],
        serde_json::json!([
            "v1.billing.meter.error_report_triggered",
            "v1.billing.meter.no_meter_found"
        ])
    );
    elsewhere::post(&shop.router, &format!("{DESTINATIONS}/{id}/disable"), "").await;
    let (_, said) = shop.push(BUILT_IN).await;
    assert!(said.contains("update destination"), "{said}");
    let mended = there().await;
    assert_eq!(mended[0]["status"], "enabled");
    assert_eq!(mended.as_array().map(Vec::len), Some(1), "{mended}");
    assert_eq!(shop.push(BUILT_IN).await.0, Outcome::NothingToDo);
}

/// A restricted key, or a server that speaks the first API only: the push says what is left to do.
#[tokio::test(start_paused = true)]
async fn a_key_without_the_right_to_destinations_pushes_the_rest() {
    let shop = Scene::open();
    shop.stripe
        .fail_next_at("GET /v2/core/event_destinations", Fault::Status(403));
    let (outcome, said) = shop.push(BUILT_IN).await;
    assert_eq!(outcome, Outcome::Applied(28), "{said}");
    let note =
        "create one in the Stripe dashboard for the types v1.billing.meter.error_report_triggered";
    assert!(said.contains(note), "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_price_that_is_not_what_its_key_says_is_replaced() {
    let shop = Scene::open();
    shop.push(BUILT_IN).await;
    let (_, key) = shop.prices("tallyhook_pack_1k").await.remove(0);
    let form = format!(
        "product=tallyhook_pack_1k&currency=usd&unit_amount=1&lookup_key={key}&transfer_lookup_key=true"
    );
    elsewhere::post(&shop.router, "/v1/prices", &form).await;
    let (_, said) = shop.push(BUILT_IN).await;
    let sold = shop.prices("tallyhook_pack_1k").await;
    assert!(
        sold.iter()
            .any(|(minor, found)| *minor == Some(100) && *found == key),
        "{sold:?}: {said}"
    );
    assert!(
        sold.iter().all(|(minor, _)| *minor != Some(1)),
        "the wrong one is retired: {sold:?}"
    );
    assert_eq!(shop.push(BUILT_IN).await.0, Outcome::NothingToDo);
}

#[tokio::test(start_paused = true)]
async fn a_meter_that_counts_otherwise_is_said_and_nothing_is_done() {
    let shop = Scene::open();
    let form = "event_name=pull_requests&display_name=Pulls&default_aggregation[formula]=count";
    elsewhere::post(&shop.router, "/v1/billing/meters", form).await;
    let error = shop
        .push_by(&shop.api(0, Break::Before), BUILT_IN, false)
        .await
        .expect_err("it cannot be mended");
    assert!(
        error.contains("deactivate it in the Stripe dashboard and run this command again"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_product_says_which_prices_it_has() {
    let shop = Scene::open();
    shop.push(BUILT_IN).await;
    let api = shop.api(usize::MAX, Break::Before);
    let id = ProductId::parse("tallyhook_plan_payg").expect("an id");
    let product = api
        .product_find(&id)
        .await
        .expect("an answer")
        .expect("a product");
    assert_eq!(
        product.metadata.get(PRICES_NOTE).map(String::as_str),
        Some("25b9b8e6cb84")
    );
    assert!(shop.stripe.calls() > 40, "all of it went to the stand-in");
}

#[test]
fn only_a_stripe_on_this_machine_needs_no_key() {
    let key =
        |url: &str, value: &str| super::key(url, &Env::of([("STRIPE_SECRET_KEY", value)])).ok();
    for (url, value, found) in [
        ("https://api.stripe.com", "sk_test_1", Some("sk_test_1")),
        ("https://api.stripe.com", "", None),
        ("https://api.stripe.com", "ssm:/tallyhook/key", None),
        ("http://127.0.0.1:12111", "", Some("sk_test_stand_in")),
        ("api.stripe.com", "sk_test_1", None),
    ] {
        assert_eq!(key(url, value).as_deref(), found, "{url} {value}");
    }
}

#[test]
fn faults_of_a_file_stand_a_line_each() {
    let env = Env::of([
        ("STRIPE_PRICE_PRO", "prod_1"),
        ("STRIPE_PRICE_BASIC", "prod_2"),
    ]);
    let error = super::read(None, &env).expect_err("two faults").to_string();
    assert_eq!(error.lines().count(), 3, "{error}");
    let file = std::path::Path::new("/nowhere/shop.toml");
    let error = super::read(Some(file), &Env::of([("", "")]))
        .expect_err("no file")
        .to_string();
    assert!(error.contains("cannot read /nowhere/shop.toml"), "{error}");
    assert!(
        super::read(None, &Env::of([("", "")])).is_ok(),
        "the built-in one"
    );
}
