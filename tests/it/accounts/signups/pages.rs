//! Sign-up by the page `/signup`, whose form does what `POST /api/v1/signup` does.

use super::mails::{ANN, applicant};
use super::text;
use crate::world::browser::location;
use crate::world::{FaultPlan, World};
use bytes::Bytes;
use domain::notices::NoticeOutcome;
use http::{Request, Response, StatusCode};

const FORM: &str = "/api/v1/pages/signup";
const ADDRESS: &str = "ann%40acme.example";

#[tokio::test(start_paused = true)]
async fn the_form_signs_up_once() {
    let world = World::bare(FaultPlan::None, &[]).await;
    let browser = world.browser();
    let landing = text(&browser.ask("GET", "/", &[], "").await);
    assert!(landing.contains("href=\"/signup?plan=teams\""), "{landing}");
    let form = text(&browser.ask("GET", "/signup?plan=teams", &[], "").await);
    assert!(form.contains("value=\"teams\" selected"), "{form}");
    let plain = text(&browser.ask("GET", "/signup?plan=%3Cb%3E", &[], "").await);
    assert!(plain.contains("value=\"trial\" selected"), "{plain}");
    let fields = [("email", ADDRESS), ("name", "Acme"), ("plan", "teams")];
    for _ in 0..2 {
        let sent = browser.sends(FORM, &fields).await;
        assert_eq!(sent.status(), StatusCode::SEE_OTHER);
        assert_eq!(location(&sent), "/signup?done=mail");
    }
    let done = text(&browser.ask("GET", "/signup?done=mail", &[], "").await);
    assert!(
        done.contains("We will send a mail") && !done.contains("<form"),
        "{done}"
    );
    world.settle().await;
    world
        .assert_provisioned_once(&applicant(ANN), NoticeOutcome::Sent)
        .await;
    assert_eq!(world.made_customers()[0]["name"], "Acme");
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_is_said_and_nothing_is_taken() {
    let world = World::bare(FaultPlan::None, &[]).await;
    let browser = world.browser();
    for (fields, problem, says) in [
        (
            [("email", "ann"), ("name", "Acme"), ("plan", "trial")],
            "bad_email",
            "not a valid mail address",
        ),
        (
            [("email", ADDRESS), ("name", "+"), ("plan", "trial")],
            "bad_name",
            "1 to 100 characters",
        ),
        (
            [("email", ADDRESS), ("name", "Acme"), ("plan", "none")],
            "bad_plan",
            "not on offer",
        ),
    ] {
        let sent = browser.sends(FORM, &fields).await;
        let back = location(&sent);
        assert_eq!(back, format!("/signup?problem={problem}"));
        let page = text(&browser.ask("GET", &back, &[], "").await);
        assert!(
            page.contains(says) && page.contains("name=\"email\""),
            "{page}"
        );
    }
    world.settle().await;
    assert!(world.made_customers().is_empty());
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn with_a_review_the_page_says_so() {
    let world = World::bare(FaultPlan::None, &[("AUTO_PROVISION", "false")]).await;
    let browser = world.browser();
    let fields = [("email", ADDRESS), ("name", "Acme"), ("plan", "trial")];
    assert_eq!(
        location(&browser.sends(FORM, &fields).await),
        "/signup?done=review"
    );
    let page = text(&browser.ask("GET", "/signup?done=review", &[], "").await);
    assert!(page.contains("We review the sign-up first"), "{page}");
    world.settle().await;
    world.done().await;
}

/// Each network has its own minute: however many others send requests, a new one may sign up.
#[tokio::test(start_paused = true)]
async fn no_network_uses_up_what_another_may_send() {
    let world = World::bare(FaultPlan::None, &[("RATE_LIMIT_PER_MINUTE", "30")]).await;
    for network in 1..=40 {
        let from = format!("192.0.{network}.1");
        assert_eq!(location(&posts(&world, &from).await), "/signup?done=mail");
        let again = location(&posts(&world, &from).await);
        assert_eq!(again, "/signup?problem=too_many_requests", "{from}");
    }
    world.settle().await;
    world.done().await;
}

async fn posts(world: &World, from: &str) -> Response<Bytes> {
    let mut request = Request::builder()
        .method("POST")
        .uri(format!("http://tallyhook.test{FORM}"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Bytes::from(format!("email={ADDRESS}&name=Acme&plan=trial")))
        .expect("a request");
    request
        .extensions_mut()
        .insert(boot::SourceAddress(from.parse().expect("an address")));
    let answered = world.stack.faults.run(world.stack.answer(request)).await;
    answered.expect("no process dies")
}
