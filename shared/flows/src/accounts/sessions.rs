//! Sessions: finds the person of a session, and starts and ends sessions.
//!
//! The text of a session is 256 random bits that only its browser has; the store keeps the digest.
//! A lookup is cached for a minute, so an ended session or a lost role stops working within a
//! minute. Safe to run twice: ending a session again changes nothing.

use crate::cache::Cache;
use domain::accounts::api_keys::Role;
use domain::accounts::members::{Membership, User};
use domain::accounts::sessions::{LIFE, Session, SessionListed, SessionText, VisibleInstallation};
use domain::ids::{AccountId, SessionId};
use domain::time::Timestamp;
use sha2::{Digest, Sha256};
use store::{Finished, Store, StoreError, session_digest};

/// The signed-in person of one request.
pub struct Person {
    pub session: Session,
    /// Their role in the session's account, if they still belong to it.
    pub role: Option<Role>,
    text: SessionText,
}

/// A cached session.
#[derive(Clone)]
pub struct Found {
    session: Session,
    role: Option<Role>,
}

impl Person {
    /// The CSRF token that our pages send with every change.
    pub fn csrf_token(&self) -> String {
        csrf_token(&self.text)
    }

    /// The digest under which the session is stored.
    pub fn digest(&self) -> String {
        session_digest(&self.text)
    }
}

/// Returns the CSRF token of a session. It follows from the session's text, so another site that
/// makes a browser send its cookie cannot know the token.
pub fn csrf_token(text: &SessionText) -> String {
    hex::encode(Sha256::digest(format!("tallyhook csrf {}", text.expose())))
}

/// Returns the person of a session, if the session is valid.
pub async fn find(
    store: &Store,
    cache: &Cache<Found>,
    text: SessionText,
    now: Timestamp,
) -> Result<Option<Person>, StoreError> {
    let digest = session_digest(&text);
    let found = match cache.get(&digest, now) {
        Some(cached) => cached,
        None => {
            let found = look_up(store, &digest).await?;
            cache.put(&digest, found.clone(), now);
            found
        }
    };
    let valid = found.filter(|found| found.session.is_good(now));
    Ok(valid.map(|Found { session, role }| Person {
        session,
        role,
        text,
    }))
}

async fn look_up(store: &Store, digest: &str) -> Result<Option<Found>, StoreError> {
    let Some(session) = store.session_find(digest).await? else {
        return Ok(None);
    };
    let member = match &session.account {
        Some(account) if is_open(store, account).await? => {
            store.member_find(account, session.user.id).await?
        }
        Some(_) | None => None,
    };
    Ok(Some(Found {
        session,
        role: member.map(|member| member.role),
    }))
}

/// Returns whether anybody may act for the account.
pub async fn is_open(store: &Store, account: &AccountId) -> Result<bool, StoreError> {
    let account = store.account_find(account).await?;
    Ok(account.is_some_and(|account| account.is_open()))
}

/// The random parts of a new session, and the browser that gets it.
pub struct Fresh {
    pub id: [u8; 10],
    pub text: [u8; 32],
    pub browser: String,
}

/// What GitHub showed a person at sign-in, besides their accounts.
#[derive(Clone)]
pub struct Seen {
    pub shown: Vec<VisibleInstallation>,
    pub full: Vec<Membership>,
}

/// Creates a session and the text that only its browser receives.
pub fn start(
    fresh: Fresh,
    user: User,
    account: Option<AccountId>,
    Seen { shown, full }: Seen,
    now: Timestamp,
) -> (Session, SessionText) {
    let session = Session {
        id: SessionId::mint(now, fresh.id),
        user,
        account,
        shown,
        full,
        browser: fresh.browser,
        began_at: now,
        expires_at: now.plus(LIFE),
    };
    (session, SessionText::mint(fresh.text))
}

/// Lets a person act for another of their accounts: a new session replaces theirs, so a page that
/// still shows the other account cannot act by mistake. Returns nothing if their session has ended.
pub async fn choose(
    store: &Store,
    cache: &Cache<Found>,
    person: &Person,
    fresh: Fresh,
    account: AccountId,
    now: Timestamp,
) -> Result<Option<(Session, SessionText)>, StoreError> {
    let (old, digest) = (&person.session, person.digest());
    let seen = Seen {
        shown: old.shown.clone(),
        full: old.full.clone(),
    };
    let (session, text) = start(fresh, old.user.clone(), Some(account), seen, now);
    // Switching accounts does not extend a session.
    let session = Session {
        began_at: old.began_at,
        expires_at: old.expires_at,
        ..session
    };
    let new = (&session, session_digest(&text));
    let replaced = store.session_replace((old, &digest), new.0, &new.1).await?;
    cache.forget(&digest);
    if replaced == Finished::Already {
        return Ok(None);
    }
    let account = session.account.as_ref().map_or("", AccountId::as_str);
    tracing::info!(account.id = %account, user.id = %session.user.id, session.id = %session.id, audit = true, "chose an account");
    Ok(Some((session, text)))
}

/// Lets a session without an open account act for an account that the person has just chosen. The
/// session stays the same, because none of its pages can act for another account.
pub async fn take_on(
    store: &Store,
    cache: &Cache<Found>,
    person: &Person,
    account: &AccountId,
) -> Result<(), StoreError> {
    let digest = person.digest();
    let now = look_up(store, &digest).await?;
    if now.is_some_and(|found| found.role.is_none()) {
        store
            .session_take_on(&person.session, &digest, account)
            .await?;
    }
    cache.forget(&digest);
    Ok(())
}

/// Ends a session: immediately in this process, and within a minute in others.
pub async fn end(store: &Store, cache: &Cache<Found>, person: &Person) -> Result<(), StoreError> {
    let (session, digest) = (&person.session, person.digest());
    store
        .session_end(session.user.id, &session.id, &digest)
        .await?;
    cache.forget(&digest);
    Ok(())
}

/// A person's valid sessions, newest first.
pub async fn list(
    store: &Store,
    person: &Person,
    now: Timestamp,
) -> Result<Vec<SessionListed>, StoreError> {
    let mut all = store.session_list(person.session.user.id).await?;
    all.retain(|session| now < session.expires_at);
    Ok(all)
}

/// Ends one of a person's sessions, by its id. Returns whether there was one.
pub async fn end_one(
    store: &Store,
    cache: &Cache<Found>,
    person: &Person,
    id: &SessionId,
) -> Result<bool, StoreError> {
    let user = person.session.user.id;
    let Some(digest) = store.session_digest_find(user, id).await? else {
        return Ok(false);
    };
    store.session_end(user, id, &digest).await?;
    cache.forget(&digest);
    let by = &person.session.id;
    tracing::info!(user.id = %user, session.id = %by, ended = %id, audit = true, "ended a session");
    Ok(true)
}

/// Ends all of a person's sessions but this one.
pub async fn end_others(
    store: &Store,
    cache: &Cache<Found>,
    person: &Person,
) -> Result<(), StoreError> {
    for session in store.session_list(person.session.user.id).await? {
        if session.id != person.session.id {
            end_one(store, cache, person, &session.id).await?;
        }
    }
    Ok(())
}
