//! Credits within a spend limit: holds by programs, and commit summaries.

use super::*;

/// Jobs and a customer's own holds spend the same credits.
#[tokio::test(start_paused = true)]
async fn credits_stop_at_the_limit_for_every_kind_of_hold() {
    let program = program("credits", &[DASHBOARD]).await;
    let world = &program.world;
    world.reachable(&program.account).await;
    world.adjusts(&program.account, "5000", "a gift").await;
    program.limits(json!({ "credits": "700" })).await;
    world.issue_opens(30).await;
    world.drain(Queue::GithubEvents).await;
    assert_eq!(program.credits().await, ("0".to_owned(), "600".to_owned()));
    let (status, refused) = program.holds("100.000001", "over").await;
    assert_eq!(
        (status, &refused["code"]),
        (StatusCode::FORBIDDEN, &json!("spend_limit_reached")),
        "{refused}"
    );
    let detail = refused["detail"].as_str().expect("a sentence");
    assert!(
        detail.contains("spend limit of 700 credits")
            && detail.contains("600 credits are reserved"),
        "{detail}"
    );
    let (status, hold) = program.holds("100", "fits").await;
    assert_eq!(status, StatusCode::CREATED, "{hold}");
    assert_eq!(
        program.holds("100", "fits").await.0,
        StatusCode::OK,
        "said twice and counted once"
    );
    world.issue_opens(31).await;
    world.settle().await;
    assert_eq!(program.pulls(), 1, "the job that came first is delivered");
    assert!(
        program.words(31).contains("cannot start a job"),
        "{}",
        program.words(31)
    );
    assert_eq!(
        world.subjects(),
        ["Your spend limit is reached"],
        "for all that was refused"
    );
    let job = world
        .job_of_branch(&world.vendors.github.pulls(OWNER, REPOSITORY)[0].head)
        .await;
    let price = cost_to_customer(&job);
    assert_eq!(
        program.credits().await,
        (price.to_string(), "100".to_owned())
    );

    let used = json!({ "credits": "40" });
    assert_eq!(
        program.settles(&hold, "capture", Some(&used)).await,
        StatusCode::OK
    );
    assert_eq!(
        program.settles(&hold, "capture", Some(&used)).await,
        StatusCode::OK,
        "said twice"
    );
    let spent = |more: u64| {
        price
            .checked_add(Credits::whole(more).expect("an amount"))
            .expect("a sum")
            .to_string()
    };
    assert_eq!(program.credits().await, (spent(40), "0".to_owned()));
    let (_, hold) = program.holds("600", "most").await;
    assert_eq!(
        program.settles(&hold, "release", None).await,
        StatusCode::OK
    );
    assert_eq!(
        program.settles(&hold, "release", None).await,
        StatusCode::OK,
        "said twice"
    );
    assert_eq!(program.credits().await, (spent(40), "0".to_owned()));

    let (_, hold) = program.holds("600", "more").await;
    assert_eq!(
        program.holds("600", "no room").await.0,
        StatusCode::FORBIDDEN
    );
    world.elapse(Duration::from_secs(3_601)).await;
    assert_eq!(
        program.holds("600", "room").await.0,
        StatusCode::CREATED,
        "an old one makes room"
    );
    assert_eq!(
        program.settles(&hold, "capture", Some(&used)).await,
        StatusCode::CONFLICT
    );
    world.assert_ledger_agrees().await;
    program.world.done().await;
}

/// A hold belongs to the period in which it was created, whenever it is captured.
#[tokio::test(start_paused = true)]
async fn a_hold_ends_in_the_period_in_which_it_was_made() {
    let program = program("credits", &[]).await;
    let world = &program.world;
    world.reachable(&program.account).await;
    world.adjusts(&program.account, "5000", "a gift").await;
    program.limits(json!({ "credits": "100" })).await;
    let (_, hold) = program.holds("100", "november").await;
    let before = program.get(LIMIT).await["period"]
        .as_str()
        .expect("a period")
        .to_owned();
    world.skip(15 * DAY);
    let (status, other) = program.holds("100", "december").await;
    assert_eq!(status, StatusCode::CREATED, "{other}");
    assert_eq!(
        program
            .settles(&hold, "capture", Some(&json!({ "credits": "80" })))
            .await,
        StatusCode::OK
    );
    assert_eq!(program.credits().await, ("0".to_owned(), "100".to_owned()));
    let spent = world
        .stack
        .store
        .spent_find(&program.account, &before, SpendUnit::Credits)
        .await
        .expect("an answer");
    assert_eq!(
        spent,
        Spent {
            spent: 80 * MICROS,
            reserved: 0
        }
    );
    world.settle().await;
    assert_eq!(world.subjects(), ["You are near your spend limit"]);
    program.world.done().await;
}

/// A commit summary is not a job but spends like one: by tokens, and from credits.
#[tokio::test(start_paused = true)]
async fn summaries_of_commits_spend_within_the_limit() {
    for (plan, limit) in [
        ("hybrid", json!({ "money_minor": 1_000 })),
        ("credits", json!({ "credits": "1000" })),
    ] {
        let program = program(plan, &[]).await;
        let world = &program.world;
        world.adjusts(&program.account, "5000", "a gift").await;
        let path = |text: &str| {
            world
                .vendors
                .github
                .push_file(OWNER, REPOSITORY, "main", "docs/aloha.md", text);
            let commits = world.vendors.github.commits_on(OWNER, REPOSITORY, "main");
            format!(
                "/api/v1/repos/{OWNER}/{REPOSITORY}/commits/{}/summary",
                commits[0].sha
            )
        };
        let now = async || {
            let shown = program.get(LIMIT).await;
            let (money, credits) = (&shown["money"], &shown["credits"]);
            let both = |name: &str, minor: &str| {
                format!(
                    "{} {}",
                    money[minor],
                    credits[name].as_str().expect("a text")
                )
            };
            (
                both("spent", "spent_minor"),
                both("reserved", "reserved_minor"),
            )
        };
        program.limits(limit).await;
        let first = path("aloha\n");
        let (status, queued) = program.ask("POST", &first, None).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{plan}: {queued}");
        let (_, reserved) = now().await;
        assert_ne!(reserved, "0 0", "{plan}");
        assert_eq!(
            program.ask("POST", &first, None).await.0,
            StatusCode::ACCEPTED
        );
        assert_eq!(
            now().await.1,
            reserved,
            "{plan}: asked twice and counted once"
        );
        world.settle().await;
        let (spent, left) = now().await;
        assert!(spent != "0 0" && left == "0 0", "{plan}: {spent}, {left}");

        program
            .limits(json!({ "money_minor": 0, "credits": "0" }))
            .await;
        let (status, refused) = program.ask("POST", &path("mahalo\n"), None).await;
        assert_eq!(
            (status, &refused["code"]),
            (StatusCode::FORBIDDEN, &json!("spend_limit_reached")),
            "{refused}"
        );
        assert_eq!(
            program.ask("POST", &first, None).await.0,
            StatusCode::OK,
            "an existing hold is answered"
        );
        assert_eq!(now().await, (spent, left), "{plan}");

        // A request that cannot be answered releases its reservation.
        program
            .limits(json!({ "money_minor": 9_000, "credits": "4000" }))
            .await;
        let nowhere = format!(
            "/api/v1/repos/{OWNER}/{REPOSITORY}/commits/{}/summary",
            "0".repeat(40)
        );
        assert_eq!(
            program.ask("POST", &nowhere, None).await.0,
            StatusCode::ACCEPTED
        );
        let before = now().await.0;
        world.settle().await;
        assert_eq!(now().await, (before, "0 0".to_owned()), "{plan}");
        program.world.done().await;
    }
}
