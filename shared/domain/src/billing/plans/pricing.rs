//! Prices of work: the models' exact prices, to which the markup is added once.
//!
//! A model's price is a whole number of microcredits per token, so costs add up without rounding.
//! [`price`] adds the markup to the sum and rounds up; nothing else rounds.

use crate::billing::plans::Catalogue;
use crate::billing::usage::Tokens;
use crate::units::Credits;

/// Hundredths of a percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BasisPoints(pub u32);

const WHOLE: u128 = 10_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelPrice {
    /// The name without the date that providers append.
    pub model: String,
    /// Microcredits for an input token.
    pub input: u64,
    /// Microcredits for an output token.
    pub output: u64,
    /// Microcredits for a token that the provider reads from its cache.
    pub cache_read: u64,
    /// Microcredits for a token that the provider writes to its cache.
    pub cache_write: u64,
}

impl ModelPrice {
    /// A price at which the classes of the provider's cache cost as much as other input.
    pub const fn uncached(model: String, input: u64, output: u64) -> Self {
        Self {
            model,
            input,
            output,
            cache_read: input,
            cache_write: input,
        }
    }
}

/// The cost of the tokens before the markup, or `None` if it is too large.
pub fn cost(tokens: Tokens, model: &ModelPrice) -> Option<Credits> {
    let cached = tokens.cache_read.saturating_add(tokens.cache_write);
    let classes = [
        (tokens.input.saturating_sub(cached), model.input),
        (tokens.cache_read, model.cache_read),
        (tokens.cache_write, model.cache_write),
        (tokens.output, model.output),
    ];
    let sum = classes.into_iter().try_fold(0_u64, |sum, (count, each)| {
        sum.checked_add(count.checked_mul(each)?)
    });
    Credits::from_micros(sum?)
}

/// The customer's price for work of this cost, rounded up to the microcredit and clamped to the
/// largest amount.
pub fn price(cost: Credits, markup: BasisPoints, fee: Credits) -> Credits {
    let marked = (u128::from(cost.micros()) * (WHOLE + u128::from(markup.0))).div_ceil(WHOLE);
    let marked = u64::try_from(marked).ok().and_then(Credits::from_micros);
    marked
        .and_then(|marked| marked.checked_add(fee))
        .unwrap_or(Credits::MAX)
}

/// The maximum number of tokens in a text, at two bytes per token. Real prose and code have more
/// bytes per token.
pub fn tokens_of_bytes(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX).div_ceil(2)
}

/// How long an answer may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokensBound {
    AtMost(u32),
    /// The rest of the budget does not cover the prompt and a usable answer.
    TooPoor,
}

impl Catalogue {
    /// The price of a model by the name that a provider reports, which may end with a date. The
    /// longest matching name counts.
    pub fn model(&self, named: &str) -> Option<&ModelPrice> {
        let fits = |model: &&ModelPrice| match named.strip_prefix(model.model.as_str()) {
            Some("") => true,
            Some(rest) => rest.strip_prefix(['-', '@']).is_some_and(is_date),
            None => false,
        };
        self.models
            .iter()
            .filter(fits)
            .max_by_key(|model| model.model.len())
    }
}

impl Catalogue {
    /// The most that one call of any model can cost a customer, given the prompt's length and the
    /// longest answer.
    pub fn call_max(&self, prompt_bytes: usize) -> Credits {
        let tokens = self.call_tokens_max(prompt_bytes);
        let most = self
            .models
            .iter()
            .map(|model| cost(tokens, model).unwrap_or(Credits::MAX))
            .max();
        price(most.unwrap_or_default(), self.markup, Credits::ZERO)
    }

    /// The maximum number of tokens that such a call uses.
    pub fn call_tokens_max(&self, prompt_bytes: usize) -> Tokens {
        Tokens::of(
            tokens_of_bytes(prompt_bytes),
            u64::from(self.output_reserve),
        )
    }
}

/// `20260929` or `2026-09-29`.
fn is_date(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    digits == 8
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'-')
}

/// How long an answer may be so that the job stays within its budget, given its cost so far and the
/// most tokens of the next prompt.
pub fn answer_bound(
    budget: Credits,
    terms: (BasisPoints, Credits),
    spent: Credits,
    prompt: Tokens,
    model: &ModelPrice,
    (reserve, wanted): (u32, u32),
) -> TokensBound {
    let (markup, fee) = terms;
    let within = |output: u32| {
        let tokens = Tokens {
            output: u64::from(output),
            ..prompt
        };
        let total = cost(tokens, model).and_then(|next| spent.checked_add(next));
        total.is_some_and(|total| price(total, markup, fee) <= budget)
    };
    if within(wanted) {
        return TokensBound::AtMost(wanted);
    }
    let least = reserve.min(wanted);
    if !within(least) {
        return TokensBound::TooPoor;
    }
    // The price never falls as the answer grows, so a binary search finds the longest answer within
    // the budget.
    let (mut low, mut high) = (least, wanted);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if within(middle) {
            low = middle
        } else {
            high = middle
        }
    }
    TokensBound::AtMost(low)
}

#[cfg(test)]
mod tests;
