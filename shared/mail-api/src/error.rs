//! The errors of SES requests, and whether to retry.

use bytes::Bytes;
use domain::accounts::addresses::MailAddress;
use domain::retry::{Retry, Retryable};
use http::Response;
use serde::Deserialize;
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// Why a mail was not sent, or why the result is unknown.
#[derive(Debug)]
pub enum MailError {
    /// The configured URL is invalid.
    Url,
    Unsigned,
    Unclear {
        source: Box<dyn Error + Send + Sync>,
    },
    /// SES failed and did not accept the mail.
    Unavailable {
        status: u16,
    },
    /// Too many mails per second or per day.
    Limited {
        wait: Duration,
    },
    /// SES does not let us send. The cause is our credentials, permissions, sender address or
    /// account.
    Ours {
        status: u16,
        code: String,
    },
    /// SES rejects this mail permanently.
    Refused {
        status: u16,
        code: String,
    },
}

/// The wait until an operator may have fixed our permissions or sender.
const OURS_WAIT: Duration = Duration::from_secs(300);
/// The rate limit is per second; the quota is per rolling 24 hours.
const RATE_WAIT: Duration = Duration::from_secs(5);
const QUOTA_WAIT: Duration = Duration::from_secs(900);
const CODE_BYTES_MAX: usize = 64;

/// SES's error codes for the rate limit and the quota.
const THROTTLED: [&str; 4] = [
    "TooManyRequestsException",
    "ThrottlingException",
    "Throttling",
    "RequestLimitExceeded",
];
const QUOTA: &str = "LimitExceededException";
/// SES's codes that concern our account rather than the mail.
const OURS: [&str; 11] = [
    "AccessDeniedException",
    "AccountSuspendedException",
    "ExpiredTokenException",
    "IncompleteSignatureException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MailFromDomainNotVerifiedException",
    "MissingAuthenticationTokenException",
    "SendingPausedException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
];
const REJECTED: &str = "MessageRejected";

impl MailError {
    /// Whether the mail may have been sent.
    pub const fn is_doubt(&self) -> bool {
        matches!(self, Self::Unclear { .. })
    }
}

impl Retryable for MailError {
    fn retry(&self) -> Retry {
        match self {
            Self::Unclear { .. } | Self::Unavailable { .. } => Retry::Outage,
            Self::Limited { wait } => Retry::After(*wait),
            Self::Url | Self::Unsigned | Self::Ours { .. } => Retry::Alarm(OURS_WAIT),
            Self::Refused { .. } => Retry::Never,
        }
    }
}

/// The message of an SES error. It may quote addresses, so it is inspected and never passed on.
#[derive(Deserialize)]
struct Said {
    #[serde(alias = "Message", default)]
    message: String,
}

/// Parses a response that is not a success.
pub(crate) fn refusal(response: &Response<Bytes>, from: &MailAddress) -> MailError {
    let status = response.status().as_u16();
    let header = |name| {
        response
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    // The header may contain `MessageRejected:http://…` or the code alone.
    let code = header("x-amzn-errortype")
        .and_then(|code| code.split(':').next())
        .unwrap_or_default();
    let plain = |c: &char| c.is_ascii_alphanumeric();
    let code: String = code.chars().filter(plain).take(CODE_BYTES_MAX).collect();
    let asked = header("retry-after")
        .and_then(|text| text.parse().ok())
        .map(Duration::from_secs);
    match (status, code.as_str()) {
        (_, QUOTA) => MailError::Limited {
            wait: asked.unwrap_or(QUOTA_WAIT),
        },
        (429, _) => MailError::Limited {
            wait: asked.unwrap_or(RATE_WAIT),
        },
        (_, word) if THROTTLED.contains(&word) => MailError::Limited {
            wait: asked.unwrap_or(RATE_WAIT),
        },
        // A gateway timed out while waiting for SES, which may have received the mail.
        (504, _) => MailError::Unclear {
            source: "answered 504".into(),
        },
        (500..=599, _) => MailError::Unavailable { status },
        (401 | 403 | 404, _) => MailError::Ours { status, code },
        (_, word) if OURS.contains(&word) => MailError::Ours { status, code },
        (_, REJECTED) if names(response.body(), from) => MailError::Ours { status, code },
        _ => MailError::Refused { status, code },
    }
}

/// Whether SES's error is about our sender address. In that case no mail can be sent.
fn names(body: &[u8], from: &MailAddress) -> bool {
    let said: Option<Said> = serde_json::from_slice(body).ok();
    said.is_some_and(|said| said.message.to_ascii_lowercase().contains(&from.folded()))
}

impl fmt::Display for MailError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url => {
                f.write_str("the mail's URL is not an absolute one, as https://email.eu-central-1.amazonaws.com")
            }
            Self::Unsigned => f.write_str("could not send a mail: it could not be signed with our credentials"),
            Self::Unclear { .. } => f.write_str("could not send a mail: no clear answer"),
            Self::Unavailable { status } => write!(f, "could not send a mail: SES failed with {status}"),
            Self::Limited { wait } => write!(f, "could not send a mail: asked to wait {} s", wait.as_secs()),
            Self::Ours { status, code } => write!(
                f,
                "could not send a mail: SES does not let us, with {status} {code}: see this function's role, MAIL_FROM's identity and whether SES has paused us"
            ),
            Self::Refused { status, code } if code == REJECTED => write!(
                f,
                "the mail was rejected with {status}: the address takes none from us, or SES is still in its sandbox and the address is not verified"
            ),
            Self::Refused { status, code } => write!(f, "the mail was refused with {status} {code}"),
        }
    }
}

impl Error for MailError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unclear { source } => Some(source.as_ref()),
            _ => None,
        }
    }
}
