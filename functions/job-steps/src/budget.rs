//! The budget of a job or an assist: limits its next model call, and computes the cost of a call.
//!
//! Before each call, the highest possible cost of the call is added to the cost of the job so far.
//! If the sum could exceed the reserved amount, the call gets a lower length limit or is not made,
//! so a customer is never charged more than was reserved.

use crate::Ctx;
use crate::ask::Used;
use domain::billing::plans::{ModelPrice, TokensBound, answer_bound, tokens_of_bytes};
use domain::billing::usage::Tokens;
use domain::jobs::assists::Assist;
use domain::jobs::calls::{ModelCall, TokenPrice};
use domain::jobs::{Funding, JobRow, Terms};
use domain::retry::{Failure, Retry, Retryable};
use domain::units::Credits;
use std::fmt;

/// Reasons why a call is not made or not paid for.
#[derive(Debug)]
pub enum OverBudget {
    /// The rest of this budget does not pay for the next call.
    UsedUp(Credits),
    /// The rest of this token limit does not suffice for the next call.
    TokensUsedUp(u64),
    /// The catalogue has no price for the model.
    NoPrice(String),
}

impl fmt::Display for OverBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UsedUp(budget) => write!(
                f,
                "the budget of {budget} credits does not suffice for this work"
            ),
            Self::TokensUsedUp(most) => write!(
                f,
                "the {most} tokens that it may take do not suffice for this work"
            ),
            Self::NoPrice(model) => write!(f, "the catalogue has no price for the model {model}"),
        }
    }
}

impl std::error::Error for OverBudget {}

impl Retryable for OverBudget {
    fn retry(&self) -> Retry {
        match self {
            Self::UsedUp(_) | Self::TokensUsedUp(_) | Self::NoPrice(_) => Retry::Never,
        }
    }
}

/// The cost limit of a piece of work, and its cost so far.
pub struct Budget<'a> {
    terms: &'a Terms,
    spent: Credits,
    taken: Tokens,
}

impl<'a> Budget<'a> {
    /// The budget of a job, with what its steps have spent.
    pub const fn of_job(row: &'a JobRow) -> Self {
        Self {
            terms: &row.facts.terms,
            spent: row.cost,
            taken: row.tokens,
        }
    }

    /// The budget of an assist. It pays for one answer, so nothing has been spent yet.
    pub const fn of_assist(row: &'a Assist) -> Self {
        Self {
            terms: &row.facts.terms,
            spent: Credits::ZERO,
            taken: Tokens {
                input: 0,
                output: 0,
            },
        }
    }

    /// Counts an answer that the row does not count yet.
    pub fn spend(&mut self, used: &Used) {
        self.spent = self.spent.checked_add(used.cost).unwrap_or(Credits::MAX);
        self.taken = self.taken.plus(used.tokens);
    }

    /// The error for a budget that is used up.
    pub fn used_up(&self) -> OverBudget {
        match (self.terms.tokens_max(), self.terms.budget) {
            (Some(most), None) => OverBudget::TokensUsedUp(most),
            (Some(_) | None, budget) => OverBudget::UsedUp(budget.unwrap_or_default()),
        }
    }

    /// Returns the most tokens that the next answer may have.
    pub fn answer_max(&self, ctx: &Ctx, prompt_bytes: usize, wanted: u32) -> Result<u32, Failure> {
        let terms = self.terms;
        let wanted = self.within_tokens(ctx, prompt_bytes, wanted)?;
        let Some(model) = self.price(ctx, &ctx.model.name)? else {
            return Ok(wanted);
        };
        let Some(budget) = terms.budget else {
            return Ok(wanted);
        };
        let lengths = (ctx.catalogue.output_reserve, wanted);
        match answer_bound(
            budget,
            terms.funding.surcharge(),
            self.spent,
            prompt_bytes,
            model,
            lengths,
        ) {
            TokensBound::AtMost(tokens) => Ok(tokens),
            TokensBound::TooPoor => Err(self.used_up().into()),
        }
    }

    /// Limits the answer to the tokens that were reserved, if the terms have a token limit.
    fn within_tokens(
        &self,
        ctx: &Ctx,
        prompt_bytes: usize,
        wanted: u32,
    ) -> Result<u32, OverBudget> {
        let Some(most) = self.terms.tokens_max() else {
            return Ok(wanted);
        };
        let taken = [
            self.taken.input,
            self.taken.output,
            tokens_of_bytes(prompt_bytes),
        ];
        let left = taken.into_iter().fold(most, u64::saturating_sub);
        let bound = u32::try_from(left).unwrap_or(u32::MAX).min(wanted);
        if bound < ctx.catalogue.output_reserve.min(wanted) {
            Err(OverBudget::TokensUsedUp(most))
        } else {
            Ok(bound)
        }
    }

    /// Returns a call with the price of the model that answered.
    pub fn call(&self, ctx: &Ctx, tokens: Tokens, model: &str) -> Result<ModelCall, Failure> {
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
