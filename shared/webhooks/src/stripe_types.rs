//! The types of events that a webhook endpoint on Stripe subscribes to: every type that Tallyhook
//! acts on.

/// Without those of [`THIN_EVENTS`].
pub const EVENTS: [&str; 39] = [
    "charge.dispute.closed",
    "charge.dispute.created",
    "charge.dispute.funds_reinstated",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.updated",
    "charge.refunded",
    "checkout.session.async_payment_failed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.completed",
    "checkout.session.expired",
    "customer.created",
    "customer.deleted",
    "customer.subscription.created",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.resumed",
    "customer.subscription.trial_will_end",
    "customer.subscription.updated",
    "customer.updated",
    "invoice.created",
    "invoice.finalization_failed",
    "invoice.finalized",
    "invoice.marked_uncollectible",
    "invoice.paid",
    "invoice.payment_action_required",
    "invoice.payment_failed",
    "invoice.payment_succeeded",
    "invoice.voided",
    "payment_intent.payment_failed",
    "payment_intent.succeeded",
    "payment_method.attached",
    "payment_method.detached",
    "refund.created",
    "refund.failed",
    "refund.updated",
    "subscription_schedule.canceled",
    "subscription_schedule.completed",
    "subscription_schedule.released",
    "subscription_schedule.updated",
];

/// The meters' error events, which Stripe sends to an event destination and not to an endpoint.
pub const THIN_EVENTS: [&str; 2] = [
    "v1.billing.meter.error_report_triggered",
    "v1.billing.meter.no_meter_found",
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The domain names each event in the comment of its variant.
    #[test]
    fn stripe_is_asked_for_what_is_acted_on() {
        let text = include_str!("../../domain/src/inbox/events.rs");
        let (_, list) = text
            .split_once("pub enum StripeEvent")
            .expect("a list of Stripe's events");
        let (list, _) = list.split_once("\n}").expect("its end");
        let mut acted_on: Vec<_> = list
            .lines()
            .filter_map(|line| line.trim().strip_prefix("///"))
            .flat_map(|comment| comment.split('`').skip(1).step_by(2))
            .filter(|name| name.contains('.'))
            .collect();
        acted_on.sort_unstable();
        assert_eq!(
            [&EVENTS[..], &THIN_EVENTS].concat(),
            acted_on,
            "the events here and StripeEvent in shared/domain/src/inbox/events.rs name the same"
        );
    }
}
