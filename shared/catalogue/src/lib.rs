//! The catalogue: what is sold and at what price, read from one TOML file into
//! `domain::billing::plans`.
//! This crate is the only reader of the file. A catalogue that it returns is consistent: referenced
//! entries exist, every plan can be paid for, and no amount was rounded. All faults of a file are
//! reported at once, each with its line and its remedy. The crate sends no requests and never
//! changes the file; `infra/local` creates the catalogue at Stripe.

mod amounts;
mod check;
mod fault;
mod fields;
mod goods;
pub mod offers;
mod plans;
mod settings;

pub use fault::{CatalogueError, CatalogueErrors};
pub use settings::{FILE, PRICES, from_settings};

use domain::billing::plans::{BasisPoints, Catalogue, PlanId};
use domain::units::Credits;
use domain::units::Currency;
use fault::Faults;
use fields::{Fields, Page};
use sha2::{Digest, Sha256};
use toml::Spanned;
use toml::de::DeTable;

/// The catalogue that is used unless the settings name another one.
pub const BUILT_IN: &str = include_str!("../../../catalogue.toml");

pub fn built_in() -> Catalogue {
    parse(BUILT_IN).expect("the built-in catalogue is whole; a test says so")
}

const VERSION_BYTES: usize = 6;
const FILE_BYTES_MAX: usize = 256 * 1024;
const PLANS_MAX: usize = 100;
const CREDITS_PER_UNIT_MAX: u32 = 1_000_000;
const OUTPUT_RESERVE_MAX: u32 = 1_000_000;
/// The most credits that models may cost for one job, if the catalogue does not say.
const JOB_COST_MAX: u64 = 5_000;
const OUTPUT_RESERVE: u32 = 4_096;
const HEAD: &[(&str, &str)] = &[
    ("currency", "\"usd\""),
    ("credits_per_unit", "1000"),
    ("default_plan", "\"payg\""),
];

/// Parses a catalogue, or returns all of its faults.
pub fn parse(text: &str) -> Result<Catalogue, CatalogueErrors> {
    let faults = Faults::default();
    if text.len() > FILE_BYTES_MAX {
        faults.note(
            None,
            "the file",
            format!("is longer than {FILE_BYTES_MAX} bytes; shorten its descriptions"),
        );
        return faults.finish(None);
    }
    let breaks: Vec<_> = text.match_indices('\n').map(|(at, _)| at).collect();
    let page = Page {
        breaks: &breaks,
        faults: &faults,
    };
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let line = error.span().map(|span| page.line(span.start));
        faults.note(
            line,
            "the file",
            format!("is not valid TOML: {}", error.message().replace('\n', ", ")),
        );
    }
    // Do not read a file with syntax errors: the missing part would cause misleading faults.
    let catalogue = if errors.is_empty() {
        read(page, table)
    } else {
        None
    };
    let catalogue = faults.finish(catalogue)?;
    Ok(Catalogue {
        version: version(&catalogue),
        ..catalogue
    })
}

fn read(page: Page<'_>, table: Spanned<DeTable<'_>>) -> Option<Catalogue> {
    let mut head = Fields::new(
        page,
        "the catalogue".to_owned(),
        0,
        table.into_inner(),
        HEAD,
    );
    let currency = head
        .read(
            "currency",
            "three letters, such as \"usd\"",
            Currency::parse,
        )
        .map(|currency| currency.value);
    // An invalid currency has already been reported. Continue with a default to find more faults.
    let currency = currency.or_else(|| Currency::parse("usd"))?;
    let per_unit = head.small("credits_per_unit", CREDITS_PER_UNIT_MAX);
    if per_unit == Some(0) {
        head.fault(
            head.line,
            "credits_per_unit is the number of credits that one unit of the currency buys; it must be at least 1",
        );
    }
    let default = head.read("default_plan", "a plan's id", PlanId::parse);
    let meters = goods::meters(page, &mut head);
    let plans: Vec<_> = head
        .tables("plan", PLANS_MAX)
        .into_iter()
        .enumerate()
        .filter_map(|(at, table)| plans::read(page, at + 1, table, currency, &meters))
        .collect();
    let packs = goods::packs(page, &mut head, currency);
    let models = goods::models(page, &mut head, per_unit.map_or(1_000, u64::from));
    let markup = head.read(
        "markup_percentage",
        "a percentage in quotes with two places, such as \"20.00\"",
        amounts::markup,
    );
    let output_reserve = head
        .small("output_reserve", OUTPUT_RESERVE_MAX)
        .unwrap_or(OUTPUT_RESERVE);
    let job_cost_max = head
        .credits("job_cost_max")
        .map(|credits| credits.value)
        .or(Credits::whole(JOB_COST_MAX))
        .unwrap_or(Credits::MAX);
    let low_balance = head
        .credits("low_balance")
        .map_or(Credits::ZERO, |credits| credits.value);
    let phase = goods::phase(&mut head);
    let checkout = goods::checkout(&mut head);
    let texts = goods::texts(&mut head);
    head.close();
    check::check(page.faults, &plans, &packs, &models, default.as_ref());
    Some(Catalogue {
        version: String::new(),
        currency,
        default_plan: default?.value,
        meters,
        plans: plans.into_iter().map(|read| read.plan).collect(),
        packs,
        models,
        markup: markup.map_or(BasisPoints(0), |markup| markup.value),
        output_reserve,
        job_cost_max,
        low_balance,
        phase,
        checkout,
        texts,
    })
}

/// Identifies the catalogue by its meaning. Comments and the order of fields do not count.
fn version(catalogue: &Catalogue) -> String {
    let digest = Sha256::digest(format!("{catalogue:?}"));
    digest
        .iter()
        .take(VERSION_BYTES)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests;
