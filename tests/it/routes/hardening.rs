//! Hostile requests are refused with a problem, in bounded time, and cause no failure.

use crate::world::program::{Program, program, request, respond};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};

const JSON: (&str, &[u8]) = ("content-type", b"application/json");
const ONCE: (&str, &[u8]) = ("idempotency-key", b"once");

/// Every route that takes a body.
const WRITES: [&str; 6] = [
    "/api/v1/api-keys",
    "/api/v1/credits/holds",
    "/api/v1/credits/holds/act_00000000000000000000000000/capture",
    "/api/v1/usage",
    "/api/v1/usage/check",
    "/api/v1/api-keys/key_00000000000000000000000000/rotate",
];

/// Asserts a refusal: a problem that reveals nothing internal, and no headers that admit other
/// sites.
async fn refused(program: &Program, what: &str, request: Request<Bytes>) -> Response<Bytes> {
    let response = respond(&program.world, request).await;
    let status = response.status();
    assert!(
        status.is_client_error(),
        "{what}: {status} {:?}",
        response.body()
    );
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json",
        "{what}"
    );
    let problem: Value = serde_json::from_slice(response.body()).expect("JSON");
    assert_eq!(problem["status"], status.as_u16(), "{what}");
    let detail = problem["detail"].as_str().expect("a sentence");
    assert!(
        !detail.is_empty() && detail.len() < 2_000 && !detail.contains("::"),
        "{what}: {detail}"
    );
    closed(what, &response);
    response
}

fn closed(what: &str, response: &Response<Bytes>) {
    let opened = response
        .headers()
        .keys()
        .find(|name| name.as_str().starts_with("access-control"));
    assert_eq!(opened, None, "{what}");
    assert_eq!(
        response.headers()["x-content-type-options"],
        "nosniff",
        "{what}"
    );
}

#[tokio::test(start_paused = true)]
async fn bad_bodies_are_refused() {
    let program = program("credits", &[]).await;
    let deep = |open: &str, close: &str, depth: usize| {
        format!("{}{}", open.repeat(depth), close.repeat(depth))
    };
    let megabyte = "x".repeat(1 << 20);
    let bodies: Vec<(&str, Vec<u8>)> = vec![
        (
            "a megabyte",
            format!("{{\"name\":\"{megabyte}\"}}").into_bytes(),
        ),
        ("a megabyte of nothing", vec![0; 1 << 20]),
        ("nothing", Vec::new()),
        ("invalid UTF-8", b"{\"name\":\"\xff\xfe\"}".to_vec()),
        ("half a surrogate", br#"{"name":"\ud800"}"#.to_vec()),
        ("deep lists", deep("[", "]", 50_000).into_bytes()),
        ("deep objects", deep("{\"a\":", "}", 20_000).into_bytes()),
        ("open lists", "[".repeat(100_000).into_bytes()),
        (
            "a long number",
            format!("{{\"amount\":1{}}}", "0".repeat(10_000)).into_bytes(),
        ),
        ("a wrong type", b"[1,2,3]".to_vec()),
        (
            "not a number",
            b"{\"meter\":\"tokens\",\"amount\":NaN}".to_vec(),
        ),
        ("two documents", b"{}{}".to_vec()),
        (
            "unknown fields",
            br#"{"role":"admin","account":"acc_other","balance":"1","plan":"free"}"#.to_vec(),
        ),
        (
            "a field twice",
            br#"{"meter":"tokens","meter":"tokens","amount":1}"#.to_vec(),
        ),
        ("null", b"null".to_vec()),
    ];
    for (what, body) in &bodies {
        for path in WRITES {
            refused(
                &program,
                &format!("{what} at {path}"),
                request("POST", path, &program.key, &[JSON, ONCE], body.clone()),
            )
            .await;
        }
    }
    let body = json!({ "meter": "tokens", "amount": 1 }).to_string();
    let kinds: [&[u8]; 8] = [
        b"text/plain",
        b"application/xml",
        b"application/x-www-form-urlencoded",
        b"multipart/form-data; boundary=x",
        b"application/",
        b"*/*",
        b"",
        b"\xff",
    ];
    for kind in kinds {
        let odd = request(
            "POST",
            "/api/v1/usage",
            &program.key,
            &[("content-type", kind), ONCE],
            body.clone(),
        );
        refused(&program, &String::from_utf8_lossy(kind), odd).await;
    }
    let untyped = request("POST", "/api/v1/usage", &program.key, &[ONCE], body.clone());
    refused(&program, "no content type", untyped).await;
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn unusual_headers_and_paths_are_harmless() {
    let program = program("credits", &[]).await;
    let (key, long) = (program.key.as_str(), vec![b'x'; 10_000]);
    let body = json!({ "meter": "tokens", "amount": 1 }).to_string();
    for once in [&b""[..], b" ", b"\xff\xfe", &[b'x'; 201], &long] {
        let asked = request(
            "POST",
            "/api/v1/usage",
            key,
            &[JSON, ("idempotency-key", once)],
            body.clone(),
        );
        refused(
            &program,
            &format!("{} bytes of idempotency key", once.len()),
            asked,
        )
        .await;
    }
    let without = request("POST", "/api/v1/usage", key, &[JSON], body.clone());
    refused(&program, "no idempotency key", without).await;
    for authorization in [
        &long[..],
        b"Bearer ",
        b"Basic eDp5",
        b"Bearer \xff",
        b"bearer",
        b"Bearer th_live_",
        b"Bearer th_test_a b",
    ] {
        let asked = request(
            "GET",
            "/api/v1/account",
            "",
            &[("authorization", authorization)],
            "",
        );
        let answer = refused(
            &program,
            &String::from_utf8_lossy(&authorization[..authorization.len().min(20)]),
            asked,
        )
        .await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
    // Only the key identifies the caller.
    let claims: [(&str, &[u8]); 4] = [
        ("x-user-id", b"acc_other"),
        ("x-account-id", b"acc_other"),
        ("x-forwarded-for", b"127.0.0.1"),
        ("cookie", b"session=1"),
    ];
    refused(
        &program,
        "claims",
        request("GET", "/api/v1/account", "", &claims, ""),
    )
    .await;
    let own = respond(
        &program.world,
        request("GET", "/api/v1/account", key, &[("x-noise", &long[..])], ""),
    )
    .await;
    assert_eq!(
        own.status(),
        StatusCode::OK,
        "a long header that is never read"
    );
    for path in [
        "//",
        "/api",
        "/api/v1",
        "/api/v1/",
        "/api/v2/account",
        "/API/V1/account",
        "/api/v1/account/",
        "/api/v1//account",
        "/api/v1/account/x",
        "/api/v1/../v1/account",
        "/api/v1/%2e%2e/account",
        "/api/v1/account%00",
        "/api/v1/jobs/",
        "/api/v1/jobs/%ff",
        "/api/v1/jobs/%00",
        "/api/v1/jobs/..%2f..%2faccount",
        "/api/v1/jobs/a%0d%0ab",
        "/.env",
        "/metrics",
        "/debug",
        "/api/v1/admin",
        "/api/v1/admin/events",
    ] {
        let answer = refused(&program, path, request("GET", path, key, &[], "")).await;
        assert!(
            matches!(answer.status().as_u16(), 400 | 404),
            "{path}: {}",
            answer.status()
        );
    }
    let endless = format!("/api/v1/jobs/{}", "x".repeat(8_000));
    refused(
        &program,
        "a long path",
        request("GET", &endless, key, &[], ""),
    )
    .await;
    let query = format!("/api/v1/jobs?cursor={}", "x".repeat(8_000));
    refused(
        &program,
        "a long query",
        request("GET", &query, key, &[], ""),
    )
    .await;
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn other_methods_are_refused_and_nothing_is_shared_with_other_sites() {
    let program = program("credits", &[]).await;
    let origin: [(&str, &[u8]); 3] = [
        ("origin", b"https://elsewhere.test"),
        ("access-control-request-method", b"POST"),
        ("access-control-request-headers", b"authorization"),
    ];
    for path in [
        "/api/v1/health",
        "/api/v1/account",
        "/api/v1/credits/holds",
        "/api/v1/openapi.json",
    ] {
        let seen = respond(
            &program.world,
            request("GET", path, &program.key, &origin, ""),
        )
        .await;
        assert_eq!(seen.status(), StatusCode::OK, "{path}");
        closed(path, &seen);
        let head = respond(&program.world, request("HEAD", path, &program.key, &[], "")).await;
        assert_eq!(
            (head.status(), head.body().len()),
            (StatusCode::OK, 0),
            "HEAD {path}"
        );
        for method in ["OPTIONS", "PUT", "PATCH", "TRACE", "CONNECT", "PROPFIND"] {
            let asked = request(method, path, &program.key, &origin, "");
            let answer = refused(&program, &format!("{method} {path}"), asked).await;
            assert_eq!(
                answer.status(),
                StatusCode::METHOD_NOT_ALLOWED,
                "{method} {path}"
            );
            assert!(
                answer.headers()["allow"]
                    .to_str()
                    .expect("a list")
                    .contains("GET"),
                "{method} {path}"
            );
        }
    }
    let head = respond(
        &program.world,
        request("HEAD", "/api/v1/account", "", &[], ""),
    )
    .await;
    assert_eq!(
        (head.status(), head.body().len()),
        (StatusCode::UNAUTHORIZED, 0)
    );
    program.world.done().await;
}

/// A cursor contains a position, not an account: with another account's cursor, callers see only
/// their own rows.
#[tokio::test(start_paused = true)]
async fn another_account_s_cursor_shows_nothing_of_it() {
    let program = program("credits", &[]).await;
    let world = &program.world;
    for n in 0..4 {
        world
            .adjusts(&program.account, "1", &format!("secret {n}"))
            .await;
    }
    let page = program.get("/api/v1/billing/transactions?limit=2").await;
    let cursor = page["next_cursor"]
        .as_str()
        .expect("another page")
        .to_owned();
    let body =
        json!({ "stripe_customer_id": "cus_Other", "installation_id": 9_009, "plan": "payg" });
    let other = world.insist("POST", "/api/v1/admin/accounts", &body).await;
    let other = domain::ids::AccountId::parse(other["id"].as_str().expect("an id")).expect("an id");
    let theirs = world.key_of(&other, "theirs").await;
    for path in ["/api/v1/billing/transactions", "/api/v1/jobs"] {
        let path = format!("{path}?cursor={cursor}");
        let answer = respond(world, request("GET", &path, &theirs, &[], "")).await;
        let text = String::from_utf8_lossy(answer.body()).into_owned();
        assert!(!answer.status().is_server_error(), "{path}: {text}");
        assert!(
            !text.contains("secret") && !text.contains(program.account.as_str()),
            "{path}: {text}"
        );
    }
    let mut bytes = cursor.into_bytes();
    for place in 0..bytes.len() {
        let other = if bytes[place] == b'A' { b'B' } else { b'A' };
        let kept = std::mem::replace(&mut bytes[place], other);
        for (path, whole) in [
            ("billing/transactions", &bytes[..]),
            ("jobs", &bytes[..place]),
        ] {
            let path = format!("/api/v1/{path}?cursor={}", String::from_utf8_lossy(whole));
            let answer = respond(world, request("GET", &path, &theirs, &[], "")).await;
            let text = String::from_utf8_lossy(answer.body()).into_owned();
            assert!(
                !answer.status().is_server_error() && !text.contains("secret"),
                "{path}: {text}"
            );
        }
        bytes[place] = kept;
    }
    for odd in [
        "LQ",
        "MQ",
        "MS4",
        "LjE",
        "OTIyMzM3MjAzNjg1NDc3NTgwOC5h",
        "LTkyMjMzNzIwMzY4NTQ3NzU4MDguYQ",
        "MC4jIzo",
        "MS7DqcOp",
    ] {
        for path in ["billing/transactions", "jobs"] {
            let path = format!("/api/v1/{path}?cursor={odd}");
            let answer = respond(world, request("GET", &path, &theirs, &[], "")).await;
            assert!(
                !answer.status().is_server_error(),
                "{path}: {:?}",
                answer.body()
            );
        }
    }
    program.world.abandoned();
}
