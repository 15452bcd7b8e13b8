//! Queues the customer's mail about a job, once, when the job is delivered or ends without a pull
//! request. Only accounts that switched this mail on get it. Also queues the warning that the job's
//! cost may cause. Later changes of the pull request appear only in the comment under the issue.

use crate::{Ctx, wording};
use domain::jobs::{CommentState, JobRow};
use domain::notices::{Notice, NoticeKind, Topic};
use domain::retry::Failure;
use flows::owe;
use queues::Message;

/// Records and queues the mail if the job has ended or was delivered and the account wants such
/// mail. The notice's key is the job, so a later state of the job creates no second mail.
pub async fn notify(ctx: &Ctx, row: &JobRow, state: CommentState) -> Result<(), Failure> {
    if matches!(
        state,
        CommentState::Working | CommentState::Validating | CommentState::Repairing
    ) {
        return Ok(());
    }
    warn(ctx, row).await?;
    let account = &row.facts.account;
    // Few accounts want this mail, so nothing is written for the others.
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

/// Records the notice that a spend limit is nearly or fully used, and queues it.
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
