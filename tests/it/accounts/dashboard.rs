//! The pages of an account: who may see them, and that their numbers are those of the API.

use crate::world::browser::location;
use crate::world::program::program;
use http::{Response, StatusCode, header};

fn html(page: &Response<bytes::Bytes>) -> String {
    assert_eq!(page.status(), StatusCode::OK, "{page:?}");
    let policy = page.headers()[header::CONTENT_SECURITY_POLICY]
        .to_str()
        .expect("a text");
    assert!(!policy.contains("unsafe"), "{policy}");
    let text = String::from_utf8(page.body().to_vec()).expect("UTF-8");
    assert!(text.len() < 40 * 1024, "{} bytes", text.len());
    assert!(!text.contains("style="), "{text}");
    text
}

#[tokio::test(start_paused = true)]
async fn pages_show_the_numbers_of_the_api() {
    let program = program("credits", &[]).await;
    let world = &program.world;
    world.adjusts(&program.account, "12345.5", "a gift").await;
    world.issue_opens(30).await;
    world.settle().await;
    let browser = world.signed_in("acme-owner").await;

    let balance = program.get("/api/v1/billing/balance").await;
    let available = balance["balance"].as_str().expect("a balance");
    let billing = html(&browser.ask("GET", "/billing", &[], "").await);
    assert!(
        billing.contains(&format!("<data value=\"{available}\">")),
        "{billing}"
    );

    let job = program.get("/api/v1/jobs").await["jobs"][0].clone();
    let (id, price) = (
        job["id"].as_str().expect("an id"),
        job["price"].as_str().expect("a price"),
    );
    let path = format!("/jobs/{id}");
    let list = html(&browser.ask("GET", "/jobs", &[], "").await);
    let shown = html(&browser.ask("GET", &path, &[], "").await);
    for page in [&list, &shown] {
        assert!(
            page.contains(&format!("<data value=\"{price}\">")),
            "{page}"
        );
    }
    assert!(list.contains(&format!("href=\"{path}\"")), "{list}");

    // The script asks again, and gets nothing while nothing has changed.
    let part = format!("{path}/progress");
    let first = browser.ask("GET", &part, &[], "").await;
    let tag = first.headers()[header::ETAG].to_str().expect("a text");
    let again = browser
        .ask("GET", &part, &[("if-none-match", tag)], "")
        .await;
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert!(again.body().is_empty());
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn only_members_see_the_pages_of_an_account() {
    let program = program("credits", &[]).await;
    let world = &program.world;
    world.adjusts(&program.account, "1000", "a gift").await;
    world.issue_opens(30).await;
    world.settle().await;
    let id = program.get("/api/v1/jobs").await["jobs"][0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let job = format!("/jobs/{id}");
    let guest = world.browser();
    for path in ["/billing", "/jobs", job.as_str()] {
        let answer = guest.ask("GET", path, &[], "").await;
        assert_eq!(
            (answer.status(), location(&answer)),
            (StatusCode::SEE_OTHER, format!("/signin?return_to={path}"))
        );
    }
    let member = world.signed_in("acme-owner").await;
    let absent = member.ask("GET", "/jobs/job_1", &[], "").await;
    assert_eq!(absent.status(), StatusCode::NOT_FOUND);
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn the_style_of_an_older_page_is_the_present_one() {
    let program = program("credits", &[]).await;
    let guest = program.world.browser();
    let old = guest
        .ask("GET", "/assets/000000000000/style.css", &[], "")
        .await;
    assert_eq!(
        (old.status(), &old.headers()[header::CACHE_CONTROL]),
        (StatusCode::OK, &"no-store".parse().expect("a value"))
    );
    let none = guest.ask("GET", "/assets/0/other.css", &[], "").await;
    assert_eq!(none.status(), StatusCode::NOT_FOUND);
    program.world.done().await;
}
