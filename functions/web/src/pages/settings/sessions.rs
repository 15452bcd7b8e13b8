//! `/settings/sessions`: where the person is signed in, and the buttons that end it.

use super::people::ButtonForm;
use super::{Done, flash, tab};
use crate::members::Member;
use crate::{ApiError, Ctx};
use axum::extract::State;
use axum::response::Response;
use domain::accounts::sessions::SessionListed;
use domain::ids::SessionId;
use flows::accounts::sessions;
use http::HeaderMap;
use maud::{Markup, html};
use pages::{Page, moment, post, table};
use rest::browsers::see_other;
use rest::{Form, Params, Path};
use std::sync::Arc;

const PATH: &str = "/settings/sessions";

/// Lists the person's sessions.
pub async fn show(
    member: Member,
    State(ctx): State<Arc<Ctx>>,
    Params(done): Params<Done>,
) -> Result<Page, ApiError> {
    let standing = member.standing(&ctx).await?;
    let person = member.person();
    let all = sessions::list(&ctx.store, person, ctx.outside.now()).await?;
    let (mut rows, mut others) = (Vec::new(), 0);
    for session in &all {
        let is_current = session.id == person.session.id;
        others += usize::from(!is_current);
        rows.push(line(&member, session, is_current));
    }
    let content = html! {
        (flash(&done))
        p { "These browsers are signed in as " strong { (person.session.user.login) } ". A session ends after 14 days." }
        (table("Sessions", &["Browser", "Signed in", "Ends", "Change"], &rows))
        @if others > 0 {
            (post(&format!("{PATH}/others"), &member.csrf(), &html! { button.danger { "End all other sessions" } }))
        }
    };
    Ok(tab(&member, &standing, "Sessions", PATH).with(&content))
}

fn line(member: &Member, session: &SessionListed, is_current: bool) -> Vec<Markup> {
    let browser = &session.browser;
    vec![
        html! { strong { (browser) } },
        moment(session.began_at),
        moment(session.expires_at),
        html! {
            @if is_current { span.quiet { "this browser" } } @else {
                (post(&format!("{PATH}/{}/end", session.id), &member.csrf(), &html! {
                    button.danger aria-label={ "End the session of " (browser) } { "End" }
                }))
            }
        },
    ]
}

/// Ends one of the person's sessions. One that has ended already needs nothing more.
pub async fn end(
    member: Member,
    State(ctx): State<Arc<Ctx>>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Form(form): Form<ButtonForm>,
) -> Result<Response, ApiError> {
    member.sends(&ctx, &headers, &form.csrf_token)?;
    let id = SessionId::parse(&id).map_err(|_| ApiError::not_found("You have no such session."))?;
    sessions::end_one(&ctx.store, &ctx.sessions, member.person(), &id).await?;
    Ok(see_other("/settings/sessions?done=ended"))
}

/// Ends all of the person's sessions but this one.
pub async fn end_others(
    member: Member,
    State(ctx): State<Arc<Ctx>>,
    headers: HeaderMap,
    Form(form): Form<ButtonForm>,
) -> Result<Response, ApiError> {
    member.sends(&ctx, &headers, &form.csrf_token)?;
    sessions::end_others(&ctx.store, &ctx.sessions, member.person()).await?;
    Ok(see_other("/settings/sessions?done=ended"))
}
