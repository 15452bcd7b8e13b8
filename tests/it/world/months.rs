//! A customer who pays by the fix, and the months of their subscription at Stripe: periods end, their
//! invoices stay drafts for an hour, and what they bill is counted.

use crate::world::wire::WIRED;
use crate::world::{FaultPlan, World};
use axum::body::{Body, to_bytes};
use domain::billing::usage::{AccountMeter, Meter};
use domain::ids::AccountId;
use domain::time::Timestamp;
use http::{Request, StatusCode};
use local_stack::world::CUSTOMER;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use store::UsageState;
use tower::ServiceExt;

pub const SUBSCRIPTION: &str = "/api/v1/billing/subscription";
pub const PHASES: &str = "/api/v1/phase-data";
pub const HOUR: Duration = Duration::from_secs(3_600);
/// How long Stripe keeps the invoice of a period a draft.
const GRACE_SECONDS: i64 = 3_600;

pub struct Months {
    pub world: World,
    pub account: AccountId,
    pub key: String,
    acts: u64,
    fixes: u64,
    /// When the drafts of subscriptions become final.
    drafts: BTreeMap<String, i64>,
}

impl Months {
    /// A customer on pay-as-you-go, with a card and a subscription.
    pub async fn begin(fault_plan: FaultPlan) -> Self {
        let (world, account) = World::on_plan(fault_plan, "payg", &WIRED).await;
        let key = world.key_of(&account, "the first").await;
        world.pushes_the_catalogue().await;
        let stripe = &world.vendors.stripe;
        stripe.add_card(CUSTOMER, "pm_card_visa").expect("a card");
        let months = Self {
            world,
            account,
            key,
            acts: 0,
            fixes: 0,
            drafts: BTreeMap::new(),
        };
        months.world.settle().await;
        months
    }

    pub fn now(&self) -> i64 {
        self.world.stack.outside.now().seconds()
    }

    /// Sends a request about the subscription once, whatever the answer.
    pub async fn asks(
        &mut self,
        method: &str,
        body: Option<Value>,
        query: &str,
    ) -> (StatusCode, Value) {
        self.acts += 1;
        let (once, path) = (
            format!("act {}", self.acts),
            format!("{SUBSCRIPTION}{query}"),
        );
        let answer = self
            .world
            .customer_once(&self.key, method, &path, &once, body.as_ref());
        answer.await.expect("no process dies")
    }

    /// Reports a delivered fix.
    pub async fn fix(&mut self) {
        self.fixes += 1;
        let (n, key) = (self.fixes, format!("fix {}", self.fixes));
        let body = json!({ "phase": "mitigate", "status": "success", "repository": "acme/greeter", "fix": format!("fix-{n}") });
        let answer = self
            .world
            .customer(&self.key, "POST", PHASES, &key, Some(&body));
        let (status, answer) = answer.await;
        assert_eq!(
            (status, &answer["billing"]),
            (StatusCode::CREATED, &json!("billed")),
            "{answer}"
        );
    }

    /// The live subscription at Stripe.
    pub fn subscription(&self) -> Option<Value> {
        let all = self.world.vendors.stripe.subscriptions();
        all.into_iter().find(|one| {
            ["active", "past_due"]
                .iter()
                .any(|live| one["status"] == *live)
        })
    }

    /// The end of the present period.
    pub fn period_end(&self) -> i64 {
        let subscription = self.subscription().expect("a live subscription");
        subscription["items"]["data"][0]["current_period_end"]
            .as_i64()
            .expect("a time")
    }

    /// Runs every function until nothing more can be done now.
    pub async fn run(&self) {
        for _ in 0..200 {
            if self.world.stripe_hands_over().await + self.world.turn_all().await == 0 {
                return;
            }
        }
        panic!("it does not come to rest: {:?}", self.world.pending().await);
    }

    /// Lets time pass, in which Stripe ends periods and the functions run as usual.
    pub async fn pass(&mut self, time: Duration) {
        let until = self.now() + i64::try_from(time.as_secs()).expect("not that long");
        while self.now() < until {
            let left = u64::try_from(until - self.now()).expect("it is ahead");
            let step = Duration::from_secs(left).min(HOUR / 2);
            self.world
                .skip(step.saturating_sub(Duration::from_secs(61)));
            self.world.elapse(step.min(Duration::from_secs(61))).await;
            self.periods_end();
            self.world.sweep().await;
            self.run().await;
        }
    }

    /// Jumps to a moment. Nothing happens until then.
    pub fn jump(&self, to: i64) {
        let seconds = u64::try_from(to - self.now()).expect("it is ahead");
        self.world.skip(Duration::from_secs(seconds));
    }

    /// Stripe ends the periods that are over and finalizes their invoices an hour later.
    fn periods_end(&mut self) {
        let (now, stripe) = (self.now(), &self.world.vendors.stripe);
        for one in stripe.subscriptions() {
            let id = one["id"].as_str().expect("an id").to_owned();
            let end = one["items"]["data"][0]["current_period_end"].as_i64();
            let live = ["active", "past_due"]
                .iter()
                .any(|live| one["status"] == *live);
            if live && end.is_some_and(|end| end <= now) {
                stripe.begin_next_period(&id).expect("a live subscription");
                self.drafts.insert(id, now + GRACE_SECONDS);
            }
        }
        self.drafts.retain(|id, due| {
            if *due <= now {
                stripe.finalize_period(id).expect("a draft");
            }
            *due > now
        });
    }

    /// Stripe finalizes the draft of a subscription at once.
    pub fn finalize(&mut self, subscription: &str) {
        let draft = self.drafts.remove(subscription);
        assert!(draft.is_some(), "there is a draft");
        let stripe = &self.world.vendors.stripe;
        stripe.finalize_period(subscription).expect("a draft");
    }

    /// The usage that final invoices bill.
    pub async fn billed(&self) -> i64 {
        let mut metered: BTreeMap<String, bool> = BTreeMap::new();
        let mut sum = 0;
        for invoice in self.world.vendors.stripe.invoices() {
            if ["draft", "void"]
                .iter()
                .any(|status| invoice["status"] == *status)
            {
                continue;
            }
            for line in invoice["lines"]["data"].as_array().into_iter().flatten() {
                let price = line["pricing"]["price_details"]["price"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned();
                if !metered.contains_key(&price) {
                    let found = self.stripe_reads(&format!("prices/{price}")).await;
                    let is = found["recurring"]["usage_type"] == "metered";
                    metered.insert(price.clone(), is);
                }
                if metered[&price] {
                    sum += line["quantity"].as_i64().unwrap_or_default();
                }
            }
        }
        sum
    }

    pub async fn stripe_reads(&self, path: &str) -> Value {
        let request = Request::get(format!("https://stripe.stand-in/v1/{path}"))
            .header("authorization", "Bearer sk_test_local")
            .body(Body::empty())
            .expect("a request");
        let answer = self.world.vendors.stripe.router().oneshot(request);
        let body = answer.await.expect("infallible").into_body();
        let bytes = to_bytes(body, usize::MAX).await.expect("in memory");
        serde_json::from_slice(&bytes).expect("JSON")
    }

    /// The account's records in a state, as operators see them.
    pub async fn records(&self, state: UsageState) -> Vec<Value> {
        let path = format!(
            "/api/v1/admin/accounts/{}/usage?state={}",
            self.account,
            state.as_str()
        );
        let (status, page) = self.world.operator("GET", &path, None).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        page["usage"].as_array().expect("a list").clone()
    }

    /// The sum of the account's records in a state.
    pub async fn sum(&self, state: UsageState) -> i64 {
        let values = self.records(state).await.into_iter();
        values.filter_map(|record| record["value"].as_i64()).sum()
    }

    pub fn debts(&self) -> AccountMeter {
        AccountMeter {
            account: self.account.clone(),
            meter: Meter::pull_requests(),
        }
    }

    /// The present moment.
    pub fn at(&self) -> Timestamp {
        self.world.stack.outside.now()
    }
}
