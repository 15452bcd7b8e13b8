//! Sign-ins that nobody means: anybody can begin one, and its end asks GitHub with our client secret.

use crate::world::{FaultPlan, World};
use http::{StatusCode, header};

/// One network ends more sign-ins in a minute than it may, and GitHub is not asked any more until the
/// next minute.
#[tokio::test(start_paused = true)]
async fn invented_codes_reach_github_only_so_often() {
    let world = World::bare(FaultPlan::None, &[]).await;
    let browser = world.browser();
    let mut answers = Vec::new();
    for _ in 0..35 {
        let begun = browser.ask("GET", "/signin", &[], "").await;
        let page = begun.headers()[header::LOCATION].to_str().expect("text");
        let (_, state) = page.split_once("state=").expect("a state");
        let state = state.split('&').next().expect("its value");
        let back = format!("/signin/callback?code=invented&state={state}");
        let answer = browser.ask("GET", &back, &[], "").await;
        answers.push(answer.status());
    }
    let refused = answers
        .iter()
        .filter(|status| **status == StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.count(), 5, "{answers:?}");
    assert_eq!(
        answers[29..31],
        [StatusCode::BAD_REQUEST, StatusCode::TOO_MANY_REQUESTS]
    );
    world.elapse(std::time::Duration::from_secs(60)).await;
    let later = browser.ask("GET", "/signin/callback?code=x", &[], "").await;
    assert_eq!(later.status(), StatusCode::BAD_REQUEST);
    let log = world.stack.faults.log();
    let asked = log.iter().filter(|call| call.contains("access_token"));
    assert_eq!(asked.count(), 30, "{log:?}");
    world.done().await;
}
