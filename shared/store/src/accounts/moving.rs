//! Moves an owner from an automatically created account to an account that a user already has.
//!
//! Installing the App creates an account for its owner, even if the installer signed up by mail
//! before. The owner can leave such an account while it is empty: no job, assist, fix, or purchase,
//! and no credits. Whatever starts such a thing records it on the account's row (`Store::begun`),
//! and the move closes the same row, so one of the two comes first and the other one sees it.

use crate::Store;
use crate::accounts::owners::listed_under;
use crate::accounts::{OPEN, moved_to};
use crate::db::error::StoreError;
use crate::db::item::{Item, number, text, time};
use crate::db::keys;
use crate::db::tx::{Change, Committed, check_when};
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use domain::accounts::api_keys::Role;
use domain::accounts::signups::SignUpSource;
use domain::ids::{AccountId, InstallationId, OwnerId, UserId};
use domain::time::Timestamp;

/// An owner, the account they leave, and the account they join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    pub owner: OwnerId,
    /// The owner's installation of the App.
    pub installation: InstallationId,
    /// The automatically created account.
    pub from: AccountId,
    /// The account that the user already has.
    pub to: AccountId,
    /// The user who requests the move, an admin of `to`.
    pub user: UserId,
    /// Why the user may decide for `from`.
    pub proof: Proof,
}

/// Why a user may decide which account pays for an owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// The user is an admin of the owner's current account.
    Admin,
    /// GitHub confirmed that the user manages the owner. The session with this digest keeps this
    /// proof, and the move uses it up.
    Session(String),
}

/// The result of moving an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnerMoved {
    /// The owner belongs to the other account now, or already did, and their previous account is
    /// closed.
    Now,
    /// The account was not created automatically, or it has already started something.
    Stays,
    /// Another account pays for the owner by now.
    Taken,
    /// The user is no longer an admin, their proof was already used, or the target account is
    /// closed.
    Unproved,
}

/// Reasons to refuse a move, in order of precedence. `NotOpen` comes first, because a repeated move
/// also finds the owner moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Refusal {
    /// The account to leave is already closed, was not created for an installation, or has started
    /// something.
    NotOpen,
    HasBalance,
    Taken,
    Unproved,
}

const MOVE: &str = "move an owner";

impl Store {
    /// Moves an owner to another account and closes the previous one, in one transaction.
    pub async fn owner_move(&self, wish: &Move, now: Timestamp) -> Result<OwnerMoved, StoreError> {
        let (from, to) = (text(wish.from.as_str()), text(wish.to.as_str()));
        let close = Change::of(keys::account(&wish.from)).set("moved_to", to.clone()).set("closed_at", time(now)).when(
            "#way = :installation AND attribute_not_exists(#moved_to) AND attribute_not_exists(#begun_at)",
            vec![("installation", text(SignUpSource::Installation.as_str()))],
        );
        let lead = |key, condition: &str| {
            Change::of(key)
                .set("account", to.clone())
                .when(condition, vec![("from", from.clone())])
        };
        let nothing_counted = check_when(
            &self.table,
            keys::balance(&wish.from),
            "attribute_not_exists(pk)",
            vec![],
        );
        let open = check_when(&self.table, keys::account(&wish.to), OPEN, vec![]);
        let proof = match &wish.proof {
            Proof::Admin => self.is_admin(&wish.from, wish.user),
            Proof::Session(digest) => spent(digest, wish.installation).item(&self.table),
        };
        let mut tx = self.table.transaction(MOVE);
        tx.add(close.item(&self.table)).or(Refusal::NotOpen);
        tx.add(nothing_counted).or(Refusal::HasBalance);
        let led = lead(keys::owner(wish.owner), "#account = :from");
        let led = listed_under(led, wish.owner, &wish.to);
        tx.add(led.item(&self.table)).or(Refusal::Taken);
        let installation = lead(
            keys::installation(wish.installation),
            "attribute_not_exists(#account) OR #account = :from",
        );
        tx.add(installation.item(&self.table)).or(Refusal::Taken);
        for item in [open, self.is_admin(&wish.to, wish.user), proof] {
            tx.add(item).or(Refusal::Unproved);
        }
        match tx.commit().await? {
            Committed::Written => Ok(OwnerMoved::Now),
            Committed::Refused(Refusal::NotOpen, old) => {
                let moved_to = moved_to(&Item::new(&old, MOVE))?;
                // This same move closed it, if its response was lost.
                Ok(if moved_to.as_ref() == Some(&wish.to) {
                    OwnerMoved::Now
                } else {
                    OwnerMoved::Stays
                })
            }
            Committed::Refused(Refusal::HasBalance, _) => Ok(OwnerMoved::Stays),
            Committed::Refused(Refusal::Taken, _) => Ok(OwnerMoved::Taken),
            Committed::Refused(Refusal::Unproved, _) => Ok(OwnerMoved::Unproved),
        }
    }

    fn is_admin(&self, account: &AccountId, user: UserId) -> TransactWriteItem {
        let admin = vec![("admin", text(Role::Admin.as_str()))];
        check_when(
            &self.table,
            keys::member(account, user),
            "#role = :admin",
            admin,
        )
    }

    /// Checks whether an account has only its own rows: keys and notices.
    pub async fn account_is_unused(&self, account: &AccountId) -> Result<bool, StoreError> {
        const LOOK: &str = "look into an account";
        let of_its_own = [keys::PROFILE, keys::API_KEY, keys::NOTICE];
        let mut pages = self
            .table
            .query()
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(keys::account(account).pk))
            .projection_expression("sk")
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        while let Some(found) = pages.next().await {
            let found = found.map_err(|error| StoreError::sdk(LOOK, error))?;
            let sk = Item::new(&found, LOOK).text("sk")?;
            if !of_its_own
                .iter()
                .any(|own| sk == *own || own.ends_with('#') && sk.starts_with(own))
            {
                return Ok(false);
            }
        }
        // Finds jobs created before accounts recorded that they had started something.
        Ok(self.job_list(account, None, 1).await?.rows.is_empty())
    }
}

/// Uses up the proof of an installation that a session keeps. Each proof can be used once.
pub(crate) fn spent(digest: &str, installation: InstallationId) -> Change {
    Change::of(keys::session(digest)).add("spent", AttributeValue::Ns(vec![installation.to_string()])).when(
        "attribute_exists(pk) AND (attribute_not_exists(#spent) OR NOT contains(#spent, :installation))",
        vec![("installation", number(installation))],
    )
}
