//! What the outside tells us, in our few variants.
//!
//! `webhooks` turns a recorded body into one of these; a handler never sees a vendor's JSON nor an optional field it
//! would have to check.

use crate::ids::{CommentId, CustomerId, InstallationId, OwnerId, RepositoryId};
use crate::subscriptions::{Invoice, Subscription};
use crate::time::Timestamp;

/// An event from GitHub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GithubEvent {
    /// `issues.opened`
    IssuesOpened(IssueEvent),
    /// `issues.labeled`
    IssuesLabeled(IssueLabeled),
    /// `issues.closed`
    IssuesClosed(IssueEvent),
    /// `issue_comment.created`
    IssueCommentCreated(IssueComment),
    /// `pull_request.opened`
    PullRequestOpened(PullEvent),
    /// `pull_request.closed`
    PullRequestClosed(PullEvent),
    /// `installation.created`, `.deleted`, `.suspend`, `.unsuspend`
    Installation(InstallationEvent),
    /// Any other, by its full name.
    Ignored {
        /// `star.created`, say.
        name: String,
    },
}

/// Where an event comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The App's installation.
    pub installation: InstallationId,
    /// Who owns the repository.
    pub owner: OwnerId,
    /// Their name, which may change.
    pub owner_login: String,
    /// The repository.
    pub repository: RepositoryId,
    /// Its name without the owner, which may change.
    pub repository_name: String,
    /// The branch pull requests go to.
    pub default_branch: String,
    /// Who caused the event.
    pub sender_login: String,
    /// The App through which the thing was made, if one did.
    pub via_app: Option<u64>,
}

/// An issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// GitHub's id of it.
    pub id: u64,
    /// Its number in the repository.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// Its text.
    pub body: String,
    /// When it last changed, as GitHub writes it.
    pub updated_at: String,
    /// What its author is to the repository: `MEMBER`, `NONE` and so on.
    pub author_association: String,
}

/// Something happened to an issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssueEvent {
    /// Where.
    pub origin: Origin,
    /// To which issue.
    pub issue: Issue,
}

/// An issue got a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssueLabeled {
    /// Where.
    pub origin: Origin,
    /// Which issue.
    pub issue: Issue,
    /// Which label.
    pub label: String,
}

/// Somebody commented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssueComment {
    /// Where.
    pub origin: Origin,
    /// On which issue.
    pub issue: Issue,
    /// Which comment.
    pub comment: CommentId,
    /// What it says.
    pub text: String,
    /// What its author is to the repository.
    pub author_association: String,
    /// Whether the "issue" is a pull request, of which GitHub sends the same event.
    pub on: CommentOn,
}

/// What a comment stands under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommentOn {
    /// An issue.
    Issue,
    /// A pull request.
    Pull,
}

/// Something happened to a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullEvent {
    /// Where.
    pub origin: Origin,
    /// Its number.
    pub number: u64,
    /// The branch it comes from.
    pub head_branch: String,
    /// The repository that branch is in; absent when a fork was deleted.
    pub head_repository: Option<RepositoryId>,
    /// What became of it.
    pub fate: PullFate,
}

/// Where a pull request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullFate {
    /// Open.
    Open,
    /// Merged.
    Merged,
    /// Closed without merging.
    Closed,
}

/// The App's standing with an owner changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallationEvent {
    /// Which installation.
    pub installation: InstallationId,
    /// Whose.
    pub owner: OwnerId,
    /// What happened.
    pub change: InstallationChange,
    /// When GitHub last changed it, where it says so.
    pub as_of: Timestamp,
}

/// What happened to an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstallationChange {
    /// Installed.
    Created,
    /// Uninstalled.
    Deleted,
    /// Suspended.
    Suspended,
    /// Working again.
    Unsuspended,
}

/// An event from Stripe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StripeEvent {
    /// `customer.subscription.created`
    CustomerSubscriptionCreated(SubscriptionEvent),
    /// `customer.subscription.updated`
    CustomerSubscriptionUpdated(SubscriptionEvent),
    /// `customer.subscription.deleted`
    CustomerSubscriptionDeleted(SubscriptionEvent),
    /// `invoice.paid`
    InvoicePaid(InvoiceEvent),
    /// `invoice.payment_failed`
    InvoicePaymentFailed(InvoiceEvent),
    /// Any other, by its type.
    Ignored {
        /// `charge.updated`, say.
        name: String,
    },
}

/// Something happened to a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionEvent {
    /// Whose.
    pub customer: CustomerId,
    /// What it is now.
    pub subscription: Subscription,
}

/// Something happened to an invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvoiceEvent {
    /// Whose.
    pub customer: CustomerId,
    /// What it is now.
    pub invoice: Invoice,
}
