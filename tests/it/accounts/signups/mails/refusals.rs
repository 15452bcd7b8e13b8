//! Sign-ups that are refused, limited, or wait for an operator.

use super::*;

#[tokio::test(start_paused = true)]
async fn the_answer_does_not_reveal_who_has_an_account() {
    let world = World::bare(FaultPlan::Seeded(44), &[]).await;
    let first = world
        .signs_up("192.0.2.1", &sign_up_body(ANN, "trial"))
        .await;
    world.settle().await;
    let calls = |log: &[String]| {
        log.iter()
            .filter(|call| call.contains("PutItem") || call.contains("SendMessage"))
            .count()
    };
    let mut made = Vec::new();
    for address in [ANN, " ANN@acme.example", "new@acme.example"] {
        let before = world.stack.faults.log().len();
        assert_eq!(
            world
                .signs_up("192.0.2.1", &sign_up_body(address, "starter"))
                .await,
            first,
            "{address}"
        );
        made.push(calls(&world.stack.faults.log()[before..]));
    }
    assert_eq!(made, [made[0]; 3], "and it takes as long");
    world.settle().await;
    assert_eq!(world.made_customers().len(), 2);
    assert_eq!(
        world.signup(&applicant(ANN)).await.sign_up.plan,
        "trial",
        "what was said first counts"
    );
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_no_sign_up_is_refused_and_too_many_are() {
    let world = World::bare(FaultPlan::Seeded(45), &[]).await;
    for (body, code) in [
        (json!({ "email": "nobody", "name": "A" }), "bad_email"),
        (json!({ "email": ANN, "name": " " }), "bad_name"),
        (json!({ "email": ANN, "name": "a\u{7}b" }), "bad_name"),
        (
            json!({ "email": ANN, "name": "A", "plan": "gold" }),
            "bad_plan",
        ),
        (
            json!({ "email": ANN, "name": "A", "plan": "enterprise" }),
            "bad_plan",
        ),
        (
            json!({ "email": ANN, "name": "A", "account": "acc_1" }),
            "bad_body",
        ),
    ] {
        let (status, answer) = world.signs_up("192.0.2.1", &body).await;
        assert_eq!(
            (status, &answer["code"]),
            (StatusCode::BAD_REQUEST, &json!(code)),
            "{body}"
        );
    }
    let mut answers = Vec::new();
    for _ in 0..30 {
        answers.push(
            world
                .signs_up("2001:db8::1", &sign_up_body(ANN, "trial"))
                .await
                .0,
        );
    }
    assert_eq!(
        answers
            .iter()
            .filter(|status| **status == StatusCode::ACCEPTED)
            .count(),
        20
    );
    assert_eq!(
        world
            .signs_up("2001:db8::2", &sign_up_body(ANN, "trial"))
            .await
            .0,
        StatusCode::TOO_MANY_REQUESTS,
        "a neighbor"
    );
    assert_eq!(
        world
            .signs_up("2001:db8:1::1", &sign_up_body(ANN, "trial"))
            .await
            .0,
        StatusCode::ACCEPTED
    );
    world.elapse(Duration::from_secs(60)).await;
    assert_eq!(
        world
            .signs_up("2001:db8::1", &sign_up_body(ANN, "trial"))
            .await
            .0,
        StatusCode::ACCEPTED
    );
    world.settle().await;
    world
        .assert_provisioned_once(&applicant(ANN), NoticeOutcome::Sent)
        .await;
    world.done().await;
}

/// While sign-ups need approval, nothing happens until an operator approves; then the account is
/// created, once. A refused sign-up gets nothing.
#[tokio::test(start_paused = true)]
async fn sign_ups_wait_for_an_operator_where_that_is_set() {
    let world = World::bare(FaultPlan::Seeded(48), &[("AUTO_PROVISION", "false")]).await;
    for address in [ANN, "spam@acme.example"] {
        assert_eq!(
            world
                .signs_up("192.0.2.1", &sign_up_body(address, "trial"))
                .await
                .0,
            StatusCode::ACCEPTED
        );
    }
    let delivery = world.github_sends("installation.created").await;
    world.settle().await;
    assert_eq!(
        world.outcome(EventSource::Github, &delivery).await.0,
        EventState::Processed
    );
    assert_eq!(
        (
            world.made_customers().len(),
            world.vendors.mail.letters().len()
        ),
        (0, 0)
    );
    let list = "/api/v1/admin/signups";
    let (status, listed) = world.operator("GET", list, None).await;
    let rows = listed["signups"].as_array().expect("sign-ups");
    assert_eq!((status, rows.len()), (StatusCode::OK, 3), "{listed}");
    let id = |of: &str| {
        let row = rows.iter().find(|row| row["email"] == of).expect("listed");
        assert_eq!(
            (&row["state"], &row["plan"], &row["way"]),
            (
                &json!("WAITING_FOR_APPROVAL"),
                &json!("trial"),
                &json!("form")
            )
        );
        row["id"].as_str().expect("an id").to_owned()
    };
    let act = async |id: &str, what: &str, body: Option<Value>| loop {
        let answer = world
            .operator(
                "POST",
                &format!("{list}/{}/{what}", id.replace('#', "%23")),
                body.as_ref(),
            )
            .await;
        if answer.0 != StatusCode::SERVICE_UNAVAILABLE {
            return answer;
        }
    };
    let (ann, spam) = (id(ANN), id("spam@acme.example"));
    assert_eq!(
        act(&spam, "refuse", Some(json!({}))).await.0,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        act(&spam, "refuse", Some(json!({ "reason": "nobody we know" })))
            .await
            .0,
        StatusCode::OK
    );
    for id in [&ann, "owner#9001"] {
        assert_eq!(act(id, "approve", None).await.0, StatusCode::OK);
        // The answer was lost, so the operator asks again.
        let again = act(id, "approve", None).await;
        assert_eq!(
            (again.0, &again.1["state"]),
            (StatusCode::OK, &json!("OWED")),
            "{}",
            again.1
        );
    }
    assert_eq!(
        act("owner#1", "approve", None).await.0,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        act("x", "refuse", Some(json!({ "reason": "a" }))).await.0,
        StatusCode::NOT_FOUND
    );
    world.settle().await;
    world
        .assert_provisioned_once(&applicant(ANN), NoticeOutcome::Sent)
        .await;
    world
        .assert_provisioned_once(&acme(), NoticeOutcome::Nobody)
        .await;
    assert_eq!(
        act(&ann, "refuse", Some(json!({ "reason": "too late" })))
            .await
            .0,
        StatusCode::CONFLICT
    );
    let refused = world.signup(&applicant("spam@acme.example")).await;
    assert_eq!(
        (refused.state, refused.why.as_deref()),
        (SignUpState::Refused, Some("nobody we know"))
    );
    assert_eq!(world.made_customers().len(), 2);
    let (_, listed) = world
        .operator("GET", &format!("{list}?state=REFUSED"), None)
        .await;
    assert_eq!(
        listed["signups"].as_array().map(Vec::len),
        Some(1),
        "{listed}"
    );
    world.done().await;
}
