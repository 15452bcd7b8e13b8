//! The events of GitHub and Stripe that Tallyhook acts on, by the object they are about.
//!
//! `webhooks` reads a recorded body into one of these. A handler never sees a vendor's JSON or an optional field that it
//! would have to check. Each variant names its events in full: the list of events to subscribe to is compared with it.

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
    /// `issues.opened`, `issues.labeled`, `issues.closed`, `issue_comment.created`
    Issue(IssueEvent),
    /// `pull_request.opened`, `pull_request.closed`
    PullRequest(PullEvent),
    /// `installation.created`, `installation.deleted`, `installation.suspend`, `installation.unsuspend`
    Installation(InstallationEvent),
    /// `marketplace_purchase.purchased`, `marketplace_purchase.changed`, `marketplace_purchase.cancelled`,
    /// `marketplace_purchase.pending_change`, `marketplace_purchase.pending_change_cancelled`
    Marketplace(MarketplaceEvent),
    /// Any other event, which is recorded and not read.
    Ignored { name: String },
}

/// The repository and the user that an event comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventOrigin {
    pub installation: InstallationId,
    pub owner: OwnerId,
    /// May change.
    pub owner_login: String,
    pub repository: RepositoryId,
    /// Without the owner. May change.
    pub repository_name: String,
    pub default_branch: String,
    pub sender_login: String,
    /// The App that created the issue or comment, if one did.
    pub via_app: Option<u64>,
}

/// An issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    pub id: u64,
    pub number: u64,
    pub title: String,
    pub body: String,
    /// When it last changed, as GitHub writes it.
    pub updated_at: String,
    /// What its author is to the repository: `MEMBER`, `NONE` and so on.
    pub author_association: String,
}

/// Something happened to an issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssueEvent {
    pub origin: EventOrigin,
    pub issue: Issue,
    pub change: IssueChange,
}

/// What happened to an issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IssueChange {
    Opened,
    /// It got this label.
    Labeled(String),
    Closed,
    Commented(Comment),
}

/// A new comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    pub id: CommentId,
    pub text: String,
    /// What its author is to the repository.
    pub author_association: String,
    pub on: CommentOn,
}

/// GitHub sends comments on issues and on pull requests as the same event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommentOn {
    Issue,
    Pull,
}

/// Something happened to a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullEvent {
    pub origin: EventOrigin,
    pub change: PullChange,
    pub number: u64,
    pub head_branch: String,
    /// The repository that the branch is in; `None` when a fork was deleted.
    pub head_repository: Option<RepositoryId>,
    pub state: PullState,
}

/// What happened to a pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullChange {
    Opened,
    Closed,
}

/// The state of a pull request when its event was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullState {
    Open,
    Merged,
    /// Closed without merging.
    Closed,
}

/// An owner installed, removed, suspended or resumed the App.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallationEvent {
    pub installation: InstallationId,
    pub owner: OwnerId,
    pub change: InstallationChange,
    /// When GitHub last changed it; zero where GitHub does not say.
    pub as_of: Timestamp,
}

/// What happened to an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstallationChange {
    Created,
    Deleted,
    Suspended,
    Unsuspended,
}

/// An owner's purchase on the GitHub Marketplace changed or will change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarketplaceEvent {
    pub owner: OwnerId,
    /// May change.
    pub owner_login: String,
    /// The address that GitHub bills, where it says so.
    pub mail: Option<MailAddress>,
    pub change: MarketplaceChange,
    /// The plan of the listing that was bought, changed to, or cancelled.
    pub listed: ListedPlan,
    pub effective_at: Timestamp,
}

/// What happened to a purchase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarketplaceChange {
    Purchased,
    Changed,
    Cancelled,
    /// It will change or end later; `Changed` or `Cancelled` comes then.
    Pending,
    /// The pending change was withdrawn.
    PendingCancelled,
}

/// An event from Stripe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StripeEvent {
    /// `checkout.session.completed`, `checkout.session.async_payment_succeeded`,
    /// `checkout.session.async_payment_failed`, `checkout.session.expired`
    Checkout(CheckoutEvent),
    /// `payment_intent.succeeded`, `payment_intent.payment_failed`
    Payment(PaymentEvent),
    /// `charge.refunded`
    Charge(ChargeEvent),
    /// `refund.created`, `refund.updated`, `refund.failed`
    Refund(RefundEvent),
    /// `charge.dispute.created`, `charge.dispute.updated`, `charge.dispute.closed`,
    /// `charge.dispute.funds_withdrawn`, `charge.dispute.funds_reinstated`
    Dispute(DisputeEvent),
    /// `customer.created`, `customer.updated`, `customer.deleted`
    Customer(CustomerEvent),
    /// `customer.subscription.created`, `customer.subscription.updated`, `customer.subscription.deleted`,
    /// `customer.subscription.paused`, `customer.subscription.resumed`, `customer.subscription.trial_will_end`
    Subscription(SubscriptionEvent),
    /// `invoice.created`, `invoice.finalized`, `invoice.finalization_failed`, `invoice.paid`,
    /// `invoice.payment_succeeded`, `invoice.payment_failed`, `invoice.payment_action_required`, `invoice.voided`,
    /// `invoice.marked_uncollectible`
    Invoice(InvoiceEvent),
    /// `payment_method.attached`, `payment_method.detached`
    PaymentMethod(PaymentMethodEvent),
    /// `v1.billing.meter.error_report_triggered`, `v1.billing.meter.no_meter_found`
    Meter(MeterEvent),
    /// Any other event, which is recorded and not read.
    Ignored { name: String },
}

/// The fields that every event of Stripe has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StripeEnvelope {
    pub created_at: Timestamp,
    pub mode: StripeMode,
}

/// Whether an object of Stripe is real.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StripeMode {
    Test,
    Live,
}

/// What happened to a checkout session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckoutChange {
    /// The customer finished the checkout; the payment may still be on its way.
    Completed,
    /// A delayed payment, such as a bank debit, arrived.
    PaymentSucceeded,
    /// A delayed payment failed.
    PaymentFailed,
    /// Nobody finished the checkout.
    Expired,
}

/// Something happened to a checkout session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckoutEvent {
    pub change: CheckoutChange,
    pub session: CheckoutSessionId,
    pub purpose: CheckoutPurpose,
    pub customer: Option<CustomerId>,
    pub payment: Option<PaymentId>,
    pub paid: CheckoutPayment,
    /// The amount to pay in minor units, with taxes and discounts.
    pub total_minor: i64,
    pub currency: String,
}

/// What a checkout session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckoutPurpose {
    Payment,
    /// The subscription has events of its own.
    Subscription,
    /// Saving a payment method.
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

/// What happened to a payment intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentChange {
    Succeeded,
    /// One attempt failed; the payer may make another.
    Failed,
}

/// Something happened to a payment intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentEvent {
    pub change: PaymentChange,
    pub payment: PaymentId,
    pub customer: Option<CustomerId>,
}

/// A charge was refunded, in part or in whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChargeEvent {
    pub payment: PaymentId,
    /// The sum of its refunds so far, in minor units.
    pub refunded_minor: i64,
    /// Its refunds, where the event contains them.
    pub refunds: Vec<(RefundId, Refund)>,
}

/// Something happened to a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundEvent {
    pub payment: PaymentId,
    pub id: RefundId,
    pub refund: Refund,
}

/// Something happened to a dispute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisputeEvent {
    pub payment: PaymentId,
    pub id: DisputeId,
    pub dispute: Dispute,
}

/// What happened to a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CustomerChange {
    Created,
    Updated,
    Deleted,
}

/// Something happened to a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerEvent {
    pub change: CustomerChange,
    pub customer: CustomerId,
}

/// What happened to a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscriptionChange {
    /// It was created, whether it is paid yet or not.
    Created,
    /// Its status, plan, period or end changed.
    Updated,
    /// It ended.
    Deleted,
    /// Its trial ended without a payment method.
    Paused,
    Resumed,
    /// Its trial ends in three days, or was cut short.
    TrialWillEnd,
}

/// Something happened to a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionEvent {
    pub change: SubscriptionChange,
    pub customer: CustomerId,
    pub subscription: Subscription,
}

/// What happened to an invoice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvoiceChange {
    /// It was created as a draft.
    Created,
    /// It has a number and can be paid.
    Finalized,
    /// Stripe could not finalize it: usually an address or a tax setting is missing.
    FinalizationFailed,
    /// It was paid, on Stripe or outside of it.
    Paid,
    /// It was paid on Stripe; `Paid` comes with it.
    PaymentSucceeded,
    /// One attempt to collect failed.
    PaymentFailed,
    /// The payer's bank asks the payer to confirm.
    ActionRequired,
    Voided,
    MarkedUncollectible,
}

/// Something happened to an invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvoiceEvent {
    pub change: InvoiceChange,
    pub customer: CustomerId,
    pub invoice: Invoice,
}

/// What happened to a payment method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentMethodChange {
    Attached,
    Detached,
}

/// A customer added or removed a payment method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentMethodEvent {
    pub change: PaymentMethodChange,
    /// The customer that has it or had it.
    pub customer: CustomerId,
    pub method: PaymentMethodId,
}

/// Stripe accepted usage and could not count it. Both events mean the same to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeterEvent {
    /// The event's id; its details have to be fetched.
    pub id: StripeEventId,
}
