//! An owner moves from the account that came to be by itself to one that somebody has.
//!
//! Installing the App gives its owner an account, also where whoever installed it has signed up by mail before. Such an account
//! can be left as long as nothing is in it: no job, assist, fix or purchase, and no credits. What begins such a thing says so on the
//! account's row (`Store::begun`), and the move closes that very row; so one of both comes first, and the other one finds it so.

use crate::Store;
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

/// An owner and the accounts that he leaves and comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// Who.
    pub owner: OwnerId,
    /// Where the App is installed.
    pub installation: InstallationId,
    /// The account that has come to be by itself.
    pub from: AccountId,
    /// The account that somebody has.
    pub to: AccountId,
    /// The person who says so, an admin of `to`.
    pub user: UserId,
    /// Why he may say so for `from`.
    pub proof: Proof,
}

/// Why somebody may say which account pays for an owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// He is an admin of the owner's present account.
    Admin,
    /// GitHub's word that he runs the owner, which the session with this digest keeps and which is spent by this.
    Session(String),
}

/// What became of the wish to move an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnerMoved {
    /// He belongs to the other account now, or did already, and the one that he left is closed.
    Now,
    /// The account is not one that came by itself, or has begun something.
    Stays,
    /// Somebody else pays for the owner by now.
    Taken,
    /// The person is no admin any more, his proof was used before, or the account to come to is closed.
    Unproved,
}

/// What may stand against a move, in the order in which they decide: a repeated move also finds the owner moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Refusal {
    /// The account to leave was closed before, was not made for an installation, or has begun something.
    NotOpen,
    HasBalance,
    Taken,
    Unproved,
}

const MOVE: &str = "move an owner";

impl Store {
    /// Moves an owner to another account and closes the one that he leaves, whole or not at all.
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
                .item(&self.table)
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
        tx.add(lead(keys::owner(wish.owner), "#account = :from"))
            .or(Refusal::Taken);
        tx.add(lead(
            keys::installation(wish.installation),
            "attribute_not_exists(#account) OR #account = :from",
        ))
        .or(Refusal::Taken);
        for item in [open, self.is_admin(&wish.to, wish.user), proof] {
            tx.add(item).or(Refusal::Unproved);
        }
        match tx.commit().await? {
            Committed::Written => Ok(OwnerMoved::Now),
            Committed::Refused(Refusal::NotOpen, old) => {
                let moved_to = moved_to(&Item::new(&old, MOVE))?;
                // By this very wish, if its answer was lost.
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

    /// Whether an account has nothing but its own rows: people, keys, and what it was told.
    pub async fn account_is_unused(&self, account: &AccountId) -> Result<bool, StoreError> {
        const LOOK: &str = "look into an account";
        let of_its_own = [
            keys::PROFILE,
            keys::MEMBERS,
            keys::MEMBER,
            keys::API_KEY,
            keys::NOTICE,
        ];
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
        // What was made for it before accounts said so themselves.
        Ok(self.job_list(account, None, 1).await?.rows.is_empty())
    }
}

/// GitHub's word of an installation that a session keeps is good once.
pub(crate) fn spent(digest: &str, installation: InstallationId) -> Change {
    Change::of(keys::session(digest)).add("spent", AttributeValue::Ns(vec![installation.to_string()])).when(
        "attribute_exists(pk) AND (attribute_not_exists(#spent) OR NOT contains(#spent, :installation))",
        vec![("installation", number(installation))],
    )
}
