//! The door that closes the books: every day of the ledger that is over gets its seal, and the credits that ended with it
//! go.
//!
//! Woken every night. Goes on from the last seal, one day after another, so that missed nights are caught up; a day is over
//! an hour after its end, when nothing of it is still being written. Also looks whether the last sealed day still is what
//! its seal says, and lets expire what ended on a day that is over (`expiry.rs`). It can add seals and take away what has
//! expired, and grants nothing. Safe to run twice or at once: a seal is put only where there is none, and one that stands is
//! compared with what would have been put; credits go with the row that says so, in one transaction.

mod expiry;

use boot::{Env, Outside, Settings};
use domain::retry::{Failure, Retry, Retryable, backoff};
use domain::time::Timestamp;
use settings::{LedgerSettings, PlatformSettings};
use std::time::Duration;
use store::{Checked, DaySum, Seal, Sealed, Seals, Store, StoreError};

/// The settings of this function.
pub struct Config {
    platform: PlatformSettings,
    ledger: LedgerSettings,
}

impl Settings for Config {
    fn read(env: &mut Env) -> Self {
        Self {
            platform: Settings::read(env),
            ledger: Settings::read(env),
        }
    }
}

/// What this function works with.
pub struct Ctx {
    seals: Seals,
    store: Store,
    outside: Outside,
}

impl Ctx {
    pub fn connect(config: Config, outside: Outside) -> Self {
        let platform = config.platform.connect(&outside);
        let (store, seals) = config.ledger.connect_with_seals(&platform);
        Self {
            seals,
            store,
            outside,
        }
    }
}

/// How long after its end a day counts as over.
const SETTLED_AFTER: Duration = Duration::from_secs(3_600);
/// How far back the first day with entries is looked for where nothing was ever sealed.
const LOOKBACK_DAYS_MAX: i64 = 60;
/// Time kept at the end of a run.
const MARGIN: Duration = Duration::from_secs(20);
/// Tries of one call while the store does not answer.
const TRIES_MAX: u32 = 5;
const DAY: Duration = Duration::from_secs(86_400);

/// What one run did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Books {
    /// Days it has sealed.
    pub days: u64,
    /// Entries of those days.
    pub entries: u64,
    /// Seals that are not what their days' entries make.
    pub faults: u64,
    /// Payments of which something was left and has expired.
    pub expired: u64,
    /// Payments whose time is up and that wait: of their accounts something is held.
    pub waiting: u64,
}

/// Runs for the schedule. A failure needs no retry of Lambda's: the next night continues.
pub async fn on_schedule(ctx: &Ctx, _: serde_json::Value, deadline: Timestamp) -> serde_json::Value {
    match handle(ctx, deadline).await {
        Ok(books) => {
            serde_json::json!({ "days": books.days, "expired": books.expired, "faults": books.faults })
        }
        Err(failure) => {
            tracing::error!(error = %failure, alarm = true, "reconciliation stopped early; the next night continues");
            serde_json::json!({ "error": "stopped early" })
        }
    }
}

/// Seals every day that is over and lets expire what ended with it, or as much of that as there is time for.
pub async fn handle(ctx: &Ctx, deadline: Timestamp) -> Result<Books, Failure> {
    let mut books = Books::default();
    let end = ctx.outside.now();
    let over =
        Timestamp::from_millis(end.millis().saturating_sub(millis(SETTLED_AFTER))).day_start();
    seal(ctx, &mut books, over, deadline).await?;
    expiry::run(ctx, &mut books, over, deadline).await?;
    Ok(books)
}

/// Seals one day after another.
async fn seal(
    ctx: &Ctx,
    books: &mut Books,
    over: Timestamp,
    deadline: Timestamp,
) -> Result<(), Failure> {
    let mut last = patiently(ctx, || ctx.seals.seal_last()).await?;
    let mut day = match &last {
        Some(seal) => {
            if let Checked::Broken(what) = patiently(ctx, || ctx.seals.seal_check(seal)).await? {
                mismatch(books, seal, what);
            }
            seal.next_day()
                .ok_or_else(|| Failure::never(format!("{} is the seal of no day", seal.day)))?
        }
        None => first_day(ctx, over).await?,
    };
    while day < over && deadline.since(ctx.outside.now()) > MARGIN {
        let seal = match patiently(ctx, || ctx.seals.day_seal(day, last.as_ref())).await? {
            Sealed::Now(seal) => {
                books.days += 1;
                books.entries += seal.entries;
                seal
            }
            Sealed::Already(seal) => seal,
            Sealed::Otherwise(seal) => {
                mismatch(books, &seal, "is another one than its entries make");
                seal
            }
        };
        last = Some(seal);
        day = day.next_day();
    }
    let through = last.as_ref().map_or("no day", |seal| seal.day.as_str());
    tracing::info!(
        reconciliation.days = books.days,
        reconciliation.entries = books.entries,
        reconciliation.faults = books.faults,
        reconciliation.waiting = over.since(day).as_secs() / DAY.as_secs(),
        "the ledger is sealed through {through}"
    );
    Ok(())
}

fn mismatch(books: &mut Books, seal: &Seal, what: &str) {
    books.faults += 1;
    tracing::error!(
        alarm = true,
        seal.day = seal.day,
        seal.number = seal.number,
        "the seal of {} {what}; the ledger's audit says which entry it is",
        seal.day
    );
}

/// Where to begin: with the first day that has entries, or else with the last day that is over.
async fn first_day(ctx: &Ctx, over: Timestamp) -> Result<Timestamp, Failure> {
    let ago = |days: i64| {
        Timestamp::from_millis(
            over.millis()
                .saturating_sub(millis(DAY).saturating_mul(days)),
        )
    };
    for days in (2..=LOOKBACK_DAYS_MAX).rev() {
        let day = ago(days);
        if patiently(ctx, || ctx.seals.day_sum(day)).await? != DaySum::default() {
            return Ok(day);
        }
    }
    Ok(ago(1))
}

/// Waits out what passes by itself: the next run is a day away.
async fn patiently<T, F>(ctx: &Ctx, call: impl Fn() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut tries = 0;
    loop {
        match call().await {
            Err(error) if error.retry() == Retry::Soon && tries + 1 < TRIES_MAX => {
                tokio::time::sleep(backoff(tries, (ctx.outside.random)())).await;
                tries += 1;
            }
            other => return Ok(other?),
        }
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
