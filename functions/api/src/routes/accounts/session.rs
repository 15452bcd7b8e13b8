//! `/api/v1/session`: the signed-in person, their accounts, and the installations that GitHub shows
//! them.
//!
//! Safe to run twice: joining an account and linking an owner happen once, whatever the idempotency
//! key.

use crate::rates::Guest;
use crate::sessions::SignedIn;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::accounts::api_keys::Role;
use domain::accounts::sessions::Session;
use domain::ids::{AccountId, InstallationId};
use flows::accounts::{joining, owners, sessions};
use http::{StatusCode, header};
use rest::{Body, IdempotencyKey};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use store::Store;
use utoipa::ToSchema;

/// The session of a signed-in person.
#[derive(Serialize, ToSchema)]
pub struct SessionShown {
    /// The person's GitHub user id.
    user_id: u64,
    /// The person's GitHub login.
    login: String,
    /// The account that the session acts for, if any.
    account_id: Option<String>,
    /// The accounts that the person belongs to.
    accounts: Vec<AccountOfMine>,
    /// The installations that have no account yet.
    installations: Vec<InstallationShown>,
    /// The accounts that had no place for the person at sign-in, so they are not a member.
    full_accounts: Vec<FullAccount>,
    /// The value of the `X-CSRF-Token` header that every change requires.
    csrf_token: String,
    expires_at: String,
}

/// An account that the person belongs to.
#[derive(Serialize, ToSchema)]
pub struct AccountOfMine {
    id: String,
    /// The name from the sign-up, or a GitHub owner that the account pays for.
    name: String,
    /// The role: `viewer`, `member` or `admin`.
    role: String,
}

/// An account that has no place for another member. An admin of it can remove a member or change to
/// a plan with more places; then sign in again.
#[derive(Serialize, ToSchema)]
pub struct FullAccount {
    id: String,
    /// A GitHub owner that the account pays for.
    name: String,
}

/// An installation that has no account yet.
#[derive(Serialize, ToSchema)]
pub struct InstallationShown {
    installation_id: u64,
    owner_id: u64,
    /// The login of the installation's owner.
    owner: String,
    /// The role that you would have in an account of that owner.
    role: String,
}

/// The account to switch to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountChosen {
    /// The id of one of your accounts.
    account_id: String,
}

/// An API key that proves that you control an account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountKey {
    /// An active key of the account with all scopes.
    #[schema(min_length = 1, max_length = 100)]
    key: String,
}

/// The installation whose owner your account should pay for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InstallationChosen {
    /// The id of one of your session's installations.
    installation_id: u64,
}

/// Retrieves your session: who you are, the account you act for and your other accounts.
///
/// This endpoint requires a signed-in session; an API key has none.
#[utoipa::path(get, path = "/api/v1/session", tag = "people", security(("session" = [])),
    responses((status = 200, body = SessionShown)))]
pub async fn show(
    SignedIn(person): SignedIn,
    State(ctx): State<Arc<Ctx>>,
) -> Result<Json<SessionShown>, ApiError> {
    Ok(Json(
        shown(&ctx.store, &person.session, person.csrf_token()).await?,
    ))
}

/// Switches to another of your accounts.
///
/// The session gets a new cookie and a new CSRF token, and the old ones stop working. A page that
/// still shows the other account therefore cannot act by mistake.
#[utoipa::path(put, path = "/api/v1/session/account", tag = "people", request_body = AccountChosen, security(("session" = [])),
    responses((status = 200, body = SessionShown), (status = 404)))]
pub async fn choose(
    SignedIn(person): SignedIn,
    State(ctx): State<Arc<Ctx>>,
    Body(chosen): Body<AccountChosen>,
) -> Result<Response, ApiError> {
    let absent = || ApiError::not_found("You have no such account.");
    let account = AccountId::parse(&chosen.account_id).map_err(|_| absent())?;
    let old = &person.session;
    ctx.store
        .member_find(&account, old.user.id)
        .await?
        .ok_or_else(absent)?;
    let fresh = sessions::Fresh {
        id: ctx.outside.random_bytes(),
        text: ctx.outside.random_bytes(),
        browser: old.browser.clone(),
    };
    let now = ctx.outside.now();
    let chosen = sessions::choose(&ctx.store, &ctx.sessions, &person, fresh, account, now).await?;
    let Some((session, text)) = chosen else {
        return Err(ApiError::unauthorized(
            "This session has ended; sign in again at `/signin`.",
        ));
    };
    let mut response =
        Json(shown(&ctx.store, &session, sessions::csrf_token(&text)).await?).into_response();
    response
        .headers_mut()
        .append(header::SET_COOKIE, rest::browsers::session_cookie(&text));
    Ok(response)
}

/// Makes you an admin of the account whose key you send.
///
/// This works even if GitHub does not connect you to the account, for example because it signed up
/// by email. The key needs all scopes, which the account's first key has. The answer is the same
/// whatever is wrong with the key. An account that has an admin and no place for another member
/// refuses with `members_full`. Switch to the account afterwards.
#[utoipa::path(post, path = "/api/v1/session/accounts", tag = "people", request_body = AccountKey, security(("session" = [])),
    params(IdempotencyKey),
    responses((status = 200, body = AccountOfMine), (status = 409)))]
pub async fn join(
    SignedIn(person): SignedIn,
    // Attempts with a secret are also counted by network.
    _: Guest,
    State(ctx): State<Arc<Ctx>>,
    // The key is only checked: joining twice changes nothing.
    _: IdempotencyKey,
    body: Result<Body<AccountKey>, ApiError>,
) -> Result<Json<AccountOfMine>, ApiError> {
    // The JSON parser's error could repeat the key.
    let Body(shown) = body.map_err(|_| {
        ApiError::bad_request("bad_body", "Send `{\"key\": \"th_…\"}` and nothing else.")
    })?;
    let joined = joining::join(
        (&ctx.store, &ctx.catalogue),
        &ctx.sessions,
        &person,
        &shown.key,
        ctx.outside.now(),
    )
    .await?;
    Ok(Json(AccountOfMine {
        id: joined.account.to_string(),
        name: joined.name,
        role: Role::Admin.as_str().to_owned(),
    }))
}

/// Lets your account pay for the owner of an installation that GitHub has shown you.
///
/// You must be an admin of both. An owner who got an account automatically by installing the App
/// moves to your account, and that automatic account is closed. This works only while the automatic
/// account is unused.
#[utoipa::path(post, path = "/api/v1/session/installations", tag = "people", request_body = InstallationChosen,
    security(("session" = [])),
    params(IdempotencyKey),
    responses((status = 204),
        (status = 404), (status = 409)))]
pub async fn link(
    SignedIn(person): SignedIn,
    State(ctx): State<Arc<Ctx>>,
    // The key is only checked: an owner is linked once.
    _: IdempotencyKey,
    Body(chosen): Body<InstallationChosen>,
) -> Result<StatusCode, ApiError> {
    let no_account = || {
        ApiError::forbidden(
            "no_account",
            "Choose one of your accounts with `PUT /api/v1/session/account`.",
        )
    };
    let account = person.session.account.clone().ok_or_else(no_account)?;
    let installation = InstallationId::new(chosen.installation_id);
    let now = ctx.outside.now();
    for digest in owners::link(&ctx.store, &person, installation, &account, now).await? {
        ctx.keys.forget(&digest);
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn shown(
    store: &Store,
    session: &Session,
    csrf_token: String,
) -> Result<SessionShown, ApiError> {
    let mut accounts = Vec::new();
    for one in store.membership_list(session.user.id).await? {
        let member = store.member_find(&one.account, session.user.id).await?;
        let role = member
            .map_or(Role::Viewer, |member| member.role)
            .as_str()
            .to_owned();
        accounts.push(AccountOfMine {
            id: one.account.to_string(),
            name: one.name,
            role,
        });
    }
    let installations = session.shown.iter().map(|one| InstallationShown {
        installation_id: one.installation.get(),
        owner_id: one.owner.get(),
        owner: one.login.clone(),
        role: one.role.as_str().to_owned(),
    });
    let full = session.full.iter().map(|one| FullAccount {
        id: one.account.to_string(),
        name: one.name.clone(),
    });
    Ok(SessionShown {
        user_id: session.user.id.get(),
        login: session.user.login.clone(),
        account_id: session.account.as_ref().map(AccountId::to_string),
        accounts,
        installations: installations.collect(),
        full_accounts: full.collect(),
        csrf_token,
        expires_at: session.expires_at.to_string(),
    })
}
