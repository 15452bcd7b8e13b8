//! The budget of a job or an assist: limits its next model call, and computes the cost of a call.
//!
//! Before each call, the highest possible cost of the call is added to the cost of the job so far.
//! If the sum could exceed the reserved amount, the call gets a lower length limit or is not made,
//! so a customer is never charged more than was reserved. With any plan, the catalogue limits what
//! the models may cost for one job, and answers that were lost count too.

use crate::Ctx;
use domain::billing::plans::{
    BasisPoints, ModelPrice, TokensBound, answer_bound, cost, tokens_of_bytes,
};
use domain::billing::usage::Tokens;
use domain::jobs::assists::Assist;
use domain::jobs::calls::{ModelCall, TokenPrice};
use domain::jobs::{Funding, JobRow, Terms};
use domain::retry::{Retry, Retryable};
use domain::units::Credits;
use std::fmt;

/// Reasons why a call is not made or not paid for. Everybody on GitHub may read them, so they name no
/// amounts.
#[derive(Debug)]
pub enum OverBudget {
    /// The rest of the budget does not pay for the next call.
    UsedUp,
    /// The rest of the token limit does not suffice for the next call.
    TokensUsedUp,
    /// The models have cost as much as they may for one job.
    CostUsedUp,
    /// The catalogue has no price for the model.
    NoPrice(String),
}

impl fmt::Display for OverBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UsedUp => f.write_str("the job's budget does not suffice for this work"),
            Self::TokensUsedUp => {
                f.write_str("the tokens that the job may take do not suffice for this work")
            }
            Self::CostUsedUp => {
                f.write_str("the work costs more than one job may; make the issue smaller")
            }
            Self::NoPrice(model) => write!(f, "the catalogue has no price for the model {model}"),
        }
    }
}

impl std::error::Error for OverBudget {}

impl Retryable for OverBudget {
    fn retry(&self) -> Retry {
        match self {
            Self::UsedUp | Self::TokensUsedUp | Self::CostUsedUp | Self::NoPrice(_) => Retry::Never,
        }
    }
}

/// What the next call may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// The most tokens that the answer may have.
    pub tokens_max: u32,
    /// What the call can cost at most.
    pub cost_max: Credits,
}

/// The cost limit of a piece of work, and its cost so far.
pub struct Budget<'a> {
    terms: &'a Terms,
    spent: Credits,
    taken: u64,
}

impl<'a> Budget<'a> {
    /// The budget of a job, with what its calls have spent.
    pub fn of_job(row: &'a JobRow) -> Self {
        Self {
            terms: &row.facts.terms,
            spent: row.spent(),
            taken: row.tokens.counted(),
        }
    }

    /// The budget of an assist. It pays for one answer, so nothing has been spent yet.
    pub const fn of_assist(row: &'a Assist) -> Self {
        Self {
            terms: &row.facts.terms,
            spent: Credits::ZERO,
            taken: 0,
        }
    }

    /// The budget after another call that used as much as it may.
    pub fn after(&self, call: Allowance, prompt: u64) -> Self {
        let spent = self.spent.checked_add(call.cost_max);
        let taken = prompt.saturating_add(u64::from(call.tokens_max));
        Self {
            terms: self.terms,
            spent: spent.unwrap_or(Credits::MAX),
            taken: self.taken.saturating_add(taken),
        }
    }

    /// The error for a budget that is used up.
    pub fn used_up(&self) -> OverBudget {
        match (self.terms.tokens_max(), self.terms.budget) {
            (Some(_), None) => OverBudget::TokensUsedUp,
            (_, Some(_)) => OverBudget::UsedUp,
            (None, None) => OverBudget::CostUsedUp,
        }
    }

    /// Returns what the next call may use, for a prompt of at most this many tokens.
    pub fn allowance(&self, ctx: &Ctx, prompt: u64, wanted: u32) -> Result<Allowance, OverBudget> {
        let wanted = self.within_tokens(ctx, prompt, wanted)?;
        let Some(model) = self.price(ctx, &ctx.model.name)? else {
            return Ok(Allowance {
                tokens_max: wanted,
                cost_max: Credits::ZERO,
            });
        };
        // The provider's cache may be cold, and writing to it can cost more than other input.
        let writes = model.cache_write > model.input;
        let prompt = Tokens {
            input: prompt,
            cache_write: if writes { prompt } else { 0 },
            ..Tokens::default()
        };
        let bounded = |limit, surcharge, wanted| {
            let lengths = (ctx.catalogue.output_reserve, wanted);
            match answer_bound(limit, surcharge, self.spent, prompt, model, lengths) {
                TokensBound::AtMost(tokens) => Some(tokens),
                TokensBound::TooPoor => None,
            }
        };
        let mut tokens_max = wanted;
        if let Some(budget) = self.terms.budget {
            let surcharge = self.terms.funding.surcharge();
            tokens_max = bounded(budget, surcharge, tokens_max).ok_or_else(|| self.used_up())?;
        }
        let ours = (BasisPoints(0), Credits::ZERO);
        let tokens_max =
            bounded(ctx.catalogue.job_cost_max, ours, tokens_max).ok_or(OverBudget::CostUsedUp)?;
        let most = Tokens {
            output: u64::from(tokens_max),
            ..prompt
        };
        Ok(Allowance {
            tokens_max,
            cost_max: cost(most, model).unwrap_or(Credits::MAX),
        })
    }

    /// Limits the answer to the tokens that were reserved, if the terms have a token limit.
    fn within_tokens(&self, ctx: &Ctx, prompt: u64, wanted: u32) -> Result<u32, OverBudget> {
        let Some(most) = self.terms.tokens_max() else {
            return Ok(wanted);
        };
        let left = most.saturating_sub(self.taken).saturating_sub(prompt);
        let bound = u32::try_from(left).unwrap_or(u32::MAX).min(wanted);
        if bound < ctx.catalogue.output_reserve.min(wanted) {
            Err(OverBudget::TokensUsedUp)
        } else {
            Ok(bound)
        }
    }

    /// Returns a call with the price of the model that answered.
    pub fn call(&self, ctx: &Ctx, tokens: Tokens, model: &str) -> Result<ModelCall, OverBudget> {
        Ok(ModelCall {
            model: model.to_owned(),
            tokens,
            price: self.price(ctx, model)?.map(TokenPrice::of),
            priced_by: ctx.catalogue.version.clone(),
        })
    }

    /// Returns a model's price. Credits cannot pay for a model without a price. With other funding,
    /// a missing price only means that the cost is unknown.
    fn price<'c>(&self, ctx: &'c Ctx, model: &str) -> Result<Option<&'c ModelPrice>, OverBudget> {
        let known = ctx.catalogue.model(model);
        match (known, &self.terms.funding) {
            (None, Funding::Prepaid { .. }) => Err(OverBudget::NoPrice(model.to_owned())),
            (known, _) => Ok(known),
        }
    }
}

/// The most tokens of a prompt with these texts.
pub fn prompt_tokens(texts: &[&str]) -> u64 {
    tokens_of_bytes(texts.iter().map(|text| text.len()).sum())
}
