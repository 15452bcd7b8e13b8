//! Purchases on GitHub's Marketplace, which GitHub bills: from the purchase to the pull request, in
//! any order.

use crate::world::money::Sold;
use crate::world::verbs::permutations;
use crate::world::{FaultPlan, World, fixture};
use domain::accounts::signups::Applicant;
use domain::ids::{AccountId, OwnerId};
use domain::inbox::{EventSource, EventState};
use domain::notices::NoticeOutcome;
use local_stack::world::{CUSTOMER, INSTALLATION_ID, OWNER, OWNER_ID, REPOSITORY};
use serde_json::{Value, json};
use std::time::Duration;

/// The built-in catalogue with two plans of the listing: a free one that means the trial, and a
/// paid one.
fn listed(name: &str) -> Sold {
    let trial = "limit = 10, renews = \"never\" }\nconverts_to = \"payg\"\n";
    let both = format!(
        "{trial}marketplace = \"Tryout\"\n[[plan]]\nid = \"market\"\nname = \"Team\"\npays = \"nothing\"\n\
         quotas.pull_requests = {{ limit = 60 }}\nmarketplace = \"Team\"\n[[plan]]\nid = \"market_plus\"\n\
         name = \"Team plus\"\npays = \"nothing\"\nquotas.pull_requests = {{ limit = 200 }}\nmarketplace = \"5502\"\n"
    );
    Sold::with(name, &[(trial, &both)])
}

/// One event that GitHub sends about an owner's purchase.
#[derive(Clone, Copy)]
struct Said {
    action: &'static str,
    plan: (u64, &'static str, u64),
    from: &'static str,
}

const TRYOUT: (u64, &str, u64) = (5500, "Tryout", 0);
const TEAM: (u64, &str, u64) = (5501, "Team", 48_000);
const PLUS: (u64, &str, u64) = (5502, "Team plus", 120_000);

const fn said(action: &'static str, plan: (u64, &'static str, u64), from: &'static str) -> Said {
    Said { action, plan, from }
}

impl World {
    /// Delivers an event about an owner's purchase twice, as GitHub may. Returns its id.
    async fn marketplace_says(&self, owner: u64, said: Said) -> String {
        let mut event = fixture("github", &format!("marketplace_purchase.{}", said.action));
        let (id, name, cents) = said.plan;
        event["effective_date"] = format!("{}T00:00:00+00:00", said.from).into();
        let bought = &mut event["marketplace_purchase"];
        bought["account"]["id"] = owner.into();
        bought["plan"]["id"] = id.into();
        bought["plan"]["name"] = name.into();
        bought["plan"]["monthly_price_in_cents"] = cents.into();
        bought["plan"]["yearly_price_in_cents"] = (cents * 10).into();
        let (delivery, body) = (
            self.fresh_delivery(),
            serde_json::to_vec(&event).expect("JSON"),
        );
        for _ in 0..2 {
            assert_eq!(
                self.github_delivers("marketplace_purchase", &delivery, &body)
                    .await
                    .status(),
                202
            );
        }
        delivery
    }

    /// Creates an account for this owner as an operator.
    async fn account_of(&self, owner: u64, customer: &str, plan: &str) -> AccountId {
        let installation = if owner == OWNER_ID {
            INSTALLATION_ID
        } else {
            700_000 + owner
        };
        let body = json!({
            "stripe_customer_id": customer, "installation_id": installation, "owner_id": owner, "plan": plan,
        });
        loop {
            let (status, answer) = self
                .operator("POST", "/api/v1/admin/accounts", Some(&body))
                .await;
            if status != 503 {
                assert!(status.is_success(), "{status} {answer}");
                return AccountId::parse(answer["id"].as_str().expect("an id"))
                    .expect("an account id");
            }
        }
    }

    async fn account_shown(&self, account: &AccountId) -> Value {
        self.operator("GET", &format!("/api/v1/admin/accounts/{account}"), None)
            .await
            .1
    }

    async fn effective_plan(&self, account: &AccountId) -> String {
        self.account_shown(account).await["effective_plan"]
            .as_str()
            .expect("a plan")
            .to_owned()
    }

    /// Turns another issue into a pull request.
    async fn one_more(&self, number: u64) {
        let before = self.vendors.github.pulls(OWNER, REPOSITORY).len();
        self.vendors
            .github
            .add_issue(OWNER, REPOSITORY, number, "Another", "thing");
        self.github_sends_changed("issues.opened", |event| {
            event["issue"]["number"] = number.into();
            event["issue"]["id"] = (90_000 + number).into();
        })
        .await;
        self.settle().await;
        assert_eq!(
            self.vendors.github.pulls(OWNER, REPOSITORY).len(),
            before + 1
        );
    }
}

/// Purchase, account and customer, installation, first issue, pull request; GitHub bills, so
/// nothing is reported to Stripe.
#[tokio::test(start_paused = true)]
async fn marketplace_installation() {
    let sold = listed("market-install");
    for (seed, plan, meant, limit) in [
        (601, TEAM, "market", 60),
        (602, TRYOUT, "trial", 10),
        (603, PLUS, "market_plus", 200),
    ] {
        let world = World::bare(FaultPlan::Seeded(seed), &[("CATALOGUE", sold.path())]).await;
        let bought = world
            .marketplace_says(OWNER_ID, said("purchased", plan, "2026-11-20"))
            .await;
        world.settle().await;
        world
            .assert_outcome(
                &bought,
                EventState::Processed,
                "for owner 9001, who signs up with it",
            )
            .await;
        let acme = Applicant::Owner(OwnerId::new(OWNER_ID));
        let account = world
            .assert_provisioned_once(&acme, NoticeOutcome::Sent)
            .await
            .id;
        world.github_sends("installation.created").await;
        world.settle().await;
        assert_eq!(world.payer().await.as_ref(), Some(&account));
        assert_eq!(world.effective_plan(&account).await, meant);
        world.one_more(30).await;
        assert_eq!(
            world.vendors.stripe.meter_events().len(),
            0,
            "GitHub bills it"
        );
        let (_, quotas) = world
            .operator(
                "GET",
                &format!("/api/v1/admin/accounts/{account}/quotas"),
                None,
            )
            .await;
        let pulls = quotas["quotas"]
            .as_array()
            .expect("quotas")
            .iter()
            .find(|one| one["meter"] == "pull_requests");
        assert_eq!(
            pulls.map(|one| (&one["used"], &one["limit"])),
            Some((&json!(1), &json!(limit)))
        );
        world.done().await;
    }
}

/// An operator names only the installation: its first issue reveals the owner, and with it the
/// purchase.
#[tokio::test(start_paused = true)]
async fn a_purchase_finds_its_account_at_the_first_issue() {
    let sold = listed("market-late");
    let settings = [("CATALOGUE", sold.path()), ("AUTO_PROVISION", "false")];
    let (world, account) = World::on_plan(FaultPlan::Seeded(611), "payg", &settings).await;
    world
        .marketplace_says(OWNER_ID, said("purchased", TEAM, "2026-11-20"))
        .await;
    world.settle().await;
    assert_eq!(world.effective_plan(&account).await, "payg");
    world.one_more(30).await;
    assert_eq!(world.effective_plan(&account).await, "market");
    assert_eq!(world.vendors.stripe.meter_events().len(), 0);
    world.done().await;
}

/// A job is billed once: while GitHub bills, none is reported to Stripe; afterwards each is, by the
/// account's own plan.
#[tokio::test(start_paused = true)]
async fn no_job_is_billed_by_both() {
    let sold = listed("market-both");
    let world = World::bare(FaultPlan::Seeded(612), &[("CATALOGUE", sold.path())]).await;
    world.subscribes_to("payg").await;
    let account = world.account_of(OWNER_ID, CUSTOMER, "payg").await;
    world.one_more(30).await;
    assert_eq!(world.vendors.stripe.total(CUSTOMER, "pull_requests"), 1);
    let bought = world
        .marketplace_says(OWNER_ID, said("purchased", TEAM, "2026-11-20"))
        .await;
    world.settle().await;
    world
        .assert_outcome(&bought, EventState::Processed, account.as_str())
        .await;
    world.one_more(31).await;
    world
        .marketplace_says(OWNER_ID, said("pending_change", TRYOUT, "2026-12-20"))
        .await;
    world
        .marketplace_says(
            OWNER_ID,
            said("pending_change_cancelled", TEAM, "2026-12-20"),
        )
        .await;
    world.settle().await;
    assert_eq!(
        world.effective_plan(&account).await,
        "market",
        "what will be is not yet"
    );
    world.one_more(32).await;
    assert_eq!(world.vendors.stripe.total(CUSTOMER, "pull_requests"), 1);
    world
        .marketplace_says(OWNER_ID, said("cancelled", TEAM, "2026-12-20"))
        .await;
    world.settle().await;
    assert_eq!(world.effective_plan(&account).await, "payg");
    assert_eq!(
        world.account_shown(&account).await["purchases"][0]["state"],
        "cancelled"
    );
    world.one_more(33).await;
    assert_eq!(world.vendors.stripe.total(CUSTOMER, "pull_requests"), 2);
    world.done().await;
}

/// A purchase is made, changed, cancelled and made again. Every order of every part of the story
/// ends with the state of its latest event, and each event is delivered twice. Some accounts exist
/// before the story, some are created in the middle, and some sign up.
#[tokio::test(start_paused = true)]
async fn a_purchase_ends_the_same_in_every_order() {
    let story = [
        (said("purchased", TEAM, "2026-11-20"), "market"),
        (said("changed", PLUS, "2026-11-24"), "market_plus"),
        (said("cancelled", PLUS, "2026-12-20"), "trial"),
        (said("purchased", TEAM, "2026-12-28"), "market"),
    ];
    let sold = listed("market-orders");
    let world = World::bare(FaultPlan::Seeded(613), &[("CATALOGUE", sold.path())]).await;
    let mut ends = Vec::new();
    for length in 1..=story.len() {
        for order in permutations(length) {
            let owner = 20_000 + u64::try_from(ends.len()).expect("few");
            let known_after = ends.len() % (length + 1);
            for (at, place) in order.iter().enumerate() {
                if at == known_after {
                    world
                        .account_of(owner, &format!("cus_{owner}"), "trial")
                        .await;
                }
                world.marketplace_says(owner, story[*place].0).await;
                if at % 2 == 0 {
                    world.drain(::queues::Queue::GithubEvents).await;
                }
            }
            ends.push((owner, story[length - 1].1, order));
        }
    }
    world.settle().await;
    for (owner, plan, order) in ends {
        // A purchase whose cancellation arrived first does not sign up.
        let account = match world
            .stack
            .store
            .owner_find(OwnerId::new(owner))
            .await
            .expect("the store answers")
        {
            Some(account) => account,
            None => {
                world
                    .account_of(owner, &format!("cus_{owner}"), "trial")
                    .await
            }
        };
        assert_eq!(world.effective_plan(&account).await, plan, "{order:?}");
    }
    world.done().await;
}

/// GitHub's dates are whole days. Of two events from one day, the later to arrive counts, and
/// repeating the same event changes nothing.
#[tokio::test(start_paused = true)]
async fn of_one_day_the_last_to_arrive_counts() {
    let sold = listed("market-day");
    let world = World::bare(FaultPlan::Seeded(614), &[("CATALOGUE", sold.path())]).await;
    let account = world.account_of(OWNER_ID, CUSTOMER, "trial").await;
    let mut deliveries = Vec::new();
    for (action, plan, expected) in [
        ("purchased", TEAM, "market"),
        ("cancelled", TEAM, "trial"),
        ("purchased", PLUS, "market_plus"),
    ] {
        world.skip(Duration::from_secs(60));
        deliveries.push(
            world
                .marketplace_says(OWNER_ID, said(action, plan, "2026-11-20"))
                .await,
        );
        world.settle().await;
        assert_eq!(world.effective_plan(&account).await, expected, "{action}");
    }
    // An operator replays the cancellation, which keeps its original date.
    let path = format!("/api/v1/admin/events/github/{}/replay", deliveries[1]);
    assert!(world.operator("POST", &path, None).await.0.is_success());
    world.settle().await;
    assert_eq!(world.effective_plan(&account).await, "market_plus");
    world.done().await;
}

/// A plan that is missing in the catalogue does not change the account. It raises an alarm, and the
/// event's outcome says so.
#[tokio::test(start_paused = true)]
async fn a_plan_that_the_catalogue_does_not_mean_changes_nothing() {
    let world = World::bare(FaultPlan::Seeded(615), &[]).await;
    let account = world.account_of(OWNER_ID, CUSTOMER, "payg").await;
    for sample in [
        "purchased",
        "changed",
        "pending_change",
        "pending_change_cancelled",
        "cancelled",
    ] {
        let delivery = world
            .github_sends(&format!("marketplace_purchase.{sample}"))
            .await;
        world.settle().await;
        let (state, words) = world.outcome(EventSource::Github, &delivery).await;
        assert!(
            state == EventState::Processed && words.contains("owner 9001"),
            "{sample}: {words}"
        );
        assert!(!words.contains("acme.example"), "{words}");
        assert_eq!(world.effective_plan(&account).await, "payg");
    }
    world.done().await;
}

/// Installation events outside the life cycle, and events of unknown installations.
#[tokio::test(start_paused = true)]
async fn irrelevant_events_are_listed_as_ignored() {
    let world = World::with(FaultPlan::Seeded(616), &[("AUTO_PROVISION", "false")]).await;
    let account = json!({ "id": OWNER_ID, "login": OWNER, "type": "Organization" });
    let here =
        json!({ "id": INSTALLATION_ID, "account": account, "updated_at": "2026-11-20T12:00:00Z" });
    for (event, action, words) in [
        (
            "installation",
            "new_permissions_accepted",
            "an event we do not act on",
        ),
        (
            "installation_target",
            "renamed",
            "an event we do not act on",
        ),
    ] {
        let body = json!({
            "action": action, "installation": here, "repository_selection": "selected",
        });
        let delivery = world.fresh_delivery();
        let answer = world
            .github_delivers(event, &delivery, &serde_json::to_vec(&body).expect("JSON"))
            .await;
        assert_eq!(answer.status(), 202);
        world.settle().await;
        world
            .assert_outcome(&delivery, EventState::Ignored, words)
            .await;
    }
    let outsider = |event: &mut Value| {
        event["installation"]["id"] = 7_999.into();
        event["repository"]["owner"]["id"] = 9_999.into();
    };
    let delivery = world.github_sends_changed("issues.opened", outsider).await;
    world.settle().await;
    world
        .assert_outcome(&delivery, EventState::Ignored, "nobody pays for this owner")
        .await;
    let (status, listed) = world
        .operator(
            "GET",
            "/api/v1/admin/events?source=github&status=ignored",
            None,
        )
        .await;
    assert!(
        status.is_success() && listed.to_string().contains("nobody pays for this owner"),
        "{listed}"
    );
    world.github_sends("issues.opened").await;
    world.settle().await;
    world.assert_delivered_once();
    world.done().await;
}
