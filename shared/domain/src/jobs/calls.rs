//! Model calls that count for a job or an assist, each with the price at which it was charged.
//!
//! A call keeps its own price, so what it cost can be recomputed when the catalogue has changed
//! since.

use crate::billing::plans::{ModelPrice, cost};
use crate::billing::usage::Tokens;
use crate::units::Credits;

/// One answer of a model that a customer pays for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelCall {
    /// The name that the provider reported.
    pub model: String,
    pub tokens: Tokens,
    /// Absent if the catalogue had no price for the model, which credits cannot pay for.
    pub price: Option<TokenPrice>,
    /// The version of the catalogue.
    pub priced_by: String,
}

/// Microcredits for one token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenPrice {
    pub input: u64,
    pub output: u64,
}

impl TokenPrice {
    pub const fn of(model: &ModelPrice) -> Self {
        Self {
            input: model.input,
            output: model.output,
        }
    }
}

impl ModelCall {
    /// What the call costs before any markup.
    pub fn cost(&self) -> Credits {
        let Some(TokenPrice { input, output }) = self.price else {
            return Credits::ZERO;
        };
        let price = ModelPrice {
            model: String::new(),
            input,
            output,
        };
        cost(self.tokens, &price).unwrap_or(Credits::MAX)
    }

    /// The text on a row.
    pub fn text(&self) -> String {
        let Tokens { input, output } = self.tokens;
        let price = match self.price {
            Some(TokenPrice { input, output }) => format!("{input}/{output}"),
            None => NO_PRICE.to_owned(),
        };
        // The version and the model's name come last: a name may have spaces.
        let (version, model) = (&self.priced_by, &self.model);
        format!("{input} {output} {price} {version} {model}")
    }

    /// Parses a text written by [`Self::text`].
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.splitn(5, ' ');
        let mut word = || words.next();
        Some(Self {
            tokens: Tokens {
                input: word()?.parse().ok()?,
                output: word()?.parse().ok()?,
            },
            price: match word()? {
                NO_PRICE => None,
                price => {
                    let (input, output) = price.split_once('/')?;
                    Some(TokenPrice {
                        input: input.parse().ok()?,
                        output: output.parse().ok()?,
                    })
                }
            },
            priced_by: word()?.to_owned(),
            model: word()?.to_owned(),
        })
    }
}

const NO_PRICE: &str = "-";

/// What the calls cost together before any markup.
pub fn cost_of(calls: &[ModelCall]) -> Credits {
    calls.iter().fold(Credits::ZERO, |sum, call| {
        sum.checked_add(call.cost()).unwrap_or(Credits::MAX)
    })
}

/// The tokens of the calls together.
pub fn tokens_of(calls: &[ModelCall]) -> Tokens {
    calls
        .iter()
        .fold(Tokens::default(), |sum, call| sum.plus(call.tokens))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_reads_back_as_it_was_written() {
        let call = ModelCall {
            model: "claude-sonnet-4-5 (beta)".to_owned(),
            tokens: Tokens {
                input: 1_000,
                output: 200,
            },
            price: Some(TokenPrice {
                input: 300,
                output: 1_500,
            }),
            priced_by: "5f3a".to_owned(),
        };
        assert_eq!(
            call.text(),
            "1000 200 300/1500 5f3a claude-sonnet-4-5 (beta)"
        );
        assert_eq!(call.cost().micros(), 600_000);
        let free = ModelCall {
            price: None,
            ..call.clone()
        };
        assert_eq!(free.cost(), Credits::ZERO);
        for call in [call, free] {
            assert_eq!(ModelCall::parse(&call.text()), Some(call));
        }
        for bad in ["", "1 2", "1 2 3 v m", "x 2 - v m", "1 2 3/y v m"] {
            assert_eq!(ModelCall::parse(bad), None, "{bad}");
        }
    }
}
