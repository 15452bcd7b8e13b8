//! `payment_method.*`: we do not store payment methods; we ask Stripe for them when they matter.

use crate::{Ctx, convert};
use domain::inbox::events::{PaymentMethodChange, PaymentMethodEvent};
use domain::retry::{Done, Failure};

/// A new payment method may convert a trial.
pub async fn handle(ctx: &Ctx, event: &PaymentMethodEvent) -> Result<Done, Failure> {
    match event.change {
        PaymentMethodChange::Attached => convert::customer(ctx, &event.customer).await,
        PaymentMethodChange::Detached => Ok(Done::Ignored("payment methods are not kept")),
    }
}
