//! SES's feedback on accepted mails: bounces and complaints.
//!
//! SES sends it in two formats: events of a configuration set (`eventType`) and older notifications
//! of an identity (`notificationType`). SNS may wrap either of them in an envelope. Feedback
//! contains addresses, so nothing of it is ever printed, even if it is malformed.

use domain::accounts::addresses::MailAddress;
use domain::retry::{Retry, Retryable};
use domain::time::Timestamp;
use serde::Deserialize;
use std::error::Error;
use std::fmt;

/// Feedback on a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Feedback {
    /// Mail to these addresses bounces, or its recipients do not want it.
    Unwelcome {
        addresses: Vec<MailAddress>,
        at: Timestamp,
    },
    /// Feedback that does not prevent further mail: the mail was delivered or is delayed.
    Harmless,
}

/// A text that is not SES feedback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadFeedback;

impl fmt::Display for BadFeedback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not what SES says of a mail")
    }
}

impl Error for BadFeedback {}

impl Retryable for BadFeedback {
    fn retry(&self) -> Retry {
        Retry::Never
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Envelope {
    message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    #[serde(alias = "notificationType")]
    event_type: String,
    bounce: Option<Bounce>,
    complaint: Option<Complaint>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bounce {
    bounce_type: String,
    bounced_recipients: Vec<Recipient>,
    timestamp: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Complaint {
    complained_recipients: Vec<Recipient>,
    complaint_feedback_type: Option<String>,
    timestamp: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recipient {
    email_address: String,
}

/// The plain text that SES sends once when feedback is configured.
const GREETING: &str = "Successfully validated SNS topic";
/// The mail will never arrive.
const PERMANENT: &str = "Permanent";
/// A withdrawn complaint: the recipient moved the mail out of the spam folder.
const WELCOME: &str = "not-spam";

impl Feedback {
    /// Parses a message from SNS.
    pub fn read(body: &str) -> Result<Self, BadFeedback> {
        let envelope: Option<Envelope> = serde_json::from_str(body).ok();
        let said = envelope.as_ref().map_or(body, |envelope| &envelope.message);
        if said.starts_with(GREETING) {
            return Ok(Self::Harmless);
        }
        let said: Said = serde_json::from_str(said).map_err(|_| BadFeedback)?;
        match said.event_type.as_str() {
            "Bounce" => said.bounce.ok_or(BadFeedback)?.read(),
            "Complaint" => said.complaint.ok_or(BadFeedback)?.read(),
            _ => Ok(Self::Harmless),
        }
    }

    fn unwelcome(recipients: &[Recipient], at: &str) -> Result<Self, BadFeedback> {
        let at = Timestamp::parse(at).ok_or(BadFeedback)?;
        // Every mail of ours goes to one address in the plain format, so an address in another
        // format does not belong to any of our recipients.
        let addresses: Vec<_> = recipients.iter().filter_map(Recipient::read).collect();
        if addresses.is_empty() {
            Err(BadFeedback)
        } else {
            Ok(Self::Unwelcome { addresses, at })
        }
    }
}

impl Bounce {
    fn read(&self) -> Result<Feedback, BadFeedback> {
        if self.bounce_type != PERMANENT {
            return Ok(Feedback::Harmless);
        }
        Feedback::unwelcome(&self.bounced_recipients, &self.timestamp)
    }
}

impl Complaint {
    fn read(&self) -> Result<Feedback, BadFeedback> {
        if self.complaint_feedback_type.as_deref() == Some(WELCOME) {
            return Ok(Feedback::Harmless);
        }
        Feedback::unwelcome(&self.complained_recipients, &self.timestamp)
    }
}

impl Recipient {
    /// Parses `somebody@example.com`, or the same in angle brackets after a display name.
    fn read(&self) -> Option<MailAddress> {
        let text = self.email_address.as_str();
        let plain = text
            .rsplit_once('<')
            .and_then(|(_, rest)| rest.trim_end().strip_suffix('>'));
        MailAddress::parse(plain.unwrap_or(text)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const AT: &str = "2026-11-20T21:23:00.000Z";

    fn bounce(shape: &str, kind: &str, address: &str) -> Value {
        json!({
            shape: "Bounce",
            "bounce": {
                "feedbackId": "0100019a-1", "bounceType": kind, "bounceSubType": "General", "timestamp": AT,
                "bouncedRecipients": [{ "emailAddress": address, "action": "failed", "status": "5.1.1" }],
            },
            "mail": { "messageId": "0100019a-2", "destination": [address] },
        })
    }

    fn complaint(shape: &str, kind: Option<&str>) -> Value {
        json!({
            shape: "Complaint",
            "complaint": {
                "feedbackId": "0100019a-3", "complaintSubType": null, "timestamp": AT, "complaintFeedbackType": kind,
                "complainedRecipients": [{ "emailAddress": "a@acme.example" }, { "emailAddress": "b@acme.example" }],
            },
        })
    }

    fn wrapped(said: &str) -> String {
        json!({ "Type": "Notification", "MessageId": "m", "TopicArn": "arn", "Message": said })
            .to_string()
    }

    #[test]
    fn every_shape_says_the_same() {
        let of = |addresses: &[&str]| Feedback::Unwelcome {
            addresses: addresses
                .iter()
                .map(|text| MailAddress::parse(text).expect("an address"))
                .collect(),
            at: Timestamp::parse(AT).expect("a moment"),
        };
        for shape in ["eventType", "notificationType"] {
            for (said, expected) in [
                (
                    bounce(shape, "Permanent", "a@acme.example"),
                    of(&["a@acme.example"]),
                ),
                (
                    bounce(shape, "Permanent", "A. Person <a@acme.example>"),
                    of(&["a@acme.example"]),
                ),
                (
                    bounce(shape, "Transient", "a@acme.example"),
                    Feedback::Harmless,
                ),
                (
                    bounce(shape, "Undetermined", "a@acme.example"),
                    Feedback::Harmless,
                ),
                (
                    complaint(shape, Some("abuse")),
                    of(&["a@acme.example", "b@acme.example"]),
                ),
                (
                    complaint(shape, None),
                    of(&["a@acme.example", "b@acme.example"]),
                ),
                (complaint(shape, Some("not-spam")), Feedback::Harmless),
                (
                    json!({ shape: "Delivery", "delivery": {} }),
                    Feedback::Harmless,
                ),
                (
                    json!({ shape: "AmazonSnsSubscriptionSucceeded", "message": "…" }),
                    Feedback::Harmless,
                ),
            ] {
                let said = said.to_string();
                assert_eq!(Feedback::read(&said).as_ref(), Ok(&expected), "{said}");
                assert_eq!(
                    Feedback::read(&wrapped(&said)).as_ref(),
                    Ok(&expected),
                    "{said}"
                );
            }
        }
        let greeting = "Successfully validated SNS topic for Amazon SES event publishing.";
        assert_eq!(Feedback::read(greeting), Ok(Feedback::Harmless));
        assert_eq!(Feedback::read(&wrapped(greeting)), Ok(Feedback::Harmless));
    }

    #[test]
    fn what_is_none_is_refused_and_names_nobody() {
        let mut timeless = bounce("eventType", "Permanent", "canary@acme.example");
        timeless["bounce"]["timestamp"] = "canary".into();
        for body in [
            String::new(),
            "canary".to_owned(),
            "{}".to_owned(),
            r#"{"v":1,"kind":"notice","key":"canary"}"#.to_owned(),
            r#"{"eventType":"Bounce"}"#.to_owned(),
            r#"{"eventType":"Complaint","complaint":"canary"}"#.to_owned(),
            bounce("eventType", "Permanent", "canary").to_string(),
            timeless.to_string(),
            wrapped("canary"),
        ] {
            let refused = Feedback::read(&body).expect_err(&body);
            assert!(!format!("{refused} {refused:?}").contains("canary"));
        }
        let feedback =
            Feedback::read(&bounce("eventType", "Permanent", "canary@acme.example").to_string());
        assert!(!format!("{feedback:?}").contains("canary"), "{feedback:?}");
    }
}
