//! `/jobs` and `/jobs/{id}`: the account's jobs, and one job as it proceeds. Forms request a job, retry
//! one and cancel one.

use crate::members::Member;
use crate::pages::billing::{explained, fresh, identity};
use crate::{ApiError, Ctx};
use axum::extract::State;
use axum::response::Response;
use domain::accounts::api_keys::Scope;
use domain::ids::JobId;
use domain::jobs::JobState;
use domain::jobs::requests::Agent;
use domain::time::Timestamp;
use flows::jobs::lookup::{Found, find};
use flows::jobs::requests;
use http::{HeaderMap, header};
use maud::{Markup, html};
use pages::{
    Page, Tone, badge, definitions, empty, fragment, grouped, moment, once, pager, post, steps,
    table,
};
use rest::browsers::see_other;
use rest::views::JobShown;
use rest::{Form, Params, Path, cursors};
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
    let usual = jobs.rows.first().map(|row| &row.facts);
    let usual = usual.map(|facts| format!("{}/{}", facts.owner_login, facts.repository_name));
    let content = html! {
        @if rows.is_empty() && cursor.is_none() {
            (empty("No jobs yet", &html! {
                "A job begins when an issue of a repository with the App gets the label " code { "tallyhook" }
                ", or with the form below. " a href="/setup" { "Install the App" }
            }))
        } @else {
            (table("Newest first", &["State", "Job", "Pull request", "Began", "#Price"], &rows))
            (pager(cursor.as_ref().map(|_| "/jobs"), next.as_deref()))
        }
        @if member.may(Scope::Jobs) { (run_form(&ctx, &member, usual.as_deref())) }
    };
    let standing = member.standing(&ctx).await?;
    Ok(Page::framed("Jobs", member.frame(&standing, "/jobs")).with(&content))
}

fn run_form(ctx: &Ctx, member: &Member, usual: Option<&str>) -> Markup {
    html! {
        section.card #run {
            h2 { "Run a fix" }
            (post("/jobs", &member.csrf(), &html! {
                (once(&fresh(ctx)))
                div.fields {
                    label {
                        "Repository"
                        input type="text" name="repository" value=[usual] placeholder="owner/name" required;
                    }
                    label { "Issue" input type="number" name="issue" min="1" required; }
                    button.primary { "Run" }
                }
            }))
            p.quiet { "Tallyhook reads the open issue and opens a pull request that closes it. It is charged only if it delivers." }
        }
    }
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
    let Loaded {
        job,
        is_over,
        can_cancel,
        can_retry,
        explained,
    } = load(&ctx, &member, &id).await?;
    let live = (!is_over).then(|| format!("/jobs/{}/progress", job.id));
    let csrf = member.csrf();
    let content = html! {
        div data-live=[live] { (progress(&job)) }
        @for (what, path) in &explained { p { a href=(path) { (what) } } }
        @if member.may(Scope::Jobs) && can_cancel {
            // `api` holds the key of the ledger, so it cancels.
            (post(&format!("/api/v1/pages/jobs/{}/cancel", job.id), &csrf, &html! { button.danger { "Cancel this job" } }))
            p.quiet { "Nothing is billed for a cancelled job." }
        }
        @if member.may(Scope::Jobs) && can_retry {
            (post(&format!("/jobs/{}/retry", job.id), &csrf, &html! {
                (once(&fresh(&ctx)))
                button.primary { "Retry" }
            }))
            p.quiet { "A retry is a new job for the same issue. It is charged like any other: only if it delivers." }
        }
    };
    let heading = format!("{} #{}", job.repository, job.issue);
    let standing = member.standing(&ctx).await?;
    let page = Page::framed(&heading, member.frame(&standing, "/jobs")).with(&content);
    Ok(if is_over { page } else { page.unfinished() })
}

/// Returns the part of a job's page that changes while the job proceeds.
pub async fn part(
    member: Member,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let loaded = load(&ctx, &member, &id).await?;
    let known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok());
    Ok(fragment(&progress(&loaded.job), known, loaded.is_over))
}

/// A job as its page shows it.
struct Loaded {
    job: JobShown,
    /// Whether nothing on the page is about to change.
    is_over: bool,
    can_cancel: bool,
    can_retry: bool,
    /// The pages that explain what it costs, each with what it is about.
    explained: Vec<(String, String)>,
}

async fn load(ctx: &Ctx, member: &Member, id: &str) -> Result<Loaded, ApiError> {
    Ok(match find(&ctx.store, &member.account, id).await? {
        Found::Job(row) => {
            // What follows an opened pull request can take weeks, so no page waits for it.
            let is_over = row.state.is_over() || row.state == JobState::PrOpened;
            Loaded {
                job: JobShown::of(&row),
                is_over,
                can_cancel: !is_over,
                can_retry: requests::may_retry(row.state).is_ok(),
                explained: explained::of_job(&row),
            }
        }
        Found::Request(request) => Loaded {
            job: JobShown::requested(&request),
            is_over: request.outcome.is_some(),
            can_cancel: false,
            can_retry: false,
            explained: Vec::new(),
        },
    })
}

/// The form that requests a job.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunForm {
    repository: String,
    issue: u64,
    once: String,
    csrf_token: String,
}

/// Requests a job for an issue and leads to it.
pub async fn run(
    member: Member,
    State(ctx): State<Arc<Ctx>>,
    headers: HeaderMap,
    Form(form): Form<RunForm>,
) -> Result<Response, ApiError> {
    member.acts(&ctx, &headers, &form.csrf_token, Scope::Jobs)?;
    may_begin(&ctx, &member).await?;
    let act = identity(&form.once)?
        .act(&member.account, "pages/jobs")
        .id();
    let by = member.by();
    let wanted = (form.repository.trim(), form.issue);
    let desk = desk(&ctx, &member, &by);
    let id = requests::request(&desk, &act, wanted, Agent::Tallyhook).await?;
    Ok(see_other(&format!("/jobs/{id}")))
}

/// The form that retries a job.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetryForm {
    once: String,
    csrf_token: String,
}

/// Retries a job and leads to the new one.
pub async fn retry(
    member: Member,
    State(ctx): State<Arc<Ctx>>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Form(form): Form<RetryForm>,
) -> Result<Response, ApiError> {
    member.acts(&ctx, &headers, &form.csrf_token, Scope::Jobs)?;
    may_begin(&ctx, &member).await?;
    let once = identity(&form.once)?;
    let act = |job: &JobId| {
        let route = format!("pages/jobs/{job}/retry");
        once.act(&member.account, &route).id()
    };
    let by = member.by();
    let id = requests::retry(&desk(&ctx, &member, &by), &id, act).await?;
    Ok(see_other(&format!("/jobs/{id}")))
}

fn desk<'a>(ctx: &'a Ctx, member: &'a Member, by: &'a str) -> requests::Desk<'a> {
    requests::Desk {
        store: &ctx.store,
        queues: &ctx.queues,
        catalogue: &ctx.catalogue,
        account: &member.account,
        billing_url: "/billing/plan",
        is_call: false,
        by,
        now: ctx.outside.now(),
    }
}

/// Returns an error while an operator has paused the account.
async fn may_begin(ctx: &Ctx, member: &Member) -> Result<(), ApiError> {
    let now = ctx.outside.now();
    let switch = ctx
        .switches
        .switch_now(now, |switches| switches.account(&member.account))
        .await;
    if switch.is_on() {
        return Ok(());
    }
    let detail = "This account is paused, so it cannot start new work; contact support.";
    Err(ApiError::conflict("account_paused", detail))
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
            (Some(price), _) => {
                data value=(price) { (grouped(price)) " credits" }
                @if let Some(most) = job.price_max.as_deref().filter(|_| job.price_is_open()) {
                    br; span.quiet { "at most " (grouped(most)) }
                }
            }
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

/// A job's state in words.
pub fn state(state: &str) -> Markup {
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
