//! Tests sign-in against scripted responses in GitHub's formats.

use super::*;
use crate::testing::NOW;
use domain::retry::{Retry, Retryable};
use http::Response;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

type Heard = Arc<Mutex<Vec<(String, String)>>>;

/// A GitHub that gives these responses in order and records the requests.
fn sign_in(answers: Vec<(u16, Value)>) -> (SignIn, Heard) {
    let heard = Heard::default();
    let (answers, asked) = (Arc::new(Mutex::new(answers)), Arc::clone(&heard));
    let web = Web::new(tower::service_fn(move |request: Request<Bytes>| {
        let line = format!("{} {}", request.method(), request.uri());
        let body = String::from_utf8_lossy(request.body()).into_owned();
        asked.lock().expect("one thread").push((line, body));
        let (status, answer) = answers.lock().expect("one thread").remove(0);
        async move {
            Ok(Response::builder()
                .status(status)
                .body(Bytes::from(answer.to_string()))
                .expect("an answer"))
        }
    }));
    let config = SignInConfig {
        url: "https://api.github.test".to_owned(),
        web_url: "https://github.test/".to_owned(),
        client_id: "Iv1.a&b".to_owned(),
        client_secret: SecretString::from("a secret"),
    };
    (SignIn::new(config, web).expect("a client"), heard)
}

async fn visitor(mut answers: Vec<(u16, Value)>) -> (Visitor, Heard) {
    answers.insert(
        0,
        (
            200,
            json!({ "access_token": "ghu_1", "token_type": "bearer", "scope": "" }),
        ),
    );
    let (github, heard) = sign_in(answers);
    let Ok(Exchanged::In(visitor)) = github.exchange("c0de", "proof", NOW).await else {
        panic!("the code is good")
    };
    (visitor, heard)
}

#[tokio::test]
async fn a_code_is_exchanged_once_with_our_secret() {
    let (github, heard) = sign_in(vec![(
        200,
        json!({ "access_token": "ghu_1", "token_type": "bearer" }),
    )]);
    assert_eq!(
        github.authorize_url("a state", "a challenge"),
        "https://github.test/login/oauth/authorize?client_id=Iv1.a%26b&code_challenge=a%20challenge\
         &code_challenge_method=S256&state=a%20state"
    );
    assert!(matches!(
        github.exchange("c0de&x", "proof", NOW).await,
        Ok(Exchanged::In(_))
    ));
    let heard = heard.lock().expect("one thread").clone();
    assert_eq!(
        heard,
        [(
            "POST https://github.test/login/oauth/access_token".to_owned(),
            "client_id=Iv1.a%26b&client_secret=a%20secret&code=c0de%26x&code_verifier=proof"
                .to_owned()
        )]
    );
}

#[tokio::test]
async fn refusals_have_classes_and_hold_no_secret() {
    for (status, answer, expected) in [
        (
            200,
            json!({ "error": "incorrect_client_credentials" }),
            Retry::Alarm(Duration::from_secs(300)),
        ),
        (
            200,
            json!({ "error": "redirect_uri_mismatch" }),
            Retry::Alarm(Duration::from_secs(300)),
        ),
        (200, json!({ "error": "what is that" }), Retry::Never),
        (200, json!(["ghu_canary"]), Retry::Outage),
        (404, json!({}), Retry::Never),
        (429, json!({}), Retry::After(Duration::from_secs(60))),
        (502, json!({}), Retry::Outage),
    ] {
        let (github, _) = sign_in(vec![(status, answer.clone())]);
        let error = github
            .exchange("c0de", "proof", NOW)
            .await
            .err()
            .expect("an error");
        assert_eq!(
            std::mem::discriminant(&error.retry()),
            std::mem::discriminant(&expected),
            "{status} {answer}"
        );
        assert!(
            !format!("{error} {error:?}").contains("canary"),
            "{error:?}"
        );
    }
    let (github, _) = sign_in(vec![(
        200,
        json!({ "error": "bad_verification_code", "error_description": "expired" }),
    )]);
    assert!(matches!(
        github.exchange("c0de", "proof", NOW).await,
        Ok(Exchanged::Refused)
    ));
}

#[tokio::test]
async fn a_visitor_reads_all_pages_of_what_they_reach() {
    let one = |id: u64| json!({ "id": id, "account": { "id": id + 1, "login": "acme", "type": "Organization" } });
    let full: Vec<_> = (0..100).map(one).collect();
    let rest = json!([one(100), { "id": 7, "account": { "id": 8, "login": "ann", "type": "User" } }, { "id": 9, "account": null }]);
    let (visitor, heard) = visitor(vec![
        (
            200,
            json!({ "id": 8, "login": "ann", "email": "ann@example.test" }),
        ),
        (200, json!({ "total_count": 103, "installations": full })),
        (200, json!({ "total_count": 103, "installations": rest })),
    ])
    .await;
    let user = visitor.user().await.expect("a person");
    assert_eq!((user.id.get(), user.login.as_str()), (8, "ann"));
    let reached = visitor.installations().await.expect("a list");
    assert_eq!(reached.len(), 102, "what has no owner is left out");
    assert_eq!(reached[0].kind, OwnerKind::Organization);
    assert_eq!(
        (reached[101].kind, reached[101].owner.get()),
        (OwnerKind::Person, 8)
    );
    let lines: Vec<_> = heard
        .lock()
        .expect("one thread")
        .iter()
        .map(|(line, _)| line.clone())
        .collect();
    assert!(
        lines[3].ends_with("/user/installations?per_page=100&page=2"),
        "{lines:?}"
    );
}

#[tokio::test]
async fn a_place_in_an_organization_is_what_github_says_or_the_least() {
    for (status, answer, place) in [
        (
            200,
            json!({ "state": "active", "role": "admin" }),
            OrgRole::Admin,
        ),
        (
            200,
            json!({ "state": "active", "role": "member" }),
            OrgRole::Member,
        ),
        (
            200,
            json!({ "state": "active", "role": "billing_manager" }),
            OrgRole::Member,
        ),
        (
            200,
            json!({ "state": "pending", "role": "admin" }),
            OrgRole::Outside,
        ),
        (404, json!({ "message": "Not Found" }), OrgRole::Outside),
        (
            403,
            json!({ "message": "Resource not accessible by integration" }),
            OrgRole::Outside,
        ),
    ] {
        let (visitor, _) = visitor(vec![(status, answer.clone())]).await;
        assert_eq!(
            visitor.place("ac/me").await.expect("an answer"),
            place,
            "{status} {answer}"
        );
    }
    let (visitor, heard) = visitor(vec![(500, json!({}))]).await;
    assert!(
        visitor.place("ac/me").await.is_err(),
        "what is not known is not guessed"
    );
    assert!(
        heard.lock().expect("one thread")[1]
            .0
            .ends_with("/user/memberships/orgs/ac%2Fme")
    );
}
