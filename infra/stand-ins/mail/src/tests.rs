//! The stand-in answers as SES would.

use super::*;
use axum::http::Request;
use http_body_util::BodyExt;
use tower::ServiceExt;

const SIGNED: &str = "AWS4-HMAC-SHA256 Credential=AKID/20261120/us-east-1/ses/aws4_request, SignedHeaders=host, Signature=00";

fn order(to: &str) -> Value {
    let part = |data: &str| json!({ "Data": data, "Charset": "UTF-8" });
    json!({
        "FromEmailAddress": "notices@tallyhook.example",
        "Destination": { "ToAddresses": [to] },
        "Content": { "Simple": { "Subject": part("Hello"), "Body": { "Text": part("<i>"), "Html": part("<p>") } } },
        "EmailTags": [{ "Name": "reference", "Value": "acc_1-welcome" }],
    })
}

async fn call(mail: &MailBox, signed: &str, body: &Value) -> (u16, String) {
    let request = Request::post("/v2/email/outbound-emails").header("authorization", signed);
    let request = request
        .body(axum::body::Body::from(body.to_string()))
        .expect("a request");
    let response = mail.router().oneshot(request).await.expect("an answer");
    let code = response
        .headers()
        .get("x-amzn-errortype")
        .and_then(|code| code.to_str().ok())
        .unwrap_or_default();
    (response.status().as_u16(), code.to_owned())
}

fn mailbox() -> MailBox {
    MailBox::new(Arc::new(|| 1_795_210_980_000))
}

#[tokio::test]
async fn the_same_call_twice_is_two_mails() {
    let mail = mailbox();
    for _ in 0..2 {
        assert_eq!(
            call(&mail, SIGNED, &order("billing@acme.example")).await.0,
            200
        );
    }
    let letters = mail.letters();
    assert_eq!(letters.len(), 2);
    assert_ne!(letters[0].id, letters[1].id);
    assert_eq!(
        (letters[0].to.as_str(), letters[0].fate),
        ("billing@acme.example", Fate::Delivered)
    );
    let other = mailbox();
    other.import(mail.export()).expect("its own export");
    assert!(other.letters() == letters);
}

#[tokio::test]
async fn refusals_are_ses_s() {
    let mail = mailbox();
    let fine = order("billing@acme.example");
    let said = |status, code: &str| (status, code.to_owned());
    assert_eq!(
        call(&mail, "Bearer x", &fine).await,
        said(403, "UnrecognizedClientException")
    );
    assert_eq!(
        call(&mail, SIGNED, &json!({})).await,
        said(400, "BadRequestException")
    );
    assert_eq!(
        call(&mail, SIGNED, &order("nobody")).await,
        said(400, "BadRequestException")
    );
    for (trouble, status, code) in [
        (Trouble::Throttled, 429, "TooManyRequestsException"),
        (Trouble::QuotaUsed, 400, "LimitExceededException"),
        (Trouble::Failing, 500, "InternalFailure"),
        (Trouble::Rejected, 400, "MessageRejected"),
        (Trouble::Paused, 400, "SendingPausedException"),
    ] {
        mail.trouble_next(trouble);
        assert_eq!(call(&mail, SIGNED, &fine).await, said(status, code));
    }
    mail.verify("other@tallyhook.example");
    assert_eq!(
        call(&mail, SIGNED, &fine).await,
        said(400, "MessageRejected")
    );
    assert!(mail.letters().is_empty());
}

#[tokio::test]
async fn what_bounces_is_taken_and_the_page_shows_it_as_text() {
    let mail = mailbox();
    mail.bounce("Gone@acme.example");
    assert_eq!(
        call(&mail, SIGNED, &order("gone@acme.example")).await.0,
        200
    );
    assert_eq!(mail.letters()[0].fate, Fate::Bounced);
    assert!(mail.outbox_take().is_empty(), "nobody asked to be told");
    let request = Request::get("/")
        .body(axum::body::Body::empty())
        .expect("a request");
    let response = mail.pages().oneshot(request).await.expect("a page");
    let page = response
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes();
    let page = String::from_utf8_lossy(&page);
    assert!(
        page.contains("(bounced)") && page.contains("&lt;i&gt;") && !page.contains("<i>"),
        "{page}"
    );
}

#[tokio::test]
async fn what_becomes_of_a_mail_is_reported_once_by_its_configuration_set() {
    let mail = mailbox();
    for to in [
        "success@simulator.amazonses.com",
        "bounce+1@simulator.amazonses.com",
        "complaint@simulator.amazonses.com",
    ] {
        let mut order = order(to);
        order["ConfigurationSetName"] = "tallyhook-dev".into();
        assert_eq!(call(&mail, SIGNED, &order).await.0, 200);
    }
    let told = mail.outbox_take();
    let kinds: Vec<_> = told
        .iter()
        .map(|event| event["eventType"].as_str().unwrap_or_default())
        .collect();
    assert_eq!(kinds, ["Bounce", "Complaint"]);
    assert_eq!(
        told[0]["bounce"]["bouncedRecipients"][0]["emailAddress"],
        "bounce+1@simulator.amazonses.com"
    );
    let press = async |id: &str| {
        let request = Request::post(format!("/letters/{id}/bounce"))
            .body(axum::body::Body::empty())
            .expect("a request");
        mail.pages()
            .oneshot(request)
            .await
            .expect("an answer")
            .status()
            .as_u16()
    };
    let arrived = mail.letters()[0].id.clone();
    assert_eq!(
        (
            press(&arrived).await,
            press(&arrived).await,
            press("nothing").await
        ),
        (303, 303, 404)
    );
    assert_eq!(mail.outbox_take().len(), 1);
}
