//! Request ids: every answer of both HTTP functions contains a request id, and a caller's
//! well-formed id is adopted.

use crate::world::operator::assert_problem;
use crate::world::program::{program, request, respond};
use bytes::Bytes;
use http::Response;

fn name(response: &Response<Bytes>) -> &str {
    let mut names = response.headers().get_all("x-request-id").iter();
    let name = names.next().expect("a name").to_str().expect("a plain one");
    assert!(names.next().is_none(), "one name");
    name
}

#[tokio::test(start_paused = true)]
async fn every_answer_says_what_its_request_is_called() {
    let program = program("credits", &[]).await;
    let world = &program.world;
    let mut names = std::collections::BTreeSet::new();
    for (path, key) in [
        ("/api/v1/health", ""),
        ("/api/v1/account", ""),
        ("/api/v1/account", program.key.as_str()),
        ("/api/v1/jobs/x", program.key.as_str()),
        ("/nowhere", ""),
    ] {
        let own = respond(
            world,
            request("GET", path, key, &[("x-request-id", b"Root-1.2_3")], ""),
        )
        .await;
        assert_eq!(name(&own), "Root-1.2_3", "{path}");
        for odd in [&b""[..], b"a b", b"{}", b"a;b", b"\xc3\xa9", &[b'x'; 65]] {
            let made = respond(
                world,
                request("GET", path, key, &[("x-request-id", odd)], ""),
            )
            .await;
            assert!(
                name(&made).len() == 32 && name(&made).bytes().all(|byte| byte.is_ascii_hexdigit()),
                "{path}"
            );
            assert!(
                names.insert(name(&made).to_owned()),
                "no name is given twice"
            );
        }
    }
    let refused = respond(
        world,
        request(
            "GET",
            "/api/v1/account",
            "",
            &[("x-request-id", b"abc")],
            "",
        ),
    )
    .await;
    assert_problem("an unknown caller", &refused, 401, "unauthorized");
    assert_eq!(refused.headers()["www-authenticate"], "Bearer");
    assert_eq!(refused.headers()["cache-control"], "no-store");
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn operators_requests_have_names_too() {
    let program = program("credits", &[]).await;
    let asked = request(
        "GET",
        "/api/v1/admin/events",
        "",
        &[("x-request-id", b"abc")],
        "",
    );
    let refused = admin::respond(program.world.stack.admin.clone(), asked).await;
    assert_problem("an unknown caller", &refused, 401, "unauthorized");
    assert_eq!(name(&refused), "abc");
    let health = admin::respond(
        program.world.stack.admin.clone(),
        request("GET", "/health", "", &[], ""),
    )
    .await;
    assert_eq!((health.status().as_u16(), name(&health).len()), (200, 32));
    program.world.done().await;
}
