//! A newcomer's customer at Stripe: one, whatever becomes of an answer.

use crate::Ctx;
use domain::accounts::signups::{CustomerCreation, CustomerStep, FOUND_AFTER, SignUp};
use domain::ids::CustomerId;
use domain::retry::Failure;
use domain::time::Timestamp;
use stripe_api::{CustomerOrder, StripeApi, StripeError};

/// The customer of the account to be. None when the sign-up is owed no more, or somebody else has just gone on with it.
pub async fn ensure(
    ctx: &Ctx,
    stripe: &StripeApi,
    sign_up: &SignUp,
    now: Timestamp,
) -> Result<Option<CustomerId>, Failure> {
    let Some(tried) = ctx.store.signup_try(&sign_up.newcomer, now).await? else {
        return Ok(None);
    };
    match tried.next(now) {
        CustomerStep::Make => make(ctx, stripe, sign_up, tried, now).await,
        CustomerStep::Wait(wait) => Err(Failure::after(
            wait,
            "the customer may have been made and not be found yet",
        )),
        CustomerStep::LookUp => look_up(ctx, stripe, sign_up, tried, now).await,
    }
}

/// The customer that was made after all; else one under a new name.
async fn look_up(
    ctx: &Ctx,
    stripe: &StripeApi,
    sign_up: &SignUp,
    tried: CustomerCreation,
    now: Timestamp,
) -> Result<Option<CustomerId>, Failure> {
    if let Some(customer) = stripe.customer_search(&sign_up.account).await? {
        return Ok(Some(customer.id));
    }
    match ctx
        .store
        .signup_try_anew(&sign_up.newcomer, tried, now)
        .await?
    {
        Some(anew) => make(ctx, stripe, sign_up, anew, now).await,
        None => Ok(None),
    }
}

async fn make(
    ctx: &Ctx,
    stripe: &StripeApi,
    sign_up: &SignUp,
    tried: CustomerCreation,
    now: Timestamp,
) -> Result<Option<CustomerId>, Failure> {
    let order = CustomerOrder {
        account: &sign_up.account,
        email: sign_up
            .email
            .as_ref()
            .map(domain::accounts::addresses::MailAddress::as_str),
        name: sign_up.name.as_deref(),
    };
    match stripe
        .customer_create(&order, &tried.name(&sign_up.account))
        .await
    {
        // Under this name it will never be anything else, and nobody knows whether Stripe made it all the same.
        Err(error) if error.failure_is_stored() => {
            ctx.store
                .signup_try_failed(&sign_up.newcomer, tried, now)
                .await?;
            Err(Failure::after(FOUND_AFTER, error))
        }
        answer => answer.map(Some).map_err(discreet),
    }
}

/// Stripe's sentence about what it refuses may repeat it, and an address is not for the log.
fn discreet(error: StripeError) -> Failure {
    match error {
        StripeError::Refused { refusal, .. } => {
            let code = refusal.code.unwrap_or_default();
            Failure::never(format!(
                "Stripe refuses to make the customer: {} {code}",
                refusal.status
            ))
        }
        other => other.into(),
    }
}
