//! The cost of units at a rate, in whole millionths of a minor unit.
//!
//! A rate has up to twelve places of a minor unit. The sum uses all of them and is rounded up once,
//! so the counted amount is never less than Stripe's, and at most a millionth more.

use super::{Rate, RateTier};
use crate::units::decimal_parse;

/// The places that Stripe supports.
const PLACES: usize = 12;
/// The part of them below a millionth.
const BELOW: u128 = 1_000_000;
/// A bound above any real sum, with room for additions.
const MICROS_MAX: u64 = 100_000_000_000_000_000;
const NO_END: &str = "inf";

impl Rate {
    /// The cost of the first `units` units, in millionths of a minor unit.
    pub fn micros(&self, units: u64) -> u64 {
        let exact = match self {
            Self::PerUnit(unit) => times(unit, units),
            Self::Graduated(tiers) => graduated(tiers, units),
        };
        u64::try_from(exact.div_ceil(BELOW))
            .unwrap_or(MICROS_MAX)
            .min(MICROS_MAX)
    }

    /// The most that `units` further units can cost, whatever was counted before them.
    pub fn micros_at_most(&self, units: u64) -> u64 {
        match self {
            Self::PerUnit(_) => self.micros(units),
            Self::Graduated(tiers) => tiers
                .iter()
                .map(|tier| Self::PerUnit(tier.unit.clone()).micros(units))
                .max()
                .unwrap_or(0),
        }
    }

    /// The text on a row.
    pub fn text(&self) -> String {
        match self {
            Self::PerUnit(unit) => unit.clone(),
            Self::Graduated(tiers) => tiers.iter().map(tier_text).collect::<Vec<_>>().join(","),
        }
    }

    /// Parses a text written by [`Self::text`].
    pub fn parse(text: &str) -> Option<Self> {
        if !text.contains(':') {
            return decimal_parse(text, PLACES).map(|_| Self::PerUnit(text.to_owned()));
        }
        let tier = |text: &str| {
            let (up_to, unit) = text.split_once(':')?;
            decimal_parse(unit, PLACES)?;
            let up_to = if up_to == NO_END {
                None
            } else {
                Some(up_to.parse().ok()?)
            };
            Some(RateTier {
                up_to,
                unit: unit.to_owned(),
            })
        };
        text.split(',')
            .map(tier)
            .collect::<Option<_>>()
            .map(Self::Graduated)
    }
}

fn tier_text(tier: &RateTier) -> String {
    let up_to = tier
        .up_to
        .map_or_else(|| NO_END.to_owned(), |up_to| up_to.to_string());
    format!("{up_to}:{}", tier.unit)
}

fn times(unit: &str, units: u64) -> u128 {
    u128::from(decimal_parse(unit, PLACES).unwrap_or(u64::MAX)) * u128::from(units)
}

fn graduated(tiers: &[RateTier], units: u64) -> u128 {
    let (mut sum, mut below) = (0_u128, 0_u64);
    for tier in tiers {
        let within = tier.up_to.map_or(units, |up_to| units.min(up_to));
        sum = sum.saturating_add(times(&tier.unit, within.saturating_sub(below)));
        below = within.max(below);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiers(text: &str) -> Rate {
        Rate::parse(text).expect("a rate")
    }

    #[test]
    fn units_cost_what_stripe_asks_rounded_up() {
        for (rate, units, micros) in [
            ("1500", 0, 0),
            ("1500", 1, 1_500_000_000),
            ("0.0018", 1_000, 1_800_000),
            ("0.000000000001", 1, 1),
            ("0.000000000001", 1_000_000, 1),
            ("0.000000000001", 1_000_001, 2),
            ("60:0,inf:800", 60, 0),
            ("60:0,inf:800", 61, 800_000_000),
            ("60:0,inf:800", 70, 8_000_000_000),
            (
                "10:1500,20:1000,inf:800",
                25,
                (15_000 + 10_000 + 4_000) * 1_000_000,
            ),
            ("1000:0,inf:0.5", 1_500, 250_000_000),
            ("99999999999999999", u64::MAX, MICROS_MAX),
        ] {
            assert_eq!(
                tiers_or_unit(rate).micros(units),
                micros,
                "{units} at {rate}"
            );
        }
    }

    #[test]
    fn further_units_cost_at_most_the_dearest_tier() {
        for (rate, units, micros) in [
            ("1500", 2, 3_000_000_000),
            ("60:0,inf:800", 1, 800_000_000),
            ("10:1500,20:1000,inf:800", 2, 3_000_000_000),
        ] {
            assert_eq!(tiers_or_unit(rate).micros_at_most(units), micros, "{rate}");
        }
    }

    fn tiers_or_unit(text: &str) -> Rate {
        Rate::parse(text).unwrap_or_else(|| Rate::PerUnit(text.to_owned()))
    }

    #[test]
    fn a_rate_reads_back_as_it_was_written() {
        for text in ["1500", "0.0018", "60:0,inf:800", "10:1500,20:0.5,inf:0"] {
            assert_eq!(tiers(text).text(), text);
        }
        for bad in ["", "x", "60:", ":5", "60:0,inf", "a:5"] {
            assert_eq!(Rate::parse(bad), None, "{bad}");
        }
    }
}
