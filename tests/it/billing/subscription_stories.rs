//! Whatever customers and people at Stripe's dashboard do to a subscription, and in whatever order
//! and however often its events arrive: in the end we show what Stripe has, and at most one
//! subscription lives. The stories are drawn from seeds.

use crate::world::FaultPlan;
use crate::world::months::{HOUR, Months};
use http::StatusCode;
use local_stack::world::CUSTOMER;
use serde_json::{Value, json};
use std::time::Duration;
use stripe_api::SubscriptionStatus;

const ROUNDS: usize = 5;
const STEPS: usize = 3;
const PLANS: [&str; 4] = ["payg", "teams", "starter", "professional"];

struct Story {
    months: Months,
    seed: u64,
    /// What happened, for readers of a failure.
    told: Vec<String>,
}

impl Story {
    async fn begin(seed: u64) -> Self {
        Self {
            months: Months::begin(FaultPlan::Seeded(seed)).await,
            seed,
            told: vec![format!("seed {seed}")],
        }
    }

    fn draw(&mut self, below: u64) -> u64 {
        self.seed = stand_in_shared::faults::scramble(self.seed);
        (self.seed >> 7) % below
    }

    fn tells(&mut self, what: impl std::fmt::Display) {
        let at = self.months.at();
        self.told.push(format!("{at} {what}"));
    }

    fn plan(&mut self) -> &'static str {
        PLANS[usize::try_from(self.draw(4)).expect("few")]
    }

    /// The customer asks for something, which may be impossible now.
    async fn customer_asks(&mut self) {
        let plan = self.plan();
        let (method, body, query) = match self.draw(12) {
            _ if self.months.subscription().is_none() => {
                ("POST", Some(json!({ "plan": plan })), "")
            }
            0..3 => ("PATCH", Some(json!({ "plan": plan })), ""),
            3..6 => (
                "PATCH",
                Some(json!({ "plan": plan, "when": "period_end" })),
                "",
            ),
            6 => ("PATCH", Some(json!({ "keep_plan": true })), ""),
            7 | 8 => ("PATCH", Some(json!({ "resume": true })), ""),
            9 | 10 => ("DELETE", None, ""),
            _ => ("DELETE", None, "?when=now"),
        };
        let words = format!("{method}{query} {body:?}");
        let (status, answer) = self.months.asks(method, body, query).await;
        self.tells(format!("{words}: {status} {}", answer["code"]));
    }

    /// A person does something at Stripe's dashboard, or in Stripe's portal.
    fn dashboard(&mut self) {
        let Some(one) = self.months.subscription() else {
            return;
        };
        let id = one["id"].as_str().expect("an id").to_owned();
        let act = self.draw(9) / 2;
        let stripe = &self.months.world.vendors.stripe;
        let (what, done) = match act {
            0 => ("cancels at the end", stripe.cancel_at_period_end(&id)),
            1 => ("keeps it", stripe.keep_subscription(&id)),
            2 => ("cancels in the portal", stripe.cancel_in_portal(&id)),
            3 => {
                let schedule = one["schedule"].as_str().unwrap_or_default();
                ("releases the schedule", stripe.release_schedule(schedule))
            }
            _ => ("cancels now", stripe.cancel_subscription(&id)),
        };
        let done = done.is_ok();
        self.tells(format!("a person at Stripe {what}: {done}"));
    }

    async fn step(&mut self) {
        match self.draw(8) {
            0..4 => self.customer_asks().await,
            4 => self.dashboard(),
            5 => {
                self.tells("the next payment is declined");
                let stripe = &self.months.world.vendors.stripe;
                stripe.fail_next_payment(CUSTOMER).expect("a customer");
            }
            6 if self.months.subscription().is_some() => {
                self.tells("the period ends");
                self.months.jump(self.months.period_end());
            }
            _ => {}
        }
        // Events of several acts may arrive together.
        match self.draw(4) {
            0 => {}
            1 => self.months.run().await,
            2 => self.months.pass(Duration::from_secs(600)).await,
            _ => self.months.pass(3 * HOUR).await,
        }
    }

    /// Everything arrives, and we show what Stripe has. Returns whether a subscription lives, ends
    /// later, and changes later.
    async fn compares(&mut self) -> [bool; 3] {
        self.months.pass(3 * HOUR).await;
        let stripe = &self.months.world.vendors.stripe;
        let live: Vec<_> = stripe
            .subscriptions()
            .into_iter()
            .filter(|one| one["ended_at"].is_null() && one["status"] != "incomplete")
            .collect();
        let told = &self.told;
        assert!(live.len() <= 1, "{live:#?} {told:#?}");
        let (status, shown) = self.months.asks("GET", None, "").await;
        assert_eq!(status, StatusCode::OK, "{shown}");
        let Some(live) = live.first() else {
            let ended = ["none", "canceled", "incomplete_expired", "incomplete"];
            let shows = shown["status"].as_str().unwrap_or_default();
            assert!(ended.contains(&shows), "{shown} {told:#?}");
            return [false; 3];
        };
        let sold = |product: &Value| {
            let product = product.as_str().unwrap_or_default();
            json!(product.strip_prefix("tallyhook_plan_"))
        };
        let item = &live["items"]["data"][0];
        let plan = sold(&item["price"]["product"]);
        let time = |at: &Value| {
            let at = at.as_i64().map(domain::time::Timestamp::from_seconds);
            json!(at.map(|at| at.to_string()))
        };
        assert_eq!(
            (&shown["id"], &shown["status"], &shown["plan"]),
            (&live["id"], &live["status"], &plan),
            "{live} {told:#?}"
        );
        assert_eq!(
            (&shown["period_end"], &shown["ends_at"]),
            (
                &time(&item["current_period_end"]),
                &time(&live["cancel_at"])
            ),
            "{live} {told:#?}"
        );
        let next = self.planned(live).await;
        assert_eq!(
            shown["planned_change"]["plan"], next,
            "{live} {shown} {told:#?}"
        );
        if live["status"] == SubscriptionStatus::Active.as_str() {
            assert_eq!(shown["effective_plan"], plan, "{shown} {told:#?}");
        }
        [true, live["cancel_at"].is_number(), !next.is_null()]
    }

    /// The plan of the phase after the current one, if the subscription has a schedule.
    async fn planned(&self, live: &Value) -> Value {
        let stripe = &self.months.world.vendors.stripe;
        let schedule = stripe
            .schedules()
            .into_iter()
            .find(|one| one["id"] == live["schedule"]);
        let Some(schedule) = schedule else {
            return Value::Null;
        };
        let phases = schedule["phases"].as_array().expect("phases");
        let now = self.months.now();
        let later = phases
            .iter()
            .find(|phase| phase["start_date"].as_i64().is_some_and(|at| at > now));
        let Some(later) = later else {
            return Value::Null;
        };
        let price = later["items"][0]["price"].as_str().expect("a price");
        let price = self.months.stripe_reads(&format!("prices/{price}")).await;
        let product = price["product"].as_str().unwrap_or_default();
        json!(product.strip_prefix("tallyhook_plan_"))
    }
}

async fn plays(seeds: std::ops::Range<u64>) {
    let mut seen = [0; 3];
    for seed in seeds {
        let mut story = Story::begin(seed).await;
        for _ in 0..ROUNDS {
            for _ in 0..STEPS {
                story.step().await;
            }
            let found = story.compares().await;
            seen.iter_mut()
                .zip(found)
                .for_each(|(count, one)| *count += usize::from(one));
        }
        story.months.world.done().await;
    }
    assert!(seen.iter().all(|count| *count >= 2), "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn we_show_what_stripe_has() {
    plays(601..608).await;
}

#[tokio::test(start_paused = true)]
async fn we_show_what_stripe_has_in_other_stories() {
    plays(608..615).await;
}
