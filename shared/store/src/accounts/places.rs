//! The places for members: how many members and admins an account has, counted in the write that
//! changes a member.
//!
//! A new member takes a place and a removed one gives it back, so two people who join at once at the
//! last place cannot both get it. The counts only decide who joins: a plan with fewer places removes
//! nobody. An account whose members are not counted yet is counted once, by a write that no other
//! change of its members can overtake.

use crate::Store;
use crate::accounts::members::Keep;
use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, number};
use crate::db::keys;
use crate::db::table::Updated;
use crate::db::tx::Change;
use domain::accounts::api_keys::Role;
use domain::accounts::members::Member;
use domain::billing::plans::Limit;
use domain::ids::AccountId;

const COUNT: &str = "count members";

/// What one change of a member does to the counts, and what it requires of them.
pub(super) struct CountsChange {
    members: i64,
    admins: i64,
    keep: Keep,
    places: Limit,
}

/// Why the counts refuse a change.
pub(super) enum CountsRefusal {
    /// The members have not been counted yet.
    Uncounted,
    Full,
    LastAdmin,
}

impl CountsChange {
    pub(super) fn of(
        (before, after): (Option<&Member>, Option<&Member>),
        keep: Keep,
        places: Limit,
    ) -> Self {
        let admin = |member: Option<&Member>| {
            i64::from(member.is_some_and(|member| member.role == Role::Admin))
        };
        Self {
            members: i64::from(after.is_some()) - i64::from(before.is_some()),
            admins: admin(after) - admin(before),
            keep,
            places,
        }
    }

    /// Returns the write, or `None` if the counts stay.
    pub(super) fn change(&self, account: &AccountId) -> Option<Change> {
        if self.members == 0 && self.admins == 0 {
            return None;
        }
        let mut change = Change::of(keys::members(account));
        let (mut conditions, mut values) = (Vec::new(), Vec::new());
        if self.members != 0 {
            change = change.add("members", number(self.members));
            conditions.push("attribute_exists(#members)");
        }
        if self.admins != 0 {
            change = change.add("admins", number(self.admins));
        }
        match self.places {
            Limit::Of(most) if self.members > 0 => {
                // An account without an admin takes one beyond its places, or nobody could act for
                // it.
                conditions.push(if self.admins > 0 {
                    "(#members < :places OR attribute_not_exists(#admins) OR #admins < :one)"
                } else {
                    "#members < :places"
                });
                values.push(("places", number(most)));
                if self.admins > 0 {
                    values.push(("one", number(1)));
                }
            }
            Limit::Of(_) | Limit::Unlimited => {}
        }
        if self.keep == Keep::OneAdmin && self.admins < 0 {
            conditions.push("#admins > :one");
            values.push(("one", number(1)));
        }
        Some(if conditions.is_empty() {
            change
        } else {
            change.when(&conditions.join(" AND "), values)
        })
    }

    /// Says why the condition failed on these counts.
    pub(super) fn refusal(&self, old: &Attributes) -> Result<CountsRefusal, StoreError> {
        let counted: Option<u64> = Item::new(old, COUNT).find_number("members")?;
        Ok(if self.members != 0 && counted.is_none() {
            CountsRefusal::Uncounted
        } else if self.members > 0 {
            CountsRefusal::Full
        } else {
            CountsRefusal::LastAdmin
        })
    }
}

impl Store {
    /// Returns how many members an account has; strongly consistent.
    pub async fn member_count(&self, account: &AccountId) -> Result<u64, StoreError> {
        let found = self.table.get(COUNT, &keys::members(account)).await?;
        let counted = found
            .as_ref()
            .map(|row| Item::new(row, COUNT).find_number("members"))
            .transpose()?
            .flatten();
        match counted {
            Some(counted) => Ok(counted),
            None => self.members_listed(account).await,
        }
    }

    /// Counts the members of an account whose members have not been counted yet. As long as there is
    /// no count, nobody joins and nobody is removed, so the count is right when it is written.
    pub(super) async fn members_count_once(&self, account: &AccountId) -> Result<(), StoreError> {
        let counted = self.members_listed(account).await?;
        let change = Change::of(keys::members(account))
            .set("members", number(counted))
            .when("attribute_not_exists(#members)", vec![]);
        match self.table.update(COUNT, change).await? {
            Updated::Done(()) | Updated::Refused(_) => Ok(()),
        }
    }

    async fn members_listed(&self, account: &AccountId) -> Result<u64, StoreError> {
        let pk = keys::members(account).pk;
        let found = self.table.query_prefix(COUNT, pk, keys::MEMBER).await?;
        Ok(u64::try_from(found.len()).unwrap_or(u64::MAX))
    }
}
