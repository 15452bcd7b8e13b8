//! `/api/v1/admin/accounts/{id}/usage`: usage that Stripe refused, and the operators' decisions
//! about it.

use crate::billing::metering::pending;
use crate::world::operator::assert_problem;
use crate::world::wire::WIRED;
use crate::world::{FaultPlan, World};
use domain::ids::{AccountId, UsageId};
use domain::time::Timestamp;
use http::StatusCode;
use serde_json::{Value, json};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

fn path(account: &AccountId) -> String {
    format!("/api/v1/admin/accounts/{account}/usage")
}

impl World {
    /// An account's usage records in a state.
    async fn usage_in(&self, account: &AccountId, state: &str) -> Vec<Value> {
        let (status, page) = self
            .operator("GET", &format!("{}?state={state}", path(account)), None)
            .await;
        assert_eq!(
            (status, &page["next_cursor"]),
            (StatusCode::OK, &Value::Null),
            "{page}"
        );
        page["usage"].as_array().expect("a list").clone()
    }

    /// An operator decides about a record, and retries on conflicts.
    async fn decides(&self, path: &str, body: Option<&Value>) -> (StatusCode, Value) {
        loop {
            let answer = self.operator("POST", path, body).await;
            if answer.0 != StatusCode::SERVICE_UNAVAILABLE {
                return answer;
            }
        }
    }
}

/// A world with one stuck record, which is older than Stripe accepts.
async fn stuck(fault_plan: FaultPlan) -> (World, AccountId, Value) {
    let world = pending(fault_plan, &WIRED).await;
    let account = world.account().await;
    world.skip(35 * DAY);
    world.settle().await;
    let [record] = world
        .usage_in(&account, "stuck")
        .await
        .try_into()
        .expect("one");
    (world, account, record)
}

#[tokio::test(start_paused = true)]
async fn stuck_usage_is_reported_again_under_a_new_identifier_once() {
    for fault_plan in [FaultPlan::None, FaultPlan::Seeded(91)] {
        let (world, account, record) = stuck(fault_plan).await;
        assert_eq!(
            (&record["reason"], &record["value"]),
            (&json!("Stripe does not accept usage this old"), &json!(1))
        );
        let id = record["id"].as_str().expect("an id");
        assert_eq!(record["identifier"], format!("{id}-pull_requests"));
        let resend = format!("{}/pull_requests/{id}/resend", path(&account));

        // The account has subscribed in the meantime, so there is a period in which to bill it.
        world.period_began(2 * HOUR).await;
        let (status, owed) = world.decides(&resend, None).await;
        assert_eq!(
            (status, &owed["state"]),
            (StatusCode::ACCEPTED, &json!("owed")),
            "{owed}"
        );
        assert_eq!(
            owed["identifier"],
            format!("{id}-pull_requests-2"),
            "Stripe knows the old one"
        );
        let again = world
            .admin_request("POST", &resend, Some("local-token"), None)
            .await;
        assert_problem("said again", &again, 409, "not_stuck");
        assert_eq!(world.usage_in(&account, "owed").await.len(), 1);

        world.settle().await;
        let events = world.vendors.stripe.meter_events();
        let sent: Vec<_> = events
            .iter()
            .map(|event| event.identifier.clone())
            .collect();
        assert_eq!(sent, [format!("{id}-pull_requests-2")]);
        let [sent] = world
            .usage_in(&account, "reported")
            .await
            .try_into()
            .expect("one");
        assert_ne!(
            (&sent["reported_at"], &sent["carried_to"]),
            (&Value::Null, &Value::Null),
            "{sent}"
        );
        assert!(world.usage_in(&account, "stuck").await.is_empty());
        let late = world
            .admin_request("POST", &resend, Some("local-token"), None)
            .await;
        assert_problem("reported by now", &late, 409, "not_stuck");
        world.done().await;
    }
}

/// If Stripe refuses a record again, it is stuck again, and its third report has a third
/// identifier.
#[tokio::test(start_paused = true)]
async fn every_report_has_its_own_identifier() {
    let (world, account, record) = stuck(FaultPlan::None).await;
    let id = record["id"].as_str().expect("an id");
    let resend = format!("{}/pull_requests/{id}/resend", path(&account));
    for nth in 2..4 {
        let (status, _) = world.decides(&resend, None).await;
        assert_eq!(status, StatusCode::ACCEPTED);
        world.settle().await;
        let [record] = world
            .usage_in(&account, "stuck")
            .await
            .try_into()
            .expect("one");
        assert_eq!(
            record["identifier"],
            format!("{id}-pull_requests-{nth}"),
            "without a subscription it is too old"
        );
    }
    assert_eq!(world.vendors.stripe.meter_events(), []);
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn usage_that_was_written_off_is_never_reported() {
    let (world, account, record) = stuck(FaultPlan::None).await;
    let record = format!(
        "{}/pull_requests/{}",
        path(&account),
        record["id"].as_str().expect("an id")
    );
    let off = format!("{record}/write-off");
    for (body, code) in [
        (json!({}), "bad_body"),
        (json!({ "reason": " " }), "bad_reason"),
    ] {
        let response = world
            .admin_request("POST", &off, Some("local-token"), Some(&body))
            .await;
        assert_problem(&body.to_string(), &response, 400, code);
    }
    let why = json!({ "reason": "our outage, not theirs" });
    let (status, shown) = world.decides(&off, Some(&why)).await;
    assert_eq!(
        (status, &shown["written_off"]["by"]),
        (StatusCode::OK, &json!("local")),
        "{shown}"
    );
    assert_eq!(shown["written_off"]["reason"], why["reason"]);
    for path in [&off, &format!("{record}/resend")] {
        let response = world
            .admin_request("POST", path, Some("local-token"), Some(&why))
            .await;
        assert_problem(path, &response, 409, "written_off");
    }
    world.settle().await;
    assert_eq!(world.vendors.stripe.meter_events(), []);
    let [kept] = world
        .usage_in(&account, "stuck")
        .await
        .try_into()
        .expect("one");
    assert_eq!(
        kept["written_off"], shown["written_off"],
        "it is kept with its reason"
    );
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn much_usage_is_paged_without_gaps_or_repeats() {
    let world = pending(FaultPlan::None, &WIRED).await;
    let account = world.account().await;
    world.settle().await;
    let mut rows = world.stack.tables.rows("tallyhook-main");
    rows.retain(|row| !row["reported_at"].is_null());
    let [row] = rows.try_into().expect("one was reported");
    let id = UsageId::of_job(&world.commented_job().await.facts.id);
    for n in 0..119_u8 {
        let other = UsageId::mint(Timestamp::from_millis(i64::from(n)), [n; 10]);
        let text = row.to_string().replace(id.as_str(), other.as_str());
        world.stack.tables.row_put(
            "tallyhook-main",
            &serde_json::from_str(&text).expect("JSON"),
        );
    }
    let (mut sizes, mut seen, mut query) = (Vec::new(), Vec::new(), "?state=reported".to_owned());
    loop {
        let (status, page) = world
            .operator("GET", &format!("{}{query}", path(&account)), None)
            .await;
        assert_eq!(status, StatusCode::OK, "{page}");
        let ids = page["usage"].as_array().expect("a list").iter();
        let ids: Vec<_> = ids
            .map(|row| row["id"].as_str().expect("an id").to_owned())
            .collect();
        sizes.push(ids.len());
        seen.extend(ids);
        let Some(next) = page["next_cursor"].as_str() else {
            break;
        };
        query = format!("?state=reported&cursor={next}");
    }
    assert_eq!(sizes, [50, 50, 20]);
    assert!(
        seen.windows(2).all(|pair| pair[0] > pair[1]),
        "newest first, and nothing twice"
    );
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn missing_files_and_bad_requests_are_explained() {
    let world = World::with(FaultPlan::None, &[]).await;
    let account = world.account().await;
    let id = "use_01hf7yat00zzzzzzzzzzzzzzzz";
    let why = json!({ "reason": "a test" });
    for (method, tail, body, status, code) in [
        ("GET", String::new(), None, 400, "bad_state"),
        ("GET", "?state=late".to_owned(), None, 400, "bad_state"),
        (
            "GET",
            "?state=owed&page=2".to_owned(),
            None,
            400,
            "bad_query",
        ),
        (
            "GET",
            "?state=owed&cursor=MS54".to_owned(),
            None,
            400,
            "bad_cursor",
        ),
        (
            "POST",
            format!("/pull_requests/{id}/resend"),
            None,
            404,
            "not_found",
        ),
        (
            "POST",
            format!("/pull_requests/{id}/write-off"),
            Some(&why),
            404,
            "not_found",
        ),
        (
            "POST",
            format!("/PULLS/{id}/resend"),
            None,
            404,
            "not_found",
        ),
        (
            "POST",
            "/pull_requests/7/resend".to_owned(),
            None,
            404,
            "not_found",
        ),
    ] {
        let path = format!("{}{tail}", path(&account));
        let response = world
            .admin_request(method, &path, Some("local-token"), body)
            .await;
        assert_problem(&path, &response, status, code);
    }
    world.done().await;
}
