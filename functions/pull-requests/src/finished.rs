//! The customer's mail of a job: owed once, when the job is delivered or has ended without a pull request, to whoever has
//! switched such mails on; and the warning that what it has cost may give rise to. What becomes of the pull request later is told under the issue only.

use crate::{Ctx, wording};
use domain::jobs::{CommentState, JobRow};
use domain::notices::{Notice, NoticeKind, Topic};
use domain::retry::Failure;
use queues::Message;
use store::NoticeOwed;

/// Owes it, if the job has come so far and somebody wants it. The fact is the job, so another state of it is no news.
pub async fn owe(ctx: &Ctx, row: &JobRow, state: CommentState) -> Result<(), Failure> {
    if state == CommentState::Working {
        return Ok(());
    }
    warn(ctx, row).await?;
    let account = &row.facts.account;
    // Hardly anybody wants it, so nothing is written for the others.
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
    if ctx.store.notice_owe(account, &notice, now).await? == NoticeOwed::Now {
        ctx.queues
            .send(&Message::Notice(notice.key(account)), Some(account))
            .await?;
    }
    Ok(())
}

/// Owes the warning that most of a spend limit is spent, or all of it.
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
