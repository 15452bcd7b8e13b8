//! Webhooks for what people do on the pages.

use super::*;

const FILES: [(&str, &str); 1] = [("README.md", "# Notes\n")];

async fn press(github: &GitHub, path: &str, form: &str) -> (StatusCode, String) {
    let request = Request::post(path)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(form.to_owned()))
        .expect("a plain request");
    let answer = github.pages().oneshot(request).await.expect("a router");
    let location = answer.headers().get("location");
    let location = location.and_then(|value| value.to_str().ok());
    (answer.status(), location.unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_person_installs_the_app_opens_an_issue_and_labels_it() {
    let github = scene().github;
    github.trust_client(crate::OAuthClient {
        client_id: "client".to_owned(),
        client_secret: "secret".to_owned(),
        callback_url: "http://app.test/callback".to_owned(),
        setup_url: Some("http://app.test/setup".to_owned()),
    });
    github.add_repository_without_app(55, 6, "globex", 9, "notes", "main", &FILES);
    press(&github, "/globex/notes/issues", "title=Early&body=x").await;
    assert!(github.outbox_take().is_empty(), "the App is not installed");

    let install = "/apps/tallyhook/installations/new/globex";
    let back = "http://app.test/setup?installation_id=55&setup_action=install";
    for _ in 0..2 {
        let answer = press(&github, install, "").await;
        assert_eq!(answer, (StatusCode::SEE_OTHER, back.to_owned()));
    }
    let sent = github.outbox_take();
    assert_eq!(sent.len(), 1, "the second time it is installed already");
    assert_eq!(sent[0].event, "installation");
    assert_eq!(sent[0].payload["action"], "created");
    assert_eq!(sent[0].payload["installation"]["id"], 55);
    assert_eq!(sent[0].payload["repositories"][0]["name"], "notes");

    let opened = press(&github, "/globex/notes/issues", "title=Typo&body=a%0D%0Ab").await;
    let issue = "http://github.test/globex/notes/issues/2";
    assert_eq!(opened, (StatusCode::SEE_OTHER, issue.to_owned()));
    for _ in 0..2 {
        press(&github, "/globex/notes/issues/2/labels", "label=tallyhook").await;
    }
    let sent = github.outbox_take();
    let actions: Vec<_> = sent.iter().map(|one| &one.payload["action"]).collect();
    assert_eq!(actions, ["opened", "labeled"], "a label is added once");
    let labeled = &sent[1].payload;
    assert_eq!(labeled["label"]["name"], "tallyhook");
    assert_eq!(labeled["issue"]["body"], "a\nb");
    assert_eq!(labeled["installation"]["id"], 55);
    assert_eq!(labeled["repository"]["owner"]["login"], "globex");
}

#[tokio::test]
async fn what_is_not_there_cannot_be_acted_on() {
    let github = scene().github;
    for (path, form) in [
        ("/apps/tallyhook/installations/new/nobody", ""),
        ("/acme/nothing/issues", "title=a&body=b"),
        ("/acme/widget/issues/99/labels", "label=a"),
    ] {
        assert_eq!(press(&github, path, form).await.0, StatusCode::NOT_FOUND);
    }
}
