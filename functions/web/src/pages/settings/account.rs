//! `/settings/account`: the account itself. Read-only.

use super::tab;
use crate::members::Member;
use crate::{ApiError, Ctx};
use axum::extract::State;
use maud::html;
use pages::{Page, definitions, moment};
use std::sync::Arc;

/// Shows the account.
pub async fn show(member: Member, State(ctx): State<Arc<Ctx>>) -> Result<Page, ApiError> {
    let standing = member.standing(&ctx).await?;
    let account = &standing.account;
    let content = html! {
        (definitions(&[
            ("Account", html! { code { (account.id) } }),
            ("Plan", html! { (standing.entitlements.plan.name) " · " a href="/billing/plan" { "Change" } }),
            ("Customer at Stripe", html! { code { (account.customer) } }),
            ("Since", moment(account.created_at)),
        ]))
        p { a href="/setup" { "Your accounts, and which account pays for a GitHub owner" } }
        p.quiet { "Give the account's id when you contact support. It is no secret." }
    };
    Ok(tab(&member, &standing, "Account", "/settings/account").with(&content))
}
