//! The budget of a job or an errand: what its next model call may cost at most, and what a call has cost.
//!
//! Before each call the worst it can cost is put beside what the job has cost so far. A call that could go beyond what is
//! reserved is made with a shorter answer or not at all, so a customer cannot be charged more than that.

use crate::Ctx;
use domain::credits::Credits;
use domain::errands::Errand;
use domain::jobs::{Funding, Snapshot, Terms};
use domain::metering::Tokens;
use domain::plans::{ModelPrice, TokensBound, answer_bound, cost as cost_of};
use domain::retry::{Failure, Retry, Retryable};
use std::fmt;

/// Why a call is not made or not paid for.
#[derive(Debug)]
pub enum OverBudget {
    /// What is left does not pay for the next call.
    UsedUp(Credits),
    /// The catalogue has no price for the model.
    NoPrice(String),
}

impl fmt::Display for OverBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UsedUp(budget) => write!(f, "the budget of {budget} credits does not suffice for this work"),
            Self::NoPrice(model) => write!(f, "the catalogue has no price for the model {model}"),
        }
    }
}

impl std::error::Error for OverBudget {}

impl Retryable for OverBudget {
    fn retry(&self) -> Retry {
        match self {
            Self::UsedUp(_) | Self::NoPrice(_) => Retry::Never,
        }
    }
}

/// What a piece of work may cost, and has cost so far.
pub struct Budget<'a> {
    terms: &'a Terms,
    spent: Credits,
}

impl<'a> Budget<'a> {
    /// What is left to a job.
    pub const fn of_job(row: &'a Snapshot) -> Self {
        Self { terms: &row.facts.terms, spent: row.cost }
    }

    /// What an errand has; it costs its one answer.
    pub const fn of_errand(row: &'a Errand) -> Self {
        Self { terms: &row.facts.terms, spent: Credits::ZERO }
    }

    /// It has run out.
    pub fn used_up(&self) -> OverBudget {
        OverBudget::UsedUp(self.terms.budget.unwrap_or_default())
    }

    /// How long the next answer may get.
    pub fn answer_max(&self, ctx: &Ctx, prompt_bytes: usize, wanted: u32) -> Result<u32, Failure> {
        let terms = self.terms;
        let Some(model) = self.price(ctx, &ctx.model_name)? else { return Ok(wanted) };
        let Some(budget) = terms.budget else { return Ok(wanted) };
        let lengths = (ctx.catalogue.output_reserve, wanted);
        match answer_bound(budget, terms.funding.surcharge(), self.spent, prompt_bytes, model, lengths) {
            TokensBound::AtMost(tokens) => Ok(tokens),
            TokensBound::TooPoor => Err(self.used_up().into()),
        }
    }

    /// What a call has cost, by the price of the model that answered.
    pub fn cost(&self, ctx: &Ctx, tokens: Tokens, model: &str) -> Result<Credits, Failure> {
        let price = self.price(ctx, model)?;
        Ok(price.map_or(Credits::ZERO, |price| cost_of(tokens, price).unwrap_or(Credits::MAX)))
    }

    /// A model's price. Credits cannot pay for a model without one; elsewhere it only keeps the cost from being known.
    fn price<'c>(&self, ctx: &'c Ctx, model: &str) -> Result<Option<&'c ModelPrice>, OverBudget> {
        let known = ctx.catalogue.model(model);
        match (known, &self.terms.funding) {
            (None, Funding::Prepaid { .. }) => Err(OverBudget::NoPrice(model.to_owned())),
            (known, _) => Ok(known),
        }
    }
}
