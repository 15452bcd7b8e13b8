//! Whatever happens between a delivered fix and its invoice, delivered fixes are billed fixes plus
//! those on the operators' list. The stories are drawn from seeds: attempts that fail or whose
//! answers are lost, outages of hours, ends of periods, cancellations here and at Stripe's dashboard,
//! changes of plan, and subscribing again.

use crate::billing::metering::METER_EVENTS;
use crate::world::FaultPlan;
use crate::world::months::{HOUR, Months};
use crate::world::wire::ALWAYS;
use domain::inbox::{EventSource, EventState};
use serde_json::{Value, json};
use stand_in_shared::faults::{Effect, Fault};
use std::time::Duration;
use store::UsageState;

const STEPS: usize = 16;
const MINUTE: Duration = Duration::from_secs(60);

struct Story {
    months: Months,
    seed: u64,
    delivered: i64,
    /// What happened, for readers of a failure.
    told: Vec<String>,
}

impl Story {
    async fn begin(seed: u64) -> Self {
        let fault_plan = if seed.is_multiple_of(3) {
            FaultPlan::Seeded(seed)
        } else {
            FaultPlan::None
        };
        Self {
            months: Months::begin(fault_plan).await,
            seed,
            delivered: 0,
            told: Vec::new(),
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

    /// A fix is delivered, if the account's plan is one that Stripe bills by the fix.
    async fn delivers(&mut self) {
        let account = "/api/v1/account";
        let asked = self
            .months
            .world
            .customer(&self.months.key, "GET", account, "read", None);
        let plan = asked.await.1["plan"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        if plan == "payg" || plan == "teams" {
            self.months.fix().await;
            self.delivered += 1;
            self.tells(format!("a fix on {plan}"));
        }
    }

    async fn subscription_changes(&mut self) {
        let (method, plan, query) = match self.draw(6) {
            0 => ("DELETE", None, "?when=now"),
            1 => ("DELETE", None, ""),
            2 => ("PATCH", Some("starter"), ""),
            3 => ("PATCH", Some("teams"), ""),
            4 => ("PATCH", Some("payg"), ""),
            _ => ("POST", Some("payg"), ""),
        };
        let body = plan.map(|plan| json!({ "plan": plan }));
        let (status, _) = self.months.asks(method, body, query).await;
        self.tells(format!("{method} {plan:?} {query} {status}"));
    }

    fn cancelled_elsewhere(&mut self) {
        if let Some(one) = self.months.subscription() {
            let id = one["id"].as_str().expect("an id");
            let stripe = &self.months.world.vendors.stripe;
            stripe.cancel_subscription(id).expect("it is live");
            self.tells("cancelled at the dashboard");
        }
    }

    fn fails(&mut self) {
        let times = 1 + u32::try_from(self.draw(4)).expect("few");
        let effect = if self.draw(2) == 0 {
            Effect::AnswerLost
        } else {
            Effect::Unreachable
        };
        self.tells(format!("{times} times {effect:?}"));
        self.months.world.stack.faults.inject(Fault {
            on: METER_EVENTS.to_owned(),
            times,
            effect,
        });
    }

    async fn step(&mut self) {
        match self.draw(12) {
            0..4 => self.delivers().await,
            4 => self.fails(),
            5 => {
                self.tells("Stripe is down");
                self.months.world.wire.cut("stripe.wire", ALWAYS);
            }
            6 => {
                self.tells("Stripe is up");
                self.months.world.wire.clear();
            }
            7 | 8 => self.subscription_changes().await,
            9 if self.draw(3) == 0 => self.cancelled_elsewhere(),
            _ => {}
        }
        let time = match self.draw(8) {
            0..3 => MINUTE * u32::try_from(1 + self.draw(20)).expect("few"),
            3..6 => HOUR * u32::try_from(1 + self.draw(4)).expect("few"),
            6 => HOUR * u32::try_from(8 + self.draw(20)).expect("few"),
            _ => Duration::from_secs(self.draw(5)),
        };
        self.months.pass(time).await;
    }

    /// Operators replay the events that failed during an outage.
    async fn replays(&mut self) {
        let states = [EventState::Failed];
        for row in self.months.world.logged(EventSource::Stripe, &states).await {
            let path = format!("/api/v1/admin/events/stripe/{}/replay", row.key.id());
            self.months.world.insist("POST", &path, &Value::Null).await;
        }
        self.months.pass(HOUR).await;
    }

    /// Everything works again, and all periods end.
    async fn ends(mut self) {
        self.months.world.wire.clear();
        self.replays().await;
        self.months.pass(30 * HOUR).await;
        if self.months.subscription().is_some() {
            self.months.jump(self.months.period_end());
            self.months.pass(4 * HOUR).await;
        }
        let months = &self.months;
        assert_eq!(months.sum(UsageState::Owed).await, 0, "{:#?}", self.told);
        let (billed, listed) = (months.billed().await, months.sum(UsageState::Stuck).await);
        assert_eq!(
            billed + listed,
            self.delivered,
            "{billed} are billed and {listed} listed, of {} delivered: {:#?} {:#?}",
            self.delivered,
            self.told,
            months.records(UsageState::Stuck).await
        );
        self.months.world.done().await;
    }
}

async fn plays(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let mut story = Story::begin(seed).await;
        story.tells(format!("seed {seed}"));
        let end = story.months.period_end();
        story.delivers().await;
        story.months.pass(HOUR).await;
        story.months.jump(end - 4 * 3_600);
        for _ in 0..STEPS {
            story.step().await;
        }
        story.ends().await;
    }
}

#[tokio::test(start_paused = true)]
async fn delivered_fixes_are_billed_or_listed() {
    plays(1..13).await;
}

#[tokio::test(start_paused = true)]
async fn delivered_fixes_are_billed_or_listed_in_other_stories() {
    plays(13..25).await;
}
