//! Connects an account that signed up by email to its person, who presents a key of the account.
//!
//! A key with every scope can create other keys and spend the account's money, so its holder
//! already decides for the account. Presenting the key only adds who they are on GitHub. The key is
//! used here, and it is neither stored nor repeated. Whatever is wrong with the key, the answer is
//! the same. A key makes no place: the plan's number of members binds its holder, too, unless the
//! account has no admin. The account is notified by mail. Safe to run twice: a member who joins again
//! stays an admin, and no other mail is sent.

use crate::accounts;
use crate::accounts::sessions::{Found, Person};
use crate::cache::Cache;
use domain::accounts::api_keys::KeyText;
use domain::billing::plans::Catalogue;
use domain::billing::quotas;
use domain::billing::usage::Meter;
use domain::ids::AccountId;
use domain::notices::{Notice, Topic};
use domain::refusal::{FlowError, Refusal};
use domain::time::Timestamp;
use store::{LetIn, Store, key_digest};

/// The account that a person has joined.
pub struct Joined {
    pub account: AccountId,
    /// The display name.
    pub name: String,
}

/// Makes a person an admin of the account whose key they present.
pub async fn join(
    (store, catalogue): (&Store, &Catalogue),
    sessions: &Cache<Found>,
    person: &Person,
    key: &str,
    now: Timestamp,
) -> Result<Joined, FlowError> {
    let text = KeyText::parse(key.trim()).ok_or_else(bad_key)?;
    let digest = key_digest(&text);
    let key = store.api_key_find(&digest).await?;
    let key = key
        .filter(|key| key.is_good(now) && key.is_whole())
        .ok_or_else(bad_key)?;
    let user = &person.session.user;
    let name = store.account_name(&key.account).await?;
    let name = name.unwrap_or_else(|| key.account.to_string());
    let entitled = accounts::load(store, catalogue, &key.account, now).await?;
    let place = (
        &key.account,
        name.as_str(),
        quotas::places(&entitled.entitlements),
    );
    let words = format!(
        "the GitHub user {} has presented the API key \u{201c}{}\u{201d} of your account and is now an admin of it.",
        user.login, key.name
    );
    let notice = Notice::new(Topic::AdminJoined(user.id, now), words, now);
    match store.member_let_in(place, user, &digest, &notice).await? {
        LetIn::Now => {}
        LetIn::Full => {
            let why = quotas::refusal(&entitled.entitlements, &Meter::users(), now);
            let detail = format!("You cannot join this account: {why}.");
            return Err(Refusal::conflict("members_full", detail).into());
        }
        LetIn::Ended => return Err(bad_key().into()),
    }
    sessions.forget(&person.digest());
    tracing::info!(account.id = %key.account, key.id = %key.id, user.id = %user.id, session.id = %person.session.id,
        audit = true, "joined an account by its key");
    Ok(Joined {
        account: key.account,
        name,
    })
}

fn bad_key() -> Refusal {
    let detail = "This key cannot be used here. Send an active key with all scopes, such as the first key, which the link in \
        the welcome mail showed.";
    Refusal::forbidden("bad_account_key", detail)
}
