//! Runs one step of a job under a lease, and records the outcome. After a failure, it schedules the
//! next attempt.
//!
//! Safe to run twice: only one worker gets the lease, and the outcome is written only on the
//! version on which the lease was taken. If a process dies, its lease expires, and the job's row is
//! due at that moment.

use domain::ids::AccountId;
use domain::jobs::{Job, JobLease, JobRow, Leasable, Transition};
use domain::retry::{Done, Failure};
use domain::switches::Switch;
use domain::time::Timestamp;
use std::time::Duration;
use store::{Advanced, Claimed, Store, Switchboard};

/// How much longer a lease lasts than the invocation that holds it.
pub const LEASE_MARGIN: Duration = Duration::from_secs(5);

/// The outcome for an account whose work an operator has paused.
pub const PAUSED: Done = Done::Waiting("the account is paused");

/// The outcome while another worker holds the lease, or while the job is not due yet. The sweeper
/// sends the job when it is due.
pub const NOT_NOW: Done = Done::Ignored("not now");

/// Returns whether an account's work may continue.
pub async fn switch(switches: &Switchboard, account: &AccountId, now: Timestamp) -> Switch {
    switches
        .switch_now(now, |switches| switches.account(account))
        .await
}

/// How work ends: a transition that consumes the lease.
pub type Finish<W> = Box<dyn FnOnce(JobLease<W>) -> Transition + Send>;

/// The outcome of working on a job.
pub enum Worked {
    /// Nothing was done: another worker holds the lease, or has already moved the job.
    Not(Done),
    /// The job changed in the meantime, so the outcome was not written.
    Overtaken,
    /// The job moved, possibly because it failed permanently.
    Moved(Box<JobRow>, Box<Transition>),
}

/// Works on a job under a lease that ends at `until`. A temporary failure is an `Err` that is due
/// when the row is.
pub async fn work<S: Leasable>(
    store: &Store,
    random: impl Fn() -> u64,
    clock: impl Fn() -> Timestamp,
    job: Job<S>,
    until: Timestamp,
    run: impl AsyncFnOnce(&mut JobLease<S::Working>) -> Result<Finish<S::Working>, Failure>,
) -> Result<Worked, Failure> {
    let Ok(claim) = job.claim(until, clock()) else {
        return Ok(Worked::Not(NOT_NOW));
    };
    let Claimed::Yours(mut lease) = store.job_claim(claim).await? else {
        return Ok(Worked::Not(Done::Duplicate));
    };
    let (transition, failure) = match run(&mut lease).await {
        Ok(finish) => (finish(*lease), None),
        Err(failure) => (lease.failed(&failure, random(), clock()), Some(failure)),
    };
    let Advanced::Applied(row) = store.job_advance(&transition).await? else {
        return Ok(Worked::Overtaken);
    };
    match failure {
        // A repair that fails moves the job, too.
        Some(failure) if row.state == transition.from_state() => {
            Err(failure.due_in(row.wait(clock())))
        }
        Some(_) | None => Ok(Worked::Moved(row, Box::new(transition))),
    }
}
