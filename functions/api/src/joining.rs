//! From an account that was signed up by mail to the person who has it: he shows its key.
//!
//! A key that may do everything makes other keys and spends the account's money, so whoever has one decides for the account
//! already; showing it only says who that is on GitHub. The key is used here and neither kept nor said again. Whatever is
//! wrong with it, the answer is the same.

use crate::sessions::Person;
use crate::{ApiError, Ctx};
use domain::accounts::api_keys::KeyText;
use domain::ids::AccountId;
use store::{LetIn, key_digest};

/// What somebody has come into.
pub struct Joined {
    /// The account.
    pub account: AccountId,
    /// What people call it.
    pub name: String,
}

/// Makes a person an admin of the account whose key this is. Who shows it again is one already.
pub async fn join(ctx: &Ctx, person: &Person, key: &str) -> Result<Joined, ApiError> {
    let now = ctx.outside.now();
    let text = KeyText::parse(key.trim()).ok_or_else(no_proof)?;
    let digest = key_digest(&text);
    let key = ctx
        .store
        .api_key_find(&digest)
        .await?
        .filter(|key| key.is_good(now) && key.is_whole());
    let key = key.ok_or_else(no_proof)?;
    let user = &person.session.user;
    let name = ctx
        .store
        .account_name(&key.account)
        .await?
        .unwrap_or_else(|| key.account.to_string());
    match ctx
        .store
        .member_let_in(&key.account, &name, user, &digest, now)
        .await?
    {
        LetIn::Now => {}
        LetIn::Ended => return Err(no_proof()),
    }
    ctx.known_sessions.forget(&person.digest());
    tracing::info!(account.id = %key.account, key.id = %key.id, user.id = %user.id, session.id = %person.session.id,
        audit = true, "came into an account by its key");
    Ok(Joined {
        account: key.account,
        name,
    })
}

fn no_proof() -> ApiError {
    let detail = "this key proves nothing: send a key of the account that may do everything and is neither revoked nor over, \
        such as the first one, which the link in the welcome has shown";
    ApiError::forbidden("bad_account_key", detail)
}
