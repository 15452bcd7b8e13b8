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

/// Microcredits for one token of each class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenPrice {
    pub input: u64,
    pub output: u64,
    pub cache_read: u64,
    pub cache_write: u64,
}

impl TokenPrice {
    pub const fn of(model: &ModelPrice) -> Self {
        Self {
            input: model.input,
            output: model.output,
            cache_read: model.cache_read,
            cache_write: model.cache_write,
        }
    }

    /// `input/output`, and the prices of the cache if they differ from the input's.
    fn text(self) -> String {
        let Self {
            input,
            output,
            cache_read,
            cache_write,
        } = self;
        if (cache_read, cache_write) == (input, input) {
            format!("{input}/{output}")
        } else {
            format!("{input}/{output}/{cache_read}/{cache_write}")
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let prices: Option<Vec<u64>> = text.split('/').map(|part| part.parse().ok()).collect();
        let (input, output, cache_read, cache_write) = match prices?[..] {
            [input, output] => (input, output, input, input),
            [input, output, read, write] => (input, output, read, write),
            _ => return None,
        };
        Some(Self {
            input,
            output,
            cache_read,
            cache_write,
        })
    }
}

impl ModelCall {
    /// What the call costs before any markup.
    pub fn cost(&self) -> Credits {
        let Some(TokenPrice {
            input,
            output,
            cache_read,
            cache_write,
        }) = self.price
        else {
            return Credits::ZERO;
        };
        let price = ModelPrice {
            model: String::new(),
            input,
            output,
            cache_read,
            cache_write,
        };
        cost(self.tokens, &price).unwrap_or(Credits::MAX)
    }

    /// The text on a row.
    pub fn text(&self) -> String {
        let Tokens {
            input,
            cache_read,
            cache_write,
            output,
        } = self.tokens;
        let input = match (cache_read, cache_write) {
            (0, 0) => input.to_string(),
            (read, write) => format!("{input}:{read}:{write}"),
        };
        let price = self.price.map_or(NO_PRICE.to_owned(), TokenPrice::text);
        // The version and the model's name come last: a name may have spaces.
        let (version, model) = (&self.priced_by, &self.model);
        format!("{input} {output} {price} {version} {model}")
    }

    /// Parses a text written by [`Self::text`].
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.splitn(5, ' ');
        let mut word = || words.next();
        let read: Option<Vec<u64>> = word()?.split(':').map(|part| part.parse().ok()).collect();
        let (input, cache_read, cache_write) = match read?[..] {
            [input] => (input, 0, 0),
            [input, read, write] => (input, read, write),
            _ => return None,
        };
        Some(Self {
            tokens: Tokens {
                input,
                cache_read,
                cache_write,
                output: word()?.parse().ok()?,
            },
            price: match word()? {
                NO_PRICE => None,
                price => Some(TokenPrice::parse(price)?),
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
            tokens: Tokens::of(1_000, 200),
            price: Some(TokenPrice {
                input: 300,
                output: 1_500,
                cache_read: 300,
                cache_write: 300,
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
        let cached = ModelCall {
            tokens: Tokens {
                cache_read: 800,
                cache_write: 100,
                ..call.tokens
            },
            price: Some(TokenPrice {
                input: 300,
                output: 1_500,
                cache_read: 30,
                cache_write: 375,
            }),
            ..call.clone()
        };
        assert_eq!(
            cached.text(),
            "1000:800:100 200 300/1500/30/375 5f3a claude-sonnet-4-5 (beta)"
        );
        assert_eq!(
            cached.cost().micros(),
            100 * 300 + 800 * 30 + 100 * 375 + 200 * 1_500
        );
        for call in [call, free, cached] {
            assert_eq!(ModelCall::parse(&call.text()), Some(call));
        }
        for bad in [
            "",
            "1 2",
            "1 2 3 v m",
            "x 2 - v m",
            "1 2 3/y v m",
            "1:2 2 - v m",
            "1 2 3/4/5 v m",
        ] {
            assert_eq!(ModelCall::parse(bad), None, "{bad}");
        }
    }
}
