//! Who makes a model call: a job under its lease, or an assist.
//!
//! A job's row says what a call can cost before the call is sent. So the cost is known even if no
//! answer comes, and the cost of all calls stays within the job's limits.

use crate::Ctx;
use crate::budget::Budget;
use domain::jobs::assists::Assist;
use domain::jobs::{ConcurrentMove, JobLease, Transition};
use domain::retry::Failure;
use domain::time::Timestamp;
use domain::units::Credits;
use model_api::{ANSWER_MAX, ModelError};
use std::time::Duration;
use store::Advanced;

/// A lease is renewed with each call, so that work whose process has died is taken up within
/// minutes, however long it would have run. After the longest answer, the tools have this time.
const LEASE: Duration = Duration::from_secs(ANSWER_MAX.as_secs() + 120);

/// The end of a lease that begins or is renewed now.
pub fn lease_end(now: Timestamp) -> Timestamp {
    now.plus(LEASE)
}

pub trait Caller {
    fn budget(&self) -> Budget<'_>;

    /// Notes the most that a call can cost, before it is sent.
    async fn sends(&mut self, ctx: &Ctx, most: Credits) -> Result<(), Failure>;

    /// Notes what a call has cost that failed or whose answer cannot be used.
    fn settles(&mut self, cost: Credits);

    /// Notes a failed call. A refusal costs nothing; whether a lost answer did is unknown.
    fn fails(&mut self, error: ModelError) -> Failure {
        if error.is_free() {
            self.settles(Credits::ZERO);
        }
        error.into()
    }
}

impl<W> Caller for JobLease<W> {
    fn budget(&self) -> Budget<'_> {
        Budget::of_job(self.row())
    }

    async fn sends(&mut self, ctx: &Ctx, most: Credits) -> Result<(), Failure> {
        let now = ctx.outside.now();
        let transition = Self::sends(self, most, lease_end(now), now);
        write(ctx, self, &transition).await
    }

    fn settles(&mut self, cost: Credits) {
        self.settle_call(cost);
    }
}

/// Writes a transition that keeps the lease.
async fn write<W>(
    ctx: &Ctx,
    lease: &mut JobLease<W>,
    transition: &Transition,
) -> Result<(), Failure> {
    go_on(lease, ctx.store.job_advance(transition).await?)
}

/// Continues with what was written, or stops if another writer has moved the job.
pub fn go_on<W>(lease: &mut JobLease<W>, written: Advanced) -> Result<(), Failure> {
    match written {
        Advanced::Applied(row) => {
            lease.written(*row);
            Ok(())
        }
        Advanced::Stale => Err(ConcurrentMove.into()),
    }
}

/// An assist asks twice at most, and keeps no note of a call.
impl Caller for &Assist {
    fn budget(&self) -> Budget<'_> {
        Budget::of_assist(self)
    }

    async fn sends(&mut self, _: &Ctx, _: Credits) -> Result<(), Failure> {
        Ok(())
    }

    fn settles(&mut self, _: Credits) {}
}
