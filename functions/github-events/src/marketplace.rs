//! `marketplace_purchase.*`: records what an owner has bought on the GitHub Marketplace.

use crate::{Ctx, sign_ups};
use domain::billing::marketplace::{EventRank, MarketplacePurchase, PurchaseState};
use domain::inbox::EventRow;
use domain::inbox::events::{MarketplaceChange, MarketplaceEvent};
use domain::retry::{Done, Failure};
use domain::time::Timestamp;
use store::PurchaseNoted;

/// Records the purchase with the owner and with the account that pays for the owner, and signs up
/// an owner without an account. A pending change appears only in the event's outcome: GitHub sends
/// another event when the change takes effect.
pub async fn handle(
    ctx: &Ctx,
    event: &MarketplaceEvent,
    row: &EventRow,
    now: Timestamp,
) -> Result<Done, Failure> {
    let state = match event.change {
        MarketplaceChange::Purchased | MarketplaceChange::Changed => PurchaseState::Active,
        MarketplaceChange::Cancelled => PurchaseState::Cancelled,
        MarketplaceChange::Pending => {
            let (plan, from) = (&event.listed.name, event.effective_at);
            return Ok(Done::Applied(format!(
                "noted for owner {}: {plan:?} from {from}",
                event.owner
            )));
        }
        MarketplaceChange::PendingCancelled => {
            return Ok(Done::Applied(format!(
                "noted for owner {}: it stays as it is",
                event.owner
            )));
        }
    };
    let said = MarketplacePurchase {
        owner: event.owner,
        listed: event.listed.clone(),
        state,
        since: event.effective_at,
        rank: EventRank::new(event.effective_at, row.received_at, &row.key),
    };
    let noted = ctx.store.marketplace_note(&said).await?;
    // Also runs if the purchase was recorded before: an earlier run may have died before it updated
    // the account.
    let account = ctx.store.marketplace_carry(event.owner).await?;
    if noted == PurchaseNoted::Outdated {
        return Ok(Done::Ignored(
            "something later is known of this owner's purchase",
        ));
    }
    if state == PurchaseState::Active {
        check(ctx, &said);
    }
    let whose = match (account, state) {
        (Some(account), _) => format!("of account {account}"),
        (None, PurchaseState::Active) => {
            sign_ups::bought(ctx, event, now).await?;
            "who signs up with it".to_owned()
        }
        (None, PurchaseState::Cancelled) => "who has no account".to_owned(),
    };
    let (listed, word) = (&said.listed.name, state.as_str());
    Ok(Done::Applied(format!(
        "purchase of {listed:?} is {word} for owner {}, {whose}",
        said.owner
    )))
}

/// Raises an alarm if the owner pays GitHub for a plan that is not in the catalogue.
fn check(ctx: &Ctx, said: &MarketplacePurchase) {
    if ctx.catalogue.plan_listed(&said.listed).is_none() {
        tracing::error!(owner.id = %said.owner, listed.id = said.listed.id, alarm = true, "the Marketplace purchase matches no plan in the catalogue");
    }
}
