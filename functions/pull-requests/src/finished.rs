//! The customer's mail about a job: owed once, when the job is delivered or ends without a pull request, to accounts that have
//! switched such mails on. Also owes the warning that the job's cost may cause. What becomes of the pull request later is only
//! commented under the issue.

use crate::{Ctx, wording};
use domain::jobs::{CommentState, JobRow};
use domain::notices::{Notice, NoticeKind, Topic};
use domain::retry::Failure;
use flows::owe;
use queues::Message;

/// Owes the mail, if the job has ended or was delivered and the account wants such mails. The fact is the job, so a later
/// state of it owes no second mail.
pub async fn notify(ctx: &Ctx, row: &JobRow, state: CommentState) -> Result<(), Failure> {
    if state == CommentState::Working {
        return Ok(());
    }
    warn(ctx, row).await?;
    let account = &row.facts.account;
    // Few accounts want it, so nothing is written for the others.
    if !ctx
        .store
        .account_mail_find(account)
        .await?
        .switch(NoticeKind::JobFinished)
        .is_on()
    {
        return Ok(());
    }
    let now = ctx.outside.now();
    let notice = Notice::new(
        Topic::JobFinished(row.facts.id.clone()),
        wording::mail(row),
        now,
    );
    owe::notice(&ctx.store, &ctx.queues, account, &notice, now).await
}

/// Owes the warning that a spend limit is nearly or fully spent.
async fn warn(ctx: &Ctx, row: &JobRow) -> Result<(), Failure> {
    let Some(spending) = &row.facts.terms.spending else {
        return Ok(());
    };
    let account = &row.facts.account;
    let what = (spending.unit, spending.period.as_str());
    if let Some(notice) = ctx
        .store
        .spend_warn(account, what, ctx.outside.now())
        .await?
    {
        ctx.queues
            .send(&Message::Notice(notice.key(account)), Some(account))
            .await?;
    }
    Ok(())
}
