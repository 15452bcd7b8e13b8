//! People of accounts: a row on either side and the count of admins, changed together or not at all.
//!
//! Each change is decided on the row as it is read and written only if the row is still so; otherwise it is decided anew.

use crate::accounts::OPEN;
use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, number, text, time};
use crate::db::keys;
use crate::db::table::page;
use crate::db::tx::{Change, Committed, check_when, delete_when, put_new, put_when};
use crate::{Finished, Store};
use aws_sdk_dynamodb::types::TransactWriteItem;
use domain::accounts::api_keys::Role;
use domain::accounts::members::{Member, Membership, RoleSource, User, given, let_in, refreshed};
use domain::ids::{AccountId, UserId};
use domain::time::Timestamp;

const CHANGE: &str = "change a member";
/// Others may change the same row meanwhile, but not for ever.
const TRIES_MAX: u32 = 8;
/// People of one account; more are not listed.
pub const MEMBERS_MAX: i32 = 500;
/// Accounts of one person; more are not listed.
const MEMBERSHIPS_MAX: i32 = 100;

/// What became of the wish to give a member a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoleSet {
    /// He has it.
    Now(Member),
    /// He is the only admin, and an account needs one.
    LastAdmin,
    /// There is no such member.
    Absent,
}

/// What became of the wish to take a member out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakenOut {
    /// He is none any more.
    Now,
    /// He is the only admin, and an account needs one.
    LastAdmin,
    /// There is no such member.
    Absent,
}

/// What became of the wish to take somebody out who is not shown by GitHub any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Left {
    /// He is no member.
    Gone,
    /// He has shown the account's key, so he stays one as this.
    Stays(Role),
}

/// What became of a key that was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LetIn {
    /// Who showed it is an admin of the account.
    Now,
    /// The key or the account had ended meanwhile.
    Ended,
}

/// What a member shall be, decided on what he is.
enum Next {
    Stays,
    Becomes(Member),
    Goes,
}

/// What became of one try.
enum Tried {
    Done,
    Changed,
    LastAdmin,
    Unproved,
}

/// What may stand against a change, in the order in which they decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Refusal {
    Changed,
    Unproved,
    LastAdmin,
}

/// Whether the last admin may be taken away.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    OneAdmin,
    Nothing,
}

impl Store {
    /// A person of an account.
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

    /// The people of an account, in no order that means anything.
    pub async fn member_list(&self, account: &AccountId) -> Result<Vec<Member>, StoreError> {
        let found = self
            .list_members("list members", keys::members(account).pk, MEMBERS_MAX)
            .await?;
        found.iter().map(member_of).collect()
    }

    /// The accounts of a person.
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

    /// Notes what GitHub says a person is to an account, which people know by this name. What he then is.
    pub async fn member_refresh(
        &self,
        account: &AccountId,
        name: &str,
        user: &User,
        by_github: Role,
        now: Timestamp,
    ) -> Result<Role, StoreError> {
        for _ in 0..TRIES_MAX {
            let before = self.member_find(account, user.id).await?;
            let after = refreshed(before.as_ref(), user, by_github, now);
            let role = after.role;
            let next = if before.as_ref() == Some(&after) {
                Next::Stays
            } else {
                Next::Becomes(after)
            };
            match self
                .member_try(
                    (account, name, user.id),
                    before,
                    next,
                    (Keep::Nothing, vec![]),
                )
                .await?
            {
                Tried::Done => return Ok(role),
                Tried::Changed | Tried::LastAdmin | Tried::Unproved => {}
            }
        }
        Err(StoreError::contended(CHANGE))
    }

    /// Makes a person an admin of an account who has shown a key of it, if at that moment the key is good and the account open.
    pub async fn member_let_in(
        &self,
        account: &AccountId,
        name: &str,
        user: &User,
        key_digest: &str,
        now: Timestamp,
    ) -> Result<LetIn, StoreError> {
        for _ in 0..TRIES_MAX {
            let before = self.member_find(account, user.id).await?;
            let after = let_in(before.as_ref(), user, now);
            let next = if before.as_ref() == Some(&after) {
                Next::Stays
            } else {
                Next::Becomes(after)
            };
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
            match self
                .member_try(
                    (account, name, user.id),
                    before,
                    next,
                    (Keep::Nothing, proof),
                )
                .await?
            {
                Tried::Done => return Ok(LetIn::Now),
                Tried::Unproved => return Ok(LetIn::Ended),
                Tried::Changed | Tried::LastAdmin => {}
            }
        }
        Err(StoreError::contended(CHANGE))
    }

    /// Takes a person out of an account, since GitHub shows him none of its owners any more; who has shown its key stays.
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

    /// Takes a person out of an account, the last admin, too.
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

    /// Takes a person out of an account by hand, unless he is its last admin.
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
            match self
                .member_try(
                    (account, "", user),
                    Some(before),
                    Next::Goes,
                    (keep, vec![]),
                )
                .await?
            {
                Tried::Done => return Ok(TakenOut::Now),
                Tried::LastAdmin => return Ok(TakenOut::LastAdmin),
                Tried::Changed | Tried::Unproved => {}
            }
        }
        Err(StoreError::contended(CHANGE))
    }

    /// Gives a member a role by hand; it stays whatever GitHub says. Two admins cannot demote each other at once.
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
            let next = if before == after {
                Next::Stays
            } else {
                Next::Becomes(after.clone())
            };
            match self
                .member_try(
                    (account, "", user),
                    Some(before),
                    next,
                    (Keep::OneAdmin, vec![]),
                )
                .await?
            {
                Tried::Done => return Ok(RoleSet::Now(after)),
                Tried::LastAdmin => return Ok(RoleSet::LastAdmin),
                Tried::Changed | Tried::Unproved => {}
            }
        }
        Err(StoreError::contended(CHANGE))
    }

    async fn member_try(
        &self,
        (account, name, user): (&AccountId, &str, UserId),
        before: Option<Member>,
        next: Next,
        (keep, proof): (Keep, Vec<TransactWriteItem>),
    ) -> Result<Tried, StoreError> {
        let is_admin =
            |member: Option<&Member>| member.is_some_and(|member| member.role == Role::Admin);
        let after = match next {
            Next::Stays => return Ok(Tried::Done),
            Next::Becomes(after) => Some(after),
            Next::Goes => None,
        };
        let mut tx = self.table.transaction(CHANGE);
        tx.add(self.member_row(account, user, before.as_ref(), after.as_ref()))
            .or(Refusal::Changed);
        match (is_admin(before.as_ref()), is_admin(after.as_ref())) {
            (false, true) => tx
                .add(self.admins_change(account, 1, keep))
                .or(Refusal::LastAdmin),
            (true, false) => tx
                .add(self.admins_change(account, -1, keep))
                .or(Refusal::LastAdmin),
            (false, false) | (true, true) => {}
        }
        let membership = keys::membership(user, account);
        match (before.is_some(), after.is_some()) {
            (false, true) => {
                let mut item = membership.attributes();
                item.insert("name".to_owned(), text(name));
                tx.add(put_new(&self.table, item));
            }
            (true, false) => {
                tx.add(delete_when(
                    &self.table,
                    membership,
                    "attribute_exists(pk)",
                    vec![],
                ));
            }
            (true, true) | (false, false) => {}
        }
        for item in proof {
            tx.add(item).or(Refusal::Unproved);
        }
        match tx.commit().await {
            Ok(Committed::Written) => Ok(Tried::Done),
            Ok(Committed::Refused(Refusal::Changed, _)) => Ok(Tried::Changed),
            Ok(Committed::Refused(Refusal::Unproved, _)) => Ok(Tried::Unproved),
            Ok(Committed::Refused(Refusal::LastAdmin, _)) => Ok(Tried::LastAdmin),
            Err(error) if error.is_contended() => Ok(Tried::Changed),
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

    fn admins_change(&self, account: &AccountId, by: i64, keep: Keep) -> TransactWriteItem {
        let change = Change::of(keys::members(account)).add("admins", number(by));
        let change = match keep {
            Keep::OneAdmin if by < 0 => change.when("#admins > :one", vec![("one", number(1))]),
            Keep::OneAdmin | Keep::Nothing => change,
        };
        change.item(&self.table)
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
