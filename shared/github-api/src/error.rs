//! What can go wrong at GitHub, and whether trying again makes sense.
//!
//! Every variant names the operation or the thing. Vendors' messages are kept, cut to length; bodies are not.

use domain::retry::{Retry, Retryable};
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// Why GitHub did not do what it was asked.
#[derive(Debug)]
pub enum GithubError {
    /// The configured key cannot sign.
    PrivateKey,
    /// The configured URL is none.
    Url,
    /// No answer, or none that could be read: it may have been done.
    Unclear {
        /// What was asked, as "create the commit".
        operation: &'static str,
        /// What the wire said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// GitHub failed on its side.
    Unavailable {
        /// What was asked.
        operation: &'static str,
        /// The answer's status.
        status: u16,
    },
    /// Somebody else changes the same thing at this moment.
    Conflict {
        /// What was asked.
        operation: &'static str,
        /// GitHub's words.
        message: String,
    },
    /// GitHub says that it exists and does not show it yet.
    Unsettled {
        /// What was asked.
        operation: &'static str,
    },
    /// The installation's token was refused before a write; the next attempt has a new one and looks first.
    TokenRefused {
        /// What was asked.
        operation: &'static str,
    },
    /// Too many calls.
    Limited {
        /// What was asked.
        operation: &'static str,
        /// How long GitHub wants to be left alone.
        wait: Duration,
    },
    /// GitHub does not know our App by its key.
    Credentials {
        /// What was asked.
        operation: &'static str,
        /// GitHub's words.
        message: String,
    },
    /// The installation does not let us: removed, suspended, without this repository or this permission. It ends the
    /// job, not the App.
    NoAccess {
        /// What was asked.
        operation: &'static str,
        /// GitHub's words.
        message: String,
    },
    /// The thing asked for is not there.
    NotThere {
        /// What was asked.
        operation: &'static str,
    },
    /// It has another address now, and that one did not answer either.
    Moved {
        /// What was asked.
        operation: &'static str,
    },
    /// GitHub cannot do this, whenever it is asked.
    Refused {
        /// What was asked.
        operation: &'static str,
        /// The answer's status.
        status: u16,
        /// GitHub's words.
        message: String,
    },
    /// A branch of our name holds somebody else's commit.
    BranchTaken {
        /// Its name.
        branch: String,
    },
    /// Somebody else's pull request stands on our branch.
    PullTaken {
        /// The branch's name.
        branch: String,
    },
    /// What the work was based on, a commit or a branch, is gone.
    BaseGone {
        /// The commit or the branch.
        base: String,
    },
    /// There is nothing to commit, or nothing to pull.
    NoChanges {
        /// The branch's name.
        branch: String,
    },
    /// A file is not what the writer took it for.
    FileChanged {
        /// Its path.
        path: String,
    },
    /// A file is larger than we read.
    FileTooLarge {
        /// Its path.
        path: String,
        /// Its size.
        bytes: u64,
    },
}

const CREDENTIALS_WAIT: Duration = Duration::from_secs(300);

impl Retryable for GithubError {
    fn retry(&self) -> Retry {
        match self {
            Self::Unclear { .. }
            | Self::Unavailable { .. }
            | Self::Conflict { .. }
            | Self::Unsettled { .. }
            | Self::TokenRefused { .. }
            | Self::FileChanged { .. } => Retry::Soon,
            Self::Limited { wait, .. } => Retry::After(*wait),
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
            Self::TokenRefused { operation } => write!(f, "could not {operation}: the token was refused"),
            Self::Limited { operation, wait } => write!(f, "could not {operation}: asked to wait {} s", wait.as_secs()),
            Self::Credentials { operation, message } => {
                write!(f, "could not {operation}: GitHub refuses the App's id or key: {message}")
            }
            Self::NoAccess { operation, message } => write!(f, "could not {operation}: no access: {message}"),
            Self::NotThere { operation } => write!(f, "could not {operation}: not there"),
            Self::Moved { operation } => write!(f, "could not {operation}: it has moved"),
            Self::Refused { operation, status, message } => {
                write!(f, "could not {operation}: refused with {status}: {message}")
            }
            Self::BranchTaken { branch } => write!(f, "branch {branch} holds a commit that is not ours"),
            Self::PullTaken { branch } => write!(f, "branch {branch} has a pull request that is not ours"),
            Self::BaseGone { base } => write!(f, "the base {base} is gone"),
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
    /// Whether GitHub refused with these words, in whatever case.
    pub(crate) fn says(&self, words: &str) -> bool {
        matches!(self, Self::Refused { message, .. } if message.to_ascii_lowercase().contains(words))
    }
}
