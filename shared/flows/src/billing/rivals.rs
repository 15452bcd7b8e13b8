//! Several live subscriptions of one account, as Stripe has them. The rule which one stands is
//! `domain::billing::subscriptions::standing`.

use domain::billing::entitlements::plan_of;
use domain::billing::plans::Catalogue;
use domain::billing::subscriptions::{Rival, SubscriptionOrigin, standing};
use domain::ids::SubscriptionId;
use stripe_api::{Subscription, SubscriptionStatus};

/// The metadata field that says who asked for a subscription.
pub(crate) const ORIGIN_FIELD: &str = "tallyhook_origin";

/// Returns the live subscriptions to plans of the catalogue.
pub fn live<'a>(catalogue: &Catalogue, all: &'a [Subscription]) -> Vec<&'a Subscription> {
    let alive = |one: &&Subscription| {
        one.ended_at.is_none()
            && !matches!(
                one.status,
                SubscriptionStatus::Incomplete | SubscriptionStatus::IncompleteExpired
            )
    };
    all.iter()
        .filter(alive)
        .filter(|one| plan_of(catalogue, &one.as_kept(one.created)).is_some())
        .collect()
}

/// Returns the one of several live subscriptions that stands.
pub fn stands(live: &[&Subscription]) -> Option<SubscriptionId> {
    let rivals: Vec<_> = live.iter().map(|one| rival(one)).collect();
    standing(&rivals).map(|one| one.id.clone())
}

fn rival(one: &Subscription) -> Rival {
    let origin = one
        .metadata
        .get(ORIGIN_FIELD)
        .and_then(|word| SubscriptionOrigin::parse(word));
    let kept = one.as_kept(one.created);
    Rival {
        id: kept.id,
        status: kept.status,
        origin: origin.unwrap_or(SubscriptionOrigin::Chosen),
        created_at: kept.created_at,
    }
}

/// Whether a superseded subscription gets a last invoice. One that is older than the one that
/// stands has usage that nobody else bills, and one with a fixed price has time that is paid for
/// and not used. The usage of a newer one is billed by the one that stands.
pub fn needs_last_invoice(superseded: &Subscription, stands: &Subscription) -> bool {
    superseded.created < stands.created
        || superseded.items.iter().any(|item| item.quantity.is_some())
}
