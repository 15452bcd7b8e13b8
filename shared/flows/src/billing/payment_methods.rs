//! The payment method that pays a customer's invoices.
//!
//! Safe to run twice: each call carries a key made from what it sets, and sets nothing that is set.

use domain::ids::{CustomerId, PaymentMethodId};
use domain::time::Timestamp;
use std::time::Duration;
use stripe_api::{PaymentMethod, StripeApi, StripeError};

/// After this time a newer method no longer replaces the one that is set, because the customer may
/// have chosen that one since.
const NEW_FOR: Duration = Duration::from_secs(86_400);

/// Makes the newest method that a customer has left the one for invoices. Neither Checkout nor a
/// subscription does: a method that Checkout saves is attached to the customer and no default.
pub async fn adopt(
    stripe: &StripeApi,
    customer: &CustomerId,
    all: &[PaymentMethod],
    newest: &PaymentMethod,
    now: Timestamp,
) -> Result<(), StripeError> {
    let usual = stripe.customer_find(customer).await?;
    let usual = usual.and_then(|customer| customer.default_payment_method);
    let set = all
        .iter()
        .find(|method| usual.as_ref() == Some(&method.id) && method.id != newest.id);
    let chosen =
        |set: &PaymentMethod| set.created > newest.created || now.since(newest.created) > NEW_FOR;
    if set.is_some_and(chosen) {
        return Ok(());
    }
    let key = format!("default-{customer}-{}", newest.id);
    make_default(stripe, customer, &newest.id, &key).await
}

/// Makes a method the one for invoices: of the customer, and of each subscription that names
/// another one, because Stripe charges the subscription's method first.
pub async fn make_default(
    stripe: &StripeApi,
    customer: &CustomerId,
    method: &PaymentMethodId,
    key: &str,
) -> Result<(), StripeError> {
    stripe
        .payment_method_default_set(customer, method, key)
        .await?;
    for there in stripe.subscription_list(customer).await? {
        let other = there
            .default_payment_method
            .as_ref()
            .is_some_and(|set| set != method);
        if there.ended_at.is_none() && other {
            // A planned change gives the subscription the schedule's method. The schedule comes
            // first, because only the subscription shows whether this is done.
            if let Some(schedule) = &there.schedule {
                let key = format!("{key}-{schedule}");
                match stripe.schedule_default_set(schedule, method, &key).await {
                    // It has ended in the meantime, and the subscription's own method counts.
                    Ok(_) | Err(StripeError::Refused { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            let key = format!("{key}-{}", there.id);
            stripe
                .subscription_default_set(&there.id, method, &key)
                .await?;
        }
    }
    Ok(())
}
