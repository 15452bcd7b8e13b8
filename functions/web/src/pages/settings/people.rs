//! `/settings/members`: who may act for the account, and as what.

use super::{Done, flash, read_only, tab};
use crate::members::Member;
use crate::{ApiError, Ctx};
use axum::extract::State;
use axum::response::Response;
use domain::accounts::api_keys::{Role, Scope};
use domain::accounts::members;
use domain::billing::entitlements::Entitlements;
use domain::billing::plans::Limit;
use domain::billing::quotas;
use flows::accounts::people;
use http::HeaderMap;
use maud::{Markup, html};
use pages::{Page, moment, post, table};
use rest::browsers::see_other;
use rest::{Form, Params, Path};
use serde::Deserialize;
use std::sync::Arc;

/// Lists the members.
pub async fn show(
    member: Member,
    State(ctx): State<Arc<Ctx>>,
    Params(done): Params<Done>,
) -> Result<Page, ApiError> {
    let standing = member.standing(&ctx).await?;
    let may_change = member.may(Scope::Keys);
    let all = ctx.store.member_list(&member.account).await?;
    let used = ctx.store.member_count(&member.account).await?;
    let rows: Vec<_> = all
        .iter()
        .map(|one| line(&member, one, may_change))
        .collect();
    let columns: &[&str] = if may_change {
        &["Person", "Role", "Role from", "Since", "Change"]
    } else {
        &["Person", "Role", "Role from", "Since"]
    };
    let rights = [
        ("Viewer", "reads everything"),
        ("Member", "also requests, retries and cancels jobs"),
        (
            "Admin",
            "also buys, changes plans, and manages keys and members",
        ),
    ];
    let content = html! {
        (flash(&done))
        @if !may_change { (read_only()) }
        p { (taken(&standing.entitlements, used)) }
        (table("Members", columns, &rows))
        section.card {
            h2 { "Roles" }
            dl { @for (role, words) in rights { dt { (role) } dd { (words) } } }
            p.quiet {
                "A person to whom GitHub shows one of the account's installations becomes a member when they sign in. A role that an admin \
                 changes here no longer follows GitHub."
            }
        }
    };
    Ok(tab(&member, &standing, "Members", "/settings/members").with(&content))
}

/// Says how many of the plan's places are taken.
fn taken(entitlements: &Entitlements<'_>, used: u64) -> String {
    let plan = &entitlements.plan.name;
    match quotas::places(entitlements) {
        Limit::Unlimited => format!("Members: {used}. The plan {plan} does not limit them."),
        Limit::Of(most) if used < most => format!("Members: {used} of {most} in the plan {plan}."),
        Limit::Of(most) => format!(
            "Members: {used} of {most} in the plan {plan}. All present members keep their access. Nobody else can join until \
             a member is removed or the account has a plan with more places."
        ),
    }
}

fn line(member: &Member, one: &members::Member, may_change: bool) -> Vec<Markup> {
    let login = &one.user.login;
    let mut cells = vec![
        html! { strong { (login) } },
        html! { (one.role.as_str()) },
        html! {
            @match one.by.as_str() {
                "github" => "GitHub",
                "hand" => "an admin",
                "key" => "the account's key",
                other => (other),
            }
        },
        moment(one.since),
    ];
    if may_change {
        let path = format!("/settings/members/{}", one.user.id);
        let csrf = member.csrf();
        cells.push(html! {
            div.fields {
                (post(&format!("{path}/role"), &csrf, &html! {
                    div.fields {
                        select name="role" aria-label={ "Role of " (login) } {
                            @for role in Role::ALL {
                                option value=(role.as_str()) selected[role == one.role] { (role.as_str()) }
                            }
                        }
                        button { "Set" }
                    }
                }))
                (post(&format!("{path}/remove"), &csrf, &html! { button.danger aria-label={ "Remove " (login) } { "Remove" } }))
            }
        });
    }
    cells
}

/// The form that changes a role.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleForm {
    role: String,
    csrf_token: String,
}

/// Changes a member's role.
pub async fn change(
    member: Member,
    State(ctx): State<Arc<Ctx>>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Form(form): Form<RoleForm>,
) -> Result<Response, ApiError> {
    member.acts(&ctx, &headers, &form.csrf_token, Scope::Keys)?;
    let role = Role::parse(&form.role)
        .ok_or_else(|| ApiError::bad_request("bad_role", "There is no such role."))?;
    let (user, by) = (people::user(&id)?, member.by());
    people::set_role(&ctx.store, (&member.account, &by), user, role).await?;
    Ok(see_other("/settings/members?done=role"))
}

/// The form of a button.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ButtonForm {
    pub csrf_token: String,
}

/// Takes a member out.
pub async fn remove(
    member: Member,
    State(ctx): State<Arc<Ctx>>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Form(form): Form<ButtonForm>,
) -> Result<Response, ApiError> {
    member.acts(&ctx, &headers, &form.csrf_token, Scope::Keys)?;
    let (user, by) = (people::user(&id)?, member.by());
    people::remove(&ctx.store, (&member.account, &by), user).await?;
    Ok(see_other("/settings/members?done=removed"))
}
