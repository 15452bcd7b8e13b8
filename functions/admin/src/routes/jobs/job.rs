//! `GET /api/v1/admin/jobs/{id}`: a job in full.

use super::steps::{StepShown, TokensShown};
use crate::operator::Authorized;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::billing::usage::AccountMeter;
use domain::ids::{CommentId, JobId, UsageId};
use domain::jobs::pulls::branch;
use domain::jobs::steps::Steps;
use domain::jobs::{Funding, JobFacts, JobRow, PullRef, cost_to_customer};
use rest::Path;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// A job in full.
#[derive(Serialize, ToSchema)]
pub struct JobDetails {
    pub id: String,
    pub state: String,
    /// The number of writes.
    pub version: u64,
    pub account: String,
    pub repository: RepositoryShown,
    pub issue: IssueShown,
    /// The event that requested the job.
    pub trigger: String,
    /// Who requested it, on GitHub.
    pub asked_by: String,
    pub wishes: PullWishes,
    pub base: Base,
    /// The branch of the pull request.
    pub branch: String,
    /// The failed attempts at the current step.
    pub attempts: u32,
    /// How often a review asked for more work.
    pub rounds: u32,
    /// How often the model answered while it coded.
    pub turns: u32,
    pub tokens: TokensShown,
    pub pull: Option<PullShown>,
    /// What the checks of the pull request said when it was delivered.
    pub checked: Option<String>,
    /// Why the job ended, or why its cancellation was requested.
    pub reason: Option<String>,
    /// The id of its comment on the issue.
    pub comment: Option<u64>,
    pub steps: Vec<StepShown>,
    pub timeline: Vec<Moment>,
    pub payment: Payment,
}

#[derive(Serialize, ToSchema)]
pub struct RepositoryShown {
    pub id: u64,
    pub owner: String,
    pub name: String,
    pub installation: u64,
}

#[derive(Serialize, ToSchema)]
pub struct IssueShown {
    pub number: u64,
    pub title: Option<String>,
}

/// What the repository's policy asks of pull requests.
#[derive(Serialize, ToSchema)]
pub struct PullWishes {
    pub draft: bool,
    pub labels: Vec<String>,
    pub reviewers: Vec<String>,
}

/// What the pull request is based on.
#[derive(Serialize, ToSchema)]
pub struct Base {
    pub branch: String,
    pub sha: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct PullShown {
    pub number: u64,
    pub url: String,
}

/// A state that the job entered, and when.
#[derive(Serialize, ToSchema)]
pub struct Moment {
    pub state: String,
    pub at: String,
}

/// How a job is paid for.
#[derive(Serialize, ToSchema)]
pub struct Payment {
    /// What pays: `credits`, `meters` or `nothing`.
    pub by: &'static str,
    /// The state in which the job becomes billable.
    pub billable: &'static str,
    /// The most it may cost, in credits.
    pub budget: Option<String>,
    /// The period whose quota counts the job.
    pub period: String,
    /// The version of the catalogue.
    pub price_version: String,
    /// The models' cost so far, in credits.
    pub cost: String,
    /// What answers have cost at most that were lost or of no use, in credits. The customer does not
    /// pay it.
    pub lost: String,
    /// The price so far, in credits.
    pub price: String,
    /// The credits reserved, if credits pay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
    /// The usage reported to Stripe, if meters pay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Vec<Reported>>,
}

/// Whether usage was reported to Stripe.
#[derive(Serialize, ToSchema)]
pub struct Reported {
    pub meter: String,
    pub reported_at: Option<String>,
}

/// Shows a job: its state, the output and usage of each step, and how it is paid for.
#[utoipa::path(get, path = "/api/v1/admin/jobs/{id}", tag = "jobs",
    params(("id" = String, Path, description = "The job's id.")),
    responses((status = 200, body = JobDetails)))]
pub async fn show(
    _: Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
) -> Result<Json<JobDetails>, ApiError> {
    let absent = || ApiError::not_found("There is no such job.");
    let id = JobId::parse(&id).map_err(|_| absent())?;
    let (row, steps) = ctx.store.job_find_whole(&id).await?.ok_or_else(absent)?;
    let payment = payment(&ctx, &row).await?;
    Ok(Json(shown(&row, &steps, payment)))
}

/// How a job is paid for, and whether its usage was reported if Stripe bills it.
async fn payment(ctx: &Ctx, row: &JobRow) -> Result<Payment, ApiError> {
    let terms = &row.facts.terms;
    let (by, held, usage) = match &terms.funding {
        Funding::Prepaid { held, .. } => ("credits", Some(held.to_string()), None),
        Funding::Free => ("nothing", None, None),
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
                usage.push(Reported {
                    meter: meter.to_string(),
                    reported_at: reported_at.map(|at| at.to_string()),
                });
            }
            ("meters", None, Some(usage))
        }
    };
    Ok(Payment {
        by,
        billable: terms.billable.as_str(),
        budget: terms.budget.map(|budget| budget.to_string()),
        period: terms.period.clone(),
        price_version: terms.priced_by.clone(),
        cost: row.cost.to_string(),
        lost: row.lost.to_string(),
        price: cost_to_customer(row).to_string(),
        held,
        usage,
    })
}

fn shown(row: &JobRow, steps: &Steps, payment: Payment) -> JobDetails {
    let facts = &row.facts;
    let pull = |pull: &PullRef| PullShown {
        number: pull.number,
        url: pull.url.clone(),
    };
    let timeline = row.timeline.iter().map(|moment| Moment {
        state: moment.state.as_str().to_owned(),
        at: moment.at.to_string(),
    });
    JobDetails {
        id: facts.id.to_string(),
        state: row.state.as_str().to_owned(),
        version: row.version,
        account: facts.account.to_string(),
        repository: repository(facts),
        issue: IssueShown {
            number: facts.issue_number,
            title: steps.order().map(|order| order.title.clone()),
        },
        trigger: facts.trigger.clone(),
        asked_by: facts.asked_by.clone(),
        wishes: PullWishes {
            draft: facts.wishes.draft().is_on(),
            labels: facts.wishes.labels().to_vec(),
            reviewers: facts.wishes.reviewers().to_vec(),
        },
        base: Base {
            branch: facts.base_branch.clone(),
            sha: row.base_sha.clone(),
        },
        branch: branch(&facts.id),
        attempts: row.attempts,
        rounds: row.rounds,
        turns: row.turns,
        tokens: TokensShown::of(row.tokens),
        pull: row.pull.as_ref().map(pull),
        checked: row.checked.clone(),
        reason: row.reason.clone(),
        comment: row.comment.map(CommentId::get),
        steps: steps.0.iter().map(StepShown::of).collect(),
        timeline: timeline.collect(),
        payment,
    }
}

fn repository(facts: &JobFacts) -> RepositoryShown {
    RepositoryShown {
        id: facts.repository.get(),
        owner: facts.owner_login.clone(),
        name: facts.repository_name.clone(),
        installation: facts.installation.get(),
    }
}
