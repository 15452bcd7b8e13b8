//! The catalogue at the stand-in Stripe, and an account's purchases.

use crate::world::World;
use ::queues::Queue;
use domain::ids::AccountId;
use domain::inbox::{EventSource, EventState};
use domain::units::Credits;
use http::{Request, StatusCode};
use local_stack::world::CUSTOMER;
use serde_json::Value;
use tower::ServiceExt;

/// The product that a push of the catalogue creates for the pack of 10,000 credits.
pub const PACK: &str = "tallyhook_pack_10k";
/// The pack's price in minor units.
pub const PRICE: i64 = 1_000;

/// Whole credits.
pub fn whole(credits: u64) -> Credits {
    Credits::whole(credits).expect("an amount")
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

impl World {
    /// Creates an object at the stand-in with our own key.
    pub async fn stripe_makes(&self, path: &str, form: &[(&str, &str)]) -> Value {
        let (status, answer) = self.stripe_asked(path, form).await;
        assert_eq!(status, StatusCode::OK, "{path}: {answer}");
        answer
    }

    async fn stripe_asked(&self, path: &str, form: &[(&str, &str)]) -> (StatusCode, Value) {
        let body: Vec<_> = form
            .iter()
            .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
            .collect();
        let request = Request::post(format!("https://stripe.stand-in/v1/{path}"))
            .header("authorization", "Bearer sk_test_local")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(axum::body::Body::from(body.join("&")))
            .expect("a request");
        let response = self
            .vendors
            .stripe
            .router()
            .oneshot(request)
            .await
            .expect("an answer");
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX)
            .await
            .expect("a body");
        (status, serde_json::from_slice(&bytes).expect("JSON"))
    }

    /// Creates a price, paid each month or once, and its product if it is missing.
    pub async fn priced(&self, product: &str, minor: i64, every: Option<&str>) -> Value {
        // Refused if the product already exists.
        self.stripe_asked("products", &[("id", product), ("name", product)])
            .await;
        let minor = minor.to_string();
        let mut form = vec![
            ("product", product),
            ("currency", "usd"),
            ("unit_amount", minor.as_str()),
        ];
        form.extend(every.map(|interval| ("recurring[interval]", interval)));
        self.stripe_makes("prices", &form).await
    }

    /// Creates a one-time price. Returns its id.
    pub async fn price(&self, product: &str, minor: i64) -> String {
        self.priced(product, minor, None).await["id"]
            .as_str()
            .expect("an id")
            .to_owned()
    }

    /// Creates an unpaid checkout.
    pub async fn cart(
        &self,
        customer: &str,
        price: &str,
        quantity: u64,
        more: &[(&str, &str)],
    ) -> String {
        let quantity = quantity.to_string();
        let mut form = vec![
            ("mode", "payment"),
            ("customer", customer),
            ("line_items[0][price]", price),
            ("line_items[0][quantity]", quantity.as_str()),
            ("success_url", "https://tallyhook.example/bought"),
        ];
        form.extend(more);
        self.stripe_makes("checkout/sessions", &form).await["id"]
            .as_str()
            .expect("an id")
            .to_owned()
    }

    /// Buys a pack for the demo's customer. Returns the payment. Stripe's events about it wait in
    /// the outbox.
    pub async fn buys_a_pack(&self) -> String {
        let price = self.price(PACK, PRICE).await;
        self.pays(&self.cart(CUSTOMER, &price, 1, &[]).await)
    }

    /// Pays a session as a customer. Returns the payment.
    pub fn pays(&self, session: &str) -> String {
        let paid = self
            .vendors
            .stripe
            .pay_session(session)
            .expect("an open session");
        paid["payment_intent"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// The events of these types in the outbox, in order.
    pub fn stripe_sent(&self, types: &[&str]) -> Vec<Value> {
        let mut events = self.vendors.stripe.outbox_take();
        events.retain(|event| {
            event["type"]
                .as_str()
                .is_some_and(|kind| types.contains(&kind))
        });
        events
    }

    /// Delivers this event as Stripe and processes it.
    pub async fn acts_on(&self, event: &Value) -> (EventState, String) {
        assert_eq!(self.stripe_delivers(event).await, StatusCode::ACCEPTED);
        self.drain(Queue::StripeEvents).await;
        self.outcome(EventSource::Stripe, event["id"].as_str().expect("an id"))
            .await
    }

    /// An account's balance in whole credits: available, and owed.
    pub async fn purse(&self, account: &AccountId) -> (u64, u64) {
        let balance = self
            .stack
            .store
            .balance_find(account)
            .await
            .expect("the store answers");
        assert!(balance.held.is_zero(), "nothing is held here");
        assert_eq!(
            (balance.available.micros() + balance.debt.micros()) % domain::units::MICROS,
            0
        );
        (
            balance.available.micros() / domain::units::MICROS,
            balance.debt.micros() / domain::units::MICROS,
        )
    }

    /// The kinds of an account's entries, oldest first.
    pub async fn entries(&self, account: &AccountId) -> Vec<&'static str> {
        let entries = self
            .stack
            .store
            .entry_all(account)
            .await
            .expect("the store answers");
        entries.iter().map(|entry| entry.kind.as_str()).collect()
    }
}

/// Subscribes a customer to a plan and pays for it. Returns the subscription.
pub async fn subscribes(world: &World, customer: &str) -> String {
    let stripe = &world.vendors.stripe;
    stripe.add_card(customer, "pm_card_visa").expect("a card");
    let price = world
        .priced("tallyhook_plan_starter", 2_900, Some("month"))
        .await;
    let price = price["id"].as_str().expect("an id");
    let made = world
        .stripe_makes(
            "subscriptions",
            &[("customer", customer), ("items[0][price]", price)],
        )
        .await;
    made["id"].as_str().expect("an id").to_owned()
}

/// The part of a subscription's id after its prefix.
pub fn behind_prefix(id: &str) -> &str {
    id.strip_prefix("sub_").expect("a subscription")
}
