//! What owners have bought on GitHub's Marketplace.
//!
//! It is learnt of an owner, who may have no account yet, so it stands with the owner; and an account's entitlements is one
//! read, so a copy stands with the account (`marketplace_carry`). Both know the rank of the event they came from, and only
//! a later one is written over it: doubled and late events change nothing, and two copiers do not undo each other. Whoever
//! links an owner to an account carries afterwards, whoever notes a purchase does too; so one of both sees the other's write.

use crate::Store;
use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, number, text, time};
use crate::db::keys;
use crate::db::keys::Key;
use crate::db::table::Updated;
use crate::db::tx::Change;
use domain::billing::marketplace::{
    EventRank, ListedPlan, ListedPrice, MarketplacePurchase, PurchaseState,
};
use domain::ids::{AccountId, OwnerId};

/// Whether what was said of a purchase was news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PurchaseNoted {
    /// Written.
    Now,
    /// This very thing was known.
    Same,
    /// Something later was known.
    Outdated,
}

const NOTE: &str = "note a purchase";
const CARRY: &str = "carry a purchase to its account";

impl Store {
    /// Notes what an owner has bought, unless something later is known.
    pub async fn marketplace_note(
        &self,
        said: &MarketplacePurchase,
    ) -> Result<PurchaseNoted, StoreError> {
        let change = purchase_change(keys::marketplace(said.owner), said);
        Ok(match self.table.update(NOTE, change).await? {
            Updated::Done(()) => PurchaseNoted::Now,
            Updated::Refused(known) if known.get("rank") == Some(&text(said.rank.as_str())) => {
                PurchaseNoted::Same
            }
            Updated::Refused(_) => PurchaseNoted::Outdated,
        })
    }

    /// Copies what an owner has bought to the account that pays for the owner, if there is one; whose that is.
    pub async fn marketplace_carry(&self, owner: OwnerId) -> Result<Option<AccountId>, StoreError> {
        let Some(account) = self.owner_find(owner).await? else {
            return Ok(None);
        };
        let found = self.table.get(CARRY, &keys::marketplace(owner)).await?;
        if let Some(found) = found {
            let bought = purchase(&Item::new(&found, CARRY), owner)?;
            self.table
                .update(
                    CARRY,
                    purchase_change(keys::purchase(&account, owner), &bought),
                )
                .await
                .map(drop)?;
        }
        Ok(Some(account))
    }
}

fn purchase_change(key: Key, said: &MarketplacePurchase) -> Change {
    Change::of(key)
        .set("rank", text(said.rank.as_str()))
        .set("listed", number(said.listed.id))
        .set("name", text(&said.listed.name))
        .set("price", text(said.listed.price.as_str()))
        .set("state", text(said.state.as_str()))
        .set("since", time(said.since))
        .when("attribute_not_exists(#rank) OR #rank < :rank", vec![])
}

fn purchase(item: &Item<'_>, owner: OwnerId) -> Result<MarketplacePurchase, StoreError> {
    Ok(MarketplacePurchase {
        owner,
        listed: ListedPlan {
            id: item.number("listed")?,
            name: item.text("name")?.to_owned(),
            price: item.parsed("price", |word| ListedPrice::parse(word).ok_or(()))?,
        },
        state: item.parsed("state", |word| PurchaseState::parse(word).ok_or(()))?,
        since: item.time("since")?,
        rank: EventRank::parse(item.text("rank")?),
    })
}

/// A copy that stands with an account.
pub(crate) fn purchase_of(attributes: &Attributes) -> Result<MarketplacePurchase, StoreError> {
    let item = Item::new(attributes, "read a purchase");
    let owner = keys::purchase_of(item.text("sk")?).ok_or_else(|| item.bad("sk"))?;
    purchase(&item, owner)
}
