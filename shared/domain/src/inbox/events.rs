//! The events of GitHub and Stripe that Tallyhook acts on, by the object they are about.
//!
//! `webhooks` parses a recorded body into one of these types. A handler therefore never sees a
//! vendor's JSON, or an optional field that it would have to check. Each variant lists its events
//! in full, because a test compares them with the events that we subscribe to.

use crate::accounts::addresses::MailAddress;
use crate::billing::marketplace::ListedPlan;
use crate::billing::payments::{Dispute, Refund};
use crate::billing::subscriptions::{Invoice, Subscription};
use crate::ids::{
    CheckoutSessionId, CommentId, CustomerId, DisputeId, InstallationId, OwnerId, PaymentId,
    PaymentMethodId, RefundId, RepositoryId, StripeEventId, SubscriptionId,
};
use crate::time::Timestamp;
use std::collections::BTreeMap;

/// An event from GitHub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GithubEvent {
    /// `issues.opened`, `issues.labeled`, `issues.closed`, `issue_comment.created`
    Issue(Box<IssueEvent>),
    /// `pull_request.opened`, `pull_request.closed`
    PullRequest(PullEvent),
    /// `installation.created`, `installation.deleted`, `installation.suspend`,
    /// `installation.unsuspend`, `installation_repositories.added`,
    /// `installation_repositories.removed`
    Installation(InstallationEvent),
    /// `marketplace_purchase.purchased`, `marketplace_purchase.changed`,
    /// `marketplace_purchase.cancelled`, `marketplace_purchase.pending_change`,
    /// `marketplace_purchase.pending_change_cancelled`
    Marketplace(MarketplaceEvent),
    /// Any other event. It is recorded but its body is not read.
    Ignored { name: String },
}

/// The repository and the user that an event comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventOrigin {
    pub installation: InstallationId,
    pub owner: OwnerId,
    /// The login may change.
    pub owner_login: String,
    pub repository: RepositoryId,
    /// The name without the owner. It may change.
    pub repository_name: String,
    pub default_branch: String,
    pub sender_login: String,
    /// The App that created the issue or comment, if an App did.
    pub via_app: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    pub id: u64,
    pub number: u64,
    pub title: String,
    pub body: String,
    /// When the issue last changed, in GitHub's format.
    pub updated_at: String,
    /// The author's association with the repository, such as `MEMBER` or `NONE`.
    pub author_association: String,
}

/// A user of GitHub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    pub id: u64,
    /// The login may change.
    pub login: String,
    pub kind: ActorKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActorKind {
    Person,
    /// An App or another program with an account of its own.
    Bot,
}

/// Who can see a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    Public,
    Private,
}

/// Something happened to an issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssueEvent {
    pub origin: EventOrigin,
    pub visibility: Visibility,
    /// Who caused the event.
    pub sender: Actor,
    /// Who wrote the issue.
    pub author: Actor,
    pub issue: Issue,
    pub change: IssueChange,
}

/// What happened to an issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IssueChange {
    Opened,
    /// The issue got this label.
    Labeled(String),
    Closed,
    Commented(Comment),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    pub id: CommentId,
    pub text: String,
    pub author: Actor,
    /// The author's association with the repository.
    pub author_association: String,
    pub on: CommentOn,
}

/// Where a comment was written. GitHub sends comments on issues and on pull requests as the same
/// event.
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
    /// The repository that contains the branch; `None` if it was a fork that has been deleted.
    pub head_repository: Option<RepositoryId>,
    pub state: PullState,
}

/// What happened to a pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullChange {
    Opened,
    Closed,
}

/// The state of a pull request when the event was created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullState {
    Open,
    Merged,
    /// The pull request was closed without being merged.
    Closed,
}

/// An owner installed, removed, suspended or resumed the App, or changed its repositories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallationEvent {
    pub installation: InstallationId,
    pub owner: OwnerId,
    /// The owner's login, if GitHub says it.
    pub owner_login: Option<String>,
    pub change: InstallationChange,
    /// When GitHub last changed the installation; zero if GitHub does not say.
    pub as_of: Timestamp,
    /// The repositories that the App may now work in.
    pub added: Vec<NamedRepository>,
    /// The repositories that it may no longer work in.
    pub removed: Vec<NamedRepository>,
}

/// A repository that GitHub names without details.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedRepository {
    pub id: RepositoryId,
    /// The name without the owner.
    pub name: String,
    pub visibility: Visibility,
}

/// What happened to an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstallationChange {
    Created,
    Deleted,
    Suspended,
    Unsuspended,
    /// Only its repositories changed.
    Repositories,
}

/// An owner's purchase on the GitHub Marketplace changed or will change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarketplaceEvent {
    pub owner: OwnerId,
    /// The login may change.
    pub owner_login: String,
    /// The address that GitHub bills, if GitHub sends one.
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
    /// The purchase will change or end later. GitHub sends `Changed` or `Cancelled` then.
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
    /// `customer.subscription.created`, `customer.subscription.updated`,
    /// `customer.subscription.deleted`, `customer.subscription.paused`,
    /// `customer.subscription.resumed`, `customer.subscription.trial_will_end`
    Subscription(SubscriptionEvent),
    /// `subscription_schedule.canceled`, `subscription_schedule.completed`,
    /// `subscription_schedule.released`, `subscription_schedule.updated`
    Schedule(ScheduleEvent),
    /// `invoice.created`, `invoice.finalized`, `invoice.finalization_failed`, `invoice.paid`,
    /// `invoice.payment_succeeded`, `invoice.payment_failed`, `invoice.payment_action_required`,
    /// `invoice.voided`, `invoice.marked_uncollectible`
    Invoice(InvoiceEvent),
    /// `payment_method.attached`, `payment_method.detached`
    PaymentMethod(PaymentMethodEvent),
    /// `v1.billing.meter.error_report_triggered`, `v1.billing.meter.no_meter_found`
    Meter(MeterEvent),
    /// Any other event. It is recorded but its body is not read.
    Ignored { name: String },
}

/// The fields that every event of Stripe has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StripeEnvelope {
    pub created_at: Timestamp,
    pub mode: StripeMode,
}

/// Whether a Stripe object is in test mode or in live mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StripeMode {
    Test,
    Live,
}

/// What happened to a checkout session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckoutChange {
    /// The customer completed the checkout; the payment may still be in progress.
    Completed,
    /// A delayed payment, such as a bank debit, succeeded.
    PaymentSucceeded,
    /// A delayed payment failed.
    PaymentFailed,
    /// The session expired before anybody completed the checkout.
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
    /// What our own key wrote when it created the session.
    pub metadata: BTreeMap<String, String>,
}

/// What a checkout session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckoutPurpose {
    Payment,
    /// A subscription, which has its own events.
    Subscription,
    /// Saving a payment method.
    Setup,
}

/// Whether a checkout session is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckoutPayment {
    Paid,
    /// The session is not paid yet, and may never be.
    Unpaid,
    /// The session had nothing to pay.
    NotRequired,
}

/// What happened to a payment intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentChange {
    Succeeded,
    /// One attempt failed; the payer may try again.
    Failed,
}

/// Something happened to a payment intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentEvent {
    pub change: PaymentChange,
    pub payment: PaymentId,
    pub customer: Option<CustomerId>,
    /// What our own key wrote when it created the payment.
    pub metadata: BTreeMap<String, String>,
}

/// A charge was refunded in full or in part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChargeEvent {
    pub payment: PaymentId,
    /// The total of the charge's refunds so far, in minor units.
    pub refunded_minor: i64,
    /// The charge's refunds, if the event contains them.
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
    pub opened_at: Timestamp,
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
    /// The subscription was created; it may not be paid yet.
    Created,
    /// The status, plan, period or end changed.
    Updated,
    /// The subscription ended.
    Deleted,
    /// The trial ended without a payment method.
    Paused,
    Resumed,
    /// The trial ends in three days, or was cut short.
    TrialWillEnd,
}

/// Something happened to a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionEvent {
    pub change: SubscriptionChange,
    pub customer: CustomerId,
    pub subscription: Subscription,
}

/// A subscription's schedule was changed or has ended. What is planned now has to be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleEvent {
    pub customer: CustomerId,
    /// The subscription that it manages, or managed until now.
    pub subscription: SubscriptionId,
}

/// What happened to an invoice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvoiceChange {
    /// The invoice was created as a draft.
    Created,
    /// The invoice has a number and can be paid.
    Finalized,
    /// Stripe could not finalize the invoice, usually because an address or a tax setting is
    /// missing.
    FinalizationFailed,
    /// The invoice was paid, through Stripe or outside of it.
    Paid,
    /// The invoice was paid through Stripe. Stripe also sends `Paid`.
    PaymentSucceeded,
    /// One attempt to collect the payment failed.
    PaymentFailed,
    /// The payer's bank requires the payer to confirm the payment.
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
    /// The customer that has the method, or had it until it was detached.
    pub customer: CustomerId,
    pub method: PaymentMethodId,
}

/// Stripe accepted usage but could not count it. Both events mean the same to Tallyhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeterEvent {
    /// The event's id. The event's details have to be fetched.
    pub id: StripeEventId,
}
