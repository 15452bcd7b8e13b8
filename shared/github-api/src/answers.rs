//! Maps GitHub's responses to errors. Only this module interprets its status codes, headers and
//! rate limits.

use crate::error::GithubError;
use domain::ids::RepositoryId;
use domain::time::Timestamp;
use http::header::LOCATION;
use octocrab::GitHubError;
use std::time::Duration;

/// GitHub's rule: without `Retry-After`, wait at least one minute after a secondary rate limit.
const LIMIT_WAIT: Duration = Duration::from_secs(60);
const LIMIT_SECONDS_MAX: u64 = 86_400;
const MESSAGE_CHARS_MAX: usize = 300;

impl GithubError {
    pub(crate) fn of_octocrab(
        operation: &'static str,
        error: octocrab::Error,
        now: Timestamp,
    ) -> Self {
        match error {
            octocrab::Error::GitHub { source, .. } => Self::of_answer(operation, &source, now),
            octocrab::Error::Service { source, .. } => Self::Unclear { operation, source },
            other => Self::Unclear {
                operation,
                source: Box::new(other),
            },
        }
    }

    fn of_answer(operation: &'static str, answer: &GitHubError, now: Timestamp) -> Self {
        let (status, message) = (answer.status_code.as_u16(), described(answer));
        if let Some(wait) = wait(answer, now) {
            return Self::Limited { operation, wait };
        }
        match status {
            300..=399 => Self::Moved {
                operation,
                to: moved_to(answer),
            },
            401 => Self::Credentials { operation, message },
            403 | 451 => Self::NoAccess { operation, message },
            404 | 410 => Self::NotThere {
                operation,
                page: answer.documentation_url.clone(),
            },
            // For an empty repository, GitHub answers every request about objects with this
            // conflict. Waiting does not fill the repository, so the error is final.
            409 if message.contains("empty") => Self::Refused {
                operation,
                status,
                message,
            },
            408 | 409 | 425 => Self::Conflict { operation, message },
            500..=599 => Self::Unavailable { operation, status },
            _ => Self::Refused {
                operation,
                status,
                message,
            },
        }
    }
}

/// How long to wait if the response reports a rate limit: the time that GitHub names, or one
/// minute.
fn wait(answer: &GitHubError, now: Timestamp) -> Option<Duration> {
    let header = |name: &str| {
        answer
            .headers
            .as_ref()
            .and_then(|headers| headers.get(name)?.to_str().ok())
    };
    let status = answer.status_code.as_u16();
    if status != 403 && status != 429 {
        return None;
    }
    let seconds = |count: u64| Duration::from_secs(count.clamp(1, LIMIT_SECONDS_MAX));
    if let Some(count) = header("retry-after").and_then(|text| text.parse().ok()) {
        return Some(seconds(count));
    }
    if header("x-ratelimit-remaining") == Some("0") {
        let reset = answer
            .rate_limit_reset
            .and_then(|at| i64::try_from(at).ok());
        return Some(reset.map_or(LIMIT_WAIT, |at| {
            seconds(Timestamp::from_seconds(at).since(now).as_secs())
        }));
    }
    let words = answer.message.to_ascii_lowercase();
    (status == 429 || words.contains("rate limit") || words.contains("abuse detection"))
        .then_some(LIMIT_WAIT)
}

/// The repository in a `Location` such as `https://api.github.com/repositories/9/issues/5`. The rest
/// of the address is not followed.
fn moved_to(answer: &GitHubError) -> Option<RepositoryId> {
    let location = answer.headers.as_ref()?.get(LOCATION)?.to_str().ok()?;
    let (_, rest) = location.split_once("/repositories/")?;
    let id = rest.split(['/', '?']).next()?;
    id.parse().ok().map(RepositoryId::new)
}

/// GitHub's message and the details that it lists, on one line of bounded length.
fn described(answer: &GitHubError) -> String {
    let mut text = answer.message.clone();
    for detail in answer.errors.iter().flatten() {
        let word = |name: &str| detail.get(name).and_then(|value| value.as_str());
        let detail = match (detail.as_str(), word("message")) {
            (Some(text), _) | (None, Some(text)) => text.to_owned(),
            (None, None) => format!(
                "{} {}",
                word("field").unwrap_or_default(),
                word("code").unwrap_or_default()
            ),
        };
        text.push_str("; ");
        text.push_str(&detail);
    }
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MESSAGE_CHARS_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, Peer, Reply, repository};
    use domain::retry::{Retry, Retryable};
    use serde_json::json;

    async fn class_of(reply: Reply) -> (Retry, String) {
        let peer = Peer::script([("GET /repos/octo/hello", reply)]);
        let error = repository(&peer)
            .await
            .details()
            .await
            .expect_err("an error");
        (error.retry(), error.to_string())
    }

    #[tokio::test]
    async fn answers_have_classes() {
        let after = |seconds| Retry::After(Duration::from_secs(seconds));
        let reset = (NOW.seconds() + 1_200).to_string();
        let primary = [
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", reset.as_str()),
        ];
        for (status, headers, message, expected) in [
            (403, &primary[..], "API rate limit exceeded", after(1_200)),
            (429, &primary[..], "API rate limit exceeded", after(1_200)),
            (
                403,
                &[("retry-after", "17")][..],
                "You have exceeded a secondary rate limit",
                after(17),
            ),
            (
                403,
                &[][..],
                "You have exceeded a secondary rate limit",
                after(60),
            ),
            (429, &[][..], "slow down", after(60)),
            (
                403,
                &[("x-ratelimit-remaining", "4999")][..],
                "Repository access blocked",
                Retry::Never,
            ),
            (404, &[][..], "Not Found", Retry::Never),
            (409, &[][..], "Git Repository is empty.", Retry::Never),
            (409, &[][..], "Conflict", Retry::Soon),
            (422, &[][..], "Validation Failed", Retry::Never),
            (500, &[][..], "oops", Retry::Outage),
            (502, &[][..], "oops", Retry::Outage),
        ] {
            let (class, text) =
                class_of(Reply::with(status, headers, json!({ "message": message }))).await;
            assert_eq!(class, expected, "{status} {message}");
            assert!(
                text.starts_with("could not read the repository: "),
                "{text}"
            );
        }
    }

    #[tokio::test]
    async fn silence_is_unclear() {
        assert_eq!(class_of(Reply::Lost).await.0, Retry::Outage);
        let (class, text) = class_of(Reply::json(200, json!({ "id": "a canary" }))).await;
        assert_eq!(
            (class, text.as_str()),
            (
                Retry::Outage,
                "could not read the repository: no clear answer"
            )
        );
    }

    #[tokio::test]
    async fn messages_are_bounded_single_lines() {
        let long = format!("a\nb{}", "x".repeat(1_000));
        let (_, text) = class_of(Reply::json(422, json!({ "message": long }))).await;
        assert!(text.contains("a bx") && text.len() < 400, "{text}");
    }
}
