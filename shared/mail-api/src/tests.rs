//! Tests single mails against a scripted SES.

use super::*;
use crate::testing::{Peer, Reply};
use domain::retry::{Failure, Retry, Retryable};
use std::time::Duration;

const TO: &str = "Canary.Customer@acme.example";
const FROM: &str = "notices@tallyhook.example";

async fn send(peer: &Peer) -> Result<Sent, MailError> {
    let (to, from) = (address(TO), address(FROM));
    let mail = Mail {
        to: &to,
        from: &from,
        subject: "canary subject",
        text: "canary text",
        html: "<p>canary html</p>",
        reference: "acc_1#payment_failed#in_1",
    };
    assert!(
        !format!("{mail:?}").to_lowercase().contains("canary"),
        "{mail:?}"
    );
    peer.api().send(&mail).await
}

fn address(text: &str) -> MailAddress {
    MailAddress::parse(text).expect("an address")
}

#[tokio::test]
async fn a_mail_is_one_signed_call() {
    let peer = Peer::script([Reply::with(200, &[], r#"{"MessageId":"0100-ab"}"#)]);
    assert_eq!(
        send(&peer).await.expect("it is taken"),
        Sent {
            id: Some("0100-ab".to_owned())
        }
    );
    let heard = peer.heard();
    assert_eq!(heard.len(), 1);
    assert_eq!(
        format!("{} {}", heard[0].method(), heard[0].uri()),
        "POST https://mail.test/v2/email/outbound-emails"
    );
    assert_eq!(heard[0].headers()["authorization"], "signed");
    let said: Value = serde_json::from_slice(heard[0].body()).expect("JSON");
    let part = |data: &str| json!({ "Data": data, "Charset": "UTF-8" });
    assert_eq!(
        said,
        json!({
            "FromEmailAddress": FROM,
            "Destination": { "ToAddresses": [TO] },
            "Content": { "Simple": {
                "Subject": part("canary subject"),
                "Body": { "Text": part("canary text"), "Html": part("<p>canary html</p>") },
            } },
            "EmailTags": [{ "Name": "reference", "Value": "acc_1-payment_failed-in_1" }],
        })
    );
}

#[tokio::test]
async fn a_configuration_set_is_named_with_each_mail() {
    let peer = Peer::script([Reply::with(200, &[], "{}")]);
    let (to, from) = (address(TO), address(FROM));
    let mail = Mail {
        to: &to,
        from: &from,
        subject: "s",
        text: "t",
        html: "h",
        reference: "r",
    };
    let api = peer
        .api()
        .with_configuration_set(Some("tallyhook-dev".to_owned()));
    api.send(&mail).await.expect("it is taken");
    let said: Value = serde_json::from_slice(peer.heard()[0].body()).expect("JSON");
    assert_eq!(said["ConfigurationSetName"], "tallyhook-dev");
}

#[tokio::test]
async fn what_was_taken_is_sent_whatever_the_answer_looks_like() {
    for body in [
        "",
        "<html>",
        "{}",
        r#"{"MessageId":7}"#,
        r#"{"MessageId":"a\nb"}"#,
    ] {
        let peer = Peer::script([Reply::with(200, &[], body)]);
        assert_eq!(
            send(&peer).await.expect("it is taken"),
            Sent { id: None },
            "{body}"
        );
    }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story or table of cases")]
async fn every_refusal_has_its_class_and_names_nobody() {
    let (after, alarm) = (
        |seconds| Retry::After(Duration::from_secs(seconds)),
        Retry::Alarm(Duration::from_secs(300)),
    );
    let of_us =
        format!("Email address is not verified. The following identities failed the check: {FROM}");
    let of_them =
        format!("Email address is not verified. The following identities failed the check: {TO}");
    for (reply, retry, doubt) in [
        (Reply::Lost, Retry::Outage, true),
        (
            Reply::error(500, "InternalFailure", "x"),
            Retry::Outage,
            false,
        ),
        (
            Reply::error(503, "ServiceUnavailable", "x"),
            Retry::Outage,
            false,
        ),
        (Reply::with(502, &[], "<html>"), Retry::Outage, false),
        (Reply::with(504, &[], "<html>"), Retry::Outage, true),
        (
            Reply::error(429, "TooManyRequestsException", "x"),
            after(5),
            false,
        ),
        (
            Reply::with(429, &[("retry-after", "30")], ""),
            after(30),
            false,
        ),
        (
            Reply::error(400, "ThrottlingException:http://internal/", "x"),
            after(5),
            false,
        ),
        (
            Reply::error(
                400,
                "LimitExceededException",
                "Daily message quota exceeded.",
            ),
            after(900),
            false,
        ),
        (Reply::error(403, "AccessDeniedException", TO), alarm, false),
        (Reply::error(403, "", ""), alarm, false),
        (
            Reply::error(400, "ExpiredTokenException", "x"),
            alarm,
            false,
        ),
        (
            Reply::error(400, "SendingPausedException", "x"),
            alarm,
            false,
        ),
        (Reply::error(404, "NotFoundException", "x"), alarm, false),
        (Reply::error(400, "MessageRejected", &of_us), alarm, false),
        (
            Reply::error(400, "MessageRejected", &of_them),
            Retry::Never,
            false,
        ),
        (
            Reply::error(400, "BadRequestException", &of_them),
            Retry::Never,
            false,
        ),
        (Reply::with(413, &[], "<html>"), Retry::Never, false),
    ] {
        let error = send(&Peer::script([reply])).await.expect_err("no success");
        assert_eq!((error.retry(), error.is_doubt()), (retry, doubt), "{error}");
        let printed = format!("{error:?}") + &Failure::from(error).to_string();
        let printed = printed.to_lowercase();
        assert!(
            !printed.contains("canary") && !printed.contains("tallyhook.example"),
            "{printed}"
        );
    }
}

#[tokio::test]
async fn what_is_no_url_is_said_before_anything_is_sent() {
    for url in ["email.amazonaws.com", "", "https://"] {
        let web = Web::new(tower::service_fn(async |_| Err("never called".into())));
        let (to, from) = (address(TO), address(FROM));
        let mail = Mail {
            to: &to,
            from: &from,
            subject: "",
            text: "",
            html: "",
            reference: "",
        };
        let error = MailApi::new(url, Arc::new(Ok), web)
            .send(&mail)
            .await
            .expect_err("nobody there");
        assert!(matches!(error, MailError::Url), "{url}");
        assert_eq!(error.retry(), Retry::Alarm(Duration::from_secs(300)));
    }
}
