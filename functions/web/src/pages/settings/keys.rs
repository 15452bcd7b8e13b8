//! `/settings/keys`: the keys of the account's programs. The text of a key is shown once, on the page
//! that answers its form.

use super::{Done, flash, read_only, tab};
use crate::members::{Member, Standing};
use crate::pages::billing::{fresh, identity};
use crate::{ApiError, Ctx};
use axum::extract::State;
use axum::response::Response;
use domain::accounts::api_keys::{ApiKey, KeyText, Scope};
use domain::ids::KeyId;
use domain::time::Timestamp;
use flows::accounts::programs::{self, KeyMaker, KeyWish};
use http::HeaderMap;
use maud::{Markup, html};
use pages::{Page, Tone, badge, copyable, moment, notice, once, post, table};
use rest::browsers::see_other;
use rest::{Form, Params, Path};
use serde::Deserialize;
use std::sync::Arc;

/// What each scope lets a program do.
const SCOPES: [(Scope, &str); 5] = [
    (Scope::Read, "Read everything"),
    (Scope::Usage, "Record usage, hold and spend credits"),
    (Scope::Jobs, "Request, retry and cancel jobs"),
    (Scope::Billing, "Buy credits and change plans"),
    (Scope::Keys, "Manage keys and members"),
];

/// Lists the keys.
pub async fn show(
    member: Member,
    State(ctx): State<Arc<Ctx>>,
    Params(done): Params<Done>,
) -> Result<Page, ApiError> {
    let standing = member.standing(&ctx).await?;
    list(&ctx, &member, &standing, &flash(&done)).await
}

async fn list(
    ctx: &Ctx,
    member: &Member,
    standing: &Standing<'_>,
    top: &Markup,
) -> Result<Page, ApiError> {
    let may_change = member.may(Scope::Keys);
    let now = ctx.outside.now();
    let keys = ctx.store.api_key_list(&member.account).await?;
    let rows: Vec<_> = keys.iter().map(|key| line(ctx, member, key, now)).collect();
    let content = html! {
        (top)
        @if !may_change { (read_only()) }
        (table("Newest first", &["Name", "Key", "Scopes", "Last used", "State", "Change"], &rows))
        @if may_change { (form(ctx, member)) }
    };
    Ok(tab(member, standing, "API keys", "/settings/keys").with(&content))
}

fn form(ctx: &Ctx, member: &Member) -> Markup {
    html! {
        section.card {
            h2 { "New key" }
            (post("/settings/keys", &member.csrf(), &html! {
                (once(&fresh(ctx)))
                div.fields {
                    label { "Name" input type="text" name="name" maxlength="100" required autocomplete="off"; }
                    label { "Expires after days (empty: never)" input type="number" name="days" min="1" max="3650"; }
                }
                @for (scope, words) in SCOPES {
                    label.check {
                        input type="checkbox" name=(scope.as_str()) value="on" checked[scope == Scope::Read];
                        (words)
                    }
                }
                button.primary { "Create the key" }
            }))
        }
    }
}

fn line(ctx: &Ctx, member: &Member, key: &ApiKey, now: Timestamp) -> Vec<Markup> {
    let is_good = key.is_good(now);
    let csrf = member.csrf();
    let path = format!("/settings/keys/{}", key.id);
    let scopes: Vec<_> = key.scopes.iter().map(|scope| scope.as_str()).collect();
    let name = &key.name;
    vec![
        html! { (name) },
        html! { code { (key.hint) } },
        html! { (scopes.join(", ")) },
        html! { (key.last_used_on.as_deref().unwrap_or("Never")) },
        html! {
            @match (key.revoked_at, key.expires_at) {
                (Some(at), _) => { (badge(Tone::Plain, "Revoked")) " " (moment(at)) }
                (None, Some(end)) if !is_good => { (badge(Tone::Plain, "Expired")) " " (moment(end)) }
                (None, Some(end)) => { (badge(Tone::Good, "Works")) " until " (moment(end)) }
                (None, None) => (badge(Tone::Good, "Works")),
            }
        },
        html! {
            @if is_good && member.may(Scope::Keys) {
                div.fields {
                    (post(&format!("{path}/rotate"), &csrf, &html! {
                        (once(&fresh(ctx)))
                        button aria-label={ "Rotate " (name) } title="A new key; this one works for another day" { "Rotate" }
                    }))
                    (post(&format!("{path}/revoke"), &csrf, &html! { button.danger aria-label={ "Revoke " (name) } { "Revoke" } }))
                }
            } @else { "—" }
        },
    ]
}

/// The form of a new key. A box that is not checked is not sent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyForm {
    name: String,
    days: String,
    read: Option<String>,
    usage: Option<String>,
    jobs: Option<String>,
    billing: Option<String>,
    keys: Option<String>,
    once: String,
    csrf_token: String,
}

/// Creates a key and shows its text.
pub async fn create(
    member: Member,
    State(ctx): State<Arc<Ctx>>,
    headers: HeaderMap,
    Form(form): Form<KeyForm>,
) -> Result<Page, ApiError> {
    member.acts(&ctx, &headers, &form.csrf_token, Scope::Keys)?;
    let boxes = [
        (Scope::Read, &form.read),
        (Scope::Usage, &form.usage),
        (Scope::Jobs, &form.jobs),
        (Scope::Billing, &form.billing),
        (Scope::Keys, &form.keys),
    ];
    let checked = boxes.into_iter().filter(|(_, sent)| sent.is_some());
    let scopes: std::collections::BTreeSet<_> = checked.map(|(scope, _)| scope).collect();
    if scopes.is_empty() {
        let detail = "Choose at least one thing that the key may do.";
        return Err(ApiError::bad_request("bad_scopes", detail));
    }
    let expires_in_days = match form.days.trim() {
        "" => None,
        days => Some(days.parse().map_err(|_| {
            ApiError::bad_request(
                "bad_expiry",
                "The days until a key expires must be a number.",
            )
        })?),
    };
    let by = member.by();
    let act = identity(&form.once)?
        .act(&member.account, "pages/keys")
        .id();
    let wish = KeyWish {
        name: &form.name,
        scopes,
        expires_in_days,
    };
    let made = programs::create(&maker(&ctx, &member, &by).await?, &act, wish).await?;
    shown(&ctx, &member, &made).await
}

/// The form that rotates a key.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotateForm {
    once: String,
    csrf_token: String,
}

/// How long both keys work after a rotation.
const OVERLAP_HOURS: u32 = 24;

/// Rotates a key and shows the text of the new one.
pub async fn rotate(
    member: Member,
    State(ctx): State<Arc<Ctx>>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Form(form): Form<RotateForm>,
) -> Result<Page, ApiError> {
    member.acts(&ctx, &headers, &form.csrf_token, Scope::Keys)?;
    let (by, once) = (member.by(), identity(&form.once)?);
    let act = |key: &KeyId| {
        let route = format!("pages/keys/{key}/rotate");
        once.act(&member.account, &route).id()
    };
    let maker = maker(&ctx, &member, &by).await?;
    let made = programs::rotate(&maker, (&id, OVERLAP_HOURS), act).await?;
    shown(&ctx, &member, &made).await
}

async fn shown(
    ctx: &Ctx,
    member: &Member,
    (key, text): &(ApiKey, KeyText),
) -> Result<Page, ApiError> {
    let top = html! {
        (notice(Tone::Good, &html! { "The key " strong { (key.name) } " is ready. Copy it now: it cannot be shown again." }))
        (copyable(text.expose()))
    };
    list(ctx, member, &member.standing(ctx).await?, &top).await
}

async fn maker<'a>(
    ctx: &'a Ctx,
    member: &'a Member,
    by: &'a str,
) -> Result<KeyMaker<'a>, ApiError> {
    Ok(KeyMaker {
        store: &ctx.store,
        account: &member.account,
        by,
        mode: ctx.stripe_mode().await?,
        random: ctx.outside.random_bytes(),
        now: ctx.outside.now(),
    })
}

/// The form of a button.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ButtonForm {
    csrf_token: String,
}

/// Revokes a key.
pub async fn revoke(
    member: Member,
    State(ctx): State<Arc<Ctx>>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Form(form): Form<ButtonForm>,
) -> Result<Response, ApiError> {
    member.acts(&ctx, &headers, &form.csrf_token, Scope::Keys)?;
    let (by, now) = (member.by(), ctx.outside.now());
    programs::revoke(&ctx.store, (&member.account, &by), &id, now).await?;
    Ok(see_other("/settings/keys?done=revoked"))
}
