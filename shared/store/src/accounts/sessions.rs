//! Sessions of people, found by the digests of their cookies; and what proves a sign-in, used once.
//!
//! A session's row is put once and never changed but for the proofs that were spent of it. Signing out takes it away.

use crate::accounts::OPEN;
use crate::accounts::moving::spent;
use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, number, text, texts, time};
use crate::db::table::Updated;
use crate::db::tx::{Committed, check_when, delete_when, put_new};
use crate::db::{digests, keys};
use crate::{Finished, Store};
use domain::accounts::api_keys::Role;
use domain::accounts::members::User;
use domain::accounts::sessions::{Session, SessionText, VisibleInstallation};
use domain::ids::{AccountId, InstallationId, OwnerId, SessionId, UserId};
use domain::time::Timestamp;

/// What became of the wish to have an owner's jobs paid by an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Linked {
    /// They are from now on, or were already.
    Now,
    /// They are paid by another account.
    Taken,
    /// There is no such account any more.
    Closed,
    /// The session has ended, or this proof of it was used before.
    Spent,
}

/// What may stand against a link, in the order in which they decide: a repeated link also finds its proof spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum NotLinked {
    Taken,
    Closed,
    Spent,
}

/// The session to be replaced has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Ended;

/// What a session's text is known by.
pub fn session_digest(text: &SessionText) -> String {
    digests::of(text.expose())
}

impl Store {
    /// Keeps a new session by the digest of its text.
    pub async fn session_create(&self, session: &Session, digest: &str) -> Result<(), StoreError> {
        // Nobody else has 256 equal bits, so a row that is there is this one: its answer was lost.
        let row = session_attributes(session, digest);
        match self.table.put_new("keep a session", row).await? {
            Updated::Done(()) | Updated::Refused(_) => Ok(()),
        }
    }

    /// The session with this digest, good or not.
    pub async fn session_find(&self, digest: &str) -> Result<Option<Session>, StoreError> {
        let found = self
            .table
            .get("find a session", &keys::session(digest))
            .await?;
        found.as_ref().map(session_of).transpose()
    }

    /// Ends a session; it opens nothing from then on.
    pub async fn session_end(&self, digest: &str) -> Result<Finished, StoreError> {
        let key = keys::session(digest);
        Ok(
            match self.table.delete_existing("end a session", &key).await? {
                Updated::Done(()) => Finished::Now,
                Updated::Refused(_) => Finished::Already,
            },
        )
    }

    /// Puts a session in the place of another, unless that has ended meanwhile.
    pub async fn session_replace(
        &self,
        old: &str,
        new: &Session,
        digest: &str,
    ) -> Result<Finished, StoreError> {
        const REPLACE: &str = "replace a session";
        let old = keys::session(old);
        let mut tx = self.table.transaction(REPLACE);
        tx.add(delete_when(
            &self.table,
            old,
            "attribute_exists(pk)",
            vec![],
        ))
        .or(Ended);
        tx.add(put_new(&self.table, session_attributes(new, digest)));
        Ok(match tx.commit().await? {
            Committed::Written => Finished::Now,
            Committed::Refused(Ended, _) => Finished::Already,
        })
    }

    /// Notes that a sign-in came back; who comes with the same state once more is told that it was used.
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

    /// Lets an account pay for an owner from now on, on the word of GitHub that a session keeps, which is spent by that.
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
        for key in [
            keys::owner(shown.owner),
            keys::installation(shown.installation),
        ] {
            tx.add(self.link(key, account).item(&self.table))
                .or(NotLinked::Taken);
        }
        let account_key = keys::account(account);
        tx.add(check_when(&self.table, account_key, OPEN, vec![]))
            .or(NotLinked::Closed);
        match tx.commit().await? {
            Committed::Written => Ok(Linked::Now),
            Committed::Refused(NotLinked::Taken, _) => Ok(Linked::Taken),
            Committed::Refused(NotLinked::Closed, _) => Ok(Linked::Closed),
            Committed::Refused(NotLinked::Spent, _) => {
                // Spent by this very link, if its answer was lost.
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
    let more = [
        ("id", text(session.id.as_str())),
        ("user_id", number(session.user.id)),
        ("login", text(&session.user.login)),
        ("shown", texts(shown)),
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
        expires_at: item.time("expires_at")?,
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
