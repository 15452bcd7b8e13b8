//! The errors of GitHub requests, and whether to retry.
//!
//! Every variant names the operation or the object. GitHub's messages are truncated; bodies are
//! never kept.

use domain::ids::RepositoryId;
use domain::jobs::SHOWS_AFTER;
use domain::jobs::pulls::tree::Unfit;
use domain::retry::{Retry, Retryable};
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// Why a request to GitHub failed.
#[derive(Debug)]
pub enum GithubError {
    PrivateKey,
    /// The configured URL is invalid.
    Url,
    /// No readable response: the request may have been carried out.
    Unclear {
        /// The operation, such as "create the commit".
        operation: &'static str,
        source: Box<dyn Error + Send + Sync>,
    },
    Unavailable {
        operation: &'static str,
        status: u16,
    },
    /// Another writer is changing the same object.
    Conflict {
        operation: &'static str,
        message: String,
    },
    /// GitHub reports that the object exists but does not show it yet.
    Unsettled {
        operation: &'static str,
    },
    /// The object may have been created, and GitHub would accept a second one. Its lists can lag,
    /// so nobody may look before [`SHOWS_AFTER`].
    InDoubt {
        operation: &'static str,
    },
    /// GitHub rejected the installation's token, which says nothing about the App's key. The next
    /// attempt has another token and looks up first.
    TokenRefused {
        operation: &'static str,
    },
    Limited {
        operation: &'static str,
        wait: Duration,
    },
    /// GitHub rejects the App's key.
    Credentials {
        operation: &'static str,
        message: String,
    },
    /// The installation lacks access: it was removed or suspended, or has no permission for this
    /// repository. This fails the job, not the App.
    NoAccess {
        operation: &'static str,
        message: String,
    },
    /// The object does not exist.
    NotThere {
        operation: &'static str,
        /// The page of GitHub's documentation that the answer names.
        page: Option<String>,
    },
    /// The object has moved, and the new address did not answer either.
    Moved {
        operation: &'static str,
        /// The repository that GitHub redirects to.
        to: Option<RepositoryId>,
    },
    /// GitHub rejects the request permanently.
    Refused {
        operation: &'static str,
        status: u16,
        message: String,
    },
    /// A branch with our name holds a commit that is not ours.
    BranchTaken {
        branch: String,
    },
    /// Our branch has a pull request that is not ours.
    PullTaken {
        branch: String,
    },
    /// The base commit or branch no longer exists.
    BaseGone {
        base: String,
    },
    /// The change does not fit the tree that it is based on.
    Unfit(Unfit),
    /// The change is empty.
    NoChanges {
        branch: String,
    },
    /// The file's content is not the expected one.
    FileChanged {
        path: String,
    },
    FileTooLarge {
        path: String,
        bytes: u64,
    },
}

const CREDENTIALS_WAIT: Duration = Duration::from_secs(300);

impl Retryable for GithubError {
    fn retry(&self) -> Retry {
        match self {
            Self::Unclear { .. } | Self::Unavailable { .. } => Retry::Outage,
            Self::Conflict { .. }
            | Self::Unsettled { .. }
            | Self::TokenRefused { .. }
            | Self::FileChanged { .. } => Retry::Soon,
            Self::Limited { wait, .. } => Retry::After(*wait),
            Self::InDoubt { .. } => Retry::After(SHOWS_AFTER),
            Self::PrivateKey | Self::Url | Self::Credentials { .. } => {
                Retry::Alarm(CREDENTIALS_WAIT)
            }
            Self::NoAccess { .. }
            | Self::NotThere { .. }
            | Self::Moved { .. }
            | Self::Refused { .. }
            | Self::BranchTaken { .. }
            | Self::PullTaken { .. }
            | Self::BaseGone { .. }
            | Self::Unfit(_)
            | Self::NoChanges { .. }
            | Self::FileTooLarge { .. } => Retry::Never,
        }
    }
}

impl fmt::Display for GithubError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PrivateKey => f.write_str(
                "the GitHub App's private key is not an RSA key in PEM form: generate one on the App's settings page and \
                 pass the whole file, from its BEGIN line to its END line",
            ),
            Self::Url => f.write_str("GitHub's URL is not an absolute one, as https://api.github.com"),
            Self::Unclear { operation, .. } => write!(f, "could not {operation}: no clear answer"),
            Self::Unavailable { operation, status } => write!(f, "could not {operation}: GitHub failed with {status}"),
            Self::Conflict { operation, message } => write!(f, "could not {operation}: a conflict: {message}"),
            Self::Unsettled { operation } => write!(f, "could not {operation}: it exists but does not show yet"),
            Self::InDoubt { operation } => write!(f, "could not {operation}: no clear answer, so it may exist"),
            Self::TokenRefused { operation } => write!(f, "could not {operation}: the token was refused"),
            Self::Limited { operation, wait } => write!(f, "could not {operation}: asked to wait {} s", wait.as_secs()),
            Self::Credentials { operation, message } => {
                write!(f, "could not {operation}: GitHub refuses the App's id or key: {message}")
            }
            Self::NoAccess { operation, message } => write!(f, "could not {operation}: no access: {message}"),
            Self::NotThere { operation, .. } => write!(f, "could not {operation}: not there"),
            Self::Moved { operation, .. } => write!(f, "could not {operation}: it has moved"),
            Self::Refused { operation, status, message } => {
                write!(f, "could not {operation}: refused with {status}: {message}")
            }
            Self::BranchTaken { branch } => write!(f, "branch {branch} holds a commit that is not ours"),
            Self::PullTaken { branch } => write!(f, "branch {branch} has a pull request that is not ours"),
            Self::BaseGone { base } => write!(f, "the base {base} is gone"),
            Self::Unfit(why) => write!(f, "{why}"),
            Self::NoChanges { branch } => write!(f, "branch {branch} would change nothing"),
            Self::FileChanged { path } => write!(f, "the file {path} has changed meanwhile"),
            Self::FileTooLarge { path, bytes } => write!(f, "the file {path} is too large with {bytes} bytes"),
        }
    }
}

impl Error for GithubError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unclear { source, .. } => Some(source.as_ref()),
            _ => None,
        }
    }
}

impl GithubError {
    /// Whether the request may have been carried out although it failed.
    pub(crate) const fn is_unclear(&self) -> bool {
        matches!(self, Self::Unclear { .. } | Self::Unavailable { .. })
    }

    /// Whether GitHub may not know a token yet that it has just issued: 401 while it does not know
    /// the token, 403 while it does not know its permissions (octokit/auth-app.js#589).
    pub(crate) fn doubts_token(&self) -> bool {
        match self {
            Self::Credentials { .. } => true,
            Self::NoAccess { message, .. } => message.contains("not accessible by integration"),
            _ => false,
        }
    }

    /// Whether GitHub's message contains these words, ignoring case.
    pub(crate) fn says(&self, words: &str) -> bool {
        matches!(self, Self::Refused { message, .. } if message.to_ascii_lowercase().contains(words))
    }
}
