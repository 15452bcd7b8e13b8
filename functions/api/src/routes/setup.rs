//! `/setup`: where GitHub sends people who have installed the App.
//!
//! The installation's number stands in the address, so anybody can choose it. It is believed only where GitHub shows that
//! installation to the person who signs in, and an account pays for its owner only where that person runs the owner and
//! the account.

use crate::memberships::Belongings;
use crate::pages::Page;
use crate::people::{self, Person};
use crate::routes::sign_in::{leave, redirect};
use crate::states::Intent;
use crate::{ApiError, Ctx};
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{Form, Query, State};
use axum::response::{IntoResponse, Response};
use domain::access::Role;
use domain::ids::{AccountId, InstallationId};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use std::sync::Arc;
use store::Linked;

/// What GitHub says of what was done.
#[derive(Deserialize)]
pub struct Installed {
    installation_id: Option<u64>,
}

/// Begins a sign-in that is about an installation.
pub async fn begin(
    State(ctx): State<Arc<Ctx>>,
    installed: Result<Query<Installed>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(installed) = installed.map_err(|error| ApiError::bad_request("bad_query", error.body_text()))?;
    let Some(installation) = installed.installation_id else {
        let page = Page::new(StatusCode::OK, "Nothing is installed yet");
        let why = "Somebody who runs the organisation has to say yes on GitHub first. Come back after that.";
        return Ok(page.says(why).into_response());
    };
    let installation = Some(InstallationId::new(installation));
    leave(&ctx, &Intent { installation, return_to: None }).await
}

/// What somebody can do with an installation that has no account.
pub fn offer(has: &Belongings, installation: InstallationId, csrf: &str) -> Response {
    let Some(shown) = has.shown.iter().find(|one| one.installation == installation) else {
        let page = Page::new(StatusCode::NOT_FOUND, "There is no such installation");
        return page
            .says("GitHub does not show you this installation. Ask whoever has installed the App.")
            .into_response();
    };
    let page = Page::new(StatusCode::OK, "The App is installed");
    if shown.role != Role::Admin {
        let why = format!("Somebody who runs {} has to sign in to say which account pays for it.", shown.login);
        return page.says(&why).into_response();
    }
    let mine: Vec<_> = has.accounts.iter().filter(|(_, role)| **role == Role::Admin).collect();
    if mine.is_empty() {
        let why = format!("{} has no account yet. Sign up with POST /api/v1/signup to make one.", shown.login);
        return page.says(&why).into_response();
    }
    let page = page.says(&format!("No account pays for {} yet. Which one of yours shall?", shown.login));
    let number = installation.to_string();
    mine.into_iter()
        .fold(page, |page, (account, _)| {
            let fields = [("installation_id", number.as_str()), ("account_id", account.as_str()), ("csrf_token", csrf)];
            page.offers("/setup", &fields, &format!("Let {account} pay"))
        })
        .into_response()
}

/// Which account shall pay for an installation's owner.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    installation_id: u64,
    account_id: String,
    csrf_token: String,
}

/// The page's form.
pub async fn link(
    State(ctx): State<Arc<Ctx>>,
    headers: HeaderMap,
    form: Result<Form<Choice>, FormRejection>,
) -> Result<Response, ApiError> {
    let now = ctx.outside.now();
    let person = people::person(&ctx, &headers, now).await?;
    let person = person.ok_or_else(|| ApiError::unauthorized("sign in at /signin"))?;
    let Form(choice) = form.map_err(|error| ApiError::bad_request("bad_body", error.body_text()))?;
    person.vouched_by(&ctx, &headers, Some(&choice.csrf_token))?;
    let account = AccountId::parse(&choice.account_id).map_err(|_| ApiError::not_found("you have no such account"))?;
    link_owner(&ctx, &person, InstallationId::new(choice.installation_id), &account).await?;
    Ok(redirect(&ctx.dashboard_url))
}

/// Lets an account pay for the owner of an installation that GitHub has shown this person.
pub async fn link_owner(
    ctx: &Ctx,
    person: &Person,
    installation: InstallationId,
    account: &AccountId,
) -> Result<(), ApiError> {
    let session = &person.session;
    let shown = session.shown.iter().find(|one| one.installation == installation).ok_or_else(|| {
        ApiError::not_found("GitHub has not shown you such an installation without an account; sign in again")
    })?;
    let member = ctx.store.member_find(account, session.user.id).await?;
    let member = member.ok_or_else(|| ApiError::not_found("you have no such account"))?;
    if member.role != Role::Admin || shown.role != Role::Admin {
        let detail = format!("only who runs both {} and the account can let it pay for {}", shown.login, shown.login);
        return Err(ApiError::forbidden("not_an_admin", detail));
    }
    match ctx.store.owner_link(&person.digest(), shown, account).await? {
        Linked::Now => {}
        Linked::Taken => {
            let detail = format!("another account pays for {}; ask whoever runs this to change that", shown.login);
            return Err(ApiError::conflict("owner_taken", detail));
        }
        Linked::Spent => return Err(ApiError::conflict("proof_spent", "this was used before; sign in again")),
    }
    tracing::info!(account.id = %account, owner.id = %shown.owner, user.id = %session.user.id, session.id = %session.id,
        audit = true, "linked an owner");
    Ok(())
}
