//! Reads one plan.

use crate::amounts;
use crate::fields::{Fields, Page, Placed};
use domain::billing::plans::{
    Availability, Billable, Interval, Limit, MeterCharge, MeterInfo, MeterKind, MeteredUnit,
    OverQuota, Pays, Plan, PlanId, Quota, Rate, RateTier, RecurringPrice, Renewal,
};
use domain::billing::usage::Meter;
use domain::ids::PriceId;
use domain::jobs::caps::Caps;
use domain::units::Credits;
use domain::units::Currency;
use std::collections::BTreeMap;
use toml::de::DeTable;

const CHARGES_MAX: usize = 10;
const TIERS_MAX: usize = 20;
pub const PRICES_MAX: usize = 20;
const DAYS_MAX: u32 = 730;
/// The default number of days that a plan continues after a failed payment.
const GRACE_DAYS: u32 = 7;
/// The default maximum number of tokens for one job, if tokens are charged.
const TOKENS: u64 = 500_000;
const TOKENS_MOST: u32 = 100_000_000;
/// The default maximum number of delivered jobs that are not yet reported to Stripe.
const UNBILLED: u64 = 500;
const UNBILLED_MOST: u32 = 10_000;
const CAP_MOST: u32 = 1_000_000;

const PLAN: &[(&str, &str)] = &[
    ("id", "\"team\""),
    ("name", "\"Team\""),
    ("pays", "\"credits\""),
];
const CHARGE: &[(&str, &str)] = &[("meter", "\"pull_requests\""), ("counts", "\"pulls\"")];
const QUOTA: &[(&str, &str)] = &[("limit", "100, or 0 for no limit")];
const NAME: &str = "a name of a-z, 0-9, _ and -";

/// The catalogue's meters.
pub type Meters = BTreeMap<Meter, MeterInfo>;

/// A plan and its line in the file.
pub struct Read {
    pub line: usize,
    pub plan: Plan,
}

/// Reads a plan. Returns `None` if it has no valid name.
pub fn read(
    page: Page<'_>,
    at: usize,
    (start, table): (usize, DeTable<'_>),
    currency: Currency,
    meters: &Meters,
) -> Option<Read> {
    let mut fields = Fields::new(page, format!("plan {at}"), start, table, PLAN);
    let id = fields.read("id", NAME, PlanId::parse).map(|id| id.value);
    if let Some(id) = &id {
        fields.rename(format!("plan {id}"));
    }
    let (sold, price) = price(&mut fields, currency);
    let quotas = quotas(&mut fields, meters);
    let waits = fields.has("unbilled_max");
    let plan = Plan {
        id: id.clone().or_else(|| PlanId::parse("nameless"))?,
        name: fields
            .text("name")
            .map(|name| name.value)
            .unwrap_or_default(),
        description: fields
            .text("description")
            .map(|text| text.value)
            .unwrap_or_default(),
        sold,
        price,
        pays: fields
            .read("pays", "\"credits\", \"meters\" or \"nothing\"", pays)
            .map_or(Pays::Nothing, |pays| pays.value),
        charges: charges(&mut fields, currency, meters),
        fee: credits(&mut fields, "fee"),
        budget: credits(&mut fields, "budget"),
        billable: fields
            .read("billable", "\"pr_opened\" or \"merged\"", Billable::parse)
            .map_or(Billable::PrOpened, |billable| billable.value),
        quotas,
        trial_days: fields.small("trial_days", DAYS_MAX).unwrap_or(0),
        grace_days: fields.small("grace_days", DAYS_MAX).unwrap_or(GRACE_DAYS),
        tokens_max: fields
            .small("tokens_max", TOKENS_MOST)
            .filter(|most| *most > 0)
            .map_or(TOKENS, u64::from),
        overdraft: credits(&mut fields, "overdraft"),
        unbilled_max: unbilled(&mut fields),
        caps: Caps {
            repository_hour: cap(&mut fields, "jobs_per_hour"),
            person_day: cap(&mut fields, "jobs_per_person_per_day"),
            // The plan's own budget is what it holds.
            budget: None,
        },
        fallback: fields
            .read("fallback", NAME, PlanId::parse)
            .map(|id| id.value),
        converts_to: fields
            .read("converts_to", NAME, PlanId::parse)
            .map(|id| id.value),
        prices: prices(&mut fields),
        marketplace: fields.text("marketplace").map(|listed| listed.value),
    };
    let line = fields.line;
    if waits && plan.pays != Pays::Meters {
        fields.fault(
            line,
            "unbilled_max applies to plans that pay by meters; remove it",
        );
    }
    fields.close();
    id.map(|_| Read { line, plan })
}

/// Reads the maximum number of delivered jobs that are not yet reported to Stripe; `0` means no
/// limit.
fn unbilled(fields: &mut Fields<'_>) -> Limit {
    match fields.small("unbilled_max", UNBILLED_MOST) {
        None => Limit::Of(UNBILLED),
        Some(0) => Limit::Unlimited,
        Some(most) => Limit::Of(u64::from(most)),
    }
}

/// Reads a cap on how many jobs may begin; `0` means none, as if it were absent.
fn cap(fields: &mut Fields<'_>, name: &'static str) -> Option<u32> {
    fields.small(name, CAP_MOST).filter(|most| *most > 0)
}

fn credits(fields: &mut Fields<'_>, name: &'static str) -> Credits {
    fields
        .credits(name)
        .map_or(Credits::ZERO, |credits| credits.value)
}

pub fn prices(fields: &mut Fields<'_>) -> Vec<PriceId> {
    let mut ids = Vec::new();
    for Placed { value, line } in fields.texts("prices", PRICES_MAX) {
        match price_id(&value) {
            Ok(id) => ids.push(id),
            Err(why) => fields.fault(line, format!("prices: {why}")),
        }
    }
    ids
}

/// Parses a price id. The error names what the text looks like instead.
pub fn price_id(text: &str) -> Result<PriceId, String> {
    if text.starts_with("prod_") {
        return Err(format!(
            "{text} is a product; use the id of its price, price_…, from Stripe's dashboard"
        ));
    }
    // Stripe's older prices were created as plans, and their ids begin with `plan_`.
    let named = text.starts_with("price_") || text.starts_with("plan_");
    PriceId::parse(text)
        .ok()
        .filter(|_| named)
        .ok_or_else(|| format!("{text:?} is not the id of a Stripe price, price_…"))
}

fn price(fields: &mut Fields<'_>, currency: Currency) -> (Availability, Option<RecurringPrice>) {
    let shape = format!(
        "{}, or \"custom\" if it is agreed with each customer",
        amounts::money_shape(currency)
    );
    let price = fields.read("price", &shape, |text| match text {
        "custom" => Some(None),
        text => amounts::money(text, currency).map(Some),
    });
    let every = fields.read("every", "\"month\" or \"year\"", |text| {
        [Interval::Month, Interval::Year]
            .into_iter()
            .find(|every| every.as_str() == text)
    });
    let amount = price
        .as_ref()
        .and_then(|price| price.value)
        .filter(|amount| amount.minor > 0);
    if let (Some(every), None) = (&every, amount) {
        fields.fault(every.line, "every needs a price; add price or remove every");
    }
    let sold = if price.is_some_and(|price| price.value.is_none()) {
        Availability::ByAgreement
    } else {
        Availability::Public
    };
    (
        sold,
        amount.map(|amount| RecurringPrice {
            amount,
            every: every.map_or(Interval::Month, |every| every.value),
        }),
    )
}

fn pays(text: &str) -> Option<Pays> {
    [
        ("credits", Pays::Credits),
        ("meters", Pays::Meters),
        ("nothing", Pays::Nothing),
    ]
    .into_iter()
    .find_map(|(word, pays)| (word == text).then_some(pays))
}

fn charges(fields: &mut Fields<'_>, currency: Currency, meters: &Meters) -> Vec<MeterCharge> {
    let (page, entry) = (fields.page(), fields.entry.clone());
    let mut found: Vec<MeterCharge> = Vec::new();
    for (at, (start, table)) in fields
        .tables("charges", CHARGES_MAX)
        .into_iter()
        .enumerate()
    {
        let mut charge = Fields::new(
            page,
            format!("{entry}, charge {}", at + 1),
            start,
            table,
            CHARGE,
        );
        let meter = charge.text("meter").and_then(|name| {
            let (meter, kind) = known(&charge, name.line, &name.value, meters)?;
            if kind == MeterKind::Level {
                charge.fault(
                    name.line,
                    format!("{meter} is a level, which cannot be charged; charge a counter"),
                );
            }
            if found.iter().any(|one| one.meter == meter) {
                charge.fault(
                    name.line,
                    format!("{meter} has two charges; combine them into one"),
                );
            }
            Some(meter)
        });
        let counts = charge.read("counts", "\"pulls\" or \"tokens\"", |text| match text {
            "pulls" => Some(MeteredUnit::Pulls),
            "tokens" => Some(MeteredUnit::Tokens),
            _ => None,
        });
        let rate = rate(&mut charge, currency);
        if let (Some(meter), Some(counts), Some(rate)) = (meter, counts, rate) {
            found.push(MeterCharge {
                meter,
                counts: counts.value,
                rate,
            });
        }
        charge.close();
    }
    found
}

fn rate(charge: &mut Fields<'_>, currency: Currency) -> Option<Rate> {
    let ways = ["each", "each_1k", "tiers"]
        .into_iter()
        .filter(|way| charge.has(way))
        .count();
    if ways != 1 {
        let what = "a charge needs one rate: each = \"8.00\", or each_1k = \"0.015\" for a thousand, or tiers = [ … ]";
        charge.fault(
            charge.line,
            if ways == 0 {
                what.to_owned()
            } else {
                format!("{what}; one of them")
            },
        );
    }
    let unit = unit(charge, currency);
    let tiers = charge.has("tiers").then(|| tiers(charge, currency));
    match (unit, tiers) {
        (Some(unit), _) => Some(Rate::PerUnit(unit)),
        (None, tiers) => tiers.map(Rate::Graduated),
    }
}

/// Reads the price of one unit, in minor units.
fn unit(fields: &mut Fields<'_>, currency: Currency) -> Option<String> {
    const SHAPE: &str = "an amount in quotes, such as \"8.00\", with at most the twelve decimal places of a minor unit that Stripe accepts";
    let each = fields.read("each", SHAPE, |text| amounts::rate(text, currency, 0));
    let thousand = fields.read("each_1k", SHAPE, |text| amounts::rate(text, currency, 3));
    each.or(thousand).map(|unit| unit.value)
}

fn tiers(charge: &mut Fields<'_>, currency: Currency) -> Vec<RateTier> {
    let (page, entry, line) = (charge.page(), charge.entry.clone(), charge.line);
    let mut tiers: Vec<RateTier> = Vec::new();
    for (at, (start, table)) in charge.tables("tiers", TIERS_MAX).into_iter().enumerate() {
        let mut tier = Fields::new(page, format!("{entry}, tier {}", at + 1), start, table, &[]);
        let up_to = tier.whole("up_to");
        let before = tiers.last().map_or(Some(0), |tier| tier.up_to);
        match (before, &up_to) {
            (None, _) => tier.fault(
                tier.line,
                "comes after the tier without up_to, which has no end; move it before that tier",
            ),
            (Some(before), Some(up_to)) if up_to.value <= before => {
                tier.fault(
                    up_to.line,
                    format!(
                        "up_to = {} must be greater than {before}, the tier before it",
                        up_to.value
                    ),
                );
            }
            (Some(_), _) => {}
        }
        if !tier.has("each") && !tier.has("each_1k") {
            tier.fault(tier.line, "has no price; add each = \"8.00\"");
        }
        let unit = unit(&mut tier, currency);
        tiers.push(RateTier {
            up_to: up_to.map(|up_to| up_to.value),
            unit: unit.unwrap_or_default(),
        });
        tier.close();
    }
    if tiers.last().is_none_or(|last| last.up_to.is_some()) {
        page.faults.note(
            Some(line),
            &entry,
            "the last tier must have no end; add { each = \"8.00\" } without up_to",
        );
    }
    tiers
}

fn quotas(fields: &mut Fields<'_>, meters: &Meters) -> BTreeMap<Meter, Quota> {
    let (page, entry) = (fields.page(), fields.entry.clone());
    let mut quotas = BTreeMap::new();
    for (name, start, table) in fields.named("quotas") {
        let mut quota = Fields::new(page, format!("{entry}, quota {name}"), start, table, QUOTA);
        let meter = known(&quota, quota.line, &name, meters);
        let limit = quota.whole("limit").map_or(0, |limit| limit.value);
        let renews = quota.read(
            "renews",
            "\"month\", \"subscription\" or \"never\"",
            Renewal::parse,
        );
        let beyond = quota.read("beyond", "\"refuse\" or \"charge\"", |text| match text {
            "refuse" => Some(OverQuota::Refuse),
            "charge" => Some(OverQuota::Charge),
            _ => None,
        });
        if let Some((meter, kind)) = meter {
            let renews = match (kind, renews) {
                (MeterKind::Counter, renews) => {
                    renews.map_or(Renewal::Month, |renews| renews.value)
                }
                (MeterKind::Level, None) => Renewal::Never,
                (MeterKind::Level, Some(renews)) => {
                    quota.fault(renews.line, "a level does not renew; remove renews");
                    Renewal::Never
                }
            };
            let limit = if limit == 0 {
                Limit::Unlimited
            } else {
                Limit::Of(limit)
            };
            quotas.insert(
                meter,
                Quota {
                    limit,
                    renews,
                    beyond: beyond.map_or(OverQuota::Refuse, |beyond| beyond.value),
                },
            );
        }
        quota.close();
    }
    quotas
}

/// Finds a meter of the catalogue by name, with the way in which it counts.
fn known(
    fields: &Fields<'_>,
    line: usize,
    name: &str,
    meters: &Meters,
) -> Option<(Meter, MeterKind)> {
    let found = Meter::parse(name)
        .ok()
        .and_then(|meter| meters.get(&meter).map(|info| (meter, info.kind)));
    if found.is_none() {
        let known: Vec<_> = meters.keys().map(Meter::as_str).collect();
        let known = known.join(", ");
        fields.fault(
            line,
            format!("no meter has the id {name}; add it with [[meter]], or use one of {known}"),
        );
    }
    found
}
