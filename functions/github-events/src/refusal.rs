//! A job that cannot be paid for or billed: it is over before any work, and its issue is told why and what to do.

use crate::order::Placed;
use crate::{Ctx, warnings};
use domain::billing::plans::{Limit, Plan};
use domain::billing::spending::SpendUnit;
use domain::jobs::{self, JobWork};
use domain::ledger::Balance;
use domain::notices::{Notice, Topic};
use domain::retry::Failure;
use queues::Message;
use store::{JobCreated, NewJob};

/// There are not enough credits.
pub async fn out_of_credits(
    ctx: &Ctx,
    plan: &Plan,
    new: NewJob,
    balance: Balance,
) -> Result<Placed, Failure> {
    let have = if balance.debt.is_zero() {
        format!("{} are available", balance.available)
    } else {
        format!("{} are owed since a payment was taken back", balance.debt)
    };
    let reason = format!(
        "a job on the plan {} reserves {} credits, and {have}.{}",
        plan.name,
        plan.budget,
        pointer(ctx, "Top up at")
    );
    let (_, grants) = ctx.store.grants_count(&new.row.facts.account).await?;
    let topic = Topic::TopUpNeeded(grants);
    let notice = Notice::new(topic, reason.clone(), new.row.facts.created_at);
    warnings::owe(ctx, &new.row.facts.account, &notice).await?;
    refuse(ctx, new, &reason).await
}

/// The period's jobs are used up.
pub async fn quota_used(ctx: &Ctx, plan: &Plan, new: NewJob) -> Result<Placed, Failure> {
    let count = match new.limit {
        Limit::Of(count) => count.to_string(),
        Limit::Unlimited => "all".to_owned(),
    };
    let next = plan
        .converts_to
        .as_ref()
        .and_then(|id| ctx.catalogue.plan(id));
    let offer = next.map_or_else(
        || pointer(ctx, "See your plan at"),
        |next| pointer(ctx, &format!("Go on with {} at", next.name)),
    );
    let reason = format!(
        "the {count} pull requests of the plan {} are used up.{offer}",
        plan.name
    );
    let facts = &new.row.facts;
    let topic = Topic::QuotaUsed(
        domain::billing::usage::Meter::pull_requests(),
        facts.terms.period.clone(),
    );
    warnings::owe(
        ctx,
        &facts.account,
        &Notice::new(topic, reason.clone(), facts.created_at),
    )
    .await?;
    refuse(ctx, new, &reason).await
}

/// The job could cost more than the customer still wants to spend.
pub async fn spend_limit_reached(ctx: &Ctx, new: NewJob) -> Result<Placed, Failure> {
    let facts = &new.row.facts;
    let spending = facts.terms.spending.as_ref();
    let (unit, period) = spending.map_or((SpendUnit::Money, ""), |spending| {
        (spending.unit, spending.period.as_str())
    });
    let limit = ctx.store.spend_limit_find(&facts.account).await?;
    let spent = ctx.store.spent_find(&facts.account, period, unit).await?;
    if let Some(notice) = limit.reached((unit, period), spent, facts.created_at) {
        warnings::owe(ctx, &facts.account, &notice).await?;
    }
    let words = limit
        .usage_text(unit, spent)
        .unwrap_or_else(|| "your spend limit is reached".to_owned());
    let reason = format!(
        "{words}; a job could cost more than is left.{} Or ask again when the next billing period has begun.",
        pointer(ctx, "Raise the limit at")
    );
    refuse(ctx, new, &reason).await
}

/// So many delivered jobs wait for Stripe to be told of them that another would be a risk.
pub async fn unbilled(ctx: &Ctx, new: NewJob, waiting: u64) -> Result<Placed, Failure> {
    let account = &new.row.facts.account;
    tracing::error!(account.id = %account, usage.owed = waiting, alarm = true, "Stripe is told too little; new jobs are refused");
    let reason = format!(
        "Stripe could not be told of {waiting} pull requests yet; new ones wait until that is done. Ask again then."
    );
    refuse(ctx, new, &reason).await
}

fn pointer(ctx: &Ctx, words: &str) -> String {
    ctx.dashboard_url
        .as_ref()
        .map_or_else(String::new, |url| format!(" {words} {url}"))
}

async fn refuse(ctx: &Ctx, new: NewJob, reason: &str) -> Result<Placed, Failure> {
    let account = new.row.facts.account.clone();
    let refused = NewJob {
        row: jobs::refused(new.row.facts, reason),
        hold: None,
        ..new
    };
    let (message, placed) = match ctx.store.job_refuse(&refused).await? {
        // The very fact has made a job before: perhaps one that could be paid for, and died before it was sent.
        JobCreated::Existing(job) => (Message::Work(JobWork::Plan, job.clone()), Placed::Made(job)),
        JobCreated::New
        | JobCreated::Joined(_)
        | JobCreated::OutOfCredits(_)
        | JobCreated::QuotaUsed
        | JobCreated::AccountClosed
        | JobCreated::SpendLimitReached => {
            let job = refused.row.facts.id;
            (Message::Comment(job.clone()), Placed::Refused(job))
        }
    };
    ctx.queues.send(&message, Some(&account)).await?;
    Ok(placed)
}
