//! Reads everything except plans: meters, packs, models' prices and the settings at the top.

use crate::amounts::{self, BadModelPrice};
use crate::fields::{Fields, Page, Placed};
use crate::plans::{Meters, prices};
use domain::billing::plans::{
    CheckoutOption, CreditPack, MeterInfo, MeterKind, ModelPrice, PhasePredicate, PlanId, Texts,
};
use domain::billing::usage::Meter;
use domain::jobs::phases::{Phase, PhaseResult};
use domain::units::Credits;
use domain::units::{Currency, Money};
use std::collections::BTreeSet;

const METERS_MAX: usize = 100;
const PACKS_MAX: usize = 100;
const MODELS_MAX: usize = 200;
const DAYS_MAX: u32 = 3_660;
/// Stripe's limit.
const HEADLINE_CHARS_MAX: usize = 60;
const METER: &[(&str, &str)] = &[
    ("id", "\"pull_requests\""),
    ("name", "\"Pull requests\""),
    ("kind", "\"counter\" or \"level\""),
];
const PACK: &[(&str, &str)] = &[
    ("id", "\"10k\""),
    ("name", "\"10,000 credits\""),
    ("credits", "10000"),
    ("price", "\"10.00\""),
];
const MODEL: &[(&str, &str)] = &[
    ("model", "\"a-model\""),
    ("input_cost_per_1k", "\"0.003000\""),
    ("output_cost_per_1k", "\"0.015000\""),
];
const PHASE: &[(&str, &str)] = &[("phase", "\"mitigate\""), ("result", "\"success\"")];

pub fn meters(page: Page<'_>, head: &mut Fields<'_>) -> Meters {
    let mut meters = Meters::new();
    for (at, (start, table)) in head.tables("meter", METERS_MAX).into_iter().enumerate() {
        let mut fields = Fields::new(page, format!("meter {}", at + 1), start, table, METER);
        let id = fields.read("id", "1 to 40 characters from a-z, 0-9 and _", |text| {
            Meter::parse(text).ok()
        });
        let name = fields
            .text("name")
            .map(|name| name.value)
            .unwrap_or_default();
        let kind = fields.read(
            "kind",
            "\"counter\" (adds up) or \"level\" (the number at one time)",
            |text| match text {
                "counter" => Some(MeterKind::Counter),
                "level" => Some(MeterKind::Level),
                _ => None,
            },
        );
        if let Some(id) = id {
            let kind = kind.map_or(MeterKind::Counter, |kind| kind.value);
            if meters
                .insert(id.value.clone(), MeterInfo { name, kind })
                .is_some()
            {
                fields.fault(
                    id.line,
                    format!(
                        "another meter has the id {}; give each meter its own",
                        id.value
                    ),
                );
            }
        }
        fields.close();
    }
    meters
}

pub fn packs(page: Page<'_>, head: &mut Fields<'_>, currency: Currency) -> Vec<CreditPack> {
    let mut packs: Vec<CreditPack> = Vec::new();
    for (at, (start, table)) in head.tables("pack", PACKS_MAX).into_iter().enumerate() {
        let mut fields = Fields::new(page, format!("pack {}", at + 1), start, table, PACK);
        let id = fields.read("id", "a name of a-z, 0-9, _ and -", PlanId::parse);
        if let Some(id) = &id {
            fields.rename(format!("pack {}", id.value));
            if packs.iter().any(|pack| pack.id == id.value) {
                fields.fault(id.line, "another pack has this id; give each pack its own");
            }
        }
        let name = fields
            .text("name")
            .map(|name| name.value)
            .unwrap_or_default();
        let credits = fields.credits("credits");
        if let Some(none) = credits.as_ref().filter(|credits| credits.value.is_zero()) {
            fields.fault(none.line, "credits must be at least 1");
        }
        let price = fields.money("price", currency);
        if let Some(free) = price.as_ref().filter(|price| price.value.minor == 0) {
            fields.fault(
                free.line,
                "price must be greater than zero; to give credits away, an operator makes an adjustment",
            );
        }
        let expires_days = fields
            .small("expires_days", DAYS_MAX)
            .filter(|days| *days > 0);
        let prices = prices(&mut fields);
        if let Some(id) = id {
            packs.push(CreditPack {
                id: id.value,
                name,
                credits: credits.map_or(Credits::ZERO, |credits| credits.value),
                price: price.map_or(Money { minor: 0, currency }, |price| price.value),
                expires_days,
                prices,
            });
        }
        fields.close();
    }
    packs
}

pub fn models(page: Page<'_>, head: &mut Fields<'_>, credits_per_unit: u64) -> Vec<ModelPrice> {
    let mut models: Vec<ModelPrice> = Vec::new();
    for (at, (start, table)) in head.tables("model", MODELS_MAX).into_iter().enumerate() {
        let mut fields = Fields::new(page, format!("model {}", at + 1), start, table, MODEL);
        let model = fields.text("model");
        if let Some(Placed { value, line }) = &model {
            fields.rename(format!("model {value}"));
            if models.iter().any(|model| model.model == *value) {
                fields.fault(*line, "another entry has this model; keep one of them");
            }
        }
        let input = per_token(&mut fields, "input_cost_per_1k", credits_per_unit);
        let output = per_token(&mut fields, "output_cost_per_1k", credits_per_unit);
        // A provider's cache without a price costs as much as other input.
        let cache_read = cached(&mut fields, "cache_read_cost_per_1k", credits_per_unit);
        let cache_write = cached(&mut fields, "cache_write_cost_per_1k", credits_per_unit);
        if let Some(model) = model {
            models.push(ModelPrice {
                model: model.value,
                input,
                output,
                cache_read: cache_read.unwrap_or(input),
                cache_write: cache_write.unwrap_or(input),
            });
        }
        fields.close();
    }
    models
}

fn per_token(fields: &mut Fields<'_>, name: &'static str, credits_per_unit: u64) -> u64 {
    let text = fields.text(name);
    text.map_or(0, |text| micros(fields, name, &text, credits_per_unit))
}

fn cached(fields: &mut Fields<'_>, name: &'static str, credits_per_unit: u64) -> Option<u64> {
    let text = fields.text(name)?;
    Some(micros(fields, name, &text, credits_per_unit))
}

fn micros(
    fields: &mut Fields<'_>,
    name: &'static str,
    text: &Placed<String>,
    credits_per_unit: u64,
) -> u64 {
    match amounts::per_token(&text.value, credits_per_unit) {
        Ok(micros) => micros,
        Err(BadModelPrice::Unreadable) => {
            fields.fault(
                text.line,
                format!("{name} must be a decimal in quotes with at most six places, such as \"0.003000\""),
            );
            0
        }
        Err(BadModelPrice::TooFine) => {
            let what =
                "is less than a microcredit per token; round it up, or raise credits_per_unit";
            fields.fault(text.line, format!("{name} = {:?} {what}", text.value));
            0
        }
    }
}

/// Reads what Checkout does besides selling.
pub fn checkout(head: &mut Fields<'_>) -> BTreeSet<CheckoutOption> {
    let mut options = BTreeSet::new();
    for Placed { value, line } in head.texts("checkout", CheckoutOption::ALL.len()) {
        match CheckoutOption::parse(&value) {
            Some(option) => {
                options.insert(option);
            }
            None => {
                let known = CheckoutOption::ALL.map(CheckoutOption::as_str).join(", ");
                head.fault(
                    line,
                    format!(
                        "checkout has {value:?}, which is none of its options; choose from {known}"
                    ),
                );
            }
        }
    }
    options
}

/// Reads what the operator says to customers.
pub fn texts(head: &mut Fields<'_>) -> Texts {
    let Some(mut fields) = head.table("texts", &[]) else {
        return Texts::default();
    };
    let shape = format!("at most {HEADLINE_CHARS_MAX} characters");
    let headline = fields.read("portal_headline", &shape, |text| {
        (text.chars().count() <= HEADLINE_CHARS_MAX).then(|| text.to_owned())
    });
    let mut url = |name| {
        let read = |text: &str| {
            let is_url = text.starts_with("https://") && !text.contains(char::is_whitespace);
            is_url.then(|| text.to_owned())
        };
        let url = fields.read(name, "an address that begins with https://", read);
        url.map(|url| url.value)
    };
    let texts = Texts {
        privacy_url: url("privacy_url"),
        terms_url: url("terms_url"),
        portal_headline: headline.map(|text| text.value),
        checkout: fields.text("checkout").map(|text| text.value),
    };
    fields.close();
    texts
}

pub fn phase(head: &mut Fields<'_>) -> PhasePredicate {
    let Some(mut fields) = head.table("phase", PHASE) else {
        return PhasePredicate {
            phase: "mitigate".to_owned(),
            result: "success".to_owned(),
        };
    };
    let phase = fields.read(
        "phase",
        "\"scan\", \"validate\" or \"mitigate\"",
        Phase::parse,
    );
    let result = fields.read("result", "\"success\" or \"failure\"", PhaseResult::parse);
    let phase = PhasePredicate {
        phase: phase.map_or_else(String::new, |phase| phase.value.as_str().to_owned()),
        result: result.map_or_else(String::new, |result| result.value.as_str().to_owned()),
    };
    fields.close();
    phase
}
