//! The right to work on a job for a while.
//!
//! A lease lasts as long as the function that holds it can live, plus a margin, and stands on the row as a deadline.
//! Taking one raises the version, so whatever an earlier holder still writes fails. It is not what keeps effects single;
//! it saves work and model fees, and lets one writer at a time look up and then create.

use super::{
    Approved, Coding, Job, JobRow, JobState, Opening, Planning, Queued, Reviewing, Transition,
};
use crate::time::Timestamp;
pub use crate::work::Busy;
use crate::work::Lifecycle;
use std::marker::PhantomData;

/// A stage in which work is done under a lease, and the stage that work puts the job in.
pub trait Leasable {
    /// Where the job is while it is worked on.
    type Working;
    /// The same, as the row says it.
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

/// The wish to work on a job; the store turns it into a [`JobLease`] or says that it came too late.
#[must_use = "a claim is nothing until the store has written it"]
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

    /// The lease, once that write has succeeded.
    pub fn granted(self) -> JobLease<W> {
        JobLease {
            row: self.transition.into_row(),
            stage: PhantomData,
        }
    }
}

impl<S: Leasable> Job<S> {
    /// Asks for the work until `until`, unless somebody else has it.
    pub fn claim(self, until: Timestamp, now: Timestamp) -> Result<JobClaim<S::Working>, Busy> {
        // Tries are those of the present work.
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
            .with(|row| row.set_tries(taken));
        Ok(JobClaim {
            transition,
            stage: PhantomData,
        })
    }
}

/// The right to work. It is spent by the move that ends the work.
#[must_use = "a lease that is dropped blocks the job until it runs out"]
#[derive(Debug)]
pub struct JobLease<W> {
    row: JobRow,
    stage: PhantomData<W>,
}

impl<W> JobLease<W> {
    /// The job as it stands under this lease.
    pub const fn row(&self) -> &JobRow {
        &self.row
    }

    pub(super) fn into_row(self) -> JobRow {
        self.row
    }
}
