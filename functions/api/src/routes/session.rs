//! `/api/v1/session`: who is signed in, for which account, and what GitHub has shown him.

use crate::rates::Guest;
use crate::sessions;
use crate::sessions::Person;
use crate::{ApiError, Ctx, joining, owners};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::accounts::api_keys::Role;
use domain::accounts::sessions::Session;
use domain::ids::{AccountId, InstallationId};
use http::{StatusCode, header};
use rest::{Body, IdempotencyKey};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use store::Finished;
use utoipa::ToSchema;

/// Somebody who is signed in.
#[derive(Serialize, ToSchema)]
pub struct SessionShown {
    /// His number on GitHub.
    user_id: u64,
    /// What he is called there.
    login: String,
    /// The account for which he acts, if he has one.
    account_id: Option<String>,
    /// His accounts.
    accounts: Vec<AccountOfMine>,
    /// Installations that have no account yet.
    installations: Vec<InstallationShown>,
    /// What to send as X-CSRF-Token with whatever changes something.
    csrf_token: String,
    expires_at: String,
}

/// One of somebody's accounts.
#[derive(Serialize, ToSchema)]
pub struct AccountOfMine {
    id: String,
    /// What it was called when it was signed up, or somebody on GitHub for whom it pays.
    name: String,
    /// `viewer`, `member` or `admin`.
    role: String,
}

/// An installation that has no account yet.
#[derive(Serialize, ToSchema)]
pub struct InstallationShown {
    installation_id: u64,
    owner_id: u64,
    /// What the owner is called.
    owner: String,
    /// What you would be to an account of his.
    role: String,
}

/// Which account to act for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountChosen {
    /// One of your accounts.
    account_id: String,
}

/// A key that proves an account to be yours.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountKey {
    /// A key of the account that may do everything.
    #[schema(min_length = 1, max_length = 100)]
    key: String,
}

/// Which installation's owner your account shall pay for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InstallationChosen {
    /// One of your session's installations.
    installation_id: u64,
}

/// Who you are, for which account you act and which others you have. For people who are signed in; a key has no session.
#[utoipa::path(get, path = "/api/v1/session", tag = "people", security(("session" = [])),
    responses((status = 200, body = SessionShown)))]
pub async fn show(
    person: Person,
    State(ctx): State<Arc<Ctx>>,
) -> Result<Json<SessionShown>, ApiError> {
    Ok(Json(
        shown(&ctx, &person.session, person.csrf_token()).await?,
    ))
}

/// Goes on for another of your accounts. The session gets a new cookie and a new CSRF token; the old ones end, so that a
/// page that still shows the other account cannot act by mistake.
#[utoipa::path(put, path = "/api/v1/session/account", tag = "people", request_body = AccountChosen, security(("session" = [])),
    responses((status = 200, body = SessionShown), (status = 404)))]
pub async fn choose(
    person: Person,
    State(ctx): State<Arc<Ctx>>,
    Body(chosen): Body<AccountChosen>,
) -> Result<Response, ApiError> {
    let absent = || ApiError::not_found("you have no such account");
    let account = AccountId::parse(&chosen.account_id).map_err(|_| absent())?;
    let old = &person.session;
    ctx.store
        .member_find(&account, old.user.id)
        .await?
        .ok_or_else(absent)?;
    let now = ctx.outside.now();
    let (fresh, text) = sessions::begin(
        &ctx,
        old.user.clone(),
        Some(account.clone()),
        old.shown.clone(),
        now,
    );
    // Choosing does not make anybody stay longer.
    let session = Session {
        expires_at: old.expires_at,
        ..fresh
    };
    let digest = person.digest();
    match ctx
        .store
        .session_replace(&digest, &session, &store::session_digest(&text))
        .await?
    {
        Finished::Now => ctx.known_sessions.forget(&digest),
        Finished::Already => {
            return Err(ApiError::unauthorized(
                "this session has ended; sign in again at /signin",
            ));
        }
    }
    tracing::info!(account.id = %account, user.id = %session.user.id, session.id = %session.id, audit = true, "chose an account");
    let mut response =
        Json(shown(&ctx, &session, sessions::csrf_token(&text)).await?).into_response();
    response
        .headers_mut()
        .append(header::SET_COOKIE, sessions::hand_over(&text));
    Ok(response)
}

/// Makes you an admin of the account whose key you show, also where GitHub shows you nothing of it: an account that was signed
/// up by mail, say. It has to be a key that may do everything, as the first one; whatever is wrong with it, the answer is
/// the same. Then choose the account.
#[utoipa::path(post, path = "/api/v1/session/accounts", tag = "people", request_body = AccountKey, security(("session" = [])),
    params(IdempotencyKey),
    responses((status = 200, body = AccountOfMine)))]
pub async fn join(
    person: Person,
    // Secrets that are tried are counted by where they come from, too.
    _: Guest,
    State(ctx): State<Arc<Ctx>>,
    // Who is let in twice is in, whatever the act is called.
    _: IdempotencyKey,
    body: Result<Body<AccountKey>, ApiError>,
) -> Result<Json<AccountOfMine>, ApiError> {
    // The reason of the JSON parser could repeat the key.
    let Body(shown) = body.map_err(|_| {
        ApiError::bad_request("bad_body", "send {\"key\": \"th_…\"} and nothing else")
    })?;
    let joined = joining::join(&ctx, &person, &shown.key).await?;
    Ok(Json(AccountOfMine {
        id: joined.account.to_string(),
        name: joined.name,
        role: Role::Admin.as_str().to_owned(),
    }))
}

/// Lets your account pay for the owner of an installation that GitHub has shown you. You have to run both. An owner who got an
/// account of his own by installing the App moves to yours and his own is closed, as long as nothing was done with it.
#[utoipa::path(post, path = "/api/v1/session/installations", tag = "people", request_body = InstallationChosen,
    security(("session" = [])),
    params(IdempotencyKey),
    responses((status = 204),
        (status = 404), (status = 409)))]
pub async fn link(
    person: Person,
    State(ctx): State<Arc<Ctx>>,
    // An owner is linked once, whatever the act is called.
    _: IdempotencyKey,
    Body(chosen): Body<InstallationChosen>,
) -> Result<StatusCode, ApiError> {
    let no_account = || {
        ApiError::forbidden(
            "no_account",
            "choose one of your accounts with PUT /api/v1/session/account",
        )
    };
    let account = person.session.account.clone().ok_or_else(no_account)?;
    owners::link(
        &ctx,
        &person,
        InstallationId::new(chosen.installation_id),
        &account,
    )
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn shown(ctx: &Ctx, session: &Session, csrf_token: String) -> Result<SessionShown, ApiError> {
    let mut accounts = Vec::new();
    for one in ctx.store.membership_list(session.user.id).await? {
        let member = ctx.store.member_find(&one.account, session.user.id).await?;
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
    Ok(SessionShown {
        user_id: session.user.id.get(),
        login: session.user.login.clone(),
        account_id: session.account.as_ref().map(AccountId::to_string),
        accounts,
        installations: installations.collect(),
        csrf_token,
        expires_at: session.expires_at.to_string(),
    })
}
