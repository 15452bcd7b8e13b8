//! User sessions, found by the digests of their cookies, and single-use sign-in states and proofs.
//!
//! A session's row is written once, with a line in its user's list. Afterwards only the list of its
//! used proofs changes, and its account if it had none that is open. Ending it deletes both.

use crate::accounts::OPEN;
use crate::accounts::moving::spent;
use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, number, text, texts, time};
use crate::db::table::Updated;
use crate::db::tx::{Change, Committed, check_when, delete, delete_when, put_new};
use crate::db::{digests, keys};
use crate::{Finished, Store};
use domain::accounts::api_keys::Role;
use domain::accounts::members::{Membership, User};
use domain::accounts::sessions::{Session, SessionListed, SessionText, VisibleInstallation};
use domain::ids::{AccountId, InstallationId, OwnerId, SessionId, UserId};
use domain::time::Timestamp;

/// The result of linking an owner to an account that pays for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Linked {
    /// The account pays for the owner now, or already did.
    Now,
    /// Another account pays for the owner.
    Taken,
    /// The account no longer exists or is closed.
    Closed,
    /// The session has ended, or this proof was already used.
    Spent,
}

/// Reasons to refuse a link, in order of precedence. A repeated link also finds its proof used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum NotLinked {
    Taken,
    Closed,
    Spent,
}

/// The session is stored already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Known;

/// The session to replace has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Ended;

/// Returns the digest that identifies a session.
pub fn session_digest(text: &SessionText) -> String {
    digests::of(text.expose())
}

impl Store {
    /// Stores a new session under the digest of its text, and in its user's list.
    pub async fn session_create(&self, session: &Session, digest: &str) -> Result<(), StoreError> {
        let mut tx = self.table.transaction("keep a session");
        tx.add(put_new(&self.table, session_attributes(session, digest)))
            .or(Known);
        tx.add(put_new(&self.table, listed_attributes(session, digest)))
            .or(Known);
        // Two sessions never share 256 random bits, so an existing row is this session, written by
        // a call whose response was lost.
        match tx.commit().await? {
            Committed::Written | Committed::Refused(Known, _) => Ok(()),
        }
    }

    /// Finds the session with this digest, valid or not.
    pub async fn session_find(&self, digest: &str) -> Result<Option<Session>, StoreError> {
        let found = self
            .table
            .get("find a session", &keys::session(digest))
            .await?;
        found.as_ref().map(session_of).transpose()
    }

    /// A user's sessions, newest first. Some may have expired.
    pub async fn session_list(&self, user: UserId) -> Result<Vec<SessionListed>, StoreError> {
        let pk = keys::sessions_pk(user);
        let found = self
            .table
            .query_prefix("list sessions", pk, keys::LISTED_SESSION);
        let mut all: Vec<SessionListed> = found
            .await?
            .iter()
            .map(listed_of)
            .collect::<Result<_, _>>()?;
        all.sort_by_key(|session| std::cmp::Reverse(session.began_at));
        Ok(all)
    }

    /// Ends a session. It grants no access from then on.
    pub async fn session_end(
        &self,
        user: UserId,
        id: &SessionId,
        digest: &str,
    ) -> Result<(), StoreError> {
        let mut tx = self.table.transaction::<Known>("end a session");
        for key in [keys::session(digest), keys::session_listed(user, id)] {
            tx.add(delete(&self.table, key));
        }
        tx.commit().await.map(|_| ())
    }

    /// Finds the digest of a session in its user's list.
    pub async fn session_digest_find(
        &self,
        user: UserId,
        id: &SessionId,
    ) -> Result<Option<String>, StoreError> {
        const FIND: &str = "find a session";
        let found = self
            .table
            .get(FIND, &keys::session_listed(user, id))
            .await?;
        let digest = |item: &Attributes| Ok(Item::new(item, FIND).text("digest")?.to_owned());
        found.as_ref().map(digest).transpose()
    }

    /// Replaces a session with another, unless it has ended in the meantime.
    pub async fn session_replace(
        &self,
        (old, old_digest): (&Session, &str),
        new: &Session,
        digest: &str,
    ) -> Result<Finished, StoreError> {
        const REPLACE: &str = "replace a session";
        let mut tx = self.table.transaction(REPLACE);
        tx.add(delete_when(
            &self.table,
            keys::session(old_digest),
            "attribute_exists(pk)",
            vec![],
        ))
        .or(Ended);
        tx.add(put_new(&self.table, session_attributes(new, digest)));
        // Sessions from before the list existed are not in it.
        tx.add(delete(
            &self.table,
            keys::session_listed(old.user.id, &old.id),
        ));
        tx.add(put_new(&self.table, listed_attributes(new, digest)));
        Ok(match tx.commit().await? {
            Committed::Written => Finished::Now,
            Committed::Refused(Ended, _) => Finished::Already,
        })
    }

    /// Lets a session act for an account instead of the one that it was read with.
    pub async fn session_take_on(
        &self,
        session: &Session,
        digest: &str,
        account: &AccountId,
    ) -> Result<(), StoreError> {
        let listed = keys::session_listed(session.user.id, &session.id);
        let mut tx = self.table.transaction("let a session act for an account");
        for key in [keys::session(digest), listed] {
            let change = Change::of(key).set("account", text(account.as_str()));
            let change = match &session.account {
                Some(before) => change.when(
                    "#account = :before",
                    vec![("before", text(before.as_str()))],
                ),
                None => change.when(
                    "attribute_exists(pk) AND attribute_not_exists(#account)",
                    vec![],
                ),
            };
            tx.add(change.item(&self.table)).or(Ended);
        }
        // A refusal means that it has ended, or that a repetition of this call was faster.
        match tx.commit().await? {
            Committed::Written | Committed::Refused(Ended, _) => Ok(()),
        }
    }

    /// Records that a sign-in state was used. A second use of the same state returns
    /// [`Finished::Already`].
    pub async fn state_use(
        &self,
        digest: &str,
        forget_at: Timestamp,
    ) -> Result<Finished, StoreError> {
        let mut item = keys::state_used(digest).attributes();
        item.insert("ttl".to_owned(), number(forget_at.seconds()));
        Ok(match self.table.put_new("note a sign-in", item).await? {
            Updated::Done(()) => Finished::Now,
            Updated::Refused(_) => Finished::Already,
        })
    }

    /// Lets an account pay for an owner, based on the GitHub proof that a session keeps. The link
    /// uses up the proof.
    pub async fn owner_link(
        &self,
        digest: &str,
        shown: &VisibleInstallation,
        account: &AccountId,
    ) -> Result<Linked, StoreError> {
        const LINK: &str = "link an owner";
        let mut tx = self.table.transaction(LINK);
        tx.add(spent(digest, shown.installation).item(&self.table))
            .or(NotLinked::Spent);
        // GitHub's event about the installation may come later; a repeated link needs its owner now.
        let installation = self
            .link(keys::installation(shown.installation), account)
            .set("owner_id", number(shown.owner));
        for link in [self.link_owner(shown.owner, account), installation] {
            tx.add(link.item(&self.table)).or(NotLinked::Taken);
        }
        let account_key = keys::account(account);
        tx.add(check_when(&self.table, account_key, OPEN, vec![]))
            .or(NotLinked::Closed);
        match tx.commit().await? {
            Committed::Written => Ok(Linked::Now),
            Committed::Refused(NotLinked::Taken, _) => Ok(Linked::Taken),
            Committed::Refused(NotLinked::Closed, _) => Ok(Linked::Closed),
            Committed::Refused(NotLinked::Spent, _) => {
                // This same link used the proof, if its response was lost.
                let now = self.owner_account(shown.owner, shown.installation).await?;
                Ok(if now.as_ref() == Some(account) {
                    Linked::Now
                } else {
                    Linked::Spent
                })
            }
        }
    }
}

fn session_attributes(session: &Session, digest: &str) -> Attributes {
    let mut item = keys::session(digest).attributes();
    let shown = session.shown.iter().map(|one| {
        format!(
            "{} {} {} {}",
            one.installation,
            one.owner,
            one.role.as_str(),
            one.login
        )
    });
    let full = session.full.iter();
    let full = full.map(|one| format!("{} {}", one.account, one.name));
    let more = [
        ("id", text(session.id.as_str())),
        ("user_id", number(session.user.id)),
        ("login", text(&session.user.login)),
        ("shown", texts(shown)),
        ("full", texts(full)),
        ("browser", text(&session.browser)),
        ("began_at", time(session.began_at)),
        ("expires_at", time(session.expires_at)),
        ("ttl", number(session.expires_at.seconds())),
    ];
    item.extend(more.map(|(name, value)| (name.to_owned(), value)));
    item.extend(
        session
            .account
            .as_ref()
            .map(|account| ("account".to_owned(), text(account.as_str()))),
    );
    item
}

fn session_of(attributes: &Attributes) -> Result<Session, StoreError> {
    let item = Item::new(attributes, "read a session");
    let account = item
        .find_text("account")?
        .map(AccountId::parse)
        .transpose()
        .map_err(|_| item.bad("account"))?;
    let shown: Option<Vec<VisibleInstallation>> =
        item.texts("shown")?.into_iter().map(shown_of).collect();
    let mut shown = shown.ok_or_else(|| item.bad("shown"))?;
    let full: Option<Vec<Membership>> = item.texts("full")?.into_iter().map(full_of).collect();
    let spent = attributes
        .get("spent")
        .and_then(|value| value.as_ns().ok())
        .map_or(&[][..], Vec::as_slice);
    shown.retain(|one| !spent.contains(&one.installation.to_string()));
    Ok(Session {
        id: item.parsed("id", SessionId::parse)?,
        user: User {
            id: UserId::new(item.number("user_id")?),
            login: item.text("login")?.to_owned(),
        },
        account,
        shown,
        full: full.ok_or_else(|| item.bad("full"))?,
        // Sessions from before these were kept have neither.
        browser: item.find_text("browser")?.unwrap_or_default().to_owned(),
        began_at: item.find_time("began_at")?.unwrap_or_default(),
        expires_at: item.time("expires_at")?,
    })
}

fn listed_attributes(session: &Session, digest: &str) -> Attributes {
    let mut item = keys::session_listed(session.user.id, &session.id).attributes();
    let more = [
        ("id", text(session.id.as_str())),
        ("digest", text(digest)),
        ("browser", text(&session.browser)),
        ("began_at", time(session.began_at)),
        ("expires_at", time(session.expires_at)),
        ("ttl", number(session.expires_at.seconds())),
    ];
    item.extend(more.map(|(name, value)| (name.to_owned(), value)));
    let account = session.account.as_ref();
    item.extend(account.map(|account| ("account".to_owned(), text(account.as_str()))));
    item
}

fn listed_of(attributes: &Attributes) -> Result<SessionListed, StoreError> {
    let item = Item::new(attributes, "list sessions");
    let account = item.find_text("account")?.map(AccountId::parse).transpose();
    Ok(SessionListed {
        id: item.parsed("id", SessionId::parse)?,
        account: account.map_err(|_| item.bad("account"))?,
        browser: item.text("browser")?.to_owned(),
        began_at: item.time("began_at")?,
        expires_at: item.time("expires_at")?,
    })
}

fn full_of(text: &str) -> Option<Membership> {
    let (account, name) = text.split_once(' ')?;
    Some(Membership {
        account: AccountId::parse(account).ok()?,
        name: name.to_owned(),
    })
}

fn shown_of(text: &str) -> Option<VisibleInstallation> {
    let mut words = text.splitn(4, ' ');
    Some(VisibleInstallation {
        installation: InstallationId::new(words.next()?.parse().ok()?),
        owner: OwnerId::new(words.next()?.parse().ok()?),
        role: Role::parse(words.next()?)?,
        login: words.next()?.to_owned(),
    })
}
