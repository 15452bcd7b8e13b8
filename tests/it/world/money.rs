//! Methods of the world that concern money.

use crate::world::{FaultPlan, World};
use domain::billing::plans::{Catalogue, Pays};
use domain::ids::AccountId;
use domain::ledger::Balance;
use http::{Request, StatusCode};
use local_stack::subscribed::subscribe;
use local_stack::world::{CUSTOMER, INSTALLATION_ID};
use serde_json::{Value, json};
use std::path::PathBuf;

/// A test's own catalogue: the built-in one with changed lines.
pub struct Sold {
    path: PathBuf,
}

impl Sold {
    /// The built-in catalogue with these texts replaced.
    pub fn with(name: &str, changes: &[(&str, &str)]) -> Self {
        let mut text = catalogue::BUILT_IN.to_owned();
        for (from, to) in changes {
            assert!(text.contains(from), "the catalogue says {from:?}");
            text = text.replacen(from, to, 1);
        }
        let path =
            std::env::temp_dir().join(format!("tallyhook-{}-{name}.toml", std::process::id()));
        std::fs::write(&path, text).expect("a file");
        Self { path }
    }

    pub fn path(&self) -> &str {
        self.path.to_str().expect("text")
    }
}

impl Drop for Sold {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl World {
    /// A prepared world whose only account is on this plan.
    pub async fn on_plan(
        fault_plan: FaultPlan,
        plan: &str,
        settings: &[(&str, &str)],
    ) -> (Self, AccountId) {
        let world = Self::bare(fault_plan, settings).await;
        let subscription = world.subscribes_to(plan).await;
        let body = json!({ "stripe_customer_id": CUSTOMER, "installation_id": INSTALLATION_ID, "plan": plan });
        let answer = world.insist("POST", "/api/v1/admin/accounts", &body).await;
        let account = AccountId::parse(answer["id"].as_str().expect("an id")).expect("an id");
        world.knows(&account, subscription.as_ref()).await;
        (world, account)
    }

    /// Subscribes the demo's customer to a plan at the stand-in, if the plan is metered: such an
    /// account needs somebody who is billed. Stripe's events about it are discarded.
    pub async fn subscribes_to(&self, plan: &str) -> Option<stripe_api::Subscription> {
        self.customer_subscribes_to(CUSTOMER, plan).await
    }

    /// The same for another customer, before their account is provisioned.
    pub async fn customer_subscribes_to(
        &self,
        customer: &str,
        plan: &str,
    ) -> Option<stripe_api::Subscription> {
        let mut sold = built_in();
        sold.packs.clear();
        sold.plans
            .retain(|one| one.id.as_str() == plan && one.pays == Pays::Meters);
        if sold.plans.is_empty() {
            return None;
        }
        let (stripe, now) = (&self.vendors.stripe, self.stack.outside.now());
        let made = subscribe(stripe, &sold, customer, plan, now).await;
        stripe.outbox_take();
        Some(made.expect("the stand-in sells it"))
    }

    /// Records a subscription, also in a world whose functions do not reach Stripe.
    pub async fn knows(&self, account: &AccountId, known: Option<&stripe_api::Subscription>) {
        if let Some(known) = known {
            let kept = known.as_kept(known.created);
            let noted = self.stack.store.subscription_note(account, &kept).await;
            noted.expect("the store answers");
        }
    }

    /// Sends an operator's request and repeats it while it conflicts with others.
    pub async fn insist(&self, method: &str, path: &str, body: &Value) -> Value {
        loop {
            match self.operator(method, path, Some(body)).await {
                (StatusCode::SERVICE_UNAVAILABLE, _) => {}
                (status, answer) => {
                    assert!(status.is_success(), "{path}: {status} {answer}");
                    return answer;
                }
            }
        }
    }

    /// Grants an account credits as an operator, or takes them with a leading `-`. The key
    /// identifies the adjustment.
    pub async fn adjusts(
        &self,
        account: &AccountId,
        amount: &str,
        key: &str,
    ) -> (StatusCode, Value) {
        let body = json!({ "amount": amount, "reason": "a test" });
        loop {
            let answer = self
                .keyed(
                    "POST",
                    &format!("/api/v1/admin/accounts/{account}/adjustments"),
                    key,
                    &body,
                )
                .await;
            if answer.0 != StatusCode::SERVICE_UNAVAILABLE {
                return answer;
            }
        }
    }

    /// Sends an operator's request with an idempotency key.
    pub async fn keyed(
        &self,
        method: &str,
        path: &str,
        key: &str,
        body: &Value,
    ) -> (StatusCode, Value) {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://tallyhook.test{path}"))
            .header("authorization", "Bearer local-token")
            .header("idempotency-key", key)
            .header("content-type", "application/json")
            .body(serde_json::to_vec(body).expect("JSON").into())
            .expect("a request");
        let answered = self
            .stack
            .faults
            .run(admin::respond(self.stack.admin.clone(), request))
            .await;
        // A process that died does not answer; its load balancer does.
        let Some(response) = answered else {
            return (StatusCode::SERVICE_UNAVAILABLE, Value::Null);
        };
        (
            response.status(),
            serde_json::from_slice(response.body()).unwrap_or(Value::Null),
        )
    }

    pub async fn balance(&self, account: &AccountId) -> Balance {
        self.stack
            .store
            .balance_find(account)
            .await
            .expect("the store answers")
    }

    /// The kinds of an account's entries, oldest first.
    pub async fn kinds(&self, account: &AccountId) -> Vec<&'static str> {
        let entries = self
            .stack
            .store
            .entry_all(account)
            .await
            .expect("the store answers");
        entries.iter().map(|entry| entry.kind.as_str()).collect()
    }

    /// Asserts that all entries, balances, holds and seals agree, and that every amount equals what
    /// it was computed from.
    pub async fn assert_ledger_agrees(&self) {
        let audit = self.stack.store.ledger_audit().await.expect("an audit");
        assert_eq!(audit.faults, Vec::<String>::new());
        self.assert_charges_explained().await;
    }

    /// The facts of an account's notices, newest first.
    pub async fn notices(&self, account: &AccountId) -> Vec<String> {
        let notices = self
            .stack
            .store
            .notice_list(account)
            .await
            .expect("the store answers");
        notices.into_iter().map(|notice| notice.fact).collect()
    }
}

/// The built-in catalogue.
pub fn built_in() -> Catalogue {
    catalogue::built_in()
}
