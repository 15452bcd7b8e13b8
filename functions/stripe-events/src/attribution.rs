//! Whose an event is: what an operator has said of it, else the account that has its customer. Metadata never decides,
//! since whoever pays may have written it.

use crate::Ctx;
use domain::ids::{AccountId, CustomerId};
use domain::inbox::EventRow;
use domain::retry::{Done, Failure};

/// What an event ends as that nobody can be found for.
pub const NOBODYS: Done = Done::Unattributed("no account has this customer");

/// The account an event is about; none wakes somebody, who has to say whose it is.
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
            "an event of a customer without an account; an operator has to attribute it");
    }
    Ok(found)
}
