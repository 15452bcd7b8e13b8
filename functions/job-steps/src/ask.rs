//! Asks the model one question and parses its JSON answer.
//!
//! The first line of the system text names the step, and the contract follows. The user text is one
//! JSON document, so nothing that an issue says can pass for one of our instructions.

use crate::Ctx;
use crate::budget::Budget;
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

/// The model's parsed answer.
pub struct Answer<T> {
    pub content: T,
    pub used: Used,
}

/// The tokens, cost and model of an answer, or of several.
#[derive(Default)]
pub struct Used {
    pub tokens: Tokens,
    pub cost: Credits,
    model: String,
    calls: Vec<ModelCall>,
}

impl Used {
    /// Adds what earlier answers used.
    #[must_use]
    pub fn plus(self, mut earlier: Self) -> Self {
        earlier.calls.extend(self.calls);
        Self {
            calls: earlier.calls,
            tokens: self.tokens.plus(earlier.tokens),
            cost: self.cost.checked_add(earlier.cost).unwrap_or(Credits::MAX),
            model: self.model,
        }
    }

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
            Self::NotTheContract => Retry::Soon,
            Self::CutOff => Retry::Never,
        }
    }
}

/// Asks the model and parses the answer. The step and the budget of the work limit the answer's
/// length.
pub async fn ask<T: DeserializeOwned>(
    ctx: &Ctx,
    budget: &Budget<'_>,
    system: &str,
    user: &serde_json::Value,
    tokens_wanted: u32,
) -> Result<Answer<T>, Failure> {
    let model = ctx.model.api.client().await?;
    let user = user.to_string();
    let tokens_max = budget.answer_max(ctx, system.len() + user.len(), tokens_wanted)?;
    let completion = model
        .complete(&Prompt {
            system,
            user: &user,
            tokens_max,
        })
        .await?;
    let call = budget.call(ctx, completion.tokens, &completion.model)?;
    if completion.stop == Stop::CutOff {
        return Err(if tokens_max < tokens_wanted {
            budget.used_up().into()
        } else {
            Unusable::CutOff.into()
        });
    }
    let content = read(&completion.text).ok_or(Unusable::NotTheContract)?;
    Ok(Answer {
        content,
        used: Used {
            tokens: completion.tokens,
            cost: call.cost(),
            model: completion.model,
            calls: vec![call],
        },
    })
}

/// Parses the JSON object in a text. Models often wrap it in a code fence or a sentence.
fn read<T: DeserializeOwned>(text: &str) -> Option<T> {
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
            assert_eq!(read::<serde_json::Value>(text).is_some(), found, "{text}");
        }
    }
}
