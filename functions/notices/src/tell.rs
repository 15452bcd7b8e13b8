//! Mails one notice once, under a lease.

use crate::{Ctx, wording};
use domain::accounts::addresses::MailAddress;
use domain::notices::{self, AfterUnclear, NoticeKey, NoticeKind, NoticeOutcome, after_unclear};
use domain::retry::{Done, Failure, Retryable};
use domain::switches::Switch;
use domain::time::Timestamp;
use domain::work::{Lifecycle, NextAttempt};
use mail_api::{Mail, MailError};
use std::time::Duration;
use store::{Muted, NoticeClaim, StoreError, Tried, Untold};

/// Mails a notice, unless it was mailed, another worker is mailing it, or it cannot be mailed: the
/// account has no address, the address is muted, the account does not want this kind, no sender is
/// configured, or what it says is no longer true.
///
/// Mail has no idempotency key, and a sent mail cannot be looked up. So everything is read and
/// worded before the row is claimed. Then the claim is written, the mail is sent, and the row is
/// closed, with nothing in between. Duplicate messages send one mail, because only one of them gets
/// the lease.
///
/// After a lost response or a crash in that window, it is unclear whether the mail was sent, and
/// [`after_unclear`] decides by kind: a mail that asks for something (a welcome link, a failed
/// payment) may be sent once more. A mail that only informs is not, and the row says that the
/// outcome is unclear.
pub async fn handle(ctx: &Ctx, key: &NoticeKey, until: Timestamp) -> Result<Done, Failure> {
    let Some(kind) = key.kind() else {
        return Ok(Done::Ignored("an unknown kind of notice"));
    };
    // Runs before the claim, so that nothing has to be read between the claim and the mail.
    let way = way(ctx, key, kind).await?;
    let mark = (ctx.outside.random)();
    let untold = match retry(|| ctx.store.notice_claim(key, mark, until, ctx.outside.now())).await?
    {
        NoticeClaim::Yours(untold) => untold,
        // The worker that holds the lease sends it, or the row is due again when the lease expires.
        NoticeClaim::Held | NoticeClaim::Ended => return Ok(Done::Duplicate),
    };
    match (way, after_unclear(untold.kind, untold.doubts)) {
        (Way::Closed(outcome), _) => end(ctx, &untold, outcome, None).await,
        (Way::Open { .. }, _) if is_too_late(&untold, ctx.outside.now()) => {
            end(ctx, &untold, NoticeOutcome::Obsolete, None).await
        }
        (Way::Open { .. }, AfterUnclear::Stop) => unclear(ctx, &untold).await,
        (Way::Open { to, from }, AfterUnclear::Resend(_)) => send(ctx, &untold, &to, &from).await,
    }
}

/// The addresses of a notice, or the outcome if it cannot be mailed.
enum Way {
    Open { to: MailAddress, from: MailAddress },
    Closed(NoticeOutcome),
}

async fn way(ctx: &Ctx, key: &NoticeKey, kind: NoticeKind) -> Result<Way, Failure> {
    let mailing = ctx.store.account_mail_find(&key.account).await?;
    if mailing.switch(kind) == Switch::Off {
        return Ok(Way::Closed(NoticeOutcome::SwitchedOff));
    }
    let Some(to) = mailing.address else {
        return Ok(Way::Closed(NoticeOutcome::Nobody));
    };
    let Some(from) = ctx.from.clone() else {
        return Ok(Way::Closed(NoticeOutcome::NoSender));
    };
    if kind.is_planned() && !is_still_true(ctx, key, kind).await? {
        return Ok(Way::Closed(NoticeOutcome::Obsolete));
    }
    Ok(match ctx.store.mail_muted(&to).await? {
        Muted::Yes => Way::Closed(NoticeOutcome::Muted),
        Muted::No => Way::Open { to, from },
    })
}

/// Whether the time that a notice names as ahead has passed.
fn is_too_late(untold: &Untold, now: Timestamp) -> bool {
    untold.valid_until.is_some_and(|end| end <= now)
}

/// Checks a notice that was written ahead against the latest known states of its invoice and
/// subscription.
async fn is_still_true(ctx: &Ctx, key: &NoticeKey, kind: NoticeKind) -> Result<bool, Failure> {
    let Some(invoice) = key.invoice() else {
        return Ok(false);
    };
    let Some(invoice) = ctx.store.invoice_find(&key.account, &invoice).await? else {
        return Ok(false);
    };
    let Some(id) = &invoice.subscription else {
        return Ok(false);
    };
    let subscription = ctx.store.subscription_find(&key.account, id).await?;
    Ok(subscription.is_some_and(|found| notices::is_still_true(kind, &invoice, &found)))
}

async fn send(
    ctx: &Ctx,
    untold: &Untold,
    to: &MailAddress,
    from: &MailAddress,
) -> Result<Done, Failure> {
    let worded = wording::mail(untold, ctx.dashboard_url.as_deref());
    let mail = Mail {
        to,
        from,
        subject: worded.subject,
        text: &worded.text,
        html: &worded.html,
        reference: &untold.key.pointer(),
    };
    match ctx.mail.send(&mail).await {
        Ok(sent) => {
            tracing::info!(account.id = %untold.key.account, notice.kind = %untold.kind, mail.id = sent.id, "mailed");
            end(ctx, untold, NoticeOutcome::Sent, None).await
        }
        Err(error) => failed(ctx, untold, error).await,
    }
}

/// Handles a mail that was not sent, or perhaps was.
async fn failed(ctx: &Ctx, untold: &Untold, error: MailError) -> Result<Done, Failure> {
    if error.is_doubt() {
        return match after_unclear(untold.kind, untold.doubts + 1) {
            AfterUnclear::Stop => unclear(ctx, untold).await,
            AfterUnclear::Resend(wait) => {
                again(ctx, untold, Tried::InDoubt, wait, error.into()).await
            }
        };
    }
    let (failure, now) = (Failure::from(error), ctx.outside.now());
    let tries = Lifecycle {
        attempts: untold.attempts,
        outage_since: Some(untold.first_attempt),
        ..Lifecycle::default()
    };
    let outcome = match tries.failed(&failure, (ctx.outside.random)(), now) {
        NextAttempt::Again(next) => {
            let tried = if next.attempts > tries.attempts {
                Tried::Failed
            } else {
                Tried::Postponed
            };
            return again(ctx, untold, tried, next.wait(now), failure).await;
        }
        NextAttempt::Last(_) => {
            tracing::error!(account.id = %untold.key.account, notice.kind = %untold.kind, alarm = true, "gave up on a mail after too many attempts");
            NoticeOutcome::GivenUp
        }
        NextAttempt::Over => {
            tracing::warn!(account.id = %untold.key.account, notice.kind = %untold.kind, error = %failure, "SES refused a mail for good");
            NoticeOutcome::Refused
        }
    };
    let why = failure.source.to_string();
    end(ctx, untold, outcome, Some(&why)).await
}

/// Releases the notice and makes it due at its next attempt.
async fn again(
    ctx: &Ctx,
    untold: &Untold,
    tried: Tried,
    wait: Duration,
    failure: Failure,
) -> Result<Done, Failure> {
    let due_at = ctx.outside.now().plus(wait);
    retry(|| ctx.store.notice_release(untold, tried, due_at)).await?;
    Err(failure.due_in(wait))
}

async fn unclear(ctx: &Ctx, untold: &Untold) -> Result<Done, Failure> {
    tracing::warn!(account.id = %untold.key.account, notice.kind = %untold.kind, "it is unclear whether a mail was sent; it is not sent again");
    end(ctx, untold, NoticeOutcome::Unclear, None).await
}

async fn end(
    ctx: &Ctx,
    untold: &Untold,
    outcome: NoticeOutcome,
    why: Option<&str>,
) -> Result<Done, Failure> {
    retry(|| {
        ctx.store
            .notice_end(untold, outcome, why, ctx.outside.now())
    })
    .await?;
    Ok(match outcome {
        NoticeOutcome::Sent => Done::Applied(format!("told: {}", untold.kind)),
        NoticeOutcome::Nobody
        | NoticeOutcome::Muted
        | NoticeOutcome::SwitchedOff
        | NoticeOutcome::Obsolete
        | NoticeOutcome::NoSender
        | NoticeOutcome::Refused
        | NoticeOutcome::Unclear
        | NoticeOutcome::GivenUp => Done::Applied(format!("not told: {outcome}")),
    })
}

/// The most attempts of one write before or after a mail.
const WRITES_MAX: u32 = 4;

/// Retries a write before or after a mail, because its failure would leave the outcome unclear.
/// Each of these writes may be repeated.
async fn retry<T, F>(write: impl Fn() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut attempts = 1;
    loop {
        match write().await {
            Err(error) if error.retry().is_transient() && attempts < WRITES_MAX => {
                tokio::time::sleep(Duration::from_millis(100) * attempts).await;
                attempts += 1;
            }
            answer => return answer,
        }
    }
}
