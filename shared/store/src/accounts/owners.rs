//! The GitHub owners that an account pays for, with their newest installation.
//!
//! The list is a partition of index `timeline`. The row that it leads to decides, so an owner who has
//! moved to another account is never listed for the previous one.

use crate::Store;
use crate::accounts::account_in;
use crate::db::error::StoreError;
use crate::db::item::{Item, number, text, time};
use crate::db::keys;
use crate::db::pages;
use crate::db::table::all;
use crate::db::tx::Change;
use domain::accounts::{InstallationState, InstalledOwner, PaidOwner};
use domain::ids::{AccountId, InstallationId, OwnerId};
use domain::time::Timestamp;
use futures::future::try_join_all;

const LIST: &str = "list an account's owners";

/// Lists an owner's link under this account.
pub(crate) fn listed_under(link: Change, owner: OwnerId, account: &AccountId) -> Change {
    // `owner` and `at` are the keys of index `timeline`. Owners have no time to be ordered by.
    link.set("owner", text(keys::owners_of(account)))
        .set("at", number(owner))
}

impl Store {
    /// Builds the link from an owner to the account that pays.
    pub(crate) fn link_owner(&self, owner: OwnerId, account: &AccountId) -> Change {
        listed_under(self.link(keys::owner(owner), account), owner, account)
    }

    /// Records an owner's installation, unless a newer installation or a newer state of it is
    /// recorded. Numbers of installations only grow, and uninstalled is final for a number.
    pub async fn owner_installation_note(
        &self,
        owner: OwnerId,
        installed: &InstalledOwner,
        as_of: Timestamp,
    ) -> Result<(), StoreError> {
        let mut change = Change::of(keys::installed(owner))
            .set("installation", number(installed.installation))
            .set("state", text(installed.state.as_str()))
            .set("as_of", time(as_of));
        if let Some(login) = &installed.login {
            change = change.set("login", text(login));
        }
        let change = change.when(
            "attribute_not_exists(pk) OR #installation < :installation OR (#installation = :installation AND #as_of <= :as_of AND #state <> :deleted)",
            vec![("deleted", text(InstallationState::Deleted.as_str()))],
        );
        self.table
            .update("note an owner's installation", change)
            .await
            .map(drop)
    }

    /// Lists the owners that an account pays for. A new one can take a moment to appear.
    pub async fn owner_list(&self, account: &AccountId) -> Result<Vec<PaidOwner>, StoreError> {
        let query = self.table.query().index_name("timeline");
        let query = pages::of(query, &keys::owners_of(account))
            .expression_attribute_names("#at", "at")
            .expression_attribute_values(":from", number(i64::MAX));
        let mut owners = Vec::new();
        for item in all(LIST, query).await? {
            let item = Item::new(&item, LIST);
            owners.push(keys::owner_of(item.text("pk")?).ok_or_else(|| item.bad("pk"))?);
        }
        let found = try_join_all(owners.into_iter().map(|id| self.paid_owner(account, id)));
        Ok(found.await?.into_iter().flatten().collect())
    }

    async fn paid_owner(
        &self,
        account: &AccountId,
        id: OwnerId,
    ) -> Result<Option<PaidOwner>, StoreError> {
        let payer = self.table.get(LIST, &keys::owner(id)).await?;
        if payer.as_ref().map(account_in).transpose()?.as_ref() != Some(account) {
            return Ok(None);
        }
        let found = self.table.get(LIST, &keys::installed(id)).await?;
        let installed = found.as_ref().map(|item| {
            let item = Item::new(item, LIST);
            let state = InstallationState::parse(item.text("state")?);
            Ok::<_, StoreError>(InstalledOwner {
                installation: InstallationId::new(item.number("installation")?),
                state: state.ok_or_else(|| item.bad("state"))?,
                login: item.find_text("login")?.map(str::to_owned),
            })
        });
        Ok(Some(PaidOwner {
            id,
            installed: installed.transpose()?,
        }))
    }
}
