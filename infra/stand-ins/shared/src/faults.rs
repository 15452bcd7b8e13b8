//! Fault injection: every outside call gets a number here, and may lose its answer, fail to
//! connect, be held while others act, or be the last call of its process.
//!
//! Without faults, every call succeeds and is only counted. Conflicts are drawn from a seed, so a
//! failing test fails again.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

/// On which side of an outside call a process crashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The call is never made.
    Before,
    /// The call is made, but the process never sees the answer.
    After,
}

/// An outside call of a process.
#[derive(Debug, Clone)]
pub struct Called {
    /// What it called, such as `dynamodb PutItem` or `GET api.github.com/rate_limit`.
    pub name: String,
    /// Whether it is its process's first call.
    pub first: bool,
}

impl Called {
    /// Whether the call changes nothing outside the process.
    pub fn reads(&self) -> bool {
        const READS: [&str; 5] = [
            "GET ",
            "dynamodb GetItem",
            "dynamodb BatchGetItem",
            "dynamodb TransactGetItems",
            "dynamodb Query",
        ];
        READS.iter().any(|read| self.name.starts_with(read))
    }
}

/// The deaths over these calls, counted from one, that each leave another state behind.
///
/// A process that dies before a call leaves the state after its previous call, so only its first
/// call needs a death before it. A process that dies after a read leaves the state before it.
pub fn deaths(calls: &[Called]) -> Vec<(u64, Moment)> {
    let before = |call: &Called| call.first.then_some(Moment::Before);
    let after = |call: &Called| (!call.reads()).then_some(Moment::After);
    (1..)
        .zip(calls)
        .flat_map(|(number, call)| {
            let moments = [before(call), after(call)];
            moments
                .into_iter()
                .flatten()
                .map(move |moment| (number, moment))
        })
        .collect()
}

/// A fault for the next calls whose names contain a text.
#[derive(Debug, Clone)]
pub struct Fault {
    /// A part of the call's name, as in [`Faults::log`].
    pub on: String,
    /// The number of calls that it affects.
    pub times: u32,
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

/// The caller got no answer.
#[derive(Debug)]
pub struct ConnectionLost;

impl std::fmt::Display for ConnectionLost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection was lost")
    }
}

impl std::error::Error for ConnectionLost {}

/// A call that is held, or will be. Clones are the same call.
#[derive(Clone, Default)]
pub struct Held {
    reached: Arc<Notify>,
    go: Arc<Notify>,
}

impl Held {
    /// Waits until the call has come.
    pub async fn reached(&self) {
        self.reached.notified().await;
    }

    /// Lets the call continue.
    pub fn release(&self) {
        self.go.notify_one();
    }

    /// Stops the call until it is released.
    pub async fn stop(&self) {
        self.reached.notify_one();
        self.go.notified().await;
    }
}

#[derive(Default)]
struct Inner {
    running: AtomicU64,
    count: AtomicU64,
    log: Mutex<Vec<Called>>,
    /// Whether a process began since the last call.
    began: AtomicBool,
    crashes: Mutex<Vec<(u64, Moment)>>,
    crashed: Notify,
    held: Mutex<Vec<(u64, Held)>>,
    injected: Mutex<Vec<Fault>>,
    conflict_seed: AtomicU64,
}

/// The faults of one stack. Clones share them.
#[derive(Clone, Default)]
pub struct Faults(Arc<Inner>);

impl Faults {
    /// Every call goes through.
    pub fn none() -> Self {
        Self::default()
    }

    /// Makes one in seven transactions conflict, drawn from this seed.
    pub fn with_conflicts(self, seed: u64) -> Self {
        self.0.conflict_seed.store(seed | 1, Ordering::Relaxed);
        self
    }

    /// Makes a process crash at call number `call`, counted from one.
    pub fn crash_at(&self, call: u64, moment: Moment) {
        self.lock(&self.0.crashes).push((call, moment));
    }

    /// Holds call number `call`, counted from one, before it is made.
    pub fn hold_at(&self, call: u64) -> Held {
        let held = Held::default();
        self.lock(&self.0.held).push((call, held.clone()));
        held
    }

    /// Injects a fault into the next calls that match it.
    pub fn inject(&self, fault: Fault) {
        self.lock(&self.0.injected).push(fault);
    }

    /// The number of outside calls that processes have made.
    pub fn calls(&self) -> u64 {
        self.0.count.load(Ordering::Relaxed)
    }

    /// The name of every outside call so far.
    pub fn log(&self) -> Vec<String> {
        let log = self.lock(&self.0.log);
        log.iter().map(|call| call.name.clone()).collect()
    }

    /// The calls after this number of calls.
    pub fn since(&self, calls: u64) -> Vec<Called> {
        let skipped = usize::try_from(calls).unwrap_or(usize::MAX);
        self.lock(&self.0.log)
            .iter()
            .skip(skipped)
            .cloned()
            .collect()
    }

    /// Frees the log, so that a bench that measures memory does not measure it.
    pub fn clear_log(&self) {
        *self.lock(&self.0.log) = Vec::new();
    }

    /// Runs a process until it completes, or returns `None` when it crashes. Only calls made in
    /// here are counted and can crash.
    pub async fn run<T>(&self, process: impl Future<Output = T>) -> Option<T> {
        self.0.running.fetch_add(1, Ordering::Relaxed);
        self.0.began.store(true, Ordering::Relaxed);
        let outcome = tokio::select! {
            outcome = process => Some(outcome),
            () = self.0.crashed.notified() => None,
        };
        self.0.running.fetch_sub(1, Ordering::Relaxed);
        outcome
    }

    /// Whether the current transaction conflicts.
    pub fn conflicts_now(&self) -> bool {
        let seed = self.0.conflict_seed.load(Ordering::Relaxed);
        if seed == 0 {
            return false;
        }
        let next = scramble(seed);
        self.0.conflict_seed.store(next, Ordering::Relaxed);
        next.is_multiple_of(7)
    }

    /// Makes one outside call and applies the faults that match it.
    pub async fn apply<T>(
        &self,
        name: String,
        call: impl Future<Output = T>,
    ) -> Result<T, ConnectionLost> {
        if self.0.running.load(Ordering::Relaxed) == 0 {
            return Ok(call.await);
        }
        let number = self.0.count.fetch_add(1, Ordering::Relaxed) + 1;
        self.lock(&self.0.log).push(Called {
            name: name.clone(),
            first: self.0.began.swap(false, Ordering::Relaxed),
        });
        if self.crashes(number, Moment::Before) {
            self.crash().await;
        }
        if let Some(held) = self.take_held(number) {
            held.stop().await;
        }
        match self.take_fault(&name) {
            None => {}
            Some(Effect::Unreachable) => return Err(ConnectionLost),
            Some(Effect::AnswerLost) => {
                call.await;
                return Err(ConnectionLost);
            }
        }
        let answer = call.await;
        if self.crashes(number, Moment::After) {
            self.crash().await;
        }
        Ok(answer)
    }

    fn crashes(&self, number: u64, moment: Moment) -> bool {
        let mut crashes = self.lock(&self.0.crashes);
        let place = crashes.iter().position(|crash| *crash == (number, moment));
        place.map(|place| crashes.swap_remove(place)).is_some()
    }

    /// Never returns: `run` drops the process at this await.
    async fn crash(&self) {
        self.0.crashed.notify_one();
        std::future::pending::<()>().await;
    }

    fn take_held(&self, number: u64) -> Option<Held> {
        let mut held = self.lock(&self.0.held);
        let place = held.iter().position(|(call, _)| *call == number)?;
        Some(held.swap_remove(place).1)
    }

    fn take_fault(&self, name: &str) -> Option<Effect> {
        let mut injected = self.lock(&self.0.injected);
        let place = injected
            .iter()
            .position(|fault| fault.times > 0 && name.contains(&fault.on))?;
        injected[place].times -= 1;
        Some(injected[place].effect)
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
