//! Owners' purchases on the GitHub Marketplace.
//!
//! A purchase is stored under its owner, who may not have an account yet. An account's entitlements
//! come from a single read, so a copy is stored under the account (`marketplace_carry`). Both rows
//! keep the rank of their event, and only a later event overwrites them: duplicate and late events
//! change nothing, and concurrent copies do not undo each other. Linking an owner to an account and
//! recording a purchase both end with the copy, so at least one of two concurrent writers sees the
//! other's write.

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

/// The result of recording a purchase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PurchaseNoted {
    /// The purchase was written.
    Now,
    /// The same event was already recorded.
    Same,
    /// A later event was already recorded.
    Outdated,
}

const NOTE: &str = "note a purchase";
const CARRY: &str = "carry a purchase to its account";

impl Store {
    /// Records an owner's purchase, unless a later one is already recorded.
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

    /// Copies an owner's purchase to the account that pays for the owner, if there is one. Returns
    /// that account.
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

/// Reads the copy stored under an account.
pub(crate) fn purchase_of(attributes: &Attributes) -> Result<MarketplacePurchase, StoreError> {
    let item = Item::new(attributes, "read a purchase");
    let owner = keys::purchase_of(item.text("sk")?).ok_or_else(|| item.bad("sk"))?;
    purchase(&item, owner)
}
