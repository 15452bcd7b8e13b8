//! `/setup`: GitHub sends people here after they install the App, and people without an account
//! learn here how to get one.
//!
//! The installation's number is part of the URL, so anybody can choose it. It counts only if GitHub
//! shows that installation to the person who signs in. An account pays for an installation's owner
//! only if that person is an admin of both. A person who presents the key of an account that signed
//! up by email becomes its admin. A session that has no open account acts for the chosen one from
//! then on. Safe to run twice: linking, joining and switching repeat without effect.

use crate::oauth_state::Intent;
use crate::pages::accounts::sign_in::{leave, set_session};
use crate::visitors::{Guest, SignedIn, find, vouched};
use crate::{ApiError, Ctx};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::accounts::api_keys::Role;
use domain::accounts::members::Membership;
use domain::ids::{AccountId, InstallationId};
use domain::refusal::{FlowError, Grounds};
use flows::accounts::memberships::Belongings;
use flows::accounts::sessions::{self, Person};
use flows::accounts::{joining, owners};
use http::{HeaderMap, StatusCode};
use maud::html;
use pages::{Forms, Page, post};
use rest::browsers::see_other;
use rest::{Form, Params};
use serde::Deserialize;
use std::sync::Arc;

pub const PATH: &str = "/setup";
pub const CHOICE: &str = "/setup/choice";

const WAYS: &str = "There are three ways to get an account. Sign up by mail at /signup: the link in the mail \
    shows the account's first key, and with that key the account is yours here. Or install the App on GitHub for your user \
    or organization: its owner gets an account with a trial automatically. Or ask an admin of an account to add you to their \
    organization on GitHub.";
const INSTALL: &str = "Install the App on GitHub for the owner that this account should pay for; GitHub brings you back here.";

/// The query with which GitHub redirects a person here.
#[derive(Deserialize)]
pub struct Installed {
    installation_id: Option<u64>,
    setup_action: Option<String>,
}

/// Begins a sign-in for an installation. Without an installation, shows the person their accounts.
pub async fn show(
    State(ctx): State<Arc<Ctx>>,
    headers: HeaderMap,
    Params(installed): Params<Installed>,
) -> Result<Response, ApiError> {
    if let Some(installation) = installed.installation_id {
        let intent = Intent {
            installation: Some(InstallationId::new(installation)),
            return_to: None,
        };
        return leave(&ctx, &intent).await;
    }
    if installed.setup_action.is_some() {
        let why = "An admin of the organization has to approve the App on GitHub first. Come back after that.";
        let page = Page::new(StatusCode::OK, "Nothing is installed yet");
        return Ok(page.paragraph(why).into_response());
    }
    match find(&ctx, &headers).await? {
        Some(person) => Ok(home(&ctx, &person).await?.into_response()),
        None => {
            let page = Page::new(StatusCode::OK, "You are not signed in").paragraph(WAYS);
            Ok(page
                .link("/signin?return_to=/setup", "Sign in with GitHub")
                .link("/signup", "Sign up by mail")
                .into_response())
        }
    }
}

/// Returns the page with the person's accounts, and how to get another one.
async fn home(ctx: &Ctx, person: &Person) -> Result<Page, ApiError> {
    let user = person.session.user.id;
    let mut mine = Vec::new();
    for known in ctx.store.membership_list(user).await? {
        let member = ctx.store.member_find(&known.account, user).await?;
        mine.push((known, member.map_or(Role::Viewer, |member| member.role)));
    }
    let heading = if mine.is_empty() {
        "You have no account yet"
    } else {
        "Your accounts"
    };
    let mut page = say_full(
        Page::new(StatusCode::OK, heading),
        &person.session.full,
        &mine,
    );
    let csrf = person.csrf_token();
    for (known, role) in &mine {
        let role = role.as_str();
        page = page.paragraph(&format!("{} ({}): {role}", known.name, known.account));
        if person.session.account.as_ref() != Some(&known.account) {
            page = offer_choice(page, known, &csrf);
        }
    }
    let run: Vec<_> = mine
        .iter()
        .filter(|(_, role)| *role == Role::Admin)
        .map(|(known, _)| &known.account)
        .collect();
    let shown = person.session.shown.iter();
    for one in shown.filter(|one| one.role == Role::Admin) {
        page = page.paragraph(&format!("No account pays for {} yet.", one.login));
        page = offer_accounts(page, run.iter().copied(), one.installation, &csrf);
    }
    Ok(if mine.is_empty() {
        ask_key(page, None, &csrf).paragraph(WAYS)
    } else {
        let page = install(page, ctx).link(ctx.dashboard(), "Your dashboard");
        ask_key(page, None, &csrf).paragraph(WAYS)
    })
}

/// Adds the button that switches to another of the person's accounts.
fn offer_choice(page: Page, known: &Membership, csrf: &str) -> Page {
    let choice = html! {
        input type="hidden" name="account_id" value=(known.account);
        button { "Switch to " (known.name) }
    };
    page.forms(Forms::Ours).with(&post(CHOICE, csrf, &choice))
}

/// Says which accounts had no place for the person when they signed in.
fn say_full(page: Page, full: &[Membership], mine: &[(Membership, Role)]) -> Page {
    let has_joined = |one: &Membership| mine.iter().any(|(known, _)| known.account == one.account);
    full.iter()
        .filter(|one| !has_joined(one))
        .fold(page, |page, one| page.paragraph(&no_place(one)))
}

fn no_place(full: &Membership) -> String {
    format!(
        "All places for members of the account of {} ({}) are taken, so you are not a member of it. Ask an admin of the account \
         to remove a member or to change to a plan with more places, then sign in again.",
        full.name, full.account
    )
}

/// Says where the App is installed.
fn install(page: Page, ctx: &Ctx) -> Page {
    let page = page.paragraph(INSTALL);
    match ctx.installation_page() {
        Some(url) => page.link(&url, "Install the App"),
        None => page,
    }
}

/// Returns the page after an installation: the owner's account, or the choice of another account if
/// the owner can still move.
pub async fn arrive(
    ctx: &Ctx,
    has: &Belongings,
    installation: InstallationId,
    csrf: &str,
) -> Result<Response, ApiError> {
    let Some(here) = &has.account_here else {
        return Ok(offer(has, installation, csrf));
    };
    if let Some(full) = has.full.iter().find(|one| one.account == *here) {
        let page = Page::new(StatusCode::OK, "The account has no place for you");
        let page = page.paragraph(&no_place(full));
        return Ok(page.link(PATH, "Your accounts").into_response());
    }
    let account = ctx.store.account_find(here).await?;
    let may_leave = has.accounts.get(here) == Some(&Role::Admin)
        && account.is_some_and(|account| account.came_automatically())
        && ctx.store.account_is_unused(here).await?;
    if !may_leave {
        return Ok(see_other(ctx.dashboard()));
    }
    let page = Page::new(StatusCode::OK, "The App is installed")
        .paragraph("Its owner has a new account with a trial. You can continue with that account.")
        .link(ctx.dashboard(), "Continue")
        .paragraph(
            "If you have an account already, it can pay instead, as long as the new account is unused. The new account is \
             then closed.",
        );
    let others = admin_of(has).filter(|account| *account != here);
    let page = offer_accounts(page, others, installation, csrf);
    Ok(ask_key(page, Some(installation), csrf).into_response())
}

/// Returns the page for an installation without an account, with what the person can do about it.
fn offer(has: &Belongings, installation: InstallationId, csrf: &str) -> Response {
    let found = has
        .shown
        .iter()
        .find(|one| one.installation == installation);
    let Some(shown) = found else {
        return Page::new(StatusCode::NOT_FOUND, "There is no such installation")
            .paragraph(
                "GitHub does not show you this installation. Ask the person who installed the App.",
            )
            .into_response();
    };
    let page = Page::new(StatusCode::OK, "The App is installed");
    if shown.role != Role::Admin {
        let why = format!(
            "An admin of {} has to sign in and choose the account that pays for it.",
            shown.login
        );
        return page.paragraph(&why).into_response();
    }
    let page = page
        .paragraph(&format!("No account pays for {} yet.", shown.login))
        .paragraph(
            "Unless sign-ups are reviewed first, it gets an account of its own with a trial in a moment. If you have an \
             account already, that account can pay instead.",
        );
    let page = offer_accounts(page, admin_of(has), installation, csrf);
    ask_key(page, Some(installation), csrf).into_response()
}

fn admin_of(has: &Belongings) -> impl Iterator<Item = &AccountId> {
    has.accounts
        .iter()
        .filter(|(_, role)| **role == Role::Admin)
        .map(|(account, _)| account)
}

/// Adds a button for each account that can pay for the installation's owner.
fn offer_accounts<'a>(
    page: Page,
    accounts: impl Iterator<Item = &'a AccountId>,
    installation: InstallationId,
    csrf: &str,
) -> Page {
    accounts.fold(page.forms(Forms::Ours), |page, account| {
        let choice = html! {
            input type="hidden" name="installation_id" value=(installation);
            input type="hidden" name="account_id" value=(account);
            button { "Let " (account) " pay" }
        };
        page.with(&post(PATH, csrf, &choice))
    })
}

/// Adds the form for an account's key.
fn ask_key(page: Page, installation: Option<InstallationId>, csrf: &str) -> Page {
    let fields = html! {
        @if let Some(installation) = installation {
            input type="hidden" name="installation_id" value=(installation);
        }
        div.fields {
            label { "Key" input type="password" name="key" autocomplete="off" required; }
            button { "This account is mine" }
        }
    };
    page.forms(Forms::Ours)
        .paragraph(
            "Did you sign up by mail? Enter the account's first key, or another key with all scopes.",
        )
        .with(&post("/setup/account", csrf, &fields))
}

/// The form that chooses which account pays for an installation's owner.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    installation_id: u64,
    account_id: String,
    csrf_token: String,
}

/// Lets an account pay for the owner of an installation.
pub async fn link(
    SignedIn(person): SignedIn,
    State(ctx): State<Arc<Ctx>>,
    headers: HeaderMap,
    Form(choice): Form<Choice>,
) -> Result<Response, ApiError> {
    vouched(&ctx, &person, &headers, Some(&choice.csrf_token))?;
    let account = AccountId::parse(&choice.account_id)
        .map_err(|_| ApiError::not_found("You have no such account."))?;
    let installation = InstallationId::new(choice.installation_id);
    let now = ctx.outside.now();
    owners::link(&ctx.store, &person, installation, &account, now).await?;
    sessions::take_on(&ctx.store, &ctx.sessions, &person, &account).await?;
    Ok(see_other(ctx.dashboard()))
}

/// The form of the button that switches to another account.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chosen {
    account_id: String,
    csrf_token: String,
}

/// Lets the person act for another of their accounts.
pub async fn switch(
    SignedIn(person): SignedIn,
    State(ctx): State<Arc<Ctx>>,
    headers: HeaderMap,
    Form(chosen): Form<Chosen>,
) -> Result<Response, ApiError> {
    vouched(&ctx, &person, &headers, Some(&chosen.csrf_token))?;
    let absent = || ApiError::not_found("You have no such account.");
    let account = AccountId::parse(&chosen.account_id).map_err(|_| absent())?;
    let user = person.session.user.id;
    let member = ctx.store.member_find(&account, user).await?;
    member.ok_or_else(absent)?;
    let fresh = sessions::Fresh {
        id: ctx.outside.random_bytes(),
        text: ctx.outside.random_bytes(),
        browser: person.session.browser.clone(),
    };
    let now = ctx.outside.now();
    let mut response = see_other(ctx.dashboard());
    let chosen = sessions::choose(&ctx.store, &ctx.sessions, &person, fresh, account, now).await?;
    if let Some((_, text)) = chosen {
        set_session(&mut response, &text);
    }
    Ok(response)
}

/// The form with an account's key.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountKey {
    key: String,
    installation_id: Option<u64>,
    csrf_token: String,
}

/// Makes the person an admin of the account whose key they enter.
pub async fn join(
    _: Guest,
    SignedIn(person): SignedIn,
    State(ctx): State<Arc<Ctx>>,
    headers: HeaderMap,
    Form(shown): Form<AccountKey>,
) -> Result<Response, ApiError> {
    vouched(&ctx, &person, &headers, Some(&shown.csrf_token))?;
    let installation = shown.installation_id.map(InstallationId::new);
    let csrf = shown.csrf_token.as_str();
    let now = ctx.outside.now();
    let sold = (&ctx.store, &ctx.catalogue);
    let joined = match joining::join(sold, &ctx.sessions, &person, &shown.key, now).await {
        Ok(joined) => joined,
        Err(FlowError::Refused(refusal)) if refusal.grounds == Grounds::Forbidden => {
            let page = Page::new(StatusCode::FORBIDDEN, "This key cannot be used");
            let page = page.paragraph(&refusal.detail);
            return Ok(ask_key(page, installation, csrf).into_response());
        }
        Err(error) => return Err(error.into()),
    };
    sessions::take_on(&ctx.store, &ctx.sessions, &person, &joined.account).await?;
    let page = Page::new(StatusCode::OK, "The account is yours").paragraph(&format!(
        "You are an admin of {} ({}).",
        joined.name, joined.account
    ));
    let page = match installation {
        Some(installation) => {
            offer_accounts(page, [&joined.account].into_iter(), installation, csrf)
        }
        None => install(page, &ctx),
    };
    Ok(page.link(ctx.dashboard(), "Your dashboard").into_response())
}
