//! Refuses jobs that cannot be paid for or billed, or that nobody can allow. They end before any work, and a comment on the
//! issue says why and what to do.

use super::order::{Orders, Placed};
use domain::billing::entitlements::Entitlements;
use domain::billing::plans::{Limit, Period, Plan, Renewal};
use domain::billing::quotas::{self, period_of};
use domain::billing::spending::SpendUnit;
use domain::billing::usage::Meter;
use domain::jobs::caps::Cap;
use domain::jobs::{self, JobRow, JobWork};
use domain::ledger::Balance;
use domain::notices::{Notice, Topic};
use domain::retry::Failure;
use queues::Message;
use store::{JobCreated, NewJob};

pub(super) async fn out_of_credits(
    orders: &Orders<'_>,
    plan: &Plan,
    new: NewJob,
    balance: Balance,
) -> Result<Placed, Failure> {
    let have = if balance.debt.is_zero() {
        format!("{} are available", balance.available)
    } else {
        format!(
            "{} are owed because a payment was refunded or disputed",
            balance.debt
        )
    };
    let reason = format!(
        "a job on the plan {} reserves {} credits, and {have}.{}",
        plan.name,
        plan.budget,
        pointer(orders, "Top up at")
    );
    let facts = &new.row.facts;
    let (_, grants) = orders.store.grants_count(&facts.account).await?;
    let topic = Topic::TopUpNeeded(grants);
    let notice = Notice::new(topic, reason.clone(), facts.created_at);
    orders.owe(&facts.account, &notice).await?;
    refuse_privately(orders, new, &reason).await
}

/// A cap of the plan or the repository's policy is reached.
pub(super) async fn capped(orders: &Orders<'_>, new: NewJob, cap: &Cap) -> Result<Placed, Failure> {
    let reason = cap.reason(&new.row.facts.asked_by);
    refuse(orders, new, &reason).await
}

/// The quota of the period is used up.
pub(super) async fn quota_used(
    orders: &Orders<'_>,
    entitlements: &Entitlements<'_>,
    new: NewJob,
) -> Result<Placed, Failure> {
    let plan = entitlements.plan;
    let count = match new.limit {
        Limit::Of(count) => count.to_string(),
        Limit::Unlimited => "all".to_owned(),
    };
    let next = plan
        .converts_to
        .as_ref()
        .and_then(|id| orders.catalogue.plan(id));
    let offer = match next {
        Some(next) => pointer(orders, &format!("Continue with {} at", next.name)),
        None => pointer(orders, "See your plan at"),
    };
    let facts = &new.row.facts;
    let meter = Meter::pull_requests();
    let until = plan.quotas.get(&meter).map_or_else(String::new, |quota| {
        let period = Period::at(quota.renews, entitlements.period, facts.created_at);
        match (quota.renews, period.end) {
            (Renewal::Never, _) => " and do not renew".to_owned(),
            (_, Some(end)) => format!(" until the next period begins on {}", end.day()),
            (_, None) => " until the next period begins".to_owned(),
        }
    });
    let stop = if offer.is_empty() { "" } else { "." };
    let reason = format!(
        "the {count} pull requests of the plan {} are used up{until}{stop}{offer}",
        plan.name
    );
    let topic = Topic::QuotaUsed(Meter::pull_requests(), facts.terms.period.clone());
    let notice = Notice::new(topic, reason.clone(), facts.created_at);
    orders.owe(&facts.account, &notice).await?;
    refuse_privately(orders, new, &reason).await
}

/// Another quota of the plan has no room for the job: its agents are all at work, or its tokens are
/// used up.
pub(super) async fn other_quota_used(
    orders: &Orders<'_>,
    entitlements: &Entitlements<'_>,
    new: NewJob,
    meter: Meter,
) -> Result<Placed, Failure> {
    let facts = &new.row.facts;
    let why = quotas::refusal(entitlements, &meter, facts.created_at);
    let reason = format!("{why}.{}", pointer(orders, "See your plan at"));
    // Agents are free again when a job is done, which is no news by mail.
    if meter != Meter::agents() {
        let period = period_of(entitlements, &meter, facts.created_at).key;
        let notice = Notice::new(
            Topic::QuotaUsed(meter, period),
            reason.clone(),
            facts.created_at,
        );
        orders.owe(&facts.account, &notice).await?;
    }
    refuse_privately(orders, new, &reason).await
}

/// The job could cost more than the customer's spend limit leaves.
pub(super) async fn spend_limit_reached(
    orders: &Orders<'_>,
    new: NewJob,
) -> Result<Placed, Failure> {
    let facts = &new.row.facts;
    let spending = facts.terms.spending.as_ref();
    let (unit, period) = spending.map_or((SpendUnit::Money, ""), |spending| {
        (spending.unit, spending.period.as_str())
    });
    let limit = orders.store.spend_limit_find(&facts.account).await?;
    let spent = orders
        .store
        .spent_find(&facts.account, period, unit)
        .await?;
    if let Some(notice) = limit.reached((unit, period), spent, facts.created_at) {
        orders.owe(&facts.account, &notice).await?;
    }
    let words = limit
        .usage_text(unit, spent)
        .unwrap_or_else(|| "your spend limit is reached".to_owned());
    let reason = format!(
        "{words}; a job could cost more than is left. Ask again in the next billing period.{}",
        pointer(orders, "Or raise the limit at")
    );
    refuse_privately(orders, new, &reason).await
}

/// The plan bills its work through Stripe, and the account has no live subscription to it.
pub(super) async fn no_subscription(
    orders: &Orders<'_>,
    plan: &Plan,
    new: NewJob,
) -> Result<Placed, Failure> {
    let account = &new.row.facts.account;
    tracing::warn!(account.id = %account, plan.id = %plan.id, "a job is refused because nobody would be billed for it");
    let reason = format!(
        "the plan {} is billed through a subscription, and this account has none.{}",
        plan.name,
        pointer(orders, "Add a payment method or subscribe at")
    );
    refuse_privately(orders, new, &reason).await
}

/// Too many delivered jobs are not reported to Stripe yet, so another job might never be billed.
pub(super) async fn unbilled(
    orders: &Orders<'_>,
    new: NewJob,
    waiting: u64,
) -> Result<Placed, Failure> {
    let account = &new.row.facts.account;
    tracing::error!(account.id = %account, usage.owed = waiting, alarm = true, "too much usage waits to be reported to Stripe; new jobs are refused");
    let reason = format!(
        "{waiting} pull requests could not be reported to Stripe yet, and new jobs wait until they are. Ask again later."
    );
    refuse_privately(orders, new, &reason).await
}

fn pointer(orders: &Orders<'_>, words: &str) -> String {
    orders
        .dashboard_url
        .map_or_else(String::new, |url| format!(" {words} {url}"))
}

/// What everybody on GitHub may know about an account that cannot start a job. Balances, debts,
/// limits and plans are the account's own matter.
const PUBLIC_REASON: &str = "the account that pays for this repository cannot start a job at the moment. Its members see the reason in the job";

/// Refuses a job for a reason that only members of the account may read.
async fn refuse_privately(
    orders: &Orders<'_>,
    new: NewJob,
    reason: &str,
) -> Result<Placed, Failure> {
    record(orders, new, reason, Some(PUBLIC_REASON)).await
}

/// Refuses a job for a reason that everybody may read.
pub(super) async fn refuse(
    orders: &Orders<'_>,
    new: NewJob,
    reason: &str,
) -> Result<Placed, Failure> {
    record(orders, new, reason, None).await
}

/// Records the refused job, once per trigger, and queues its comment.
async fn record(
    orders: &Orders<'_>,
    new: NewJob,
    reason: &str,
    public_reason: Option<&str>,
) -> Result<Placed, Failure> {
    let account = new.row.facts.account.clone();
    let refused = NewJob {
        row: JobRow {
            public_reason: public_reason.map(str::to_owned),
            ..jobs::refused(new.row.facts, reason)
        },
        hold: None,
        ..new
    };
    let (message, placed) = match orders.store.job_refuse(&refused).await? {
        // The same trigger created a job before. That job may have been payable but not sent, so
        // send it.
        JobCreated::Existing(job) => (Message::Work(JobWork::Plan, job.clone()), Placed::Made(job)),
        JobCreated::New
        | JobCreated::Joined(_)
        | JobCreated::OutOfCredits(_)
        | JobCreated::Capped(_)
        | JobCreated::QuotaUsed
        | JobCreated::OtherQuotaUsed(_)
        | JobCreated::AccountClosed
        | JobCreated::SpendLimitReached => {
            let job = refused.row.facts.id;
            (Message::Comment(job.clone()), Placed::Refused(job))
        }
    };
    orders.queues.send(&message, Some(&account)).await?;
    Ok(placed)
}
