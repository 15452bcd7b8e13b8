//! Usage reports: reports the usage that accounts owe to Stripe, and cancels or credits reports that
//! operators take back.
//!
//! Invoked by the queue `usage`, whose messages name an account and a meter. One worker at a time
//! reports everything that the account owes on the meter, one record after another. Safe to run
//! twice: a record's identifier and value are fixed, and its attempts are stored before the call.
//! How a record is reported is in `flows/billing/usage_reports.rs`.

mod config;

pub use config::{Config, Ctx};

use domain::billing::usage::AccountMeter;
use domain::retry::{Done, Failure};
use domain::switches::Switch;
use domain::time::Timestamp;
use flows::billing::usage_reports::Reporter;
use queues::{Message, SqsBatchResponse, SqsEvent, consume};
use std::time::Duration;

const CONCURRENCY: usize = 5;
/// A claim outlives the invocation that holds it by this much.
const LEASE_MARGIN: Duration = Duration::from_secs(5);

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
    let reporter = Reporter {
        store: &ctx.store,
        stripe: &stripe.client().await?,
        catalogue: &ctx.catalogue,
        now: &*ctx.outside.clock,
        random: &*ctx.outside.random,
    };
    Ok(match reporter.run(debts, until).await? {
        0 => Done::Duplicate,
        count => Done::Applied(format!("reported {count}")),
    })
}
