//! Runs assists: small pieces of model work whose answer the caller reads. A message of the queue
//! `assists` names one.
//!
//! An assist runs under a lease, like a job's step. Its answer, price and final state are written
//! together, on the version that the lease was taken on. If a sandbox dies, its lease expires, and
//! the assist's row is due at that moment.

use crate::ask::{Question, ask};
use crate::{Ctx, summary, test_files, worn_out};
use domain::ids::AssistId;
use domain::jobs::assists::{Assist, AssistAnswer, AssistState, AssistTask, ModelUsage};
use domain::retry::{Done, Failure};
use domain::switches::Switch;
use domain::time::Timestamp;
use flows::work::{self, LEASE_MARGIN, NOT_NOW};
use serde::de::DeserializeOwned;
use store::{AssistClaimed, Written};

/// Runs an assist, unless it has ended or another worker holds its lease.
pub async fn on_assist(ctx: &Ctx, id: &AssistId, deadline: Timestamp) -> Result<Done, Failure> {
    let Some(assist) = ctx.store.assist_find(id).await? else {
        return Ok(Done::Ignored("no such assist"));
    };
    if assist.row.state != AssistState::Queued {
        return Ok(Done::Duplicate);
    }
    let account = &assist.row.facts.account;
    let switch = work::switch(&ctx.switches, account, ctx.outside.now());
    if switch.await == Switch::Off {
        return Ok(work::PAUSED);
    }
    let Ok(claim) = assist
        .row
        .claim(deadline.plus(LEASE_MARGIN), ctx.outside.now())
    else {
        return Ok(NOT_NOW);
    };
    let AssistClaimed::Yours(lease) = ctx.store.assist_claim(claim).await? else {
        return Ok(Done::Duplicate);
    };
    let tries = lease.row().tries;
    let worked = if tries.is_worn_out() {
        Err(worn_out())
    } else {
        run(ctx, lease.row(), &assist.task).await
    };
    let (write, failure) = match worked {
        Ok((answer, used)) => (lease.done(answer, used, ctx.outside.now()), None),
        Err(failure) => (
            lease.failed(&failure, (ctx.outside.random)(), ctx.outside.now()),
            Some(failure),
        ),
    };
    if ctx.store.assist_advance(&write).await? == Written::Stale {
        return Ok(Done::Duplicate);
    }
    let row = write.row();
    match failure {
        Some(failure) if row.state == AssistState::Queued => {
            Err(failure.due_in(row.tries.wait(ctx.outside.now())))
        }
        // The assist's row records the usage that is owed to Stripe, and the sweeper queues it.
        Some(_) | None => Ok(Done::Applied(row.state.as_str().to_owned())),
    }
}

async fn run(
    ctx: &Ctx,
    row: &Assist,
    task: &AssistTask,
) -> Result<(AssistAnswer, ModelUsage), Failure> {
    match task {
        AssistTask::CommitSummary(commit) => summary::run(ctx, row, commit).await,
        AssistTask::TestAnalysis(asked) => test_files::analyze(ctx, row, asked).await,
        AssistTask::TestIntegration(asked) => test_files::integrate(ctx, row, asked).await,
    }
}

/// Asks the model for an assist's answer.
pub async fn insist<S: DeserializeOwned, A>(
    ctx: &Ctx,
    mut row: &Assist,
    question: &Question<'_>,
    read: impl Fn(S) -> Option<A>,
) -> Result<(A, ModelUsage), Failure> {
    let answer = ask(ctx, &mut row, question, read).await?;
    Ok((answer.content, answer.used.of_assist()))
}

/// Returns the longest prefix of a text that takes at most `bytes_max` bytes inside a JSON
/// document.
pub fn head_in_json(text: &str, bytes_max: usize) -> &str {
    let mut bytes = 0;
    let end = text.char_indices().find_map(|(at, c)| {
        bytes += match c {
            '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
            c if c < ' ' => 6,
            c => c.len_utf8(),
        };
        (bytes > bytes_max).then_some(at)
    });
    &text[..end.unwrap_or(text.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_as_long_in_json_as_it_may_be() {
        let text = "a\"b\\c\nd\u{1}e\u{7f}é";
        for bytes_max in 0..30 {
            let head = head_in_json(text, bytes_max);
            let length = |text: &str| serde_json::to_string(text).expect("JSON").len() - 2;
            assert!(
                text.starts_with(head) && length(head) <= bytes_max,
                "{bytes_max}: {head:?}"
            );
            let next = text[head.len()..].chars().next();
            assert!(
                next.is_none_or(|c| length(&format!("{head}{c}")) > bytes_max),
                "{bytes_max}: {head:?}"
            );
        }
    }
}
