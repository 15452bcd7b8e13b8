//! Members of accounts: a row on each side, and the counts of members and admins, changed in one
//! transaction.
//!
//! Each change is based on the row that was read, and is written only if the row has not changed
//! since. Otherwise the row is read and the change is decided again, so a repeated call changes
//! nothing. A new member is written only if the account has a place: see `places`.

use crate::accounts::OPEN;
use crate::accounts::places::{CountsChange, CountsRefusal};
use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, number, text, time};
use crate::db::keys;
use crate::db::table::page;
use crate::db::tx::{Committed, check_when, delete_when, put_new, put_when};
use crate::notices::notice_attributes;
use crate::{Finished, Store};
use aws_sdk_dynamodb::types::TransactWriteItem;
use domain::accounts::api_keys::Role;
use domain::accounts::members::{Member, Membership, RoleSource, User, given, let_in, refreshed};
use domain::billing::plans::Limit;
use domain::ids::{AccountId, UserId};
use domain::notices::Notice;
use domain::time::Timestamp;

const CHANGE: &str = "change a member";
/// Concurrent changes of the same row end soon, so the attempts are limited.
const TRIES_MAX: u32 = 8;
/// The maximum number of members listed for an account.
pub const MEMBERS_MAX: i32 = 500;
/// The maximum number of accounts listed for a user.
const MEMBERSHIPS_MAX: i32 = 100;

/// The result of setting a member's role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoleSet {
    /// The member has the role.
    Now(Member),
    /// The member is the only admin, and an account needs one.
    LastAdmin,
    /// There is no such member.
    Absent,
}

/// The result of removing a member by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakenOut {
    /// The member was removed.
    Now,
    /// The member is the only admin, and an account needs one.
    LastAdmin,
    /// There is no such member.
    Absent,
}

/// The result of removing a member for whom GitHub no longer shows any of the account's owners.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Left {
    /// The user is not a member.
    Gone,
    /// The member presented the account's API key before, so they keep this role.
    Stays(Role),
}

/// The result of recording what GitHub shows of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refreshed {
    /// The user is a member with this role.
    Now(Role),
    /// The user is not a member, and the account has no place for another one.
    Full,
}

/// The result of joining an account with an API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LetIn {
    /// The user is now an admin of the account.
    Now,
    /// The user is not a member, and the account has no place for another one.
    Full,
    /// The key or the account has ended in the meantime.
    Ended,
}

/// One attempt to change a member.
struct Step<'a> {
    account: &'a AccountId,
    user: UserId,
    /// The name under which the user knows the account; used if they become a member.
    name: &'a str,
    before: Option<Member>,
    after: Option<Member>,
    /// What the account is notified of.
    notice: Option<&'a Notice>,
    keep: Keep,
    /// How many members the account may have; used if the user becomes one.
    places: Limit,
    /// Conditions that must hold at that moment.
    proof: Vec<TransactWriteItem>,
}

/// The result of one attempt.
enum Tried {
    Done,
    Again,
    LastAdmin,
    Full,
    Unproved,
}

/// Reasons to refuse a change, in order of precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Refusal {
    Changed,
    Unproved,
    Counts,
}

/// Whether the last admin may be removed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    OneAdmin,
    Nothing,
}

impl Store {
    pub async fn member_find(
        &self,
        account: &AccountId,
        user: UserId,
    ) -> Result<Option<Member>, StoreError> {
        let found = self
            .table
            .get("find a member", &keys::member(account, user))
            .await?;
        found.as_ref().map(member_of).transpose()
    }

    /// Lists the members of an account, in no particular order.
    pub async fn member_list(&self, account: &AccountId) -> Result<Vec<Member>, StoreError> {
        let found = self
            .list_members("list members", keys::members(account).pk, MEMBERS_MAX)
            .await?;
        found.iter().map(member_of).collect()
    }

    pub async fn membership_list(&self, user: UserId) -> Result<Vec<Membership>, StoreError> {
        const LIST: &str = "list memberships";
        let nobody = AccountId::mint(Timestamp::default(), [0; 10]);
        let found = self
            .list_members(LIST, keys::membership(user, &nobody).pk, MEMBERSHIPS_MAX)
            .await?;
        let one = |attributes: &Attributes| {
            let item = Item::new(attributes, LIST);
            let account = keys::membership_of(item.text("sk")?).ok_or_else(|| item.bad("sk"))?;
            Ok(Membership {
                account,
                name: item.text("name")?.to_owned(),
            })
        };
        found.iter().map(one).collect()
    }

    async fn list_members(
        &self,
        operation: &'static str,
        pk: String,
        max: i32,
    ) -> Result<Vec<Attributes>, StoreError> {
        let query = self.table.query().consistent_read(true).limit(max);
        let query = query.key_condition_expression("pk = :pk AND begins_with(sk, :member)");
        let query = query.expression_attribute_values(":pk", text(pk));
        let query = query.expression_attribute_values(":member", text(keys::MEMBER));
        let found = page(operation, query).await?;
        Ok(found)
    }

    /// Records the role that GitHub gives a user for an account, under the name that users know the
    /// account by. A user who is no member yet becomes one if there is a place.
    pub async fn member_refresh(
        &self,
        (account, name, places): (&AccountId, &str, Limit),
        user: &User,
        by_github: Role,
        now: Timestamp,
    ) -> Result<Refreshed, StoreError> {
        for _ in 0..TRIES_MAX {
            let before = self.member_find(account, user.id).await?;
            let after = refreshed(before.as_ref(), user, by_github, now);
            let role = after.role;
            let step = Step {
                account,
                user: user.id,
                name,
                before,
                after: Some(after),
                notice: None,
                keep: Keep::Nothing,
                places,
                proof: vec![],
            };
            match self.member_try(step).await? {
                Tried::Done => return Ok(Refreshed::Now(role)),
                Tried::Full => return Ok(Refreshed::Full),
                Tried::Again | Tried::LastAdmin | Tried::Unproved => {}
            }
        }
        Err(StoreError::contended(CHANGE))
    }

    /// Makes a user an admin of an account after they presented one of its API keys. Requires that
    /// the key is valid and the account is open at that moment, and a place for a new member. If that
    /// changes anything, the account is notified.
    pub async fn member_let_in(
        &self,
        (account, name, places): (&AccountId, &str, Limit),
        user: &User,
        key_digest: &str,
        notice: &Notice,
    ) -> Result<LetIn, StoreError> {
        let now = notice.at;
        for _ in 0..TRIES_MAX {
            let before = self.member_find(account, user.id).await?;
            let after = let_in(before.as_ref(), user, now);
            let proof = vec![
                check_when(
                    &self.table,
                    keys::api_key_text(key_digest),
                    "attribute_exists(pk) AND attribute_not_exists(#revoked_at) AND \
                     (attribute_not_exists(#expires_at) OR #expires_at > :now)",
                    vec![("now", time(now))],
                ),
                check_when(&self.table, keys::account(account), OPEN, vec![]),
            ];
            let step = Step {
                account,
                user: user.id,
                name,
                before,
                after: Some(after),
                notice: Some(notice),
                keep: Keep::Nothing,
                places,
                proof,
            };
            match self.member_try(step).await? {
                Tried::Done => return Ok(LetIn::Now),
                Tried::Unproved => return Ok(LetIn::Ended),
                Tried::Full => return Ok(LetIn::Full),
                Tried::Again | Tried::LastAdmin => {}
            }
        }
        Err(StoreError::contended(CHANGE))
    }

    /// Removes a user from an account because GitHub no longer shows them any of its owners. A user
    /// who presented the account's API key stays.
    pub async fn member_leave(
        &self,
        account: &AccountId,
        user: UserId,
    ) -> Result<Left, StoreError> {
        match self.member_find(account, user).await? {
            Some(member) if member.by == RoleSource::Key => Ok(Left::Stays(member.role)),
            Some(_) => self.member_remove(account, user).await.map(|_| Left::Gone),
            None => Ok(Left::Gone),
        }
    }

    /// Removes a user from an account, even the last admin.
    pub async fn member_remove(
        &self,
        account: &AccountId,
        user: UserId,
    ) -> Result<Finished, StoreError> {
        Ok(
            match self.member_goes(account, user, Keep::Nothing).await? {
                TakenOut::Now => Finished::Now,
                TakenOut::Absent | TakenOut::LastAdmin => Finished::Already,
            },
        )
    }

    /// Removes a user from an account by hand, unless they are its last admin.
    pub async fn member_take_out(
        &self,
        account: &AccountId,
        user: UserId,
    ) -> Result<TakenOut, StoreError> {
        self.member_goes(account, user, Keep::OneAdmin).await
    }

    async fn member_goes(
        &self,
        account: &AccountId,
        user: UserId,
        keep: Keep,
    ) -> Result<TakenOut, StoreError> {
        for _ in 0..TRIES_MAX {
            let Some(before) = self.member_find(account, user).await? else {
                return Ok(TakenOut::Absent);
            };
            let step = Step::of_member(account, before, None, keep);
            match self.member_try(step).await? {
                Tried::Done => return Ok(TakenOut::Now),
                Tried::LastAdmin => return Ok(TakenOut::LastAdmin),
                Tried::Again | Tried::Full | Tried::Unproved => {}
            }
        }
        Err(StoreError::contended(CHANGE))
    }

    /// Sets a member's role by hand; later GitHub data does not change it. Two admins cannot demote
    /// each other at the same time.
    pub async fn member_role_set(
        &self,
        account: &AccountId,
        user: UserId,
        role: Role,
    ) -> Result<RoleSet, StoreError> {
        for _ in 0..TRIES_MAX {
            let Some(before) = self.member_find(account, user).await? else {
                return Ok(RoleSet::Absent);
            };
            let after = given(&before, role);
            let step = Step::of_member(account, before, Some(after.clone()), Keep::OneAdmin);
            match self.member_try(step).await? {
                Tried::Done => return Ok(RoleSet::Now(after)),
                Tried::LastAdmin => return Ok(RoleSet::LastAdmin),
                Tried::Again | Tried::Full | Tried::Unproved => {}
            }
        }
        Err(StoreError::contended(CHANGE))
    }

    async fn member_try(&self, step: Step<'_>) -> Result<Tried, StoreError> {
        if step.before == step.after {
            return Ok(Tried::Done);
        }
        let (account, user) = (step.account, step.user);
        let (before, after) = (step.before.as_ref(), step.after.as_ref());
        let mut tx = self.table.transaction(CHANGE);
        tx.add(self.member_row(account, user, before, after))
            .or(Refusal::Changed);
        let counts = CountsChange::of((before, after), step.keep, step.places);
        if let Some(change) = counts.change(account) {
            tx.add(change.item(&self.table)).or(Refusal::Counts);
        }
        let membership = keys::membership(user, account);
        match (before.is_some(), after.is_some()) {
            (false, true) => {
                let mut item = membership.attributes();
                item.insert("name".to_owned(), text(step.name));
                tx.add(put_new(&self.table, item));
            }
            (true, false) => {
                let there = "attribute_exists(pk)";
                tx.add(delete_when(&self.table, membership, there, vec![]));
            }
            (true, true) | (false, false) => {}
        }
        if let Some(notice) = step.notice {
            let item = notice_attributes(account, notice, notice.at);
            tx.add(put_new(&self.table, item));
        }
        for item in step.proof {
            tx.add(item).or(Refusal::Unproved);
        }
        match tx.commit().await {
            Ok(Committed::Written) => Ok(Tried::Done),
            Ok(Committed::Refused(Refusal::Changed, _)) => Ok(Tried::Again),
            Ok(Committed::Refused(Refusal::Unproved, _)) => Ok(Tried::Unproved),
            Ok(Committed::Refused(Refusal::Counts, old)) => match counts.refusal(&old)? {
                CountsRefusal::Uncounted => {
                    self.members_count_once(account).await?;
                    Ok(Tried::Again)
                }
                CountsRefusal::Full => Ok(Tried::Full),
                CountsRefusal::LastAdmin => Ok(Tried::LastAdmin),
            },
            Err(error) if error.is_contended() => Ok(Tried::Again),
            Err(error) => Err(error),
        }
    }

    fn member_row(
        &self,
        account: &AccountId,
        user: UserId,
        before: Option<&Member>,
        after: Option<&Member>,
    ) -> TransactWriteItem {
        let key = keys::member(account, user);
        let (condition, values) = match before {
            None => ("attribute_not_exists(pk)", vec![]),
            Some(before) => (
                "#role = :role_before AND #role_by = :by_before",
                vec![
                    ("role_before", text(before.role.as_str())),
                    ("by_before", text(before.by.as_str())),
                ],
            ),
        };
        match after {
            None => delete_when(&self.table, key, condition, values),
            Some(after) => {
                let mut item = key.attributes();
                let more = [
                    ("user_id", number(after.user.id)),
                    ("login", text(&after.user.login)),
                    ("role", text(after.role.as_str())),
                    ("role_by", text(after.by.as_str())),
                    ("since", time(after.since)),
                ];
                item.extend(more.map(|(name, value)| (name.to_owned(), value)));
                put_when(&self.table, item, condition, values)
            }
        }
    }
}

impl<'a> Step<'a> {
    /// A change of someone who is a member.
    fn of_member(
        account: &'a AccountId,
        before: Member,
        after: Option<Member>,
        keep: Keep,
    ) -> Self {
        Self {
            account,
            user: before.user.id,
            name: "",
            before: Some(before),
            after,
            notice: None,
            keep,
            places: Limit::Unlimited,
            proof: vec![],
        }
    }
}

fn member_of(attributes: &Attributes) -> Result<Member, StoreError> {
    let item = Item::new(attributes, "read a member");
    Ok(Member {
        user: User {
            id: UserId::new(item.number("user_id")?),
            login: item.text("login")?.to_owned(),
        },
        role: Role::parse(item.text("role")?).ok_or_else(|| item.bad("role"))?,
        by: RoleSource::parse(item.text("role_by")?).ok_or_else(|| item.bad("role_by"))?,
        since: item.time("since")?,
    })
}
