//! `payment_method.attached`: a customer has left a way to pay.

use crate::{Ctx, convert};
use domain::inbox::events::PaymentMethodEvent;
use domain::retry::{Done, Failure};

/// Lets a trial convert; otherwise Stripe is asked for ways to pay when they matter.
pub async fn handle(ctx: &Ctx, event: &PaymentMethodEvent) -> Result<Done, Failure> {
    convert::customer(ctx, &event.customer).await
}
