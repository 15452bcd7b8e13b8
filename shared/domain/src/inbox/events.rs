//! What the outside tells us, in our few variants.
//!
//! `webhooks` turns a recorded body into one of these; a handler never sees a vendor's JSON nor an optional field it
//! would have to check.

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
    /// Any other, by its full name.
    Ignored {
        /// `star.created`, say.
        name: String,
    },
}

/// Where an event comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventOrigin {
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
    pub origin: EventOrigin,
    /// To which issue.
    pub issue: Issue,
}

/// An issue got a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssueLabeled {
    /// Where.
    pub origin: EventOrigin,
    /// Which issue.
    pub issue: Issue,
    /// Which label.
    pub label: String,
}

/// Somebody commented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssueComment {
    /// Where.
    pub origin: EventOrigin,
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
    pub origin: EventOrigin,
    /// Its number.
    pub number: u64,
    /// The branch it comes from.
    pub head_branch: String,
    /// The repository that branch is in; absent when a fork was deleted.
    pub head_repository: Option<RepositoryId>,
    /// What became of it.
    pub fate: PullState,
}

/// Where a pull request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullState {
    /// Open.
    Open,
    /// Merged.
    Merged,
    /// Closed without merging.
    Closed,
}

/// The App's entitlements with an owner changed.
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

/// An owner's purchase on GitHub's Marketplace changed, or will.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarketplaceEvent {
    /// Whose.
    pub owner: OwnerId,
    /// Their name, which may change.
    pub owner_login: String,
    /// Whom GitHub bills, where it says so.
    pub mail: Option<MailAddress>,
    /// What happened.
    pub change: MarketplaceChange,
    /// Which plan of the listing: the one bought, changed to, or cancelled.
    pub listed: ListedPlan,
    /// From when it holds.
    pub effective_at: Timestamp,
}

/// What happened to a purchase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarketplaceChange {
    /// It was made.
    Purchased,
    /// It is of another plan now.
    Changed,
    /// It is over.
    Cancelled,
    /// It will be of another plan, or be over, which `Changed` or `Cancelled` will tell again.
    Pending,
    /// It stays as it is after all.
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
    /// Any other, by its type.
    Ignored {
        /// `charge.updated`, say.
        name: String,
    },
}

/// What stands around every event of Stripe's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StripeEnvelope {
    /// When Stripe made it.
    pub created_at: Timestamp,
    /// Whether it is about money or only a test.
    pub mode: StripeMode,
}

/// Stripe's two worlds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StripeMode {
    /// Nothing costs anything.
    Test,
    /// Money.
    Live,
}

/// Something happened to a checkout session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckoutEvent {
    /// Which.
    pub session: CheckoutSessionId,
    /// What it is for.
    pub purpose: CheckoutPurpose,
    /// Whose, if it has a customer.
    pub customer: Option<CustomerId>,
    /// Its payment, once there is one.
    pub payment: Option<PaymentId>,
    /// Whether it is paid.
    pub paid: CheckoutPayment,
    /// What was paid or is to be, in minor units, taxes and discounts included.
    pub total_minor: i64,
    /// In which currency.
    pub currency: String,
}

/// What a checkout session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckoutPurpose {
    /// Buying something once.
    Payment,
    /// Subscribing; the subscription's own events tell the rest.
    Subscription,
    /// Leaving a way to pay.
    Setup,
}

/// Whether a checkout session is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckoutPayment {
    Paid,
    /// Not paid yet, and possibly never.
    Unpaid,
    /// The session had nothing to pay.
    NotRequired,
}

/// Something happened to a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentEvent {
    /// Which.
    pub payment: PaymentId,
    /// Whose, if it has a customer.
    pub customer: Option<CustomerId>,
}

/// A charge was refunded, in part or in whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChargeEvent {
    /// The payment it belongs to.
    pub payment: PaymentId,
    /// Refunded until now, in minor units.
    pub refunded_minor: i64,
    /// Its refunds, where the event tells them.
    pub refunds: Vec<(RefundId, Refund)>,
}

/// Something happened to a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundEvent {
    /// Of which payment; a refund of nothing we know has none.
    pub payment: PaymentId,
    /// Which refund.
    pub id: RefundId,
    /// What it is now.
    pub refund: Refund,
}

/// Something happened to a dispute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisputeEvent {
    /// About which payment.
    pub payment: PaymentId,
    /// Which dispute.
    pub id: DisputeId,
    /// What it is now.
    pub dispute: Dispute,
}

/// Something happened to a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerEvent {
    /// Which.
    pub customer: CustomerId,
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

/// A way to pay came or went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentMethodEvent {
    /// Whose it is or was.
    pub customer: CustomerId,
    /// Which.
    pub method: PaymentMethodId,
}

/// Stripe could not count usage that it had taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeterErrorEvent {
    /// The event, whose particulars have to be fetched.
    pub id: StripeEventId,
}
