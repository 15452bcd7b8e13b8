//! Asks the model one question and parses its JSON answer.
//!
//! The first line of the system text names the step, and the contract follows. The user text is one
//! JSON document, so nothing that an issue says can pass for one of our instructions.

use crate::Ctx;
use crate::budget::prompt_tokens;
use crate::caller::Caller;
use domain::billing::usage::Tokens;
use domain::jobs::assists;
use domain::jobs::calls::ModelCall;
use domain::jobs::steps::{Step, StepOutput};
use domain::retry::{Failure, Retry, Retryable};
use domain::time::Timestamp;
use domain::units::Credits;
use model_api::{Prompt, Stop};
use serde::de::DeserializeOwned;
use std::fmt;

/// A question for the model, and the length limit of its answer.
pub struct Question<'a> {
    /// The system text: the step's name and the contract.
    pub system: &'a str,
    /// The user text, as one JSON document.
    pub user: serde_json::Value,
    /// The most tokens that the answer may have.
    pub tokens_max: u32,
}

/// The model's parsed answer.
pub struct Answer<T> {
    pub content: T,
    pub used: Used,
}

/// The tokens, cost and model of an answer.
pub struct Used {
    pub tokens: Tokens,
    pub cost: Credits,
    model: String,
    calls: Vec<ModelCall>,
}

impl Used {
    /// Converts it to the form that an assist stores.
    pub fn of_assist(self) -> assists::ModelUsage {
        assists::ModelUsage {
            model: self.model,
            tokens: self.tokens,
            cost: self.cost,
            calls: self.calls,
        }
    }

    /// Builds the step that this usage belongs to.
    pub fn step(self, output: StepOutput, at: Timestamp) -> Step {
        Step {
            output,
            tokens: self.tokens,
            cost: self.cost,
            model: self.model,
            calls: self.calls,
            at,
        }
    }
}

/// The model answered, but its answer cannot be used.
#[derive(Debug)]
pub enum Unusable {
    /// The answer is not the JSON that the contract requires.
    NotTheContract,
    /// The answer was cut off at its length limit.
    CutOff,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotTheContract => "the model did not answer in the form it was asked for",
            Self::CutOff => "the model's answer was longer than it may be",
        })
    }
}

impl std::error::Error for Unusable {}

impl Retryable for Unusable {
    fn retry(&self) -> Retry {
        match self {
            Self::NotTheContract | Self::CutOff => Retry::Never,
        }
    }
}

/// How often a question is asked whose answer cannot be used.
const ASKS_MAX: usize = 2;

/// Asks the model and reads the answer. The step and the caller's budget limit the answer's length.
/// An answer that cannot be used is not the customer's to pay.
pub async fn ask<S: DeserializeOwned, A>(
    ctx: &Ctx,
    caller: &mut impl Caller,
    question: &Question<'_>,
    read: impl Fn(S) -> Option<A>,
) -> Result<Answer<A>, Failure> {
    let model = ctx.model.api.client().await?;
    let user = question.user.to_string();
    let tokens = prompt_tokens(&[question.system, &user]);
    for _ in 0..ASKS_MAX {
        let allowance = caller
            .budget()
            .allowance(ctx, tokens, question.tokens_max)?;
        caller.sends(ctx, allowance.cost_max).await?;
        let prompt = Prompt {
            system: question.system,
            user: &user,
            tokens_max: allowance.tokens_max,
        };
        let completion = model.complete(&prompt).await;
        let completion = completion.map_err(|error| caller.fails(error))?;
        let budget = caller.budget();
        let call = budget.call(ctx, completion.tokens, &completion.model)?;
        if completion.stop == Stop::CutOff {
            let over = budget.used_up();
            caller.settles(call.cost());
            return Err(if allowance.tokens_max < question.tokens_max {
                over.into()
            } else {
                Unusable::CutOff.into()
            });
        }
        match parsed(&completion.text).and_then(&read) {
            Some(content) => {
                let used = Used {
                    tokens: completion.tokens,
                    cost: call.cost(),
                    model: completion.model,
                    calls: vec![call],
                };
                return Ok(Answer { content, used });
            }
            None => caller.settles(call.cost()),
        }
    }
    Err(Unusable::NotTheContract.into())
}

/// Parses the JSON object in a text. Models often wrap it in a code fence or a sentence.
fn parsed<T: DeserializeOwned>(text: &str) -> Option<T> {
    let (start, end) = (text.find('{')?, text.rfind('}')?);
    serde_json::from_str(text.get(start..=end)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_found_in_its_wrapping() {
        for (text, found) in [
            (r#"{"a":1}"#, true),
            ("```json\n{\"a\":1}\n```", true),
            (r#"Here you are: {"a":1}. Enjoy!"#, true),
            ("}{", false),
            ("no", false),
            ("", false),
        ] {
            assert_eq!(parsed::<serde_json::Value>(text).is_some(), found, "{text}");
        }
    }
}
