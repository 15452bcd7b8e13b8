//! `marketplace_purchase.purchased`, `.changed`, `.cancelled`, `.pending_change`, `.pending_change_cancelled`: what an owner
//! has bought of us on GitHub's Marketplace, or will have.

use crate::{Ctx, newcomers};
use domain::billing::marketplace::{EventRank, MarketplacePurchase, PurchaseState};
use domain::inbox::EventRow;
use domain::inbox::events::{MarketplaceChange, MarketplaceEvent};
use domain::retry::{Done, Failure};
use domain::time::Timestamp;
use store::PurchaseNoted;

/// Notes it with the owner and with the account that pays for the owner; who has none gets one. What will be changes nothing yet
/// and stands in the event's outcome: GitHub tells again when it is.
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
    // Also where that was noted before: perhaps by us, who died before the account knew.
    let account = ctx.store.marketplace_carry(event.owner).await?;
    if noted == PurchaseNoted::Outdated {
        return Ok(Done::Ignored(
            "something later is known of this owner's purchase",
        ));
    }
    if state == PurchaseState::Active {
        look_up(ctx, &said);
    }
    let whose = match (account, state) {
        (Some(account), _) => format!("of account {account}"),
        (None, PurchaseState::Active) => {
            newcomers::bought(ctx, event, now).await?;
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

/// Somebody pays GitHub for what the catalogue does not know, and gets nothing for it.
fn look_up(ctx: &Ctx, said: &MarketplacePurchase) {
    if ctx.catalogue.plan_listed(&said.listed).is_none() {
        tracing::error!(owner.id = %said.owner, listed.id = said.listed.id, alarm = true, "bought on the Marketplace, but no plan of the catalogue says that it is this one");
    }
}
