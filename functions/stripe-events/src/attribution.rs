//! Finds the account of an event: the one that an operator named, or else the one with the event's
//! customer. Metadata never decides, because the payer may have written it.

use crate::Ctx;
use domain::ids::{AccountId, CustomerId};
use domain::inbox::EventRow;
use domain::retry::{Done, Failure};

/// The outcome of an event whose account is unknown.
pub const UNATTRIBUTED: Done = Done::Unattributed("no account has this customer");

/// Returns the account of an event. If there is none, an alarm asks an operator to attribute the
/// event.
pub async fn account(
    ctx: &Ctx,
    row: &EventRow,
    customer: Option<&CustomerId>,
) -> Result<Option<AccountId>, Failure> {
    if let Some(account) = &row.account {
        return Ok(Some(account.clone()));
    }
    let found = match customer {
        Some(customer) => ctx.store.customer_find(customer).await?,
        None => None,
    };
    if found.is_none() {
        let customer = customer.map_or("-", CustomerId::as_str);
        tracing::warn!(event.key = %row.key, event.name = row.name, customer.id = customer, alarm = true,
            "no account has the customer of this event; an operator has to attribute it");
    }
    Ok(found)
}
