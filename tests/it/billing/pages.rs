//! The pages of billing, as a browser uses them without a script: what they buy and change, and that
//! their numbers are those of the API.

use crate::billing::checkouts::shop;
use crate::world::browser::{Browser, SITE, location};
use crate::world::program::{Program, program};
use http::{Response, StatusCode, header};
use local_stack::world::CUSTOMER;
use serde_json::json;
use stand_in_stripe::Settlement;

const TOP_UP: &str = "/billing/top-up";

fn html(page: &Response<bytes::Bytes>) -> String {
    assert_eq!(page.status(), StatusCode::OK, "{page:?}");
    let text = String::from_utf8(page.body().to_vec()).expect("UTF-8");
    assert!(text.len() < 40 * 1024, "{} bytes", text.len());
    assert!(!text.contains("style="), "{text}");
    text
}

async fn opens(browser: &Browser<'_>, path: &str) -> String {
    html(&browser.ask("GET", path, &[], "").await)
}

/// Submits a form with the session's token. Returns where it leads.
async fn leads(browser: &Browser<'_>, path: &str, fields: &[(&str, &str)]) -> String {
    let csrf = browser.csrf().await;
    let fields: Vec<_> = fields
        .iter()
        .copied()
        .chain([("csrf_token", csrf.as_str())])
        .collect();
    let sent = browser.sends(path, &fields).await;
    assert_eq!(sent.status(), StatusCode::SEE_OTHER, "{path}: {sent:?}");
    location(&sent)
}

/// The session that a Checkout's address ends with.
fn session_of(url: &str) -> &str {
    url.rsplit('/').next().expect("an address")
}

fn success(session: &str) -> String {
    format!("/billing/success?session_id={session}")
}

fn progress(session: &str) -> String {
    format!("/billing/success/progress?session_id={session}")
}

#[tokio::test(start_paused = true)]
async fn usage_is_shown_by_day() {
    let program = shop("credits").await;
    let world = &program.world;
    let browser = world.signed_in("acme-owner").await;
    let none = opens(&browser, "/billing/usage").await;
    assert!(none.contains("Nothing was used"), "{none}");
    world.adjusts(&program.account, "5000", "a gift").await;
    for issue in [70, 71] {
        world.issue_opens(issue).await;
    }
    world.settle().await;
    let shown = opens(&browser, "/billing/usage").await;
    for words in [
        "Pull requests: 2 pull requests from 2026-10-22 to 2026-11-20",
        "Tokens: ",
        "Credits spent: ",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    // A month later, the days of the jobs are no longer shown.
    world.skip(std::time::Duration::from_secs(31 * 24 * 3_600));
    let browser = world.signed_in("acme-owner").await;
    let later = opens(&browser, "/billing/usage").await;
    assert!(!later.contains("2 pull requests"), "{later}");
    world.settle().await;
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_purchase_outlives_a_late_event() {
    let program = shop("credits").await;
    let world = &program.world;
    let browser = world.signed_in("acme-owner").await;
    let form = [("pack", "10k"), ("quantity", "2"), ("once", "a")];
    let url = leads(&browser, TOP_UP, &form).await;
    let session = session_of(&url);
    let there = world.vendors.stripe.session(session).expect("a session");
    assert_eq!(there["cancel_url"], format!("{SITE}/billing/cancelled"));
    let open = opens(&browser, &success(session)).await;
    assert!(open.contains("not paid yet"), "{open}");

    world.pays(session);
    let early = opens(&browser, &success(session)).await;
    assert!(early.contains("about to arrive"), "{early}");
    assert!(
        early.contains("data-live=\"/billing/success/progress"),
        "{early}"
    );
    assert!(early.contains("http-equiv=\"refresh\""), "{early}");
    let part = browser.ask("GET", &progress(session), &[], "").await;
    assert!(part.headers().get("x-live").is_none(), "{part:?}");

    world.settle().await;
    let part = browser.ask("GET", &progress(session), &[], "").await;
    assert_eq!(part.headers()["x-live"], "done");
    let late = opens(&browser, &success(session)).await;
    for text in [html(&part), late.clone()] {
        assert!(text.contains("+<data value=\"20000\">"), "{text}");
        assert!(text.contains("Run your first fix"), "{text}");
    }
    assert!(!late.contains("data-live"), "{late}");
    assert_eq!(world.purse(&program.account).await, (20_000, 0));

    // A repeat of the form after the payment buys nothing again.
    let csrf = browser.csrf().await;
    let again = browser
        .sends(TOP_UP, &[form[0], form[1], form[2], ("csrf_token", &csrf)])
        .await;
    assert_eq!(again.status(), StatusCode::CONFLICT);
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_double_click_is_one_checkout_and_a_forged_form_none() {
    let program = shop("credits").await;
    let world = &program.world;
    let browser = world.signed_in("acme-owner").await;
    let form = [("pack", "1k"), ("quantity", "1"), ("once", "a")];
    let url = leads(&browser, TOP_UP, &form).await;
    assert_eq!(leads(&browser, TOP_UP, &form).await, url);
    let other = [form[0], form[1], ("once", "b")];
    assert_eq!(leads(&browser, TOP_UP, &other).await, url);
    assert_eq!(world.vendors.stripe.sessions().len(), 1);

    let forged = [form[0], form[1], ("once", "c"), ("csrf_token", "x")];
    let answer = browser.sends(TOP_UP, &forged).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    let csrf = browser.csrf().await;
    let body = format!("pack=10k&quantity=1&once=c&csrf_token={csrf}");
    let foreign = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("origin", "https://evil.test"),
        ("accept", "text/html"),
    ];
    let answer = browser.ask("POST", TOP_UP, &foreign, &body).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    let page = String::from_utf8_lossy(answer.body());
    assert!(
        page.contains("from another site") && page.contains("<h1>"),
        "{page}"
    );

    let member = world.signed_in("acme-member").await;
    let shown = opens(&member, TOP_UP).await;
    assert!(
        shown.contains("Only admins") && !shown.contains("name=\"pack\""),
        "{shown}"
    );
    let csrf = member.csrf().await;
    let answer = member
        .sends(TOP_UP, &[form[0], form[1], form[2], ("csrf_token", &csrf)])
        .await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert_eq!(world.vendors.stripe.sessions().len(), 1);
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_checkout_of_another_customer_looks_absent() {
    let program = shop("credits").await;
    let world = &program.world;
    let browser = world.signed_in("acme-owner").await;
    let stripe = &world.vendors.stripe;
    stripe.add_customer("cus_Other", "other@customer.example");
    let price = world.price("prod_other", 100).await;
    let theirs = world.cart("cus_Other", &price, 1, &[]).await;
    world.pays(&theirs);
    for id in [theirs.as_str(), "cs_none", "x"] {
        for path in [success(id), progress(id)] {
            let answer = browser.ask("GET", &path, &[], "").await;
            assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
        }
    }
    let guest = world.browser();
    let answer = guest.ask("GET", &success(&theirs), &[], "").await;
    assert_eq!(
        location(&answer),
        format!("/signin?return_to={}", success(&theirs)),
        "the sign-in leads back to the purchase"
    );
    let form = [("pack", "1k"), ("quantity", "1"), ("once", "a")];
    let answer = guest.sends(TOP_UP, &form).await;
    assert_eq!(location(&answer), "/signin?return_to=/billing");
    world.settle().await;
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_payment_and_an_expired_checkout_differ() {
    let program = shop("credits").await;
    let world = &program.world;
    let stripe = &world.vendors.stripe;
    let browser = world.signed_in("acme-owner").await;
    let form = [("pack", "1k"), ("quantity", "1"), ("once", "a")];
    let url = leads(&browser, TOP_UP, &form).await;
    let session = session_of(&url).to_owned();
    stripe.pay_session_later(&session).expect("an open session");
    world.settle().await;
    let slow = opens(&browser, &success(&session)).await;
    assert!(slow.contains("bank transfer can take days"), "{slow}");
    stripe
        .settle_session(&session, Settlement::Paid)
        .expect("a transfer");
    world.settle().await;
    let paid = opens(&browser, &success(&session)).await;
    assert!(paid.contains("+<data value=\"1000\">"), "{paid}");

    let url = leads(&browser, TOP_UP, &[form[0], form[1], ("once", "b")]).await;
    stripe
        .expire_session(session_of(&url))
        .expect("an open session");
    world.settle().await;
    let expired = opens(&browser, &success(session_of(&url))).await;
    assert!(expired.contains("Nothing was paid"), "{expired}");
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_payment_method_lets_the_account_work() {
    let program = shop("trial").await;
    let world = &program.world;
    let browser = world.signed_in("acme-owner").await;
    let url = leads(&browser, "/billing/top-up/method", &[("once", "a")]).await;
    let session = session_of(&url);
    world.pays(session);
    let early = opens(&browser, &success(session)).await;
    assert!(
        early.contains("<button disabled>Run your first fix"),
        "{early}"
    );
    world.settle().await;
    let late = opens(&browser, &success(session)).await;
    assert!(late.contains("Payment method added"), "{late}");
    assert_eq!(
        program.get("/api/v1/account").await["can_use_service"],
        true
    );
    assert!(
        late.contains("href=\"/jobs#run\">Run your first fix"),
        "{late}"
    );
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_plan_is_bought_changed_cancelled_and_resumed() {
    let program = shop("credits").await;
    let world = &program.world;
    let browser = world.signed_in("acme-owner").await;
    let plans = opens(&browser, "/billing/plan").await;
    assert!(
        plans.contains("Choose Starter") && !plans.contains("Choose Free"),
        "{plans}"
    );
    let buy = [("plan", "starter"), ("once", "a")];
    let url = leads(&browser, "/billing/plan/buy", &buy).await;
    world.pays(session_of(&url));
    world.settle().await;
    let bought = opens(&browser, &success(session_of(&url))).await;
    assert!(
        bought.contains("You are on the plan <strong>Starter"),
        "{bought}"
    );

    let csrf = browser.csrf().await;
    let fields = [("plan", "professional"), ("csrf_token", csrf.as_str())];
    let preview = html(&browser.sends("/billing/plan/preview", &fields).await);
    assert!(preview.contains("Due now"), "{preview}");
    let at = preview
        .split("name=\"at\" value=\"")
        .nth(1)
        .expect("a moment");
    let at = at.split('"').next().expect("a moment");
    let change = [("plan", "professional"), ("at", at), ("once", "b")];
    for _ in 0..2 {
        let to = leads(&browser, "/billing/plan/change", &change).await;
        assert_eq!(to, "/billing/plan?done=changed");
    }
    let subscription = "/api/v1/billing/subscription";
    assert_eq!(program.get(subscription).await["plan"], "professional");
    let fields = [("plan", "starter"), ("csrf_token", csrf.as_str())];
    let preview = html(&browser.sends("/billing/plan/preview", &fields).await);
    assert!(
        preview.contains("Change to Starter when the period ends"),
        "{preview}"
    );
    let later = [("plan", "starter"), ("once", "e")];
    let to = leads(&browser, "/billing/plan/change-later", &later).await;
    let planned = opens(&browser, &to).await;
    assert!(
        planned.contains("Changes to <strong>Starter</strong> on"),
        "{planned}"
    );
    assert!(
        planned.contains("The plan changes when the period ends."),
        "{planned}"
    );
    let to = leads(&browser, "/billing/plan/keep", &[("once", "f")]).await;
    let kept = opens(&browser, &to).await;
    assert!(!kept.contains("Changes to <strong>"), "{kept}");
    leads(&browser, "/billing/plan/cancel", &[("once", "c")]).await;
    assert_eq!(program.get(subscription).await["cancelled"], true);
    let ending = opens(&browser, "/billing/plan").await;
    assert!(ending.contains("Resume the subscription"), "{ending}");
    leads(&browser, "/billing/plan/resume", &[("once", "d")]).await;
    assert_eq!(program.get(subscription).await["cancelled"], false);
    world.settle().await;
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn automatic_top_up_and_the_limit_are_those_of_the_api() {
    let program = shop("credits").await;
    let world = &program.world;
    world.adjusts(&program.account, "5000", "a gift").await;
    let browser = world.signed_in("acme-owner").await;
    let csrf = browser.csrf().await;
    let wanted = [("threshold", "500"), ("pack", "10k"), ("cap", "50.00")];
    let path = "/billing/top-up/automatic";
    let fields = [wanted[0], wanted[1], wanted[2], ("csrf_token", &csrf)];
    let refused = browser.sends(path, &fields).await;
    assert_eq!(refused.status(), StatusCode::CONFLICT, "no payment method");
    let stripe = &world.vendors.stripe;
    stripe.add_card(CUSTOMER, "pm_card_visa").expect("a card");
    leads(&browser, path, &wanted).await;
    let set = program.get("/api/v1/billing/auto-top-up").await;
    assert_eq!(
        (
            &set["enabled"],
            &set["threshold"],
            &set["monthly_cap_minor"]
        ),
        (&json!(true), &json!("500"), &json!(5_000))
    );
    leads(&browser, "/billing/top-up/automatic-off", &[]).await;
    let set = program.get("/api/v1/billing/auto-top-up").await;
    assert_eq!(set["enabled"], false);

    let limit = [("money", "12.5"), ("credits", "")];
    leads(&browser, "/billing/top-up/limit", &limit).await;
    let set = program.get("/api/v1/billing/spend-limit").await;
    assert_eq!(
        (&set["money"]["limit_minor"], &set["credits"]["limit"]),
        (&json!(1_250), &json!(null))
    );
    leads(&browser, "/billing/top-up/limit-off", &[]).await;
    let set = program.get("/api/v1/billing/spend-limit").await;
    assert_eq!(set["money"]["limit_minor"], json!(null));
    world.settle().await;
    program.world.done().await;
}

/// The value of a header of the API's table in a line of the page's.
fn columns(line: &str) -> Vec<String> {
    let fields = line.trim_matches('"').split("\",\"");
    fields.map(str::to_owned).collect()
}

#[tokio::test(start_paused = true)]
async fn transactions_add_up_to_the_balance() {
    let program = shop("credits").await;
    let world = &program.world;
    for nth in 0..60 {
        let why = format!("a gift {nth}");
        world.adjusts(&program.account, "15.5", &why).await;
    }
    world.issue_opens(30).await;
    world.settle().await;
    let browser = world.signed_in("acme-owner").await;
    let balance = program.get("/api/v1/billing/balance").await;
    let available = balance["balance"].as_str().expect("a balance");

    let answer = browser
        .ask("GET", "/billing/transactions.csv", &[], "")
        .await;
    assert_eq!(
        answer.headers()[header::CONTENT_TYPE],
        "text/csv; charset=utf-8"
    );
    let file = String::from_utf8(answer.body().to_vec()).expect("UTF-8");
    let lines: Vec<_> = file.lines().skip(1).map(columns).collect();
    let entries = world.entries(&program.account).await;
    assert_eq!(lines.len(), entries.len(), "the whole range is in the file");
    assert_eq!(
        lines[0][8], available,
        "the newest line has the present balance"
    );
    let last = lines.last().expect("an entry");
    assert_eq!(last[8], last[4], "the oldest line has its own change");

    let first = opens(&browser, "/billing/transactions").await;
    let next = first.split("href=\"/billing/transactions?cursor=").nth(1);
    let cursor = next
        .and_then(|rest| rest.split('"').next())
        .expect("a page");
    let second = opens(&browser, &format!("/billing/transactions?cursor={cursor}")).await;
    let after = format!("<data value=\"{}\">", lines[50][8]);
    assert!(second.contains(&after), "{second}");

    let job = program.get("/api/v1/jobs").await["jobs"][0]["id"].clone();
    let link = format!("href=\"/jobs/{}\"", job.as_str().expect("an id"));
    assert!(first.contains(&link), "{first}");
    let holds = opens(&browser, "/billing/transactions?kind=capture&from=&to=").await;
    assert!(
        holds.contains(&link) && !holds.contains("a test"),
        "{holds}"
    );
    let none = opens(
        &browser,
        "/billing/transactions?from=2020-01-01&to=2020-01-02",
    )
    .await;
    assert!(none.contains("Nothing matches"), "{none}");
    for bad in ["?from=2026-13-01", "?kind=x", "?cursor=x"] {
        let path = format!("/billing/transactions{bad}");
        let answer = browser.ask("GET", &path, &[], "").await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{bad}");
    }
    program.world.done().await;
}

async fn at_own_origin() -> Program {
    program("credits", &[("DASHBOARD_URL", "")]).await
}

#[tokio::test(start_paused = true)]
async fn without_a_setting_the_site_is_where_the_request_arrived() {
    let program = at_own_origin().await;
    let world = &program.world;
    world.pushes_the_catalogue().await;
    let browser = world.signed_in("acme-owner").await;
    let csrf = browser.csrf().await;
    let body = format!("pack=1k&quantity=1&once=a&csrf_token={csrf}");
    let ask = |origin: &'static str| {
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("host", "own.test"),
            ("origin", origin),
        ];
        let (browser, body) = (&browser, body.as_str());
        async move { browser.ask("POST", TOP_UP, &headers, body).await }
    };
    assert_eq!(
        ask("https://evil.test").await.status(),
        StatusCode::FORBIDDEN
    );
    let sent = ask("https://own.test").await;
    assert_eq!(sent.status(), StatusCode::SEE_OTHER, "{sent:?}");
    let url = location(&sent);
    let there = world.vendors.stripe.session(session_of(&url)).expect("one");
    assert_eq!(
        there["success_url"],
        "https://own.test/billing/success?session_id={CHECKOUT_SESSION_ID}"
    );
    program.world.done().await;
}
