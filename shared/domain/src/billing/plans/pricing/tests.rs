//! Tests that prices are rounded only once, and that no job within its bounds costs more than its
//! budget.

use super::*;
use crate::billing::plans::{PhasePredicate, PlanId};
use crate::units::Currency;
use std::collections::BTreeMap;

const CASES: u32 = 300_000;

/// A reproducible pseudo-random generator (xorshift).
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `end`; small numbers are as likely as large ones.
    fn below(&mut self, end: u64) -> u64 {
        let (shift, number) = (self.next() % 64, self.next());
        (number >> shift) % end
    }

    fn small(&mut self, end: u64) -> u32 {
        u32::try_from(self.below(end)).expect("a small number")
    }

    fn model(&mut self) -> ModelPrice {
        // Up to $1 per token, at a thousand credits per dollar.
        ModelPrice {
            model: "m".to_owned(),
            input: self.below(1_000_000_000),
            output: self.below(1_000_000_000),
            cache_read: self.below(1_000_000_000),
            cache_write: self.below(1_000_000_000),
        }
    }

    fn credits(&mut self, end: u64) -> Credits {
        credits(self.below(end))
    }
}

fn credits(micros: u64) -> Credits {
    Credits::from_micros(micros).expect("an amount")
}

fn model(input: u64, output: u64) -> ModelPrice {
    ModelPrice::uncached("m".to_owned(), input, output)
}

#[test]
fn each_class_of_tokens_has_its_price() {
    let model = ModelPrice {
        cache_read: 300,
        cache_write: 3_750,
        ..model(3_000, 15_000)
    };
    let tokens = Tokens {
        input: 1_000,
        cache_read: 700,
        cache_write: 200,
        output: 10,
    };
    let micros = 100 * 3_000 + 700 * 300 + 200 * 3_750 + 10 * 15_000;
    assert_eq!(cost(tokens, &model).map(Credits::micros), Some(micros));
}

#[test]
fn tokens_cost_what_the_list_says() {
    for (input, output, price, micros) in [
        (0, 0, (3_000, 15_000), Some(0)),
        (1_000, 0, (3_000, 15_000), Some(3_000_000)),
        (546, 107, (3_000, 15_000), Some(3_243_000)),
        (1, 0, (1, 0), Some(1)),
        (u64::MAX, 0, (1, 0), None),
        (u64::MAX, 0, (2, 0), None),
        (1 << 62, 1 << 62, (2, 2), None),
        (u64::MAX, 5, (0, 7), Some(35)),
    ] {
        let tokens = Tokens::of(input, output);
        assert_eq!(
            cost(tokens, &model(price.0, price.1)).map(Credits::micros),
            micros,
            "{tokens:?} at {price:?}"
        );
    }
}

#[test]
fn the_markup_rounds_up_to_the_microcredit() {
    for (cost, markup, fee, micros) in [
        (0, 2_000, 0, 0),
        (0, 2_000, 5, 5),
        (1, 0, 0, 1),
        (1, 1, 0, 2),
        (5, 2_000, 0, 6),
        (6, 2_000, 0, 8),
        (10_000, 1, 0, 10_001),
        (10_000, 2_000, 7, 12_007),
        (Credits::MAX.micros(), 1, 0, Credits::MAX.micros()),
        (Credits::MAX.micros(), 0, 1, Credits::MAX.micros()),
        (Credits::MAX.micros(), u32::MAX, 0, Credits::MAX.micros()),
    ] {
        let priced = price(credits(cost), BasisPoints(markup), credits(fee));
        assert_eq!(priced.micros(), micros, "{cost} with {markup} and {fee}");
    }
}

/// A job's steps cost the same one by one as together, so pricing their sum rounds once, by less
/// than a microcredit.
#[test]
fn steps_add_up_without_a_rest() {
    let mut draw = Draw(0x7461_6c6c_7968_6f6f);
    for _ in 0..CASES {
        let (model, markup, fee) = (
            draw.model(),
            BasisPoints(draw.small(100_000)),
            draw.credits(1_000_000_000),
        );
        let mut sum = Credits::ZERO;
        let mut tokens = Tokens::default();
        for _ in 0..=draw.below(6) {
            let input = draw.below(100_000);
            let cache_read = draw.below(input + 1);
            let step = Tokens {
                input,
                cache_read,
                cache_write: draw.below(input - cache_read + 1),
                output: draw.below(10_000),
            };
            tokens = tokens.plus(step);
            sum = sum
                .checked_add(cost(step, &model).expect("a step's cost"))
                .expect("their sum");
        }
        assert_eq!(
            cost(tokens, &model),
            Some(sum),
            "the steps' costs are the sum's cost"
        );
        let exact = u128::from(sum.micros()) * (WHOLE + u128::from(markup.0));
        let priced = u128::from(price(sum, markup, fee).less(fee).micros()) * WHOLE;
        let capped =
            exact.div_ceil(WHOLE) + u128::from(fee.micros()) > u128::from(Credits::MAX.micros());
        assert!(
            capped || (exact <= priced && priced < exact + WHOLE),
            "{sum} with {markup:?}: {priced} for {exact}"
        );
        assert!(
            price(sum, BasisPoints(0), Credits::ZERO) == sum,
            "nothing is added where nothing is to be"
        );
    }
}

#[test]
fn prices_never_fall_when_the_work_grows() {
    let mut draw = Draw(0x686f_6f6b);
    for _ in 0..CASES {
        let (low, more) = (draw.below(Credits::MAX.micros()), draw.below(1_000));
        let high = credits((low + more).min(Credits::MAX.micros()));
        let (markup, fee) = (BasisPoints(draw.small(100_000)), draw.credits(1_000_000));
        assert!(price(credits(low), markup, fee) <= price(high, markup, fee));
    }
}

/// The job stays within its budget whatever the model answers within the bound, and however the
/// provider counts the prompt within the limit that its bytes set. With one more token, that would
/// not be certain.
#[test]
fn no_answer_within_its_bound_exceeds_the_budget() {
    let mut draw = Draw(0x6275_6467_6574);
    let mut outcomes = [0_u32; 3];
    for _ in 0..CASES {
        let (model, markup, fee) = (
            draw.model(),
            BasisPoints(draw.small(100_000)),
            draw.credits(10_000_000),
        );
        let (budget, spent) = (
            draw.credits(Credits::MAX.micros()),
            draw.credits(1_000_000_000_000),
        );
        let prompt_bytes = usize::try_from(draw.below(1 << 20)).expect("a size");
        let (reserve, wanted) = (draw.small(10_000), draw.small(1 << 17));
        let bound = answer_bound(
            budget,
            (markup, fee),
            spent,
            Tokens::of(tokens_of_bytes(prompt_bytes), 0),
            &model,
            (reserve, wanted),
        );
        let total = |output: u32| {
            let tokens = Tokens::of(tokens_of_bytes(prompt_bytes), u64::from(output));
            let spent = spent.checked_add(cost(tokens, &model)?)?;
            Some(price(spent, markup, fee))
        };
        let least = reserve.min(wanted);
        match bound {
            TokensBound::AtMost(most) => {
                assert!(
                    least <= most && most <= wanted,
                    "between the reserve and what is wanted"
                );
                assert!(
                    total(most).is_some_and(|price| price <= budget),
                    "{most} tokens exceed {budget}"
                );
                assert!(
                    most == wanted || total(most + 1).is_none_or(|price| price > budget),
                    "one more fits"
                );
                outcomes[usize::from(most == wanted)] += 1;
            }
            TokensBound::TooPoor => {
                assert!(
                    total(least).is_none_or(|price| price > budget),
                    "{least} tokens would have fitted"
                );
                outcomes[2] += 1;
            }
        }
    }
    assert!(
        outcomes.iter().all(|times| *times > CASES / 200),
        "every outcome comes up: {outcomes:?}"
    );
}

#[test]
fn the_bound_at_its_corners() {
    let free = (BasisPoints(0), Credits::ZERO);
    for (budget, spent, prompt_bytes, price, reserve_wanted, bound) in [
        (100, 0, 0, (1, 1), (10, 100), TokensBound::AtMost(100)),
        (99, 0, 0, (1, 1), (10, 100), TokensBound::AtMost(99)),
        (10, 0, 0, (1, 1), (10, 100), TokensBound::AtMost(10)),
        (9, 0, 0, (1, 1), (10, 100), TokensBound::TooPoor),
        (9, 0, 0, (1, 0), (10, 100), TokensBound::AtMost(100)),
        (100, 0, 3, (1, 1), (10, 100), TokensBound::AtMost(98)),
        (100, 50, 0, (1, 1), (10, 100), TokensBound::AtMost(50)),
        (100, 101, 0, (1, 1), (0, 100), TokensBound::TooPoor),
        (100, 100, 0, (1, 1), (0, 100), TokensBound::AtMost(0)),
        (5, 0, 0, (1, 1), (10, 5), TokensBound::AtMost(5)),
        (
            100,
            0,
            usize::MAX,
            (u64::MAX, 1),
            (10, 100),
            TokensBound::TooPoor,
        ),
    ] {
        let model = model(price.0, price.1);
        let found = answer_bound(
            credits(budget),
            free,
            credits(spent),
            Tokens::of(tokens_of_bytes(prompt_bytes), 0),
            &model,
            reserve_wanted,
        );
        assert_eq!(
            found, bound,
            "{budget} after {spent} for {prompt_bytes} bytes at {price:?}, {reserve_wanted:?}"
        );
    }
}

#[test]
fn a_model_is_known_by_its_name_with_or_without_a_date() {
    let named = |model: &str| ModelPrice::uncached(model.to_owned(), 1, 1);
    let catalogue = Catalogue {
        checkout: std::collections::BTreeSet::new(),
        texts: crate::billing::plans::Texts::default(),
        version: String::new(),
        currency: Currency::parse("usd").expect("a currency"),
        default_plan: PlanId::parse("payg").expect("a plan"),
        meters: BTreeMap::new(),
        plans: vec![],
        packs: vec![],
        models: [
            "gpt-5",
            "gpt-5-mini",
            "claude-sonnet-4",
            "claude-sonnet-4-20260929",
        ]
        .map(named)
        .into(),
        markup: BasisPoints(0),
        output_reserve: 0,
        job_cost_max: Credits::MAX,
        low_balance: Credits::ZERO,
        phase: PhasePredicate {
            phase: String::new(),
            result: String::new(),
        },
    };
    for (said, found) in [
        ("gpt-5", Some("gpt-5")),
        ("gpt-5-2026-09-29", Some("gpt-5")),
        ("gpt-5-mini", Some("gpt-5-mini")),
        ("gpt-5-mini-2026-09-29", Some("gpt-5-mini")),
        ("claude-sonnet-4-20260514", Some("claude-sonnet-4")),
        ("claude-sonnet-4@20260514", Some("claude-sonnet-4")),
        ("claude-sonnet-4-20260929", Some("claude-sonnet-4-20260929")),
        ("gpt-5-nano", None),
        ("gpt-50", None),
        ("gpt-5-2026", None),
        ("gpt-5-202609291", None),
        ("gpt-5-", None),
        ("gpt", None),
        ("GPT-5", None),
        ("", None),
    ] {
        assert_eq!(
            catalogue.model(said).map(|model| model.model.as_str()),
            found,
            "{said}"
        );
    }
}
