//! `/admin/jobs`: the jobs of all accounts, and one of them in full.

use super::accounts::account_link;
use super::events::choice;
use super::{Shown, at, credits, or_dash, with};
use crate::Ctx;
use crate::routes::jobs::job::{self, JobDetails};
use crate::routes::jobs::list::{self as listing, Filter, JobListed};
use crate::routes::jobs::steps::{Output, StepShown};
use crate::routes::jobs::turns::{self, TurnShown, Turns};
use crate::session::SignedIn;
use ::pages::{definitions, empty, grouped, pager, table};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::jobs::JobState;
use domain::text::truncate;
use maud::{Markup, html};
use rest::{Params, Path};
use std::sync::Arc;

/// Lists jobs by state and day.
pub async fn list(
    signed_in: SignedIn,
    State(ctx): State<Arc<Ctx>>,
    Params(filter): Params<Filter>,
) -> Shown {
    let (state, from, to) = (filter.state.clone(), filter.from.clone(), filter.to.clone());
    let is_later = filter.cursor.is_some();
    let Json(found) = listing::list(signed_in.authorized(), State(ctx), Params(filter)).await?;
    let rows: Vec<_> = found.jobs.iter().map(line).collect();
    let query = |cursor| {
        let pairs = [
            ("state", state.as_deref()),
            ("from", from.as_deref()),
            ("to", to.as_deref()),
            ("cursor", cursor),
        ];
        with("/admin/jobs", &pairs)
    };
    let first = is_later.then(|| query(None));
    let next = found
        .next_cursor
        .as_deref()
        .map(|cursor| query(Some(cursor)));
    let columns = [
        "Job",
        "State",
        "Issue",
        "Account",
        "#Attempts",
        "#Cost",
        "#Revenue",
        "Reason",
        "Created",
    ];
    let content = html! {
        form.fields method="get" action="/admin/jobs" {
            (choice("state", "State", state.as_deref(), &JobState::ALL.map(JobState::as_str)))
            label { "From" input type="date" name="from" value=(from.as_deref().unwrap_or_default()); }
            label { "To (UTC)" input type="date" name="to" value=(to.as_deref().unwrap_or_default()); }
            button { "Show" }
        }
        @if rows.is_empty() {
            (empty("No job is in this state on these days.", &html! { a href="/admin/jobs" { "Show all jobs" } }))
        } @else {
            (table("Jobs, newest first", &columns, &rows))
            (pager(first.as_deref(), next.as_deref()))
        }
    };
    let page = signed_in.page("Jobs", "/admin/jobs");
    Ok(page.with(&content).into_response())
}

fn line(job: &JobListed) -> Vec<Markup> {
    vec![
        html! { a href=(format!("/admin/jobs/{}", job.id)) { (job.id) } },
        html! { (job.state) @if let Some(due) = &job.due_at { br; span.quiet { "due " (at(due)) } } },
        html! { (job.repository) "#" (job.issue) @if let Some(pull) = job.pull { br; span.quiet { "pull request #" (pull) } } },
        account_link(&job.account),
        html! { (job.attempts) },
        credits(&job.cost),
        html! { (credits(&job.revenue)) @if job.billed { br; span.quiet { "billed" } } },
        or_dash(job.reason.as_deref()),
        at(&job.created_at),
    ]
}

/// Shows a job with its steps and its payment.
pub async fn show(
    signed_in: SignedIn,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
) -> Shown {
    let path = Path(id.clone());
    let Json(found) = job::show(signed_in.authorized(), State(Arc::clone(&ctx)), path).await?;
    let Json(Turns { turns }) = turns::list(signed_in.authorized(), State(ctx), Path(id)).await?;
    let page = signed_in.page(&found.id, "/admin/jobs");
    Ok(page.with(&content(&found, &turns)).into_response())
}

fn content(job: &JobDetails, turns: &[TurnShown]) -> Markup {
    let repository = format!("{}/{}", job.repository.owner, job.repository.name);
    let states: Vec<_> = job
        .timeline
        .iter()
        .map(|moment| vec![html! { (moment.state) }, at(&moment.at)])
        .collect();
    let steps: Vec<_> = job.steps.iter().map(step_line).collect();
    html! {
        (definitions(&[
            ("State", html! { (job.state) @if let Some(reason) = &job.reason { ": " (reason) } }),
            ("Issue", html! { (repository) "#" (job.issue.number) @if let Some(title) = &job.issue.title { ", " (title) } }),
            ("Pull request", html! {
                @if let Some(pull) = &job.pull { a href=(pull.url) rel="noreferrer" { "#" (pull.number) } } @else { "–" }
            }),
            ("Account", account_link(&job.account)),
            ("Requested by", html! { (job.asked_by) span.quiet { " (" (job.trigger) ")" } }),
            ("Branch", html! { (job.branch) " from " (job.base.branch) }),
            ("Failed attempts at this step", html! { (job.attempts) }),
            ("Rounds of review", html! { (job.rounds) }),
        ]))
        section {
            h2 { "Payment" }
            (definitions(&[
                ("Paid by", html! { (job.payment.by) ", when " (job.payment.billable) }),
                ("Models' cost", credits(&job.payment.cost)),
                ("Lost or useless answers", credits(&job.payment.lost)),
                ("Price", credits(&job.payment.price)),
                ("Budget", html! { @if let Some(budget) = &job.payment.budget { (credits(budget)) } @else { "none" } }),
                ("Catalogue", html! { (job.payment.price_version) }),
            ]))
        }
        section {
            h2 { "Steps" }
            @if steps.is_empty() { p { "No step has ended yet." } }
            @else { (table("In order", &["Step", "Output", "Ended", "Model", "#Tokens read", "#Tokens written"], &steps)) }
        }
        @if !turns.is_empty() {
            section {
                h2 { "Turns of the model while coding" }
                (table("In order", &["Turn", "Calls", "Ended", "#Tokens read", "#Tokens written", "#Cost"], &turn_lines(turns)))
            }
        }
        section { h2 { "States" } (table("In order", &["State", "Since"], &states)) }
    }
}

/// How much the page shows of a call. The API has all of it.
const SHOWN_BYTES_MAX: usize = 2_000;

fn turn_lines(turns: &[TurnShown]) -> Vec<Vec<Markup>> {
    let line = |(number, turn): (usize, &TurnShown)| {
        vec![
            html! { (number) @if turn.round > 0 { br; span.quiet { "round " (turn.round + 1) } } },
            html! {
                @for call in &turn.calls {
                    details {
                        summary { (call.name) @if call.failed { " – failed" } }
                        pre { (truncate(&call.input, SHOWN_BYTES_MAX)) }
                        pre { (truncate(&call.result, SHOWN_BYTES_MAX)) }
                    }
                }
                @if !turn.text.is_empty() { (turn.text) }
                @if let Some(told) = &turn.told { br; span.quiet { (told) } }
            },
            at(&turn.at),
            html! {
                (grouped(&turn.tokens.input.to_string()))
                @if turn.tokens.cached > 0 { br; span.quiet { (grouped(&turn.tokens.cached.to_string())) " cached" } }
            },
            html! { (grouped(&turn.tokens.output.to_string())) },
            credits(&turn.cost),
        ]
    };
    (1..).zip(turns).map(line).collect()
}

fn step_line(step: &StepShown) -> Vec<Markup> {
    let (name, words) = match &step.output {
        Output::Order(order) => (
            "issue",
            html! { (order.title) @if order.removed > 0 { br; span.quiet { (order.removed) " hidden characters removed" } } },
        ),
        Output::Plan(plan) => ("plan", html! { (plan.files.len()) " files" }),
        Output::Code(_) => ("code", html! { "a change" }),
        Output::Review(_) => ("review", html! { "a judgment" }),
        Output::Checks(checks) => ("checks", html! { "failed: " (checks.failed) }),
    };
    vec![
        html! { (name) },
        words,
        at(&step.at),
        html! { (step.model) },
        html! { (grouped(&step.tokens.input.to_string())) },
        html! { (grouped(&step.tokens.output.to_string())) },
    ]
}
