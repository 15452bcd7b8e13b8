//! `/api/v1/admin/jobs`: shows jobs in full.

use crate::operator::Authorized;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::{Path, State};
use domain::billing::usage::AccountMeter;
use domain::ids::{JobId, UsageId};
use domain::jobs::pulls::{FileEdit, branch};
use domain::jobs::steps::{Step, StepOutput, Steps};
use domain::jobs::{Funding, JobRow, cost_to_customer};
use serde_json::{Value, json};
use std::sync::Arc;

/// Shows one job: its state, the output and usage of each step, and whether its usage was reported
/// to Stripe.
pub async fn show(
    _: Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let absent = || ApiError::not_found("there is no such job");
    let id = JobId::parse(&id).map_err(|_| absent())?;
    let (row, steps) = ctx.store.job_find_whole(&id).await?.ok_or_else(absent)?;
    let mut job = shown(&row, &steps);
    job["payment"] = payment(&ctx, &row).await?;
    Ok(Json(job))
}

/// How a job is paid for, and whether its usage was reported if Stripe bills it.
async fn payment(ctx: &Ctx, row: &JobRow) -> Result<Value, ApiError> {
    let terms = &row.facts.terms;
    let mut payment = json!({
        "billable": terms.billable.as_str(),
        "budget": terms.budget.map(|budget| budget.to_string()),
        "period": terms.period,
        "price_version": terms.priced_by,
        "cost": row.cost.to_string(),
        "price": cost_to_customer(row).to_string(),
    });
    match &terms.funding {
        Funding::Prepaid { held, .. } => {
            payment["by"] = json!("credits");
            payment["held"] = json!(held.to_string());
        }
        Funding::Free => payment["by"] = json!("nothing"),
        Funding::Metered { counts, .. } => {
            let mut usage = Vec::new();
            for (meter, _) in counts {
                let debts = AccountMeter {
                    account: row.facts.account.clone(),
                    meter: meter.clone(),
                };
                let reported_at = ctx
                    .store
                    .usage_find(&debts, &UsageId::of_job(&row.facts.id))
                    .await?;
                usage.push(json!({ "meter": meter.as_str(), "reported_at": reported_at.map(|at| at.to_string()) }));
            }
            payment["by"] = json!("meters");
            payment["usage"] = json!(usage);
        }
    }
    Ok(payment)
}

fn shown(row: &JobRow, steps: &Steps) -> Value {
    let facts = &row.facts;
    json!({
        "id": facts.id.as_str(),
        "state": row.state.as_str(),
        "version": row.version,
        "account": facts.account.as_str(),
        "repository": { "id": facts.repository.get(), "owner": facts.owner_login, "name": facts.repository_name, "installation": facts.installation.get() },
        "issue": { "number": facts.issue_number, "title": steps.order().map(|order| &order.title) },
        "trigger": facts.trigger,
        "asked_by": facts.asked_by,
        "wishes": { "draft": facts.wishes.draft().is_on(), "labels": facts.wishes.labels(), "reviewers": facts.wishes.reviewers() },
        "base": { "branch": facts.base_branch, "sha": row.base_sha },
        "branch": branch(&facts.id),
        "attempts": row.attempts,
        "rounds": row.rounds,
        "tokens": { "input": row.tokens.input, "output": row.tokens.output },
        "pull": row.pull.as_ref().map(|pull| json!({ "number": pull.number, "url": pull.url })),
        "reason": row.reason,
        "comment": row.comment.map(domain::ids::CommentId::get),
        "steps": steps.0.iter().map(step).collect::<Vec<_>>(),
        "timeline": row.timeline.iter().map(|moment| json!({ "state": moment.state.as_str(), "at": moment.at.to_string() })).collect::<Vec<_>>(),
    })
}

fn step(step: &Step) -> Value {
    let (kind, output) = match &step.output {
        StepOutput::Issue(order) => ("order", json!({ "title": order.title, "body": order.body })),
        StepOutput::Plan(plan) => ("plan", json!({ "text": plan.text, "files": plan.files })),
        StepOutput::Code(proposal) => {
            let changes = proposal.changes().iter().map(|file| match &file.change {
                FileEdit::Write(content) => json!({ "path": file.path, "content": content }),
                FileEdit::Delete => json!({ "path": file.path, "delete": true }),
            });
            let changes: Vec<_> = changes.collect();
            (
                "code",
                json!({ "title": proposal.title(), "body": proposal.body(), "changes": changes }),
            )
        }
        StepOutput::Review(review) => (
            "review",
            json!({ "verdict": review.verdict.as_str(), "notes": review.notes }),
        ),
    };
    json!({
        "kind": kind,
        "at": step.at.to_string(),
        "model": step.model,
        "tokens": { "input": step.tokens.input, "output": step.tokens.output },
        "output": output,
    })
}
