//! Rate limits: exact across processes on one table, shown in headers, and closed for writes while
//! the store cannot count.

use crate::world::operator::assert_problem;
use crate::world::program::{Program, another, program, request, respond};
use crate::world::verbs::together;
use bytes::Bytes;
use http::{Request, Response};
use serde_json::json;
use stand_in_shared::faults::{Effect, Fault};
use std::time::Duration;

const LIMIT: &[(&str, &str)] = &[("RATE_LIMIT_PER_MINUTE", "20")];

fn number(response: &Response<Bytes>, header: &str) -> u64 {
    let text = response
        .headers()
        .get(header)
        .unwrap_or_else(|| panic!("{header} of {response:?}"));
    text.to_str().expect("a text").parse().expect("a number")
}

fn asks(key: &str) -> Request<Bytes> {
    request("GET", "/api/v1/account", key, &[], "")
}

/// Advances to the beginning of the next minute.
async fn next_minute(program: &Program) {
    let millis = program
        .world
        .stack
        .outside
        .now()
        .millis()
        .rem_euclid(60_000);
    program
        .world
        .elapse(Duration::from_millis(
            u64::try_from(60_000 - millis).expect("a positive time"),
        ))
        .await;
}

/// Under concurrent requests to many processes, exactly as many are answered as the key's and the
/// account's limits allow.
#[tokio::test(start_paused = true)]
async fn api_rate_limits_hold() {
    let program = program("credits", LIMIT).await;
    let world = &program.world;
    let keys = [
        program.key.clone(),
        world.key_of(&program.account, "b").await,
        world.key_of(&program.account, "c").await,
    ];
    let processes: Vec<_> = (0..4).map(|_| another(world, LIMIT)).collect();
    let rush = async |keys: &[String]| {
        let asked = keys.iter().flat_map(|key| (0..40).map(move |n| (key, n)));
        let asked = asked.map(|(key, n)| {
            world
                .stack
                .faults
                .run(api::respond(processes[n % 4].clone(), asks(key)))
        });
        let answers = together(asked)
            .await
            .into_iter()
            .map(|answer| answer.expect("no process dies"));
        let (mut won, mut refused) = (0, 0);
        for answer in answers {
            match answer.status().as_u16() {
                200 => won += 1,
                429 => {
                    assert_problem("too often", &answer, 429, "too_many_requests");
                    assert_eq!(
                        number(&answer, "retry-after"),
                        number(&answer, "ratelimit-reset")
                    );
                    assert_eq!(number(&answer, "ratelimit-remaining"), 0);
                    refused += 1;
                }
                other => panic!("{other}: {answer:?}"),
            }
        }
        (won, refused)
    };
    for _ in 0..3 {
        next_minute(&program).await;
        assert_eq!(rush(&keys[..1]).await, (20, 20), "one key");
        assert_eq!(
            rush(&keys[1..2]).await,
            (20, 20),
            "another key has a count of its own"
        );
        assert_eq!(
            rush(&keys[2..]).await,
            (0, 40),
            "the account has used up what it has"
        );
        next_minute(&program).await;
        assert_eq!(
            rush(&keys).await,
            (40, 80),
            "all keys at once have what the account has"
        );
    }
    program.world.done().await;
}

/// The account's limit holds at its exact bound, in processes that have refused nobody and remember
/// nothing.
#[tokio::test(start_paused = true)]
async fn an_account_has_not_one_request_more_than_its_limit() {
    let program = program("credits", LIMIT).await;
    let world = &program.world;
    let keys = [
        program.key.clone(),
        world.key_of(&program.account, "b").await,
        world.key_of(&program.account, "c").await,
    ];
    next_minute(&program).await;
    for (key, requests) in keys.iter().zip([20, 20, 0]) {
        for _ in 0..requests {
            let process = another(world, LIMIT);
            let answer = world.stack.faults.run(api::respond(process, asks(key)));
            let answer = answer.await.expect("no process dies");
            assert_eq!(answer.status().as_u16(), 200, "{answer:?}");
        }
    }
    let process = another(world, LIMIT);
    let answer = world
        .stack
        .faults
        .run(api::respond(process, asks(&keys[2])));
    let answer = answer.await.expect("no process dies");
    assert_problem("one more", &answer, 429, "too_many_requests");
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn answers_say_what_is_left_and_when_it_resets() {
    let program = program("credits", LIMIT).await;
    let world = &program.world;
    next_minute(&program).await;
    world.elapse(Duration::from_millis(15_500)).await;
    for left in (0..20).rev() {
        let answer = respond(world, asks(&program.key)).await;
        let said = ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"]
            .map(|name| number(&answer, name));
        assert_eq!((answer.status().as_u16(), said), (200, [20, left, 45]));
    }
    for _ in 0..3 {
        let calls = world.stack.faults.calls();
        let refused = respond(world, asks(&program.key)).await;
        assert_problem("too often", &refused, 429, "too_many_requests");
        assert_eq!(number(&refused, "retry-after"), 45);
        assert!(
            world.stack.faults.calls() - calls <= 1,
            "a client that keeps asking costs next to nothing"
        );
    }
    let before = world.stack.faults.calls();
    for path in ["/api/v1/health", "/api/v1/openapi.json", "/api/v1/plans"] {
        let open = respond(world, request("GET", path, &program.key, &[], "")).await;
        assert!(
            open.status() == 200 && open.headers().get("ratelimit-limit").is_none(),
            "{path}: {open:?}"
        );
    }
    assert_eq!(
        world.stack.faults.calls(),
        before,
        "what is open is not counted and costs nothing"
    );
    world.elapse(Duration::from_secs(45)).await;
    assert_eq!(
        respond(world, asks(&program.key)).await.status(),
        200,
        "a new minute"
    );
    program.world.done().await;
}

/// Accounts have separate limits.
#[tokio::test(start_paused = true)]
async fn one_account_does_not_use_up_another_s_minute() {
    let program = program("credits", LIMIT).await;
    let world = &program.world;
    let body =
        json!({ "stripe_customer_id": "cus_Other", "installation_id": 9_009, "plan": "credits" });
    let other = world
        .operator("POST", "/api/v1/admin/accounts", Some(&body))
        .await
        .1;
    let other = domain::ids::AccountId::parse(other["id"].as_str().expect("an id")).expect("an id");
    let theirs = world.key_of(&other, "theirs").await;
    next_minute(&program).await;
    for _ in 0..25 {
        respond(world, asks(&program.key)).await;
    }
    let answer = respond(world, asks(&theirs)).await;
    assert_eq!(
        (
            answer.status().as_u16(),
            number(&answer, "ratelimit-remaining")
        ),
        (200, 19)
    );
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn reads_stay_open_and_writes_are_refused_while_requests_cannot_be_counted() {
    let program = program("credits", LIMIT).await;
    let world = &program.world;
    assert_eq!(
        respond(world, asks(&program.key)).await.status(),
        200,
        "the key is known"
    );
    let break_count = || {
        world.stack.faults.inject(Fault {
            on: "dynamodb UpdateItem".to_owned(),
            times: 10,
            effect: Effect::Unreachable,
        })
    };
    break_count();
    let read = respond(world, asks(&program.key)).await;
    assert!(
        read.status() == 200 && read.headers().get("ratelimit-limit").is_none(),
        "{read:?}"
    );
    let wanted = Bytes::from(json!({ "credits": "1" }).to_string());
    for (method, path) in [
        ("POST", "/api/v1/credits/holds"),
        ("DELETE", "/api/v1/api-keys/key_1"),
    ] {
        let headers: &[(&str, &[u8])] = &[
            ("idempotency-key", b"a"),
            ("content-type", b"application/json"),
        ];
        break_count();
        let write = respond(
            world,
            request(method, path, &program.key, headers, wanted.clone()),
        )
        .await;
        assert_problem("a write", &write, 503, "unavailable");
    }
    program.world.abandoned();
}
