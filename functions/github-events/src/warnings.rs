//! Warnings that a new job gives rise to: a quota that comes to its end, a balance that gets low. Each is owed once.

use crate::Ctx;
use domain::billing::plans::{Limit, Plan};
use domain::billing::usage::Meter;
use domain::ids::AccountId;
use domain::jobs::{Funding, JobFacts};
use domain::notices::{Notice, Topic, quota_warning};
use domain::retry::Failure;
use queues::Message;
use store::NoticeOwed;

/// Looks whether the account has to be warned after a job was made.
pub async fn after(ctx: &Ctx, plan: &Plan, facts: &JobFacts) -> Result<(), Failure> {
    let meter = Meter::pull_requests();
    if let Some(Limit::Of(limit)) = plan.quotas.get(&meter).map(|quota| quota.limit) {
        let used = ctx
            .store
            .quota_used(&facts.account, &meter, &facts.terms.period)
            .await?;
        if let Some(topic) = quota_warning(&meter, &facts.terms.period, used, limit) {
            let words = format!(
                "{used} of the {limit} pull requests of the plan {} are used.",
                plan.name
            );
            owe(
                ctx,
                &facts.account,
                &Notice::new(topic, words, facts.created_at),
            )
            .await?;
        }
    }
    if matches!(facts.terms.funding, Funding::Prepaid { .. }) {
        let (balance, grants) = ctx.store.grants_count(&facts.account).await?;
        if balance.available < ctx.catalogue.low_balance {
            let words = format!("{} credits are left to spend.", balance.available);
            owe(
                ctx,
                &facts.account,
                &Notice::new(Topic::LowBalance(grants), words, facts.created_at),
            )
            .await?;
        }
    }
    Ok(())
}

/// Owes a notice and sends its message; where that gets lost, the row is found due.
pub async fn owe(ctx: &Ctx, account: &AccountId, notice: &Notice) -> Result<(), Failure> {
    if ctx
        .store
        .notice_owe(account, notice, ctx.outside.now())
        .await?
        == NoticeOwed::Now
    {
        ctx.queues
            .send(&Message::Notice(notice.key(account)), Some(account))
            .await?;
    }
    Ok(())
}
