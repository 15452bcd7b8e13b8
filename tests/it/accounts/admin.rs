//! `/api/v1/admin/accounts`.

use crate::world::operator::assert_problem;
use crate::world::verbs::together;
use crate::world::{FaultPlan, World};
use domain::inbox::EventState;
use http::{Request, StatusCode};
use serde_json::{Value, json};

const PATH: &str = "/api/v1/admin/accounts";

fn wanted(customer: &str, installation: u64) -> Value {
    json!({ "stripe_customer_id": customer, "installation_id": installation })
}

#[tokio::test(start_paused = true)]
async fn an_account_is_made_once_a_customer() {
    let world = World::bare(FaultPlan::None, &[]).await;
    let (status, first) = world
        .operator("POST", PATH, Some(&wanted("cus_1", 1)))
        .await;
    assert_eq!(status, StatusCode::CREATED);
    world.elapse(std::time::Duration::from_secs(5)).await;
    let (status, again) = world
        .operator("POST", PATH, Some(&wanted("cus_1", 1)))
        .await;
    assert_eq!(
        (status, &again),
        (StatusCode::OK, &first),
        "said twice, it is the same account"
    );
    let (status, more) = world
        .operator("POST", PATH, Some(&wanted("cus_1", 2)))
        .await;
    assert_eq!(
        (status, &more),
        (StatusCode::OK, &first),
        "several installations may share an account"
    );
    let (status, other) = world
        .operator("POST", PATH, Some(&wanted("cus_2", 3)))
        .await;
    assert_eq!(status, StatusCode::CREATED);
    assert_ne!(other, first);
    let id = first["id"].as_str().expect("an id");
    let (status, shown) = world.operator("GET", &format!("{PATH}/{id}"), None).await;
    assert_eq!(status, StatusCode::OK);
    let expected = json!({
        "id": id,
        "stripe_customer_id": "cus_1",
        "plan": "payg",
        "wished_plan": null,
        "billing": "stripe",
        "metered_to": "missing",
        "moved_to": null,
        "effective_plan": "payg",
        "service": { "state": "full" },
        "subscriptions": [],
        "purchases": [],
        "created_at": "2026-11-20T21:43:00.000Z",
    });
    assert_eq!(shown, expected);
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn an_installation_of_another_account_cannot_be_taken() {
    let world = World::bare(FaultPlan::None, &[]).await;
    let owned = |customer: &str, installation: u64| json!({ "stripe_customer_id": customer, "installation_id": installation, "owner_id": 11 });
    assert_eq!(
        world
            .operator("POST", PATH, Some(&owned("cus_1", 1)))
            .await
            .0,
        StatusCode::CREATED
    );
    assert_eq!(
        world
            .operator("POST", PATH, Some(&wanted("cus_2", 2)))
            .await
            .0,
        StatusCode::CREATED
    );
    for (what, body) in [
        (
            "a new customer with a taken installation",
            wanted("cus_3", 1),
        ),
        (
            "a known customer with a taken installation",
            wanted("cus_2", 1),
        ),
        ("a new customer with a taken owner", owned("cus_3", 3)),
        ("a known customer with a taken owner", owned("cus_2", 3)),
    ] {
        let response = world
            .admin_request("POST", PATH, Some("local-token"), Some(&body))
            .await;
        assert_problem(what, &response, 409, "installation_taken");
    }
    // The request is refused as a whole: it took neither the third customer nor the third
    // installation.
    assert_eq!(
        world
            .operator("POST", PATH, Some(&wanted("cus_3", 3)))
            .await
            .0,
        StatusCode::CREATED
    );
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn bad_requests_say_what_is_wrong() {
    let world = World::bare(FaultPlan::None, &[]).await;
    let before = world.stack.faults.log();
    let long = "x".repeat(41);
    for (body, code) in [
        (json!({}), "bad_body"),
        (json!([]), "bad_body"),
        (json!("cus_1"), "bad_body"),
        (Value::Null, "bad_body"),
        (json!({ "stripe_customer_id": "cus_1" }), "bad_body"),
        (json!({ "installation_id": 1 }), "bad_body"),
        (
            json!({ "stripe_customer_id": 1, "installation_id": 1 }),
            "bad_body",
        ),
        (
            json!({ "stripe_customer_id": "cus_1", "installation_id": "1" }),
            "bad_body",
        ),
        (
            json!({ "stripe_customer_id": "cus_1", "installation_id": -1 }),
            "bad_body",
        ),
        (
            json!({ "stripe_customer_id": "cus_1", "installation_id": 1.5 }),
            "bad_body",
        ),
        (
            json!({ "stripe_customer_id": "cus_1", "installation_id": 1, "balance": 1_000_000 }),
            "bad_body",
        ),
        (
            json!({ "stripe_customer_id": "cus_1", "installation_id": 1, "id": "acc_x" }),
            "bad_body",
        ),
        (
            json!({ "stripe_customer_id": "", "installation_id": 1 }),
            "bad_customer",
        ),
        (
            json!({ "stripe_customer_id": "cus_", "installation_id": 1 }),
            "bad_customer",
        ),
        (
            json!({ "stripe_customer_id": "sub_1", "installation_id": 1 }),
            "bad_customer",
        ),
        (
            json!({ "stripe_customer_id": "cus_1#ACCOUNT", "installation_id": 1 }),
            "bad_customer",
        ),
        (
            json!({ "stripe_customer_id": "cus_1", "installation_id": 1, "plan": "" }),
            "bad_plan",
        ),
        (
            json!({ "stripe_customer_id": "cus_1", "installation_id": 1, "plan": long }),
            "bad_plan",
        ),
    ] {
        let response = world
            .admin_request("POST", PATH, Some("local-token"), Some(&body))
            .await;
        assert_problem(&body.to_string(), &response, 400, code);
    }
    let json = Some("application/json");
    for (kind, body) in [
        (None, "{}"),
        (Some("text/plain"), "{}"),
        (json, "{"),
        (json, ""),
        (json, "\u{0}"),
    ] {
        let mut request =
            Request::post(format!("http://x{PATH}")).header("authorization", "Bearer local-token");
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        let request = request
            .body(bytes::Bytes::from_static(body.as_bytes()))
            .expect("a request");
        let response = crate::world::operator::respond(&world, request).await;
        assert_problem(&format!("{kind:?} {body:?}"), &response, 400, "bad_body");
    }
    assert_eq!(
        world.stack.faults.log(),
        before,
        "nothing reached the store"
    );
    for id in [
        "x",
        "acc_",
        "job_01hf7yat00zzzzzzzzzzzzzzzz",
        "acc_01HF7YAT00ZZZZZZZZZZZZZZZZ",
        "acc_01hf7yat00zzzzzzzzzzzzzzzz",
        "%00",
    ] {
        let response = world
            .admin_request("GET", &format!("{PATH}/{id}"), Some("local-token"), None)
            .await;
        assert_problem(id, &response, 404, "not_found");
    }
    world.done().await;
}

/// Ten operators at once, with faults: there is one account, and every request gets its id in the
/// end.
#[tokio::test(start_paused = true)]
async fn ten_at_once_make_one_account() {
    let world = World::bare(FaultPlan::Seeded(91), &[]).await;
    let ids = together((0..10).map(|_| world.provision())).await;
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    let delivery = world.github_sends("issues.opened").await;
    world.settle().await;
    world
        .assert_outcome(&delivery, EventState::Processed, "")
        .await;
    world.assert_delivered_once();
    assert_eq!(world.commented_job().await.facts.account, ids[0]);
    world.done().await;
}

/// An owner's number is enough to find its account before the owner's installation has sent an
/// event.
#[tokio::test(start_paused = true)]
async fn an_owner_named_by_an_operator_is_known_at_once() {
    let world = World::bare(FaultPlan::None, &[]).await;
    world.subscribes_to("payg").await;
    let body = json!({ "stripe_customer_id": "cus_TallyhookDemo1", "installation_id": 999, "owner_id": 9001 });
    assert_eq!(
        world.operator("POST", PATH, Some(&body)).await.0,
        StatusCode::CREATED
    );
    world.github_sends("issues.opened").await;
    world.settle().await;
    assert_eq!(world.vendors.github.pulls("acme", "greeter").len(), 1);
    world.done().await;
}
