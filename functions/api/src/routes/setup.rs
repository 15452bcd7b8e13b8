//! `/setup`: where GitHub sends people who have installed the App, and where they go who have no account yet.
//!
//! The installation's number stands in the address, so anybody can choose it. It is believed only where GitHub shows that
//! installation to the person who signs in, and an account pays for its owner only where that person runs the owner and
//! the account. An account that was signed up by mail is his whose key he shows.

use crate::memberships::Belongings;
use crate::oauth_state::Intent;
use crate::pages::Page;
use crate::rates::Guest;
use crate::routes::sign_in::{leave, redirect};
use crate::sessions;
use crate::sessions::Person;
use crate::{ApiError, Ctx, joining, owners};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::accounts::api_keys::Role;
use domain::ids::{AccountId, InstallationId};
use http::{HeaderMap, StatusCode};
use rest::{Form, Params};
use serde::Deserialize;
use std::sync::Arc;

/// Where people without an account are told how to get one.
pub const PATH: &str = "/setup";

const WAYS: &str = "There are three ways to an account. Sign up by mail with POST /api/v1/signup: the link in the mail shows the \
    account's first key, and with that key the account is yours here. Or install the App on GitHub where you run things: \
    whoever it is installed for gets an account with a trial by itself. Or ask an admin of an account to let you into his \
    organization on GitHub.";
const INSTALL: &str = "Install the App on GitHub for whoever it shall pay for; GitHub leads you back here, and you can say so.";

/// What GitHub says of what was done.
#[derive(Deserialize)]
pub struct Installed {
    installation_id: Option<u64>,
    setup_action: Option<String>,
}

/// Begins a sign-in that is about an installation; without one, shows somebody what he has and how to get more.
pub async fn begin(
    State(ctx): State<Arc<Ctx>>,
    headers: HeaderMap,
    Params(installed): Params<Installed>,
) -> Result<Response, ApiError> {
    if let Some(installation) = installed.installation_id {
        let installation = Some(InstallationId::new(installation));
        return leave(
            &ctx,
            &Intent {
                installation,
                return_to: None,
            },
        )
        .await;
    }
    if installed.setup_action.is_some() {
        let page = Page::new(StatusCode::OK, "Nothing is installed yet");
        let why = "Somebody who runs the organization has to say yes on GitHub first. Come back after that.";
        return Ok(page.says(why).into_response());
    }
    match sessions::person(&ctx, &headers, ctx.outside.now()).await? {
        Some(person) => Ok(home(&ctx, &person).await?.into_response()),
        None => {
            let page = Page::new(StatusCode::OK, "You are not signed in").says(WAYS);
            Ok(page
                .leads("/signin?return_to=/setup", "Sign in with GitHub")
                .into_response())
        }
    }
}

/// What somebody has, and how to get more.
async fn home(ctx: &Ctx, person: &Person) -> Result<Page, ApiError> {
    let user = person.session.user.id;
    let mut mine = Vec::new();
    for known in ctx.store.membership_list(user).await? {
        let role = ctx
            .store
            .member_find(&known.account, user)
            .await?
            .map_or(Role::Viewer, |member| member.role);
        mine.push((known, role));
    }
    let heading = if mine.is_empty() {
        "You have no account yet"
    } else {
        "Your accounts"
    };
    let page = mine
        .iter()
        .fold(Page::new(StatusCode::OK, heading), |page, (known, role)| {
            page.says(&format!(
                "{} ({}): {}",
                known.name,
                known.account,
                role.as_str()
            ))
        });
    let csrf = person.csrf_token();
    let runs = || {
        mine.iter()
            .filter(|(_, role)| *role == Role::Admin)
            .map(|(known, _)| &known.account)
    };
    let shown = person
        .session
        .shown
        .iter()
        .filter(|one| one.role == Role::Admin);
    let page = shown.fold(page, |page, one| {
        let page = page.says(&format!("No account pays for {} yet.", one.login));
        offer_accounts(page, runs(), (one.installation, &csrf))
    });
    let page = ask_key(page, None, &csrf).says(WAYS);
    Ok(if mine.is_empty() {
        page
    } else {
        page.leads(&ctx.dashboard_url, "Your dashboard")
    })
}

/// Where somebody goes who has installed the App: to its owner's account, unless he may say which one that shall be.
pub async fn arrive(
    ctx: &Ctx,
    has: &Belongings,
    installation: InstallationId,
    csrf: &str,
) -> Result<Response, ApiError> {
    let Some(here) = &has.account_here else {
        return Ok(offer(has, installation, csrf));
    };
    let account = ctx.store.account_find(here).await?;
    let leaves = has.accounts.get(here) == Some(&Role::Admin)
        && account.is_some_and(|account| account.came_by_itself())
        && ctx.store.account_is_unused(here).await?;
    if !leaves {
        return Ok(redirect(&ctx.dashboard_url));
    }
    let page = Page::new(StatusCode::OK, "The App is installed");
    let page = page.says(
        "Whoever it is installed for has got an account with a trial. You can go on with that one.",
    );
    let page = page.leads(&ctx.dashboard_url, "Go on");
    let page = page.says(
        "If you have an account already, that one can pay instead, as long as nothing was done with the new one. The new \
         one is closed then.",
    );
    let page = offer_accounts(
        page,
        admin_of(has).filter(|account| *account != here),
        (installation, csrf),
    );
    Ok(ask_key(page, Some(installation), csrf).into_response())
}

/// What somebody can do with an installation that has no account.
fn offer(has: &Belongings, installation: InstallationId, csrf: &str) -> Response {
    let Some(shown) = has
        .shown
        .iter()
        .find(|one| one.installation == installation)
    else {
        let page = Page::new(StatusCode::NOT_FOUND, "There is no such installation");
        return page
            .says("GitHub does not show you this installation. Ask whoever has installed the App.")
            .into_response();
    };
    let page = Page::new(StatusCode::OK, "The App is installed");
    if shown.role != Role::Admin {
        let why = format!(
            "Somebody who runs {} has to sign in to say which account pays for it.",
            shown.login
        );
        return page.says(&why).into_response();
    }
    let page = page.says(&format!("No account pays for {} yet.", shown.login));
    let page = page.says(
        "Where sign-ups are not looked at first, it gets one of its own with a trial in a moment. If you have an account \
         already, that one can pay instead.",
    );
    let page = offer_accounts(page, admin_of(has), (installation, csrf));
    ask_key(page, Some(installation), csrf).into_response()
}

fn admin_of(has: &Belongings) -> impl Iterator<Item = &AccountId> {
    has.accounts
        .iter()
        .filter(|(_, role)| **role == Role::Admin)
        .map(|(account, _)| account)
}

/// A button for each account that can pay for an installation's owner.
fn offer_accounts<'a>(
    page: Page,
    accounts: impl Iterator<Item = &'a AccountId>,
    (installation, csrf): (InstallationId, &str),
) -> Page {
    let number = installation.to_string();
    accounts.fold(page, |page, account| {
        let fields = [
            ("installation_id", number.as_str()),
            ("account_id", account.as_str()),
            ("csrf_token", csrf),
        ];
        page.offers(PATH, &fields, &format!("Let {account} pay"))
    })
}

/// The form for the key of an account.
fn ask_key(page: Page, installation: Option<InstallationId>, csrf: &str) -> Page {
    let number = installation.map(|installation| installation.to_string());
    let mut fields = vec![("csrf_token", csrf)];
    fields.extend(number.as_deref().map(|number| ("installation_id", number)));
    let page =
        page.says("Have you signed up by mail? Show the account's first key, or another one that may do everything.");
    page.takes(
        "/setup/account",
        &fields,
        ("key", "Key"),
        "This account is mine",
    )
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
    form: Result<Form<Choice>, ApiError>,
) -> Result<Response, ApiError> {
    let person = signed_in(&ctx, &headers).await?;
    let Form(choice) = form?;
    person.vouched_by(&ctx, &headers, Some(&choice.csrf_token))?;
    let account = AccountId::parse(&choice.account_id)
        .map_err(|_| ApiError::not_found("you have no such account"))?;
    owners::link(
        &ctx,
        &person,
        InstallationId::new(choice.installation_id),
        &account,
    )
    .await?;
    Ok(redirect(&ctx.dashboard_url))
}

/// The key of an account, as the page's form sends it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountKey {
    key: String,
    installation_id: Option<u64>,
    csrf_token: String,
}

/// The page's form for a key.
pub async fn join(
    _: Guest,
    State(ctx): State<Arc<Ctx>>,
    headers: HeaderMap,
    form: Result<Form<AccountKey>, ApiError>,
) -> Result<Response, ApiError> {
    let person = signed_in(&ctx, &headers).await?;
    let Form(shown) = form?;
    person.vouched_by(&ctx, &headers, Some(&shown.csrf_token))?;
    let (installation, csrf) = (
        shown.installation_id.map(InstallationId::new),
        shown.csrf_token.as_str(),
    );
    let joined = match joining::join(&ctx, &person, &shown.key).await {
        Ok(joined) => joined,
        Err(error) if error.status() == StatusCode::FORBIDDEN => {
            let page = Page::new(error.status(), "This key proves nothing").says(error.detail());
            return Ok(ask_key(page, installation, csrf).into_response());
        }
        Err(error) => return Err(error),
    };
    let page = Page::new(StatusCode::OK, "The account is yours");
    let page = page.says(&format!(
        "You are an admin of {} ({}).",
        joined.name, joined.account
    ));
    let page = match installation {
        Some(installation) => {
            offer_accounts(page, [&joined.account].into_iter(), (installation, csrf))
        }
        None => page.says(INSTALL),
    };
    Ok(page
        .leads(&ctx.dashboard_url, "Your dashboard")
        .into_response())
}

async fn signed_in(ctx: &Ctx, headers: &HeaderMap) -> Result<Person, ApiError> {
    let person = sessions::person(ctx, headers, ctx.outside.now()).await?;
    person.ok_or_else(|| ApiError::unauthorized("sign in at /signin"))
}
