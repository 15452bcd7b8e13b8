//! API keys: found by the digest of their text, and listed by account. Every change is conditional,
//! so a repeated call changes nothing.

use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, text, texts, time};
use crate::db::table::{Updated, page};
use crate::db::tx::{Change, Committed, put_new};
use crate::db::{digests, keys};
use crate::{Finished, Store};
use domain::accounts::api_keys::{ApiKey, KeyText, Scope};
use domain::ids::{AccountId, KeyId};
use domain::time::Timestamp;

/// The result of creating a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyCreated {
    /// The key was created.
    New,
    /// A key with this id already exists.
    Existing(Box<ApiKey>),
}

/// A key with this id already exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Existing;

/// Returns the digest that identifies a key.
pub fn key_digest(text: &KeyText) -> String {
    digests::of(text.expose())
}

/// The maximum number of keys of an account. More are not useful and make listings expensive.
pub const KEYS_MAX: usize = 100;

impl Store {
    /// Stores a new key under the digest of its text.
    pub async fn api_key_create(
        &self,
        key: &ApiKey,
        digest: &str,
    ) -> Result<KeyCreated, StoreError> {
        const CREATE: &str = "create a key";
        let mut listed = keys::api_key(&key.account, &key.id).attributes();
        listed.insert("digest".to_owned(), text(digest));
        let mut tx = self.table.transaction(CREATE);
        tx.add(put_new(&self.table, listed)).or(Existing);
        tx.add(put_new(&self.table, key_attributes(key, digest)));
        let old = match tx.commit().await? {
            Committed::Written => return Ok(KeyCreated::New),
            Committed::Refused(Existing, old) => old,
        };
        let digest = Item::new(&old, CREATE).text("digest")?.to_owned();
        let known = self.api_key_find(&digest).await?;
        known
            .map(|key| KeyCreated::Existing(Box::new(key)))
            .ok_or_else(|| StoreError::bad_item(CREATE, &digest, "pk"))
    }

    /// Finds the key with this digest, valid or not.
    pub async fn api_key_find(&self, digest: &str) -> Result<Option<ApiKey>, StoreError> {
        let found = self
            .table
            .get_eventual("find a key", &keys::api_key_text(digest))
            .await?;
        found.as_ref().map(key_of).transpose()
    }

    /// Lists an account's keys, newest first.
    pub async fn api_key_list(&self, account: &AccountId) -> Result<Vec<ApiKey>, StoreError> {
        let mut found = Vec::new();
        for digest in self.key_digests(account).await? {
            found.extend(self.api_key_find(&digest).await?);
        }
        found.sort_by_key(|key| std::cmp::Reverse((key.created_at, key.id.clone())));
        Ok(found)
    }

    async fn key_digests(&self, account: &AccountId) -> Result<Vec<String>, StoreError> {
        let query = self
            .table
            .prefix(keys::account(account).pk, keys::API_KEY)
            .consistent_read(true)
            .limit(i32::try_from(KEYS_MAX).unwrap_or(i32::MAX));
        let found = page("list keys", query).await?;
        found
            .iter()
            .map(|item| {
                Item::new(item, "list keys")
                    .text("digest")
                    .map(str::to_owned)
            })
            .collect()
    }

    /// Finds an account's key by its id.
    pub async fn api_key_load(
        &self,
        account: &AccountId,
        id: &KeyId,
    ) -> Result<Option<(ApiKey, String)>, StoreError> {
        let key = keys::api_key(account, id);
        let found = self.table.get("find a key", &key).await?;
        let Some(item) = found else {
            return Ok(None);
        };
        let digest = Item::new(&item, "find a key").text("digest")?.to_owned();
        Ok(self.api_key_find(&digest).await?.map(|key| (key, digest)))
    }

    /// Revokes a key. It grants no access from then on.
    pub async fn api_key_revoke(
        &self,
        digest: &str,
        now: Timestamp,
    ) -> Result<Finished, StoreError> {
        let change = Change::of(keys::api_key_text(digest))
            .set("revoked_at", time(now))
            .when(
                "attribute_exists(pk) AND attribute_not_exists(#revoked_at)",
                vec![],
            );
        self.key_change("revoke a key", change).await
    }

    /// Sets when a key expires, unless it expires earlier.
    pub async fn api_key_expire(
        &self,
        digest: &str,
        end: Timestamp,
    ) -> Result<Finished, StoreError> {
        let change = Change::of(keys::api_key_text(digest))
            .set("expires_at", time(end))
            .when("attribute_exists(pk) AND (attribute_not_exists(#expires_at) OR #expires_at > :expires_at)", vec![]);
        self.key_change("let a key end", change).await
    }

    /// Records the day on which a key was used, once per day.
    pub async fn api_key_used(&self, digest: &str, day: &str) -> Result<Finished, StoreError> {
        let change = Change::of(keys::api_key_text(digest)).set("last_used_on", text(day)).when(
            "attribute_exists(pk) AND (attribute_not_exists(#last_used_on) OR #last_used_on < :last_used_on)",
            vec![],
        );
        self.key_change("note the use of a key", change).await
    }

    async fn key_change(
        &self,
        operation: &'static str,
        change: Change,
    ) -> Result<Finished, StoreError> {
        Ok(match self.table.update(operation, change).await? {
            Updated::Done(()) => Finished::Now,
            Updated::Refused(_) => Finished::Already,
        })
    }
}

fn key_attributes(key: &ApiKey, digest: &str) -> Attributes {
    let mut item = keys::api_key_text(digest).attributes();
    let scopes = key.scopes.iter().map(|scope| scope.as_str().to_owned());
    let more = [
        ("id", text(key.id.as_str())),
        ("account", text(key.account.as_str())),
        ("name", text(&key.name)),
        ("scopes", texts(scopes)),
        ("hint", text(&key.hint)),
        ("created_at", time(key.created_at)),
    ];
    item.extend(more.map(|(name, value)| (name.to_owned(), value)));
    item.extend(
        key.expires_at
            .map(|end| ("expires_at".to_owned(), time(end))),
    );
    item
}

fn key_of(attributes: &Attributes) -> Result<ApiKey, StoreError> {
    let item = Item::new(attributes, "read a key");
    let scopes = item
        .texts("scopes")?
        .into_iter()
        .map(Scope::parse)
        .collect::<Option<_>>();
    Ok(ApiKey {
        id: item.parsed("id", KeyId::parse)?,
        account: item.parsed("account", AccountId::parse)?,
        name: item.text("name")?.to_owned(),
        scopes: scopes.ok_or_else(|| item.bad("scopes"))?,
        hint: item.text("hint")?.to_owned(),
        created_at: item.time("created_at")?,
        expires_at: item.find_time("expires_at")?,
        revoked_at: item.find_time("revoked_at")?,
        last_used_on: item.find_text("last_used_on")?.map(str::to_owned),
    })
}
