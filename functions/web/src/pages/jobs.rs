//! `/jobs` and `/jobs/{id}`: the account's jobs, and one job as it proceeds. Read-only.

use crate::members::Member;
use crate::{ApiError, Ctx};
use axum::extract::State;
use axum::response::Response;
use domain::time::Timestamp;
use flows::jobs::lookup::{Found, find};
use http::{HeaderMap, header};
use maud::{Markup, html};
use pages::{
    Page, Tone, badge, definitions, empty, fragment, grouped, moment, pager, steps, table,
};
use rest::views::JobShown;
use rest::{Params, Path, cursors};
use serde::Deserialize;
use std::sync::Arc;
use store::Cursor;

/// As many as the API returns in a page.
const PAGE: usize = 25;

/// The query of the list.
#[derive(Deserialize)]
pub struct Filter {
    cursor: Option<String>,
}

/// Lists the account's jobs, newest first.
pub async fn list(
    member: Member,
    State(ctx): State<Arc<Ctx>>,
    Params(filter): Params<Filter>,
) -> Result<Page, ApiError> {
    let cursor = filter.cursor.as_deref().map(cursors::read).transpose()?;
    let cursor = cursor.map(Cursor::from);
    let jobs = ctx
        .store
        .job_list(&member.account, cursor.as_ref(), PAGE)
        .await?;
    let next = jobs
        .next
        .map(|next| format!("/jobs?cursor={}", cursors::write(next.at, &next.id)));
    let rows: Vec<_> = jobs
        .rows
        .iter()
        .map(|row| line(&JobShown::of(row)))
        .collect();
    let content = html! {
        @if rows.is_empty() && cursor.is_none() {
            (empty("No jobs yet", &html! {
                "A job begins when an issue of a repository with the App gets the label " code { "tallyhook" } "."
            }))
        } @else {
            (table("Newest first", &["State", "Job", "Pull request", "Began", "#Price"], &rows))
            (pager(cursor.as_ref().map(|_| "/jobs"), next.as_deref()))
        }
    };
    let standing = member.standing(&ctx).await?;
    Ok(Page::framed("Jobs", member.frame(&standing, "/jobs")).with(&content))
}

fn line(job: &JobShown) -> Vec<Markup> {
    vec![
        state(&job.state),
        html! { a href={ "/jobs/" (job.id) } { (job.repository) " #" (job.issue) } },
        pull_request(job),
        time(&job.created_at),
        price(job),
    ]
}

/// Shows one job.
pub async fn show(
    member: Member,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
) -> Result<Page, ApiError> {
    let (job, is_over) = load(&ctx, &member, &id).await?;
    let live = (!is_over).then(|| format!("/jobs/{}/progress", job.id));
    let content = html! { div data-live=[live] { (progress(&job)) } };
    let heading = format!("{} #{}", job.repository, job.issue);
    let standing = member.standing(&ctx).await?;
    let page = Page::framed(&heading, member.frame(&standing, "/jobs"));
    let page = page.with(&content);
    Ok(if is_over { page } else { page.unfinished() })
}

/// Returns the part of a job's page that changes while the job proceeds.
pub async fn part(
    member: Member,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (job, is_over) = load(&ctx, &member, &id).await?;
    let known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok());
    Ok(fragment(&progress(&job), known, is_over))
}

/// Returns the job as the API shows it, and whether it has ended.
async fn load(ctx: &Ctx, member: &Member, id: &str) -> Result<(JobShown, bool), ApiError> {
    Ok(match find(&ctx.store, &member.account, id).await? {
        Found::Job(row) => (JobShown::of(&row), row.state.is_over()),
        Found::Request(request) => (JobShown::requested(&request), request.outcome.is_some()),
    })
}

fn progress(job: &JobShown) -> Markup {
    let moments: Vec<_> = job
        .timeline
        .iter()
        .filter_map(|moment| Some((words(&moment.state), Timestamp::parse(&moment.at)?)))
        .map(|(state, at)| (html! { (state) }, at))
        .collect();
    let mut facts = vec![
        ("State", state(&job.state)),
        ("Price so far", price(job)),
        (
            "Tokens",
            html! { (grouped(&job.tokens_in.to_string())) " in, " (grouped(&job.tokens_out.to_string())) " out" },
        ),
        ("Pull request", pull_request(job)),
        ("Works on it", html! { (job.agent) }),
        ("Began", time(&job.created_at)),
        ("Job", html! { code { (job.id) } }),
    ];
    facts.extend(
        job.reason
            .as_ref()
            .map(|reason| ("Why it ended", html! { (reason) })),
    );
    facts.extend(
        job.retry_of
            .as_ref()
            .map(|id| ("Retry of", html! { a href={ "/jobs/" (id) } { (id) } })),
    );
    html! {
        (definitions(&facts))
        @if !moments.is_empty() { h2 { "Steps" } (steps(&moments)) }
    }
}

fn price(job: &JobShown) -> Markup {
    html! {
        @match (&job.price, job.paid_by) {
            (Some(price), _) => { data value=(price) { (grouped(price)) " credits" } }
            (None, Some("meters")) => "On your invoice",
            (None, Some(_)) => "Free",
            (None, None) => "Not known yet",
        }
    }
}

fn pull_request(job: &JobShown) -> Markup {
    html! {
        @match (&job.pull_request_url, job.pull_request) {
            (Some(url), Some(number)) => { a href=(url) rel="noreferrer" { "#" (number) } }
            (Some(_) | None, _) => "None yet",
        }
    }
}

fn time(at: &str) -> Markup {
    html! { @match Timestamp::parse(at) { Some(at) => (moment(at)), None => (at) } }
}

fn state(state: &str) -> Markup {
    let tone = match state {
        "PR_OPENED" | "MERGED" => Tone::Good,
        "FAILED" | "REJECTED" | "REFUSED" => Tone::Bad,
        _ => Tone::Plain,
    };
    badge(tone, &words(state))
}

/// Returns a state as people write it: `PR_OPENED` becomes `PR opened`.
fn words(state: &str) -> String {
    let text = state.to_lowercase().replace('_', " ");
    if let Some(rest) = text.strip_prefix("pr ") {
        return format!("PR {rest}");
    }
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| format!("{}{}", first.to_uppercase(), letters.as_str()))
        .unwrap_or_default()
}
