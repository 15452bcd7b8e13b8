//! Members of accounts and their roles, and how they change: by GitHub at sign-in, by an admin, or
//! when a person switches accounts.

use crate::world::browser::{Browser, location};
use crate::world::operator::assert_problem;
use crate::world::program::{Program, another, program, request};
use crate::world::verbs::together;
use domain::ids::AccountId;
use http::StatusCode;
use local_stack::world::{INSTALLATION_ID, OWNER};
use serde_json::{Value, json};
use std::time::Duration;

const THEIRS: u64 = 7_100;

/// Another organization with its own installation and people.
fn globex(program: &Program, people: &[(&str, &str)]) {
    let github = &program.world.vendors.github;
    github.add_repository(
        THEIRS,
        9_100,
        "globex",
        5_100,
        "doomsday",
        "main",
        &[("README.md", "# doomsday\n")],
    );
    for (login, place) in people {
        github.set_place("globex", login, place);
    }
}

/// Creates the account of the other organization as an operator.
async fn account_of_globex(program: &Program) -> AccountId {
    let body = json!({ "stripe_customer_id": "cus_Globex", "installation_id": THEIRS, "owner_id": 9_100, "plan": "credits" });
    loop {
        let (_, made) = program
            .world
            .operator("POST", "/api/v1/admin/accounts", Some(&body))
            .await;
        if let Some(id) = made["id"].as_str() {
            return AccountId::parse(id).expect("an id");
        }
    }
}

fn role_of(who: &Value, account: &AccountId) -> Option<String> {
    let mut accounts = who["accounts"].as_array().expect("a list").iter();
    accounts
        .find(|one| one["id"] == account.as_str())
        .map(|one| one["role"].as_str().expect("a role").to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_role_is_what_github_says_at_the_last_sign_in() {
    let program = program("credits", &[]).await;
    let (world, github) = (&program.world, &program.world.vendors.github);
    for (login, role) in [
        ("acme-owner", "admin"),
        ("acme-member", "member"),
        ("acme-guest", "viewer"),
    ] {
        let browser = world.signed_in(login).await;
        assert_eq!(
            role_of(&browser.session().await, &program.account).as_deref(),
            Some(role),
            "{login}"
        );
        let made = browser
            .acts(
                "POST",
                "/api/v1/api-keys",
                Some(&json!({ "name": login, "scopes": ["read"] })),
            )
            .await;
        assert_eq!(
            made.0 == StatusCode::CREATED,
            role == "admin",
            "{login}: {made:?}"
        );
    }
    let outsider = world.signed_in("outsider").await;
    assert_eq!(outsider.session().await["accounts"], json!([]));
    let (status, answer) = outsider.api("GET", "/api/v1/account", "", None).await;
    assert_eq!(
        (status, &answer["code"]),
        (StatusCode::FORBIDDEN, &json!("no_account"))
    );

    github.set_place(OWNER, "acme-member", "admin");
    let mate = world.signed_in("acme-member").await;
    assert_eq!(
        role_of(&mate.session().await, &program.account).as_deref(),
        Some("admin")
    );
    github.set_place(OWNER, "acme-member", "none");
    assert_eq!(
        mate.api("GET", "/api/v1/account", "", None).await.0,
        StatusCode::OK,
        "until the next sign-in"
    );
    let again = world.signed_in("acme-member").await;
    assert_eq!(
        again.session().await["accounts"],
        json!([]),
        "GitHub lists nothing for this member any more"
    );
    world.elapse(Duration::from_secs(60)).await;
    assert_eq!(
        mate.api("GET", "/api/v1/account", "", None).await.0,
        StatusCode::FORBIDDEN,
        "nor by an older session"
    );
    let members = program.get("/api/v1/members").await;
    assert_eq!(
        members["members"].as_array().map(Vec::len),
        Some(2),
        "{members}"
    );
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_manual_role_stays_and_a_demoted_member_loses_scopes_within_a_minute() {
    let program = program("credits", &[]).await;
    let world = &program.world;
    let (boss, mate) = (
        world.signed_in("acme-owner").await,
        world.signed_in("acme-member").await,
    );
    let mates = format!("/api/v1/members/{}", mate.session().await["user_id"]);
    let wanted = json!({ "name": "a", "scopes": ["read"] });
    let (status, shown) = boss
        .acts("PATCH", &mates, Some(&json!({ "role": "admin" })))
        .await;
    assert_eq!(
        (status, &shown["role"], &shown["role_by"]),
        (StatusCode::OK, &json!("admin"), &json!("hand"))
    );
    let mate = world.signed_in("acme-member").await;
    assert_eq!(
        mate.acts("POST", "/api/v1/api-keys", Some(&wanted)).await.0,
        StatusCode::CREATED,
        "it stayed"
    );

    let elsewhere = another(world, &[]);
    let cookie = format!(
        "th_session={}",
        mate.cookie("th_session").expect("a session")
    );
    let csrf = mate.csrf().await;
    let makes = async || {
        let headers: [(&str, &[u8]); 4] = [
            ("cookie", cookie.as_bytes()),
            ("x-csrf-token", csrf.as_bytes()),
            ("idempotency-key", b"b"),
            ("content-type", b"application/json"),
        ];
        loop {
            let asked = request("POST", "/api/v1/api-keys", "", &headers, wanted.to_string());
            let answer = api::respond(elsewhere.clone(), asked).await;
            if answer.status() != StatusCode::SERVICE_UNAVAILABLE {
                return answer;
            }
        }
    };
    assert_eq!(makes().await.status(), StatusCode::CREATED);
    assert_eq!(
        boss.acts("PATCH", &mates, Some(&json!({ "role": "viewer" })))
            .await
            .0,
        StatusCode::OK
    );
    world.elapse(Duration::from_secs(60)).await;
    assert_problem("demoted", &makes().await, 403, "missing_scope");

    for (path, body, expected) in [
        (mates.as_str(), json!({ "role": "king" }), (400, "bad_role")),
        (
            &mates,
            json!({ "role": "admin", "account": "acc_1" }),
            (400, "bad_body"),
        ),
        (
            "/api/v1/members/1",
            json!({ "role": "admin" }),
            (404, "not_found"),
        ),
        (
            "/api/v1/members/x",
            json!({ "role": "admin" }),
            (404, "not_found"),
        ),
    ] {
        let (status, answer) = boss.acts("PATCH", path, Some(&body)).await;
        assert_eq!(
            (status.as_u16(), answer["code"].as_str().expect("a code")),
            expected,
            "{path} {body}"
        );
    }
    program.world.done().await;
}

/// Two admins who demote each other at the same time leave one admin, who can be removed neither by
/// themselves nor with a key.
#[tokio::test(start_paused = true)]
async fn an_account_keeps_an_admin() {
    let program = program("credits", &[]).await;
    let world = &program.world;
    world
        .vendors
        .github
        .set_place(OWNER, "acme-member", "admin");
    let browsers = [
        world.signed_in("acme-owner").await,
        world.signed_in("acme-member").await,
    ];
    let mut ids = Vec::new();
    for browser in &browsers {
        ids.push(browser.session().await["user_id"].to_string());
    }
    let demotes = async |browser: &Browser<'_>, id: &str| {
        browser
            .acts(
                "PATCH",
                &format!("/api/v1/members/{id}"),
                Some(&json!({ "role": "member" })),
            )
            .await
    };
    let answers = together([
        demotes(&browsers[0], &ids[1]),
        demotes(&browsers[1], &ids[0]),
    ])
    .await;
    let count = |status: StatusCode| answers.iter().filter(|(is, _)| *is == status).count();
    assert_eq!(
        (count(StatusCode::OK), count(StatusCode::CONFLICT)),
        (1, 1),
        "{answers:?}"
    );
    for id in &ids {
        let path = format!("/api/v1/members/{id}");
        let (status, answer) = program
            .ask("PATCH", &path, Some(&json!({ "role": "viewer" })))
            .await;
        let kept = status == StatusCode::CONFLICT && answer["code"] == "last_admin";
        assert!(kept || status == StatusCode::OK, "{answer}");
    }
    let members = program.get("/api/v1/members").await;
    let admins = members["members"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|one| one["role"] == "admin")
        .count();
    assert_eq!(admins, 1, "{members}");
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_member_of_two_accounts_acts_for_the_chosen_one() {
    let program = program("credits", &[]).await;
    let world = &program.world;
    globex(
        &program,
        &[("acme-owner", "member"), ("hank-scorpio", "admin")],
    );
    let theirs = account_of_globex(&program).await;
    let boss = world.signed_in("acme-owner").await;
    let who = boss.session().await;
    assert_eq!(
        who["account_id"],
        program.account.as_str(),
        "where she may do most"
    );
    assert_eq!(role_of(&who, &theirs).as_deref(), Some("member"));
    let outsider = world.signed_in("acme-member").await;
    let choice = |account: &AccountId| json!({ "account_id": account.as_str() });
    for account in [choice(&theirs), json!({ "account_id": "acc_x" })] {
        let (status, answer) = outsider
            .acts("PUT", "/api/v1/session/account", Some(&account))
            .await;
        assert_eq!(
            (status, &answer["code"]),
            (StatusCode::NOT_FOUND, &json!("not_found")),
            "{answer}"
        );
    }
    assert_eq!(
        outsider.session().await["account_id"],
        program.account.as_str()
    );

    let (old, csrf) = (
        boss.cookie("th_session").expect("a session"),
        boss.csrf().await,
    );
    let (status, chosen) = boss
        .acts("PUT", "/api/v1/session/account", Some(&choice(&theirs)))
        .await;
    assert_eq!(
        (status, &chosen["account_id"]),
        (StatusCode::OK, &json!(theirs.as_str()))
    );
    assert_eq!(
        chosen["expires_at"], who["expires_at"],
        "choosing does not make anybody stay longer"
    );
    assert_eq!(
        boss.api("GET", "/api/v1/account", "", None).await.1["id"],
        theirs.as_str()
    );
    // A page that still shows the other account cannot act for this one.
    let late = boss
        .api("POST", "/api/v1/usage", &csrf, Some(&json!({})))
        .await;
    assert_eq!(
        (late.0, &late.1["code"]),
        (StatusCode::FORBIDDEN, &json!("bad_csrf_token"))
    );
    boss.set_cookie("th_session", &old);
    assert_eq!(
        boss.api("GET", "/api/v1/account", "", None).await.0,
        StatusCode::UNAUTHORIZED,
        "the old one has ended"
    );
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn an_installation_is_trusted_only_from_the_person_s_own_list() {
    let program = program("credits", &[]).await;
    let world = &program.world;
    globex(
        &program,
        &[
            ("hank-scorpio", "admin"),
            ("acme-member", "member"),
            ("acme-owner", "admin"),
        ],
    );
    let setup =
        |installation: u64| format!("/setup?installation_id={installation}&setup_action=install");
    let text =
        |answer: &http::Response<bytes::Bytes>| String::from_utf8_lossy(answer.body()).into_owned();
    assert!(
        text(
            &world
                .browser()
                .ask("GET", "/setup?setup_action=request", &[], "")
                .await
        )
        .contains("Nothing is installed")
    );

    // An installation that does not belong to this person.
    let outsider = world.browser();
    let answer = outsider.signs_in(&setup(INSTALLATION_ID), "outsider").await;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{answer:?}");
    assert_eq!(outsider.session().await["accounts"], json!([]));
    // An installation whose owner has an account leads to that account.
    let mate = world.browser();
    let answer = mate.signs_in(&setup(INSTALLATION_ID), "acme-member").await;
    assert_eq!(location(&answer), "http://tallyhook.test/billing");
    // Without an account, a member cannot choose the payer, and an admin has to sign up.
    let answer = mate.signs_in(&setup(THEIRS), "acme-member").await;
    assert!(
        text(&answer).contains("An admin of globex") && !text(&answer).contains("<form"),
        "{answer:?}"
    );
    let body = json!({ "installation_id": THEIRS });
    let path = "/api/v1/session/installations";
    assert_eq!(
        mate.acts("POST", path, Some(&body)).await.1["code"],
        "not_an_admin"
    );
    let hank = world.browser();
    let answer = hank.signs_in(&setup(THEIRS), "hank-scorpio").await;
    assert!(
        text(&answer).contains("No account pays for globex yet")
            && text(&answer).contains("/setup/account")
    );
    assert_eq!(
        hank.acts("POST", path, Some(&body)).await.1["code"],
        "no_account"
    );
    assert_eq!(
        outsider.acts("POST", path, Some(&body)).await.1["code"],
        "no_account"
    );

    // A person who administers both may choose their account as the payer, once.
    let boss = world.browser();
    let answer = boss.signs_in(&setup(THEIRS), "acme-owner").await;
    assert!(
        text(&answer).contains(&format!("Let {} pay", program.account)),
        "{}",
        text(&answer)
    );
    assert_eq!(
        boss.acts("POST", path, Some(&json!({ "installation_id": 1 })))
            .await
            .0,
        StatusCode::NOT_FOUND
    );
    for _ in 0..2 {
        let linked = boss.acts("POST", path, Some(&body)).await;
        assert_eq!(
            linked.0,
            StatusCode::NO_CONTENT,
            "and asked again it is so already: {linked:?}"
        );
    }
    let hank = world.signed_in("hank-scorpio").await;
    assert_eq!(
        role_of(&hank.session().await, &program.account).as_deref(),
        Some("admin")
    );
    world.elapse(Duration::from_secs(60)).await;
    assert_eq!(
        boss.session().await["installations"],
        json!([]),
        "the proof is spent"
    );
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn the_page_s_form_links_and_a_taken_owner_stays() {
    let program = program("credits", &[]).await;
    let world = &program.world;
    globex(&program, &[("acme-owner", "admin")]);
    let boss = world.browser();
    boss.signs_in(&format!("/setup?installation_id={THEIRS}"), "acme-owner")
        .await;
    let form = async |browser: &Browser<'_>, account: &str, csrf: &str| {
        let body = format!("installation_id={THEIRS}&account_id={account}&csrf_token={csrf}");
        browser
            .ask(
                "POST",
                "/setup",
                &[("content-type", "application/x-www-form-urlencoded")],
                &body,
            )
            .await
    };
    let csrf = boss.csrf().await;
    assert_problem(
        "no token",
        &form(&boss, program.account.as_str(), "").await,
        403,
        "bad_csrf_token",
    );
    assert_problem(
        "a foreign account",
        &form(&boss, "acc_00000000000000000000000000", &csrf).await,
        404,
        "not_found",
    );
    assert_problem(
        "nobody",
        &form(&world.browser(), program.account.as_str(), &csrf).await,
        401,
        "unauthorized",
    );
    // An operator creates another account first.
    account_of_globex(&program).await;
    assert_problem(
        "taken",
        &form(&boss, program.account.as_str(), &csrf).await,
        409,
        "owner_taken",
    );
    program.world.done().await;
}
