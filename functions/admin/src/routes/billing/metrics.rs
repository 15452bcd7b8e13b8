//! `GET /api/v1/admin/metrics`: what jobs earned and cost, what customers still have, and what
//! waits for an operator.
//!
//! Every figure is recomputed from the rows that billed the customers. What cannot be counted in
//! one request is reported as unknown, never as zero.

use crate::days::Days;
use crate::operator::Authorized;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::ids::AccountId;
use domain::jobs::steps::Step;
use domain::jobs::{Figures, JobRow};
use domain::units::decimal;
use queues::Queue;
use rest::Params;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use store::{Cursor, Slice};
use utoipa::{IntoParams, ToSchema};

/// The most jobs, accounts and invoices that one request counts.
const COUNTED_MAX: usize = 1_000;
const BATCH: usize = 100;

/// The query of the metrics.
#[derive(Deserialize, IntoParams, Default)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// The first day on which the jobs and invoices were created, in UTC. Defaults to today.
    #[param(pattern = "^([0-9]{4}-[0-9]{2}-[0-9]{2})?$")]
    pub from: Option<String>,
    /// The last day on which the jobs and invoices were created, in UTC. Defaults to today.
    #[param(pattern = "^([0-9]{4}-[0-9]{2}-[0-9]{2})?$")]
    pub to: Option<String>,
}

/// The metrics of some days.
#[derive(Serialize, ToSchema)]
pub struct Metrics {
    pub from: String,
    pub to: String,
    /// Whether all jobs and invoices of these days are counted. If not, the newest 1,000 of each
    /// are; choose fewer days.
    pub complete: bool,
    pub total: FiguresShown,
    /// The number of jobs in each state.
    pub states: BTreeMap<String, u64>,
    pub by_day: BTreeMap<String, FiguresShown>,
    /// The plan is the account's plan now, because a job does not record it.
    pub by_plan: BTreeMap<String, FiguresShown>,
    pub by_repository: BTreeMap<String, FiguresShown>,
    pub by_model: BTreeMap<String, ModelUse>,
    /// What Stripe's invoices of these days come to, by currency.
    pub invoices: BTreeMap<String, Invoiced>,
    pub credits_remaining: Remaining,
    /// The dead letters of all queues; absent if they cannot be counted now.
    pub dead_letters: Option<u64>,
}

/// What a set of jobs earned and cost, in credits.
#[derive(Serialize, ToSchema)]
pub struct FiguresShown {
    pub jobs: u64,
    /// The jobs that were billed, from credits or through Stripe.
    pub billed: u64,
    /// The credits that jobs captured. What Stripe bills is in `invoices`.
    pub revenue: String,
    /// What the models cost, for all jobs.
    pub cost: String,
    /// The captured credits, less what the models cost for the jobs that credits pay.
    pub margin: String,
}

/// What a model cost.
#[derive(Serialize, ToSchema)]
pub struct ModelUse {
    /// The steps that called it.
    pub steps: u64,
    pub tokens: u64,
    /// Its cost, in credits.
    pub cost: String,
}

/// Invoices in one currency, in minor units.
#[derive(Serialize, ToSchema, Default)]
pub struct Invoiced {
    pub invoices: u64,
    pub due_minor: i64,
    pub paid_minor: i64,
}

/// The credits that all customers still have.
#[derive(Serialize, ToSchema)]
pub struct Remaining {
    /// `known`, `too_many` if there are more than 1,000 accounts, or `unavailable` if the balances
    /// cannot be read now.
    pub state: &'static str,
    /// The credits available to spend, less debts.
    pub credits: Option<String>,
    /// The credits reserved for work in progress.
    pub held: Option<String>,
    pub accounts: Option<u64>,
}

/// Shows what the jobs of some days earned and cost, and what needs attention now.
#[utoipa::path(get, path = "/api/v1/admin/metrics", tag = "billing", params(Filter),
    responses((status = 200, body = Metrics)))]
pub async fn show(
    _: Authorized,
    State(ctx): State<Arc<Ctx>>,
    Params(filter): Params<Filter>,
) -> Result<Json<Metrics>, ApiError> {
    let days = days(&ctx, &filter)?;
    let mut counts = Counts::default();
    let jobs_complete = counts.jobs(&ctx, days).await?;
    let (invoices, invoices_complete) = invoiced(&ctx, days).await?;
    let last = |day: Option<domain::time::Timestamp>| day.map_or_else(String::new, |day| day.day());
    let to = days
        .before
        .map(|end| domain::time::Timestamp::from_millis(end.millis() - 1));
    Ok(Json(Metrics {
        from: last(days.since),
        to: last(to),
        complete: jobs_complete && invoices_complete,
        total: shown(counts.total),
        states: counts.states,
        by_day: all_shown(counts.by_day),
        by_plan: all_shown(counts.by_plan),
        by_repository: all_shown(counts.by_repository),
        by_model: counts.by_model.into_iter().map(model_shown).collect(),
        invoices,
        credits_remaining: remaining(&ctx).await,
        dead_letters: dead_letters(&ctx).await,
    }))
}

/// The days of the query; today if it names none.
fn days(ctx: &Ctx, filter: &Filter) -> Result<Days, ApiError> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let today = ctx.outside.now().day();
    let to = given(&filter.to).unwrap_or_else(|| today.clone());
    let from = given(&filter.from).unwrap_or_else(|| to.clone());
    Days::parse(Some(&from), Some(&to))
}

/// What is counted of a model: its steps, tokens and cost in millionths of a credit.
type ModelCounts = (u64, u64, u64);

#[derive(Default)]
struct Counts {
    total: Figures,
    states: BTreeMap<String, u64>,
    by_day: BTreeMap<String, Figures>,
    by_plan: BTreeMap<String, Figures>,
    by_repository: BTreeMap<String, Figures>,
    by_model: BTreeMap<String, ModelCounts>,
    plans: BTreeMap<AccountId, String>,
}

impl Counts {
    /// Counts the jobs of these days, the newest first. Returns whether all were counted.
    async fn jobs(&mut self, ctx: &Ctx, days: Days) -> Result<bool, ApiError> {
        let mut from: Option<Cursor> = None;
        let mut counted = 0;
        while counted < COUNTED_MAX {
            let slice = Slice {
                since: days.since,
                before: days.before,
                from: from.as_ref(),
                limit: BATCH,
            };
            let page = ctx.store.job_ids(slice).await?;
            for id in &page.rows {
                if let Some((row, steps)) = ctx.store.job_find_whole(id).await? {
                    self.job(ctx, &row, &steps.0).await?;
                }
            }
            counted += page.rows.len();
            from = page.next;
            if from.is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn job(&mut self, ctx: &Ctx, row: &JobRow, steps: &[Step]) -> Result<(), ApiError> {
        let (facts, figures) = (&row.facts, Figures::of(row));
        let plan = match self.plans.get(&facts.account) {
            Some(plan) => plan.clone(),
            None => {
                let account = ctx.store.account_find(&facts.account).await?;
                let plan = account.map_or_else(|| "unknown".to_owned(), |account| account.plan);
                self.plans.insert(facts.account.clone(), plan.clone());
                plan
            }
        };
        self.total = self.total.plus(figures);
        *self
            .states
            .entry(row.state.as_str().to_owned())
            .or_default() += 1;
        let repository = format!("{}/{}", facts.owner_login, facts.repository_name);
        for (group, key) in [
            (&mut self.by_day, facts.created_at.day()),
            (&mut self.by_plan, plan),
            (&mut self.by_repository, repository),
        ] {
            let entry = group.entry(key).or_default();
            *entry = entry.plus(figures);
        }
        for step in steps.iter().filter(|step| !step.model.is_empty()) {
            let (calls, tokens, cost) = self.by_model.entry(step.model.clone()).or_default();
            *calls += 1;
            *tokens = tokens.saturating_add(step.tokens.total());
            *cost = cost.saturating_add(step.cost.micros());
        }
        Ok(())
    }
}

/// Adds up the invoices of these days. Returns also whether all were counted.
async fn invoiced(ctx: &Ctx, days: Days) -> Result<(BTreeMap<String, Invoiced>, bool), ApiError> {
    let (mut sums, mut counted) = (BTreeMap::<String, Invoiced>::new(), 0);
    let mut from: Option<Cursor> = None;
    while counted < COUNTED_MAX {
        let slice = Slice {
            since: days.since,
            before: days.before,
            from: from.as_ref(),
            limit: BATCH,
        };
        let page = ctx.store.invoice_list_all(slice).await?;
        counted += page.rows.len();
        for (_, invoice) in page.rows {
            // A void invoice is owed by nobody.
            if invoice.status == "void" {
                continue;
            }
            let sum = sums.entry(invoice.currency).or_default();
            sum.invoices += 1;
            sum.due_minor = sum.due_minor.saturating_add(invoice.amount_due_minor);
            sum.paid_minor = sum.paid_minor.saturating_add(invoice.amount_paid_minor);
        }
        from = page.next;
        if from.is_none() {
            return Ok((sums, true));
        }
    }
    Ok((sums, false))
}

/// Adds up the balances of all accounts.
async fn remaining(ctx: &Ctx) -> Remaining {
    let state = match sum_of_balances(ctx).await {
        Ok(Some((credits, held, accounts))) => {
            return Remaining {
                state: "known",
                credits: Some(decimal(credits)),
                held: Some(decimal(held)),
                accounts: Some(accounts),
            };
        }
        Ok(None) => "too_many",
        Err(error) => {
            tracing::warn!(error = error.detail(), "could not add up the balances");
            "unavailable"
        }
    };
    Remaining {
        state,
        credits: None,
        held: None,
        accounts: None,
    }
}

async fn sum_of_balances(ctx: &Ctx) -> Result<Option<(i64, i64, u64)>, ApiError> {
    let (mut credits, mut held, mut accounts) = (0_i64, 0_i64, 0_usize);
    let mut from: Option<Cursor> = None;
    while accounts < COUNTED_MAX {
        let slice = Slice {
            since: None,
            before: None,
            from: from.as_ref(),
            limit: BATCH,
        };
        let page = ctx.store.account_list(slice).await?;
        for account in &page.rows {
            let balance = ctx.store.balance_find(&account.id).await?;
            credits = credits
                .saturating_add(balance.available.signed())
                .saturating_sub(balance.debt.signed());
            held = held.saturating_add(balance.held.signed());
        }
        accounts += page.rows.len();
        from = page.next;
        if from.is_none() {
            let accounts = u64::try_from(accounts).unwrap_or(u64::MAX);
            return Ok(Some((credits, held, accounts)));
        }
    }
    Ok(None)
}

async fn dead_letters(ctx: &Ctx) -> Option<u64> {
    let mut dead = 0_u64;
    for queue in Queue::ALL {
        match ctx.queues.depth(queue).await {
            Ok(depth) => dead = dead.saturating_add(depth.dead),
            Err(error) => {
                tracing::warn!(error = %error, "could not count the dead letters");
                return None;
            }
        }
    }
    Some(dead)
}

fn all_shown(groups: BTreeMap<String, Figures>) -> BTreeMap<String, FiguresShown> {
    let shown = |(key, figures)| (key, shown(figures));
    groups.into_iter().map(shown).collect()
}

fn shown(figures: Figures) -> FiguresShown {
    FiguresShown {
        jobs: figures.jobs,
        billed: figures.billed,
        revenue: credits(figures.revenue),
        cost: credits(figures.cost),
        margin: decimal(figures.margin()),
    }
}

fn model_shown((model, (steps, tokens, cost)): (String, ModelCounts)) -> (String, ModelUse) {
    let cost = credits(cost);
    (
        model,
        ModelUse {
            steps,
            tokens,
            cost,
        },
    )
}

fn credits(micros: u64) -> String {
    decimal(i64::try_from(micros).unwrap_or(i64::MAX))
}
