//! What goes wrong on the way: every outside call passes through here, gets a number, and may be lost, refused, or be the
//! last thing its process did.
//!
//! Fair weather lets everything through and only counts. Bad weather is drawn from a seed, so a failure can be had again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

/// Which side of an outside call a process dies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The call is never made.
    Before,
    /// The call is made and its answer never seen.
    After,
}

/// A fault for the next calls whose name contains a text.
#[derive(Debug, Clone)]
pub struct Fault {
    /// Part of the call's name, as in the log.
    pub on: String,
    /// How many calls it hits.
    pub times: u32,
    /// What happens to them.
    pub effect: Effect,
}

/// What a fault does to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The call is made; its answer is lost.
    AnswerLost,
    /// The call is not made; the caller sees a broken connection.
    Unreachable,
}

/// The call did not come back.
#[derive(Debug)]
pub struct Lost;

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection broke")
    }
}

impl std::error::Error for Lost {}

#[derive(Default)]
struct Inner {
    running: AtomicU64,
    count: AtomicU64,
    log: Mutex<Vec<String>>,
    fatal: Mutex<Vec<(u64, Moment)>>,
    died: Notify,
    faults: Mutex<Vec<Fault>>,
    conflicts: AtomicU64,
}

/// The weather of one world. Clones share it.
#[derive(Clone, Default)]
pub struct Weather(Arc<Inner>);

impl Weather {
    /// Everything comes through.
    pub fn fair() -> Self {
        Self::default()
    }

    /// Every so many transactions one meets a conflict, drawn from this seed.
    pub fn with_conflicts(self, seed: u64) -> Self {
        self.0.conflicts.store(seed | 1, Ordering::Relaxed);
        self
    }

    /// A process dies at call number `call`, counted from one.
    pub fn die_at(&self, call: u64, moment: Moment) {
        self.lock(&self.0.fatal).push((call, moment));
    }

    /// Something goes wrong soon.
    pub fn break_next(&self, fault: Fault) {
        self.lock(&self.0.faults).push(fault);
    }

    /// How many outside calls processes have made.
    pub fn calls(&self) -> u64 {
        self.0.count.load(Ordering::Relaxed)
    }

    /// The name of every outside call so far.
    pub fn log(&self) -> Vec<String> {
        self.lock(&self.0.log).clone()
    }

    /// Forgets the names of the calls so far, for who measures what is kept.
    pub fn forget(&self) {
        *self.lock(&self.0.log) = Vec::new();
    }

    /// Runs a process until it is done or dies; none when it died. Only what runs in here can die, and only its calls
    /// are counted.
    pub async fn run<T>(&self, process: impl Future<Output = T>) -> Option<T> {
        self.0.running.fetch_add(1, Ordering::Relaxed);
        let outcome = tokio::select! {
            outcome = process => Some(outcome),
            () = self.0.died.notified() => None,
        };
        self.0.running.fetch_sub(1, Ordering::Relaxed);
        outcome
    }

    /// Whether this transaction meets a conflict.
    pub fn conflicts_now(&self) -> bool {
        let seed = self.0.conflicts.load(Ordering::Relaxed);
        if seed == 0 {
            return false;
        }
        let next = scramble(seed);
        self.0.conflicts.store(next, Ordering::Relaxed);
        next.is_multiple_of(7)
    }

    /// Carries one call through the weather.
    pub async fn carry<T>(&self, name: String, call: impl Future<Output = T>) -> Result<T, Lost> {
        if self.0.running.load(Ordering::Relaxed) == 0 {
            return Ok(call.await);
        }
        let number = self.0.count.fetch_add(1, Ordering::Relaxed) + 1;
        self.lock(&self.0.log).push(name.clone());
        if self.dies(number, Moment::Before) {
            self.die().await;
        }
        match self.fault_on(&name) {
            None => {}
            Some(Effect::Unreachable) => return Err(Lost),
            Some(Effect::AnswerLost) => {
                call.await;
                return Err(Lost);
            }
        }
        let answer = call.await;
        if self.dies(number, Moment::After) {
            self.die().await;
        }
        Ok(answer)
    }

    fn dies(&self, number: u64, moment: Moment) -> bool {
        let mut fatal = self.lock(&self.0.fatal);
        let place = fatal.iter().position(|death| *death == (number, moment));
        place.map(|place| fatal.swap_remove(place)).is_some()
    }

    /// A dead process does not go on; its runner is told to let go of it.
    async fn die(&self) {
        self.0.died.notify_one();
        std::future::pending::<()>().await;
    }

    fn fault_on(&self, name: &str) -> Option<Effect> {
        let mut faults = self.lock(&self.0.faults);
        let place = faults
            .iter()
            .position(|fault| fault.times > 0 && name.contains(&fault.on))?;
        faults[place].times -= 1;
        Some(faults[place].effect)
    }

    fn lock<'a, T>(&self, mutex: &'a Mutex<T>) -> std::sync::MutexGuard<'a, T> {
        mutex
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The next number of a seeded sequence (SplitMix64).
pub fn scramble(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
