//! Accounts, and the GitHub and Stripe ids that map to them. Links are conditional, so a repeated
//! call changes nothing.

pub(crate) mod api_keys;
pub(crate) mod members;
pub(crate) mod moving;
pub(crate) mod operators;
pub(crate) mod owners;
pub(crate) mod places;
pub(crate) mod rates;
pub(crate) mod reveals;
pub(crate) mod sessions;
pub(crate) mod signups;

use crate::Store;
use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, number, text, time};
use crate::db::keys;
use crate::db::keys::Key;
use crate::db::table::Updated;
use crate::db::tx::{Change, Committed, put_new};
use aws_sdk_dynamodb::types::KeysAndAttributes;
use domain::accounts::signups::SignUpSource;
use domain::accounts::{Account, AccountBilling, InstallationState, NewAccount, Payer};
use domain::ids::{AccountId, CustomerId, InstallationId, OwnerId};
use domain::time::Timestamp;

/// Whether the account may start new work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountBegun {
    /// It may. From now on, the account's owner can no longer move.
    Now,
    /// The account is closed or does not exist.
    Closed,
}

/// The condition for an account that exists and is not closed.
pub(crate) const OPEN: &str = "attribute_exists(pk) AND attribute_not_exists(#moved_to)";

/// The result of creating an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountCreated {
    /// The account was created.
    New,
    /// The customer already has that account, and the installation is now linked to it.
    Existing(AccountId),
    /// The installation or owner is already linked to that other account.
    Taken(AccountId),
}

/// Reasons to refuse a new account, in order of precedence. `Existing` comes first, because a
/// customer with an account also finds its installation linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Refusal {
    Existing,
    Taken,
}

/// The result of recording an installation's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstallationNoted {
    /// The state was written.
    Now,
    /// A newer state was already recorded.
    Outdated,
}

impl Store {
    /// Creates an account with all ids that map to it, in one transaction.
    pub async fn account_create(&self, new: &NewAccount) -> Result<AccountCreated, StoreError> {
        let id = &new.account.id;
        let mut tx = self.table.transaction("create an account");
        tx.add(put_new(&self.table, customer_attributes(&new.account)))
            .or(Refusal::Existing);
        tx.add(put_new(&self.table, account_attributes(&new.account)));
        for link in self.links(new, id) {
            tx.add(link.item(&self.table)).or(Refusal::Taken);
        }
        match tx.commit().await? {
            Committed::Written => Ok(AccountCreated::New),
            Committed::Refused(Refusal::Existing, old) => {
                self.account_link(new, account_in(&old)?).await
            }
            Committed::Refused(Refusal::Taken, old) => account_in(&old).map(AccountCreated::Taken),
        }
    }

    /// Links one more installation or owner to a known customer's account; several can share one.
    async fn account_link(
        &self,
        new: &NewAccount,
        account: AccountId,
    ) -> Result<AccountCreated, StoreError> {
        let mut links = self.links(new, &account).peekable();
        if links.peek().is_none() {
            return Ok(AccountCreated::Existing(account.clone()));
        }
        let mut tx = self.table.transaction("link an account");
        for link in links {
            tx.add(link.item(&self.table)).or(Refusal::Taken);
        }
        match tx.commit().await? {
            Committed::Written => Ok(AccountCreated::Existing(account)),
            Committed::Refused(_, old) => account_in(&old).map(AccountCreated::Taken),
        }
    }

    /// Builds the links from GitHub ids to an account.
    pub(crate) fn links<'a>(
        &'a self,
        new: &NewAccount,
        account: &'a AccountId,
    ) -> impl Iterator<Item = Change> + 'a {
        let links = [
            new.installation
                .map(|id| self.link(keys::installation(id), account)),
            new.owner.map(|id| self.link_owner(id, account)),
        ];
        links.into_iter().flatten()
    }

    /// Records that an account has started something that permanently belongs to it: a job, an
    /// assist, a purchase, or a fix. From then on, the account's owner can no longer move. A closed
    /// account cannot start anything.
    pub(crate) fn begun(&self, account: &AccountId, now: Timestamp) -> Change {
        Change::of(keys::account(account))
            .set_expression(
                "#begun_at = if_not_exists(#begun_at, :now)",
                vec![("now", time(now))],
            )
            .when(OPEN, vec![])
    }

    /// Records the same in a write of its own, before something is created for the account
    /// elsewhere.
    pub async fn account_begin(
        &self,
        account: &AccountId,
        now: Timestamp,
    ) -> Result<AccountBegun, StoreError> {
        Ok(
            match self
                .table
                .update("begin something for an account", self.begun(account, now))
                .await?
            {
                Updated::Done(()) => AccountBegun::Now,
                Updated::Refused(_) => AccountBegun::Closed,
            },
        )
    }

    pub(crate) fn link(&self, key: Key, account: &AccountId) -> Change {
        Change::of(key).set("account", text(account.as_str())).when(
            "attribute_not_exists(#account) OR #account = :account",
            vec![],
        )
    }

    pub async fn account_find(&self, id: &AccountId) -> Result<Option<Account>, StoreError> {
        let found = self
            .table
            .get("read an account", &keys::account(id))
            .await?;
        found.as_ref().map(account_of).transpose()
    }

    /// Sets who is billed for what the account's plan meters. Returns whether the account exists.
    pub async fn account_billing_set(
        &self,
        id: &AccountId,
        billing: AccountBilling,
    ) -> Result<bool, StoreError> {
        let change = Change::of(keys::account(id))
            .set("billing", text(billing.as_str()))
            .when("attribute_exists(pk)", vec![]);
        let updated = self
            .table
            .update("set an account's billing", change)
            .await?;
        Ok(matches!(updated, Updated::Done(())))
    }

    /// Reads the name that an account's owner entered at sign-up, if they did.
    pub async fn account_name(&self, id: &AccountId) -> Result<Option<String>, StoreError> {
        const NAME: &str = "read an account's name";
        let found = self.table.get(NAME, &keys::account(id)).await?;
        let name = found
            .as_ref()
            .map(|item| Item::new(item, NAME).find_text("name"))
            .transpose()?;
        Ok(name.flatten().map(str::to_owned))
    }

    /// Finds the account that pays for an owner, wherever the App is installed.
    pub async fn owner_find(&self, id: OwnerId) -> Result<Option<AccountId>, StoreError> {
        self.account_at(keys::owner(id)).await
    }

    /// Finds the GitHub owner of an installation, once an event has named it.
    pub async fn installation_owner(
        &self,
        id: InstallationId,
    ) -> Result<Option<OwnerId>, StoreError> {
        const FIND: &str = "find an installation's owner";
        let found = self.table.get(FIND, &keys::installation(id)).await?;
        let owner = found
            .as_ref()
            .map(|item| Item::new(item, FIND).find_number("owner_id"))
            .transpose()?;
        Ok(owner.flatten().map(OwnerId::new))
    }

    pub async fn customer_find(&self, id: &CustomerId) -> Result<Option<AccountId>, StoreError> {
        self.account_at(keys::customer(id)).await
    }

    /// Finds the account that pays for an owner, whatever the state of their installation. If the
    /// owner has no account, the account named for the installation applies.
    pub async fn owner_account(
        &self,
        owner: OwnerId,
        installation: InstallationId,
    ) -> Result<Option<AccountId>, StoreError> {
        match self.account_at(keys::owner(owner)).await? {
            Some(account) => Ok(Some(account)),
            None => self.account_at(keys::installation(installation)).await,
        }
    }

    async fn account_at(&self, key: Key) -> Result<Option<AccountId>, StoreError> {
        let found = self.table.get("find an account", &key).await?;
        let named = found.filter(|item| item.contains_key("account"));
        named.map(|item| account_in(&item)).transpose()
    }

    /// Finds the account that pays for activity in an installation. The owner decides, because
    /// reinstalling the App creates a new installation number. If the owner has no link yet, the
    /// account that an operator named for the installation applies, and the owner is linked to it.
    pub async fn payer_find(
        &self,
        owner: OwnerId,
        installation: InstallationId,
    ) -> Result<Payer, StoreError> {
        let (owner_key, installation_key) = (keys::owner(owner), keys::installation(installation));
        let keys = KeysAndAttributes::builder()
            .keys(owner_key.attributes())
            .keys(installation_key.attributes())
            .consistent_read(true)
            .build()
            .map_err(|_| StoreError::bad_item("find a payer", "", "pk"))?;
        let found = self
            .table
            .client
            .batch_get_item()
            .request_items(&self.table.name, keys)
            .send()
            .await;
        let found = found.map_err(|e| StoreError::sdk("find a payer", e))?;
        if found
            .unprocessed_keys()
            .is_some_and(|left| !left.is_empty())
        {
            return Err(StoreError::contended("find a payer"));
        }
        let items = found
            .responses()
            .and_then(|tables| tables.get(&self.table.name))
            .map_or(&[][..], Vec::as_slice);
        let at = |key: &Key| {
            items
                .iter()
                .find(|item| item.get("pk").and_then(|pk| pk.as_s().ok()) == Some(&key.pk))
        };
        let state = at(&installation_key)
            .map(|item| Item::new(item, "find a payer").find_text("state"))
            .transpose()?
            .flatten();
        if state.is_some_and(|state| state != InstallationState::Active.as_str()) {
            return Ok(Payer::Inactive);
        }
        if let Some(item) = at(&owner_key) {
            let account = account_in(item)?;
            // A link from before accounts listed their owners.
            if !item.contains_key("owner") {
                let listed = self.link_owner(owner, &account);
                self.table.update("list an owner", listed).await.map(drop)?;
            }
            return Ok(Payer::Account(account));
        }
        let named = at(&installation_key).filter(|item| item.contains_key("account"));
        let Some(account) = named.map(account_in).transpose()? else {
            return Ok(Payer::Unknown);
        };
        self.table
            .update("link an owner", self.link_owner(owner, &account))
            .await
            .map(drop)?;
        Ok(Payer::Account(account))
    }

    /// Records the state of an installation, unless a newer state is recorded. Uninstalled is final
    /// for an installation number.
    pub async fn installation_note(
        &self,
        installation: InstallationId,
        owner: OwnerId,
        state: InstallationState,
        as_of: Timestamp,
    ) -> Result<InstallationNoted, StoreError> {
        let change = Change::of(keys::installation(installation))
            .set("state", text(state.as_str()))
            .set("as_of", time(as_of))
            .set("owner_id", number(owner))
            .when(
                "(attribute_not_exists(#as_of) OR #as_of <= :as_of) AND (attribute_not_exists(#state) OR #state <> :deleted)",
                vec![("deleted", text(InstallationState::Deleted.as_str()))],
            );
        Ok(
            match self.table.update("note an installation", change).await? {
                Updated::Done(()) => InstallationNoted::Now,
                Updated::Refused(_) => InstallationNoted::Outdated,
            },
        )
    }
}

/// Builds the row that maps a customer to its account.
pub(crate) fn customer_attributes(account: &Account) -> Attributes {
    let mut item = keys::customer(&account.customer).attributes();
    item.insert("account".to_owned(), text(account.id.as_str()));
    item
}

pub(crate) fn account_in(item: &Attributes) -> Result<AccountId, StoreError> {
    Item::new(item, "find an account").parsed("account", AccountId::parse)
}

pub(crate) fn account_attributes(account: &Account) -> Attributes {
    let key = keys::account(&account.id);
    let mut item = key.attributes();
    let more = [
        // `owner` and `at` are the keys of index `timeline`, which lists every account.
        ("owner", text(keys::Listing::Accounts.of(&key))),
        ("at", time(account.created_at)),
        ("customer", text(account.customer.as_str())),
        ("plan", text(&account.plan)),
        ("created_at", time(account.created_at)),
    ];
    item.extend(more.map(|(name, value)| (name.to_owned(), value)));
    item.extend(
        account
            .wish
            .as_ref()
            .map(|wish| ("wish".to_owned(), text(wish))),
    );
    if account.billing != AccountBilling::Stripe {
        item.insert("billing".to_owned(), text(account.billing.as_str()));
    }
    item.extend(
        account
            .way
            .map(|way| ("way".to_owned(), text(way.as_str()))),
    );
    item
}

/// Reads the account that the owner of this one moved to.
pub(crate) fn moved_to(item: &Item<'_>) -> Result<Option<AccountId>, StoreError> {
    item.find_text("moved_to")?
        .map(AccountId::parse)
        .transpose()
        .map_err(|_| item.bad("moved_to"))
}

pub(crate) fn account_of(attributes: &Attributes) -> Result<Account, StoreError> {
    let item = Item::new(attributes, "read an account");
    Ok(Account {
        id: keys::account_of(item.text("pk")?).ok_or_else(|| item.bad("pk"))?,
        customer: item.parsed("customer", CustomerId::parse)?,
        plan: item.text("plan")?.to_owned(),
        wish: item.find_text("wish")?.map(str::to_owned),
        way: item
            .find_text("way")?
            .map(|word| SignUpSource::parse(word).ok_or_else(|| item.bad("way")))
            .transpose()?,
        billing: item
            .find_text("billing")?
            .map_or(Some(AccountBilling::Stripe), AccountBilling::parse)
            .ok_or_else(|| item.bad("billing"))?,
        moved_to: moved_to(&item)?,
        created_at: item.time("created_at")?,
    })
}
