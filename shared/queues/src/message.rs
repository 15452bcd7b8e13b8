//! The messages of the queues.
//!
//! `{"v":1,"kind":…,"key":…}` names the work and the row. A reader that finds an unknown version or
//! kind leaves the message in the queue, so deploy readers before writers.

use crate::SqsEvent;
use domain::accounts::signups::Applicant;
use domain::billing::refunds::RefundKey;
use domain::billing::usage::AccountMeter;
use domain::ids::{AccountId, AssistId, JobId};
use domain::inbox::{EventKey, EventSource};
use domain::jobs::JobWork;
use domain::ledger::HoldKey;
use domain::notices::NoticeKey;
use serde::{Deserialize, Serialize};
use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Queue {
    /// Recorded GitHub events.
    GithubEvents,
    /// Recorded Stripe events.
    StripeEvents,
    /// Jobs to plan.
    Plan,
    /// Jobs to code.
    Code,
    /// Jobs to review.
    Review,
    /// Jobs whose pull request or comment is due.
    Pulls,
    /// Accounts with usage to report to Stripe.
    Usage,
    /// Notices to mail.
    Notices,
    /// Feedback from SES about mails. The only queue that others send to.
    MailEvents,
    /// Sign-ups that need an account.
    Provisioning,
    /// Assists to run.
    Assists,
}

impl Queue {
    pub const ALL: [Self; 11] = [
        Self::GithubEvents,
        Self::StripeEvents,
        Self::Plan,
        Self::Code,
        Self::Review,
        Self::Pulls,
        Self::Usage,
        Self::Notices,
        Self::MailEvents,
        Self::Provisioning,
        Self::Assists,
    ];

    /// The queues that contain [`Message`]s.
    pub const OURS: [Self; 10] = [
        Self::GithubEvents,
        Self::StripeEvents,
        Self::Plan,
        Self::Code,
        Self::Review,
        Self::Pulls,
        Self::Usage,
        Self::Notices,
        Self::Provisioning,
        Self::Assists,
    ];

    /// The queue's word, which its name ends with.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GithubEvents => "github-events",
            Self::StripeEvents => "stripe-events",
            Self::Plan => "plan",
            Self::Code => "code",
            Self::Review => "review",
            Self::Pulls => "pulls",
            Self::Usage => "usage",
            Self::Notices => "notices",
            Self::MailEvents => "mail-events",
            Self::Provisioning => "provisioning",
            Self::Assists => "assists",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|queue| queue.as_str() == text)
    }

    /// Returns the setting that holds the queue's URL.
    pub const fn setting(self) -> &'static str {
        match self {
            Self::GithubEvents => "GITHUB_EVENTS_QUEUE_URL",
            Self::StripeEvents => "STRIPE_EVENTS_QUEUE_URL",
            Self::Plan => "PLAN_QUEUE_URL",
            Self::Code => "CODE_QUEUE_URL",
            Self::Review => "REVIEW_QUEUE_URL",
            Self::Pulls => "PULLS_QUEUE_URL",
            Self::Usage => "USAGE_QUEUE_URL",
            Self::Notices => "NOTICES_QUEUE_URL",
            Self::MailEvents => "MAIL_EVENTS_QUEUE_URL",
            Self::Provisioning => "PROVISIONING_QUEUE_URL",
            Self::Assists => "ASSISTS_QUEUE_URL",
        }
    }

    /// Returns the queue that a batch came from. SQS delivers the messages of one queue at a time.
    /// On AWS a queue's name is the stack's name followed by the queue's word.
    pub fn of(event: &SqsEvent) -> Option<Self> {
        let name = event
            .records
            .first()?
            .event_source_arn
            .as_deref()?
            .rsplit(':')
            .next()?;
        let named = |queue: &Self| {
            name.strip_suffix(queue.as_str())
                .is_some_and(|stack| stack.is_empty() || stack.ends_with('-'))
        };
        Self::ALL.into_iter().find(named)
    }
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A pointer to a row that has work due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Act on a recorded event.
    Event(EventKey),
    /// Create the job that the API requested.
    Request(JobId),
    /// Do a job's next step.
    Work(JobWork, JobId),
    /// Update a job's comment.
    Comment(JobId),
    /// Report an account's usage on a meter to Stripe.
    Usage(AccountMeter),
    /// Mail a notice.
    Notice(NoticeKey),
    /// Provision an account.
    SignUp(Applicant),
    /// Run an assist.
    Assist(AssistId),
    /// Release a hold that has expired.
    Hold(HoldKey),
    /// An account to top up.
    TopUp(AccountId),
    /// Refund a payment, as an operator requested.
    Refund(RefundKey),
    /// Set an account's mail address at Stripe.
    CustomerMail(AccountId),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    v: u32,
    #[serde(borrow)]
    kind: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    key: std::borrow::Cow<'a, str>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadMessage;

impl fmt::Display for BadMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this is not a message of this version")
    }
}

impl std::error::Error for BadMessage {}

impl Message {
    /// Returns the queue that the message belongs in.
    pub const fn queue(&self) -> Queue {
        match self {
            Self::Event(key) => match key.source() {
                EventSource::Github => Queue::GithubEvents,
                EventSource::Stripe => Queue::StripeEvents,
            },
            // This function grants what is paid at Stripe, and takes back what is refunded.
            Self::TopUp(_) | Self::Refund(_) | Self::CustomerMail(_) => Queue::StripeEvents,
            // This function places the holds of jobs, so it may also release one.
            Self::Request(_) | Self::Hold(_) => Queue::GithubEvents,
            Self::Work(JobWork::Plan, _) => Queue::Plan,
            Self::Work(JobWork::Code, _) => Queue::Code,
            Self::Work(JobWork::Review, _) => Queue::Review,
            Self::Work(JobWork::Pull, _) | Self::Comment(_) => Queue::Pulls,
            Self::Usage(_) => Queue::Usage,
            Self::Notice(_) => Queue::Notices,
            Self::SignUp(_) => Queue::Provisioning,
            Self::Assist(_) => Queue::Assists,
        }
    }

    /// Returns the kind, as it is encoded.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Event(key) => key.source().as_str(),
            Self::Request(_) => "request",
            Self::Work(JobWork::Plan, _) => "plan",
            Self::Work(JobWork::Code, _) => "code",
            Self::Work(JobWork::Review, _) => "review",
            Self::Work(JobWork::Pull, _) => "pull",
            Self::Comment(_) => "comment",
            Self::Usage(_) => "usage",
            Self::Notice(_) => "notice",
            Self::SignUp(_) => "signup",
            Self::Assist(_) => "assist",
            Self::Hold(_) => "hold",
            Self::TopUp(_) => "top_up",
            Self::Refund(_) => "refund",
            Self::CustomerMail(_) => "customer_mail",
        }
    }

    /// Returns the key of the row, as it is encoded.
    pub fn key(&self) -> String {
        match self {
            Self::Event(key) => key.id().to_owned(),
            Self::Request(job) | Self::Work(_, job) | Self::Comment(job) => job.to_string(),
            Self::Usage(debts) => debts.pointer(),
            Self::Notice(key) => key.pointer(),
            Self::SignUp(applicant) => applicant.pointer(),
            Self::Assist(id) => id.to_string(),
            Self::Hold(key) => key.pointer(),
            Self::TopUp(account) => account.to_string(),
            Self::Refund(key) => key.pointer(),
            Self::CustomerMail(account) => account.to_string(),
        }
    }

    /// Encodes the message.
    pub fn to_json(&self) -> String {
        let wire = Wire {
            v: 1,
            kind: self.kind().into(),
            key: self.key().into(),
        };
        serde_json::to_string(&wire).expect("two texts and a number are always JSON")
    }

    /// Decodes a message.
    pub fn from_json(text: &str) -> Result<Self, BadMessage> {
        let wire: Wire<'_> = serde_json::from_str(text).map_err(|_| BadMessage)?;
        if wire.v != 1 {
            return Err(BadMessage);
        }
        let job = || JobId::parse(&wire.key).map_err(|_| BadMessage);
        let event = |source| {
            EventKey::parse(source, &wire.key)
                .map(Self::Event)
                .map_err(|_| BadMessage)
        };
        match wire.kind.as_ref() {
            "github" => event(EventSource::Github),
            "stripe" => event(EventSource::Stripe),
            "request" => job().map(Self::Request),
            "plan" => job().map(|job| Self::Work(JobWork::Plan, job)),
            "code" => job().map(|job| Self::Work(JobWork::Code, job)),
            "review" => job().map(|job| Self::Work(JobWork::Review, job)),
            "pull" => job().map(|job| Self::Work(JobWork::Pull, job)),
            "comment" => job().map(Self::Comment),
            "usage" => AccountMeter::parse(&wire.key)
                .map(Self::Usage)
                .map_err(|_| BadMessage),
            "notice" => NoticeKey::parse(&wire.key)
                .map(Self::Notice)
                .map_err(|_| BadMessage),
            "signup" => Applicant::parse(&wire.key)
                .map(Self::SignUp)
                .map_err(|_| BadMessage),
            "assist" => AssistId::parse(&wire.key)
                .map(Self::Assist)
                .map_err(|_| BadMessage),
            "hold" => HoldKey::parse(&wire.key)
                .map(Self::Hold)
                .map_err(|_| BadMessage),
            "top_up" => AccountId::parse(&wire.key)
                .map(Self::TopUp)
                .map_err(|_| BadMessage),
            "refund" => RefundKey::parse(&wire.key)
                .map(Self::Refund)
                .map_err(|_| BadMessage),
            "customer_mail" => AccountId::parse(&wire.key)
                .map(Self::CustomerMail)
                .map_err(|_| BadMessage),
            _ => Err(BadMessage),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_names_its_queue() {
        let from = |name: &str| {
            let arn = format!("arn:aws:sqs:eu-central-1:123456789012:{name}");
            let event =
                serde_json::json!({ "Records": [{ "messageId": "m", "eventSourceARN": arn }] });
            Queue::of(&serde_json::from_value(event).expect("a batch"))
        };
        for queue in Queue::ALL {
            assert_eq!(from(queue.as_str()), Some(queue));
            assert_eq!(from(&format!("tallyhook-mail-events-{queue}")), Some(queue));
            assert_eq!(from(&format!("{queue}-dlq")), None);
            assert_eq!(from(&format!("x{queue}")), None);
        }
        assert_eq!(Queue::of(&SqsEvent::default()), None);
    }

    #[test]
    fn messages_round_trip_and_other_texts_do_not_parse() {
        let job = "job_01hf7yat00zzzzzzzzzzzzzzzz";
        for (kind, key) in [
            ("github", "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
            ("stripe", "evt_1AbC"),
            ("request", job),
            ("plan", job),
            ("code", job),
            ("review", job),
            ("pull", job),
            ("comment", job),
            ("usage", "acc_01hf7yat00zzzzzzzzzzzzzzzz#pull_requests"),
            ("assist", "erd_01hf7yat00zzzzzzzzzzzzzzzz"),
            (
                "notice",
                "acc_01hf7yat00zzzzzzzzzzzzzzzz#payment_failed#in_1",
            ),
            ("signup", "owner#9001"),
            ("top_up", "acc_01hf7yat00zzzzzzzzzzzzzzzz"),
            ("customer_mail", "acc_01hf7yat00zzzzzzzzzzzzzzzz"),
            ("refund", "pi_1#act_01hf7yat00zzzzzzzzzzzzzzzz"),
            (
                "hold",
                "acc_01hf7yat00zzzzzzzzzzzzzzzz#job_01hf7yat00zzzzzzzzzzzzzzzz",
            ),
        ] {
            let json = format!(r#"{{"v":1,"kind":"{kind}","key":"{key}"}}"#);
            assert_eq!(
                Message::from_json(&json).expect("a message").to_json(),
                json
            );
        }
        for json in [
            "",
            "{}",
            r#"{"v":2,"kind":"plan","key":"job_01hf7yat00zzzzzzzzzzzzzzzz"}"#,
            r#"{"v":1,"kind":"plan","key":"x"}"#,
            r#"{"v":1,"kind":"dance","key":"x"}"#,
            r#"{"v":1,"kind":"github","key":"a b"}"#,
            r#"{"v":1,"kind":"github","key":"a","more":1}"#,
        ] {
            assert_eq!(Message::from_json(json), Err(BadMessage), "{json}");
        }
    }
}
