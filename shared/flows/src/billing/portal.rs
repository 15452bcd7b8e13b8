//! Sessions of Stripe's customer portal, where customers change their cards and read their invoices.

use crate::billing::prices::from_stripe;
use domain::ids::CustomerId;
use domain::refusal::FlowError;
use stripe_api::StripeApi;

/// The name that `catalogue push` gives its portal configuration.
const CONFIGURATION: &str = "Tallyhook";

/// Creates a session and returns its URL. The URL grants access, so it belongs to this customer
/// only.
pub async fn open(
    stripe: &StripeApi,
    customer: &CustomerId,
    back: &str,
    key: &str,
) -> Result<String, FlowError> {
    let known = stripe
        .portal_configuration_list()
        .await
        .map_err(from_stripe)?;
    let ours = known
        .iter()
        .find(|one| one.active && one.name.as_deref() == Some(CONFIGURATION));
    let configuration = ours.map(|one| one.id.as_str());
    let session = stripe
        .portal_session_create(customer, back, configuration, key)
        .await;
    Ok(session.map_err(from_stripe)?.url)
}
