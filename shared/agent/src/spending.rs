//! What the turns of a job cost, and whether the next one may begin.
//!
//! A call is paid for when it is sent, not when its answer is of use. So the worst case of a call
//! is on the row before the call is sent, and each call ends as settled or as lost. For every
//! prefix of every history, `cost + lost + in_flight <= cap`. The row changes by one conditional
//! write a turn: a writer whose version is old changes nothing.

use std::fmt;

/// Tokens by the price that a provider charges for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TurnTokens {
    pub input: u64,
    pub cache_write: u64,
    pub cache_read: u64,
    pub output: u64,
}

impl TurnTokens {
    /// Everything that the model has read, whatever was cached.
    pub fn prompt(&self) -> u64 {
        self.input
            .saturating_add(self.cache_write)
            .saturating_add(self.cache_read)
    }
}

/// Money in millionths of a minor unit, or microcredits: one unit for a job.
pub type Micros = u64;

/// Prices of a million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TurnPrices {
    pub input: Micros,
    /// Without prices of its own, a model's cache is priced as input.
    pub cache_write: Option<Micros>,
    pub cache_read: Option<Micros>,
    pub output: Micros,
}

const TOKENS_PER_PRICE: u128 = 1_000_000;
/// A token of any tokenizer that we call has at least two bytes on the mean of a text.
const TOKEN_BYTES_MIN: u64 = 2;

impl TurnPrices {
    /// Rounded up once, for all classes together.
    pub fn cost(&self, tokens: &TurnTokens) -> Micros {
        let write = self.cache_write.unwrap_or(self.input);
        let read = self.cache_read.unwrap_or(self.input);
        let sum: u128 = [
            (tokens.input, self.input),
            (tokens.cache_write, write),
            (tokens.cache_read, read),
            (tokens.output, self.output),
        ]
        .into_iter()
        .map(|(count, price)| u128::from(count) * u128::from(price))
        .fold(0, u128::saturating_add);
        u64::try_from(sum.div_ceil(TOKENS_PER_PRICE)).unwrap_or(u64::MAX)
    }

    /// Tokens in units of an input token, for meters and quotas. Rounded up once.
    pub fn weighted(&self, tokens: &TurnTokens) -> u64 {
        let micros = u128::from(self.cost(tokens)) * TOKENS_PER_PRICE;
        let weighted = micros.div_ceil(u128::from(self.input.max(1)));
        u64::try_from(weighted).unwrap_or(u64::MAX)
    }

    /// The most that a call can cost. The last call says exactly how long its part of the prompt
    /// is; only the new bytes are estimated. The cache may be cold, so the dearest way of reading
    /// is assumed.
    pub fn worst(&self, call: &NextCall) -> Micros {
        let prompt = call
            .known_tokens
            .saturating_add(call.new_bytes.div_ceil(TOKEN_BYTES_MIN));
        let dearest = self
            .input
            .max(self.cache_write.unwrap_or(0))
            .max(self.cache_read.unwrap_or(0));
        let dear = Self {
            input: dearest,
            ..*self
        };
        dear.cost(&TurnTokens {
            input: prompt,
            output: call.output_max,
            ..TurnTokens::default()
        })
    }
}

/// What is known of a call before it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextCall {
    /// Prompt and answer of the call before, as its provider counted them.
    pub known_tokens: u64,
    /// What this call adds to them.
    pub new_bytes: u64,
    pub output_max: u64,
}

/// The part of a job's row that a turn changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turns {
    pub cap: Micros,
    /// What the last call, which submits what there is, may cost.
    pub reserve: Micros,
    pub cost: Micros,
    /// Paid for calls whose answers never came or were of no use.
    pub lost: Micros,
    pub in_flight: Option<Micros>,
    pub turn: u32,
    pub turns_max: u32,
    pub lease_until: i64,
    pub version: u64,
    pub ended: Option<TurnsEnd>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnsEnd {
    Submitted,
    /// Neither another turn nor the submitting one fits in what is left.
    OutOfMoney,
    Cancelled,
}

/// What the next turn is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    Work,
    /// The rest is kept for this: the model submits what it has.
    Submit,
}

/// Why a turn was not written. Nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Another writer was first. Read the row again.
    Stale,
    /// Another worker's lease lasts until then.
    Leased(i64),
    Ended(TurnsEnd),
    /// A call must be settled or lost before the next one, and only a call in flight can be.
    Order,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stale => f.write_str("The row has changed. Read it again."),
            Self::Leased(until) => write!(f, "Another worker has the job. Retry at {until}."),
            Self::Ended(end) => write!(f, "The job's turns have ended: {end:?}. Stop."),
            Self::Order => {
                f.write_str("A turn begins when no call is in flight. Settle or lose it first.")
            }
        }
    }
}

impl std::error::Error for Refused {}

impl Turns {
    pub fn new(cap: Micros, reserve: Micros, turns_max: u32) -> Self {
        Self {
            cap,
            reserve: reserve.min(cap),
            cost: 0,
            lost: 0,
            in_flight: None,
            turn: 0,
            turns_max,
            lease_until: 0,
            version: 0,
            ended: None,
        }
    }

    /// What no call has spent or may still spend.
    pub fn left(&self) -> Micros {
        let used = self.cost + self.lost + self.in_flight.unwrap_or(0);
        self.cap.saturating_sub(used)
    }

    /// Takes over a job whose lease has ended. A call that is still in flight then is lost: it was
    /// paid for, and its answer has nowhere to go.
    pub fn claim(&self, now: i64, lease: i64) -> Result<Self, Refused> {
        self.open(self.version)?;
        if self.lease_until > now {
            return Err(Refused::Leased(self.lease_until));
        }
        let mut next = self.clone();
        next.lost += next.in_flight.take().unwrap_or(0);
        Ok(next.written(now.saturating_add(lease)))
    }

    /// Begins a turn, before its call is sent. `worst` is the call's worst case. If it does not
    /// leave the reserve, the turn is for submitting, and `submit_worst` is what that may cost. If
    /// that does not fit either, the turns end.
    pub fn begin(
        &self,
        version: u64,
        worst: Micros,
        submit_worst: Micros,
        lease_until: i64,
    ) -> Result<(Self, Option<Begin>), Refused> {
        self.open(version)?;
        if self.in_flight.is_some() {
            return Err(Refused::Order);
        }
        let left = self.left();
        let mut next = self.clone();
        let last = self.turn.saturating_add(1) >= self.turns_max;
        let fits = worst
            .checked_add(self.reserve)
            .is_some_and(|needed| needed <= left);
        let begin = if self.turn >= self.turns_max {
            None
        } else if fits && !last {
            next.in_flight = Some(worst);
            Some(Begin::Work)
        } else if submit_worst <= left {
            next.in_flight = Some(submit_worst);
            Some(Begin::Submit)
        } else {
            None
        };
        if begin.is_none() {
            next.ended = Some(TurnsEnd::OutOfMoney);
        }
        Ok((next.written(lease_until), begin))
    }

    /// The answer came and is stored with this write. A provider that reports more than the worst
    /// case cannot make the job exceed its cap: what is over is reported beside.
    pub fn settle(
        &self,
        version: u64,
        cost: Micros,
        lease_until: i64,
    ) -> Result<(Self, Micros), Refused> {
        self.open(version)?;
        let worst = self.in_flight.ok_or(Refused::Order)?;
        let mut next = self.clone();
        next.in_flight = None;
        next.turn = next.turn.saturating_add(1);
        next.cost += cost.min(worst);
        Ok((next.written(lease_until), cost.saturating_sub(worst)))
    }

    /// The answer was cut off, unreadable or never came. What its provider has said it cost, or
    /// else the worst case, is lost. The turn is asked again.
    pub fn lose(
        &self,
        version: u64,
        cost: Option<Micros>,
        lease_until: i64,
    ) -> Result<Self, Refused> {
        self.open(version)?;
        let worst = self.in_flight.ok_or(Refused::Order)?;
        let mut next = self.clone();
        next.in_flight = None;
        next.lost += cost.map_or(worst, |cost| cost.min(worst));
        Ok(next.written(lease_until))
    }

    /// Ends the turns. A cancelled job's call in flight is lost; its worker sees the new version.
    pub fn end(&self, version: u64, end: TurnsEnd) -> Result<Self, Refused> {
        self.open(version)?;
        let mut next = self.clone();
        next.lost += next.in_flight.take().unwrap_or(0);
        next.ended = Some(end);
        Ok(next.written(0))
    }

    fn open(&self, version: u64) -> Result<(), Refused> {
        match self.ended {
            Some(end) => Err(Refused::Ended(end)),
            None if self.version != version => Err(Refused::Stale),
            None => Ok(()),
        }
    }

    fn written(mut self, lease_until: i64) -> Self {
        self.version += 1;
        self.lease_until = lease_until;
        self
    }
}

#[cfg(test)]
mod tests;
