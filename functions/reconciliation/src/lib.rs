//! Reconciliation: seals every finished day of the ledger, and takes back the credits that expired
//! with it.
//!
//! A schedule invokes it every night. It continues from the last seal, one day after another, so it
//! catches up on missed nights. It also checks the last sealed day against its seal. It grants
//! nothing. Safe to run twice or concurrently: a seal is written only if there is none, and an
//! existing seal is compared with the new one. Credits expire in one transaction with the row that
//! lists them (`expiry.rs`).

mod expiry;

use boot::{Env, Outside, Settings};
use domain::billing::plans::Catalogue;
use domain::retry::{Failure, Retryable, backoff};
use domain::time::Timestamp;
use settings::{CatalogueSettings, LedgerSettings, PlatformSettings};
use std::time::Duration;
use store::{Checked, DaySum, Seal, Sealed, Seals, Store, StoreError};

pub struct Config {
    platform: PlatformSettings,
    ledger: LedgerSettings,
    catalogue: CatalogueSettings,
}

impl Settings for Config {
    fn read(env: &mut Env) -> Self {
        Self {
            platform: Settings::read(env),
            ledger: Settings::read(env),
            catalogue: Settings::read(env),
        }
    }
}

pub struct Ctx {
    seals: Seals,
    store: Store,
    catalogue: Catalogue,
    outside: Outside,
}

impl Ctx {
    pub fn connect(config: Config, outside: Outside) -> Self {
        let platform = config.platform.connect(&outside);
        let (store, seals) = config.ledger.connect_with_seals(&platform);
        Self {
            seals,
            store,
            catalogue: config.catalogue.0,
            outside,
        }
    }
}

/// A day is finished this long after its end, when no entry of it is still being written.
const SETTLED_AFTER: Duration = Duration::from_secs(3_600);
/// How far back to look for the first day with entries when there is no seal yet.
const LOOKBACK_DAYS_MAX: i64 = 60;
/// Time to reserve at the end of a run.
const MARGIN: Duration = Duration::from_secs(20);
/// The most attempts of one call while the store is unavailable.
const ATTEMPTS_MAX: u32 = 5;
const DAY: Duration = Duration::from_secs(86_400);

/// What one run did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reconciled {
    /// The days that it sealed.
    pub days: u64,
    /// The entries of those days.
    pub entries: u64,
    /// Seals that do not match the entries of their days.
    pub faults: u64,
    /// Payments whose unspent credits have expired.
    pub expired: u64,
    /// Payments that cannot expire yet, because their accounts have open holds.
    pub waiting: u64,
}

/// Handles the schedule. A failed run needs no retry by Lambda, because the next night continues.
pub async fn on_schedule(
    ctx: &Ctx,
    _: serde_json::Value,
    deadline: Timestamp,
) -> serde_json::Value {
    match handle(ctx, deadline).await {
        Ok(run) => {
            serde_json::json!({ "days": run.days, "expired": run.expired, "faults": run.faults })
        }
        Err(failure) => {
            tracing::error!(error = %failure, alarm = true, "reconciliation stopped early; the next night continues");
            serde_json::json!({ "error": "stopped early" })
        }
    }
}

/// Seals every finished day and expires the credits that ended with it, as far as time allows.
pub async fn handle(ctx: &Ctx, deadline: Timestamp) -> Result<Reconciled, Failure> {
    let mut run = Reconciled::default();
    let end = ctx.outside.now();
    let over =
        Timestamp::from_millis(end.millis().saturating_sub(millis(SETTLED_AFTER))).day_start();
    seal(ctx, &mut run, over, deadline).await?;
    expiry::expire(ctx, &mut run, over, deadline).await?;
    Ok(run)
}

/// Seals one day after another.
async fn seal(
    ctx: &Ctx,
    run: &mut Reconciled,
    over: Timestamp,
    deadline: Timestamp,
) -> Result<(), Failure> {
    let mut last = with_retries(&ctx.outside, || ctx.seals.seal_last()).await?;
    let mut day = match &last {
        Some(seal) => {
            if let Checked::Broken(what) =
                with_retries(&ctx.outside, || ctx.seals.seal_check(seal)).await?
            {
                mismatch(run, seal, what);
            }
            seal.next_day().ok_or_else(|| {
                Failure::never(format!("the seal of {} has no valid day", seal.day))
            })?
        }
        None => first_day(ctx, over).await?,
    };
    while day < over && deadline.since(ctx.outside.now()) > MARGIN {
        let seal =
            match with_retries(&ctx.outside, || ctx.seals.day_seal(day, last.as_ref())).await? {
                Sealed::Now(seal) => {
                    run.days += 1;
                    run.entries += seal.entries;
                    seal
                }
                Sealed::Already(seal) => seal,
                Sealed::Otherwise(seal) => {
                    mismatch(run, &seal, "does not match its entries");
                    seal
                }
            };
        last = Some(seal);
        day = day.next_day();
    }
    let through = last.as_ref().map_or("-", |seal| seal.day.as_str());
    tracing::info!(
        reconciliation.days = run.days,
        reconciliation.entries = run.entries,
        reconciliation.faults = run.faults,
        reconciliation.waiting = over.since(day).as_secs() / DAY.as_secs(),
        "the ledger is sealed through {through}"
    );
    Ok(())
}

fn mismatch(run: &mut Reconciled, seal: &Seal, what: &str) {
    run.faults += 1;
    tracing::error!(
        alarm = true,
        seal.day = seal.day,
        seal.number = seal.number,
        "the seal of {} {what}; run `ledger verify` to find the entry",
        seal.day
    );
}

/// Returns the first day with entries, or else the last finished day.
async fn first_day(ctx: &Ctx, over: Timestamp) -> Result<Timestamp, Failure> {
    let ago = |days: i64| {
        Timestamp::from_millis(
            over.millis()
                .saturating_sub(millis(DAY).saturating_mul(days)),
        )
    };
    for days in (2..=LOOKBACK_DAYS_MAX).rev() {
        let day = ago(days);
        if with_retries(&ctx.outside, || ctx.seals.day_sum(day)).await? != DaySum::default() {
            return Ok(day);
        }
    }
    Ok(ago(1))
}

/// Retries calls that are likely to succeed soon, because the next run is a day away.
async fn with_retries<T, F>(outside: &Outside, call: impl Fn() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut attempts = 0;
    loop {
        match call().await {
            Err(error) if error.retry().is_transient() && attempts + 1 < ATTEMPTS_MAX => {
                tokio::time::sleep(backoff(attempts, (outside.random)())).await;
                attempts += 1;
            }
            other => return Ok(other?),
        }
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
