//! `/admin/queues`: how many messages wait, and what becomes of dead letters.

use super::{Bare, DoneNow, Shown, done};
use crate::Ctx;
use crate::routes::inbox::queues::{self, QueueShown};
use crate::session::SignedIn;
use ::pages::{Tone, badge, grouped, post, table};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::HeaderMap;
use maud::{Markup, html};
use rest::browsers::see_other;
use rest::{Form, Params, Path};
use std::sync::Arc;

/// Lists every queue, those with dead letters first.
pub async fn list(
    signed_in: SignedIn,
    State(ctx): State<Arc<Ctx>>,
    Params(now): Params<DoneNow>,
) -> Shown {
    let Json(mut found) = queues::list(signed_in.authorized(), State(ctx)).await?;
    found
        .queues
        .sort_by_key(|queue| std::cmp::Reverse((queue.dead_letters, queue.ready)));
    let token = signed_in.csrf_token();
    let rows: Vec<_> = found
        .queues
        .iter()
        .map(|queue| line(queue, &token))
        .collect();
    let columns = [
        "Queue",
        "#Ready",
        "#In flight",
        "#Later",
        "#Dead letters",
        "Redrive",
    ];
    let content = html! {
        (done(&now, &[("redriven", "The dead letters move back to their queue. Reload the page to see them go.")]))
        p.quiet {
            "SQS counts approximately. A message is only a pointer to a row, so redriving repeats nothing that was done. Fix the cause first: a message that fails again comes back after fifteen tries."
        }
        (table("Queues", &columns, &rows))
    };
    let page = signed_in.page("Queues", "/admin/queues");
    Ok(page.with(&content).into_response())
}

fn line(queue: &QueueShown, token: &str) -> Vec<Markup> {
    let count = |count: u64| html! { (grouped(&count.to_string())) };
    let tone = if queue.dead_letters > 0 {
        Tone::Bad
    } else {
        Tone::Plain
    };
    let button = html! { button { "Redrive " (queue.dead_letters) } };
    vec![
        html! { (queue.queue) },
        count(queue.ready),
        count(queue.in_flight),
        count(queue.delayed),
        badge(tone, &grouped(&queue.dead_letters.to_string())),
        html! {
            @if queue.dead_letters > 0 { (post(&format!("/admin/queues/{}/redrive", queue.queue), token, &button)) }
            @else { "–" }
        },
    ]
}

/// Moves a queue's dead letters back to it.
pub async fn redrive(
    signed_in: SignedIn,
    State(ctx): State<Arc<Ctx>>,
    Path(queue): Path<String>,
    headers: HeaderMap,
    Form(Bare { csrf_token }): Form<Bare>,
) -> Shown {
    signed_in.check(&headers, &csrf_token)?;
    queues::redrive(signed_in.authorized(), State(ctx), Path(queue))
        .await
        .map(|_| ())?;
    Ok(see_other("/admin/queues?done=redriven"))
}
