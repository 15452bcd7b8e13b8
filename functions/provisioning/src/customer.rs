//! Creates the applicant's customer at Stripe: exactly one, even if responses get lost.
//!
//! Safe to run twice: the idempotency key is fixed before the first attempt. Once Stripe may have
//! forgotten the key, or has reported a failure under it, the customer is searched for first.

use domain::accounts::addresses::MailAddress;
use domain::accounts::signups::{CustomerCreation, CustomerStep, FOUND_AFTER, SignUp};
use domain::ids::CustomerId;
use domain::retry::Failure;
use domain::time::Timestamp;
use store::Store;
use stripe_api::{CustomerOrder, StripeApi, StripeError};

/// Returns the customer of the future account. Returns `None` if the sign-up no longer needs an
/// account, or if another worker has just continued with it.
pub async fn ensure(
    store: &Store,
    stripe: &StripeApi,
    sign_up: &SignUp,
    now: Timestamp,
) -> Result<Option<CustomerId>, Failure> {
    let Some(attempt) = store.signup_try(&sign_up.applicant, now).await? else {
        return Ok(None);
    };
    match attempt.next(now) {
        CustomerStep::Make => create(store, stripe, sign_up, attempt, now).await,
        CustomerStep::Wait(wait) => Err(Failure::after(
            wait,
            "the customer may exist, but Stripe's search does not find it yet",
        )),
        CustomerStep::LookUp => look_up(store, stripe, sign_up, attempt, now).await,
    }
}

/// Finds the customer that an earlier attempt created, or else creates one under another
/// idempotency key.
async fn look_up(
    store: &Store,
    stripe: &StripeApi,
    sign_up: &SignUp,
    attempt: CustomerCreation,
    now: Timestamp,
) -> Result<Option<CustomerId>, Failure> {
    if let Some(customer) = stripe.customer_search(&sign_up.account).await? {
        return Ok(Some(customer.id));
    }
    match store
        .signup_try_again(&sign_up.applicant, attempt, now)
        .await?
    {
        Some(attempt) => create(store, stripe, sign_up, attempt, now).await,
        None => Ok(None),
    }
}

async fn create(
    store: &Store,
    stripe: &StripeApi,
    sign_up: &SignUp,
    attempt: CustomerCreation,
    now: Timestamp,
) -> Result<Option<CustomerId>, Failure> {
    let order = CustomerOrder {
        account: &sign_up.account,
        email: sign_up.email.as_ref().map(MailAddress::as_str),
        name: sign_up.name.as_deref(),
    };
    let key = attempt.name(&sign_up.account);
    match stripe.customer_create(&order, &key).await {
        // Stripe repeats this failure for every request under the key, but may have created the
        // customer.
        Err(error) if error.failure_is_stored() => {
            store
                .signup_try_failed(&sign_up.applicant, attempt, now)
                .await?;
            Err(Failure::after(FOUND_AFTER, error))
        }
        result => result.map(Some).map_err(without_address),
    }
}

/// Stripe's message may repeat the address that it refuses, and addresses must not be logged.
fn without_address(error: StripeError) -> Failure {
    match error {
        StripeError::Refused { refusal, .. } => {
            let code = refusal.code.unwrap_or_default();
            Failure::never(format!(
                "Stripe refused to create the customer: {} {code}",
                refusal.status
            ))
        }
        other => other.into(),
    }
}
