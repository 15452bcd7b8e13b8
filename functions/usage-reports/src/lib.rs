//! Usage reports: reports the usage that accounts owe to Stripe.
//!
//! Invoked by the queue `usage`, whose messages name an account and a meter. One worker at a time
//! reports everything that the account owes on the meter, one record after another. Usage whose
//! invoice is closed is carried into the current period. Safe to run twice: a record's identifier
//! and value are fixed, and its first attempt and reported moment are stored before the call. Once
//! Stripe may have forgotten the identifier, the function asks what Stripe has counted before it
//! sends the record again.

mod config;
mod report;

pub use config::{Config, Ctx};

use domain::billing::usage::AccountMeter;
use domain::retry::{Done, Failure};
use domain::switches::Switch;
use domain::time::Timestamp;
use queues::{Message, SqsBatchResponse, SqsEvent, consume};
use report::Reporter;
use std::time::Duration;
use store::ReportClaim;

const CONCURRENCY: usize = 5;
/// A claim outlives the invocation that holds it by this much.
const LEASE_MARGIN: Duration = Duration::from_secs(5);
/// The longest wait for another worker. That worker usually finishes in a moment, and records that
/// became due after it listed them must not wait for its whole claim.
const HELD_WAIT: Duration = Duration::from_secs(3);

/// Handles a batch of messages.
pub async fn handle(ctx: &Ctx, event: SqsEvent, deadline: Timestamp) -> SqsBatchResponse {
    let until = deadline.plus(LEASE_MARGIN);
    let handle = async |debts: AccountMeter| on_usage(ctx, &debts, until).await;
    let random = || (ctx.outside.random)();
    consume(&ctx.queues, event, CONCURRENCY, random, select, handle).await
}

fn select(message: &Message) -> Option<AccountMeter> {
    match message {
        Message::Usage(debts) => Some(debts.clone()),
        _ => None,
    }
}

const KEPT: Done = Done::Waiting("billing is off or the account is paused; the usage is kept");

async fn on_usage(ctx: &Ctx, debts: &AccountMeter, until: Timestamp) -> Result<Done, Failure> {
    // The rows stay due, so the sweeper queues them again and they are reported once billing is on.
    let Some(stripe) = &ctx.stripe else {
        return Ok(KEPT);
    };
    let now = ctx.outside.now();
    let switch = ctx
        .switches
        .switch_now(now, |switches| switches.usage(&debts.account, ctx.billing));
    if switch.await == Switch::Off {
        return Ok(KEPT);
    }
    let stripe = stripe.client().await?;
    if let ReportClaim::Held(held) = ctx.store.report_claim(debts, until, now).await? {
        return Err(Failure::after(
            held.since(now).min(HELD_WAIT),
            "another worker reports this account's usage",
        ));
    }
    let reported = Reporter::new(&ctx.store, &stripe, &ctx.outside)
        .report_all(debts, until)
        .await;
    ctx.store.report_release(debts, until).await?;
    Ok(match reported? {
        0 => Done::Duplicate,
        count => Done::Applied(format!("reported {count}")),
    })
}
