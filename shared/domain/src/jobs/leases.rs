//! The right to work on a job for a limited time.
//!
//! A lease lasts as long as the function that holds it can run, plus a margin, and is a deadline on
//! the row. Taking one raises the version, so a write of an earlier holder fails. Leases do not
//! make effects unique; they save work and model fees, and let one writer at a time look up before
//! it creates.

use super::{
    Approved, Coding, Job, JobRow, JobState, Opening, Planning, Queued, Repairing, Reviewing,
    Transition, Validating,
};
use crate::time::Timestamp;
pub use crate::work::Busy;
use crate::work::Lifecycle;
use std::marker::PhantomData;

/// A stage whose work needs a lease, and the stage that the work puts the job in.
pub trait Leasable {
    /// The stage while the job is worked on.
    type Working;
    /// The same as a state of the row.
    const WORKING: JobState;
}

impl Leasable for Queued {
    type Working = Planning;
    const WORKING: JobState = JobState::Planning;
}
impl Leasable for Planning {
    type Working = Self;
    const WORKING: JobState = JobState::Planning;
}
impl Leasable for Coding {
    type Working = Self;
    const WORKING: JobState = JobState::Coding;
}
impl Leasable for Reviewing {
    type Working = Self;
    const WORKING: JobState = JobState::Reviewing;
}
impl Leasable for Approved {
    type Working = Opening;
    const WORKING: JobState = JobState::PrCreationInitiated;
}
impl Leasable for Opening {
    type Working = Self;
    const WORKING: JobState = JobState::PrCreationInitiated;
}
impl Leasable for Repairing {
    type Working = Self;
    const WORKING: JobState = JobState::Repairing;
}
impl Leasable for Validating {
    type Working = Self;
    const WORKING: JobState = JobState::Validating;
}

/// A request to work on a job. The store turns it into a [`JobLease`] or reports that it was too
/// late.
#[must_use = "a claim has no effect until the store has written it"]
#[derive(Debug)]
pub struct JobClaim<W> {
    transition: Transition,
    stage: PhantomData<W>,
}

impl<W> JobClaim<W> {
    /// The write that takes the lease.
    pub const fn transition(&self) -> &Transition {
        &self.transition
    }

    /// Returns the lease after the write succeeded.
    pub fn granted(self) -> JobLease<W> {
        JobLease {
            row: self.transition.into_row(),
            stage: PhantomData,
        }
    }
}

impl<S: Leasable> Job<S> {
    /// Requests the work until `until`. Fails if another worker has it.
    pub fn claim(self, until: Timestamp, now: Timestamp) -> Result<JobClaim<S::Working>, Busy> {
        // Attempts count for the present work only.
        let attempts = if self.row.state == S::WORKING {
            self.row.attempts
        } else {
            0
        };
        let taken = Lifecycle {
            attempts,
            ..self.row.tries()
        }
        .taken(until, now)?;
        let transition = Transition::from(self.row, now)
            .enter(S::WORKING)
            .with(|row| {
                row.set_tries(taken);
                // The worker before has died during a call.
                row.lose_call();
            });
        Ok(JobClaim {
            transition,
            stage: PhantomData,
        })
    }
}

/// The right to work on a job. The transition that ends the work consumes it.
#[must_use = "a dropped lease blocks the job until it expires"]
#[derive(Debug)]
pub struct JobLease<W> {
    row: JobRow,
    stage: PhantomData<W>,
}

impl<W> JobLease<W> {
    pub const fn row(&self) -> &JobRow {
        &self.row
    }

    pub(super) const fn row_mut(&mut self) -> &mut JobRow {
        &mut self.row
    }

    pub(super) fn into_row(self) -> JobRow {
        self.row
    }
}
