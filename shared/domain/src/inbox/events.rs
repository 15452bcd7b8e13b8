//! The events that Tallyhook acts on.
//!
//! The `webhooks` crate parses a recorded body into one of these types, so a handler sees neither a
//! vendor's JSON nor an optional field that it would have to check.

use crate::accounts::addresses::MailAddress;
use crate::billing::marketplace::ListedPlan;
use crate::billing::payments::{Dispute, Refund};
use crate::billing::subscriptions::{Invoice, Subscription};
use crate::ids::{
    CheckoutSessionId, CommentId, CustomerId, DisputeId, InstallationId, OwnerId, PaymentId,
    PaymentMethodId, RefundId, RepositoryId, StripeEventId,
};
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
    /// `marketplace_purchase.purchased`, `.changed`, `.cancelled`, `.pending_change`, `.pending_change_cancelled`
    MarketplacePurchase(MarketplaceEvent),
    /// Any other event, by its full name.
    Ignored {
        /// For example `star.created`.
        name: String,
    },
}

/// The repository that an event concerns, and who caused it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventOrigin {
    pub installation: InstallationId,
    pub owner: OwnerId,
    pub owner_login: String,
    pub repository: RepositoryId,
    pub repository_name: String,
    pub default_branch: String,
    pub sender_login: String,
    /// The App through which the object was created, if any.
    pub via_app: Option<u64>,
}

/// An issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    pub id: u64,
    pub number: u64,
    pub title: String,
    pub body: String,
    /// In GitHub's format.
    pub updated_at: String,
    /// The author's relation to the repository, such as `MEMBER` or `NONE`.
    pub author_association: String,
}

/// A change of an issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssueEvent {
    pub origin: EventOrigin,
    pub issue: Issue,
}

/// A label was added to an issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssueLabeled {
    pub origin: EventOrigin,
    pub issue: Issue,
    pub label: String,
}

/// A comment was created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssueComment {
    pub origin: EventOrigin,
    pub issue: Issue,
    pub comment: CommentId,
    pub text: String,
    pub author_association: String,
    /// GitHub sends the same event for comments on issues and on pull requests.
    pub on: CommentOn,
}

/// What a comment belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommentOn {
    Issue,
    Pull,
}

/// A change of a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullEvent {
    pub origin: EventOrigin,
    pub number: u64,
    pub head_branch: String,
    /// The repository of the head branch; absent if the fork was deleted.
    pub head_repository: Option<RepositoryId>,
    pub fate: PullState,
}

/// The state of a pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullState {
    Open,
    Merged,
    Closed,
}

/// A change of the App's installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallationEvent {
    pub installation: InstallationId,
    pub owner: OwnerId,
    pub change: InstallationChange,
    /// The time of GitHub's last change, if known.
    pub as_of: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstallationChange {
    Created,
    Deleted,
    Suspended,
    Unsuspended,
}

/// An owner's Marketplace purchase changed, or is scheduled to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarketplaceEvent {
    pub owner: OwnerId,
    pub owner_login: String,
    /// The address that GitHub bills, if known.
    pub mail: Option<MailAddress>,
    pub change: MarketplaceChange,
    /// The plan bought, changed to or cancelled.
    pub listed: ListedPlan,
    pub effective_at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarketplaceChange {
    Purchased,
    Changed,
    Cancelled,
    /// A change or cancellation is scheduled. `Changed` or `Cancelled` follows when it takes
    /// effect.
    Pending,
    /// The scheduled change was withdrawn.
    PendingCancelled,
}

/// An event from Stripe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StripeEvent {
    /// `checkout.session.completed`
    CheckoutSessionCompleted(CheckoutEvent),
    /// `checkout.session.async_payment_succeeded`
    CheckoutSessionAsyncPaymentSucceeded(CheckoutEvent),
    /// `checkout.session.async_payment_failed`
    CheckoutSessionAsyncPaymentFailed(CheckoutEvent),
    /// `checkout.session.expired`
    CheckoutSessionExpired(CheckoutEvent),
    /// `payment_intent.succeeded`
    PaymentIntentSucceeded(PaymentEvent),
    /// `payment_intent.payment_failed`
    PaymentIntentPaymentFailed(PaymentEvent),
    /// `charge.refunded`
    ChargeRefunded(ChargeEvent),
    /// `refund.created`
    RefundCreated(RefundEvent),
    /// `refund.updated`
    RefundUpdated(RefundEvent),
    /// `refund.failed`
    RefundFailed(RefundEvent),
    /// `charge.dispute.created`
    ChargeDisputeCreated(DisputeEvent),
    /// `charge.dispute.updated`
    ChargeDisputeUpdated(DisputeEvent),
    /// `charge.dispute.closed`
    ChargeDisputeClosed(DisputeEvent),
    /// `charge.dispute.funds_withdrawn`
    ChargeDisputeFundsWithdrawn(DisputeEvent),
    /// `charge.dispute.funds_reinstated`
    ChargeDisputeFundsReinstated(DisputeEvent),
    /// `customer.created`
    CustomerCreated(CustomerEvent),
    /// `customer.updated`
    CustomerUpdated(CustomerEvent),
    /// `customer.deleted`
    CustomerDeleted(CustomerEvent),
    /// `customer.subscription.created`
    CustomerSubscriptionCreated(SubscriptionEvent),
    /// `customer.subscription.updated`
    CustomerSubscriptionUpdated(SubscriptionEvent),
    /// `customer.subscription.deleted`
    CustomerSubscriptionDeleted(SubscriptionEvent),
    /// `customer.subscription.paused`
    CustomerSubscriptionPaused(SubscriptionEvent),
    /// `customer.subscription.resumed`
    CustomerSubscriptionResumed(SubscriptionEvent),
    /// `customer.subscription.trial_will_end`
    CustomerSubscriptionTrialWillEnd(SubscriptionEvent),
    /// `invoice.created`
    InvoiceCreated(InvoiceEvent),
    /// `invoice.finalized`
    InvoiceFinalized(InvoiceEvent),
    /// `invoice.finalization_failed`
    InvoiceFinalizationFailed(InvoiceEvent),
    /// `invoice.paid`
    InvoicePaid(InvoiceEvent),
    /// `invoice.payment_succeeded`
    InvoicePaymentSucceeded(InvoiceEvent),
    /// `invoice.payment_failed`
    InvoicePaymentFailed(InvoiceEvent),
    /// `invoice.payment_action_required`
    InvoicePaymentActionRequired(InvoiceEvent),
    /// `invoice.voided`
    InvoiceVoided(InvoiceEvent),
    /// `invoice.marked_uncollectible`
    InvoiceMarkedUncollectible(InvoiceEvent),
    /// `payment_method.attached`
    PaymentMethodAttached(PaymentMethodEvent),
    /// `payment_method.detached`
    PaymentMethodDetached(PaymentMethodEvent),
    /// `v1.billing.meter.error_report_triggered`
    V1BillingMeterErrorReportTriggered(MeterErrorEvent),
    /// `v1.billing.meter.no_meter_found`
    V1BillingMeterNoMeterFound(MeterErrorEvent),
    /// Any other event, by its type.
    Ignored {
        /// For example `charge.updated`.
        name: String,
    },
}

/// The fields that all Stripe events share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StripeEnvelope {
    pub created_at: Timestamp,
    pub mode: StripeMode,
}

/// Stripe's test mode and live mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StripeMode {
    Test,
    Live,
}

/// A change of a checkout session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckoutEvent {
    pub session: CheckoutSessionId,
    pub purpose: CheckoutPurpose,
    pub customer: Option<CustomerId>,
    pub payment: Option<PaymentId>,
    pub paid: CheckoutPayment,
    /// The amount in minor units, including taxes and discounts.
    pub total_minor: i64,
    pub currency: String,
}

/// The purpose of a checkout session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckoutPurpose {
    /// A one-time purchase.
    Payment,
    /// A subscription; its own events report the rest.
    Subscription,
    Setup,
}

/// Whether a checkout session is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckoutPayment {
    Paid,
    /// Not paid yet, and possibly never.
    Unpaid,
    NotRequired,
}

/// A change of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentEvent {
    pub payment: PaymentId,
    pub customer: Option<CustomerId>,
}

/// A charge was refunded, partly or fully.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChargeEvent {
    pub payment: PaymentId,
    /// The amount refunded so far, in minor units.
    pub refunded_minor: i64,
    /// The refunds, if the event lists them.
    pub refunds: Vec<(RefundId, Refund)>,
}

/// A change of a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundEvent {
    pub payment: PaymentId,
    pub id: RefundId,
    pub refund: Refund,
}

/// A change of a dispute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisputeEvent {
    pub payment: PaymentId,
    pub id: DisputeId,
    pub dispute: Dispute,
}

/// A change of a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerEvent {
    pub customer: CustomerId,
}

/// A change of a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionEvent {
    pub customer: CustomerId,
    pub subscription: Subscription,
}

/// A change of an invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvoiceEvent {
    pub customer: CustomerId,
    pub invoice: Invoice,
}

/// A payment method was attached or detached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentMethodEvent {
    pub customer: CustomerId,
    pub method: PaymentMethodId,
}

/// Stripe could not count usage that it had accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeterErrorEvent {
    /// The event's id; its details have to be fetched.
    pub id: StripeEventId,
}
