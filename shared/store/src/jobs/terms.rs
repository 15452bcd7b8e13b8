//! How a job's terms are stored on its row.

use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, number, text, texts};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::billing::plans::{BasisPoints, Billable, MeteredUnit, Rate};
use domain::billing::quotas::QuotaPlaces;
use domain::billing::spending::{SpendLine, SpendUnit, Spending};
use domain::billing::usage::Meter;
use domain::ids::CustomerId;
use domain::jobs::{Funding, Terms};
use domain::units::Credits;

pub(crate) fn terms_attributes(terms: &Terms) -> Attributes {
    let mut more: Vec<(&str, AttributeValue)> = vec![
        ("billable", text(terms.billable.as_str())),
        ("period", text(&terms.period)),
        ("priced_by", text(&terms.priced_by)),
    ];
    more.extend(
        terms
            .budget
            .map(|budget| ("budget", number(budget.micros()))),
    );
    more.extend(terms.spending.iter().flat_map(spending_attributes));
    if terms.places.agent {
        more.push(("takes_agent", AttributeValue::Bool(true)));
    }
    more.extend(
        terms
            .places
            .tokens_in
            .as_ref()
            .map(|period| ("tokens_period", text(period))),
    );
    match &terms.funding {
        Funding::Prepaid { held, markup, fee } => more.extend([
            ("funding", text(PREPAID)),
            ("held", number(held.micros())),
            ("markup", number(markup.0)),
            ("fee", number(fee.micros())),
        ]),
        Funding::Metered { customer, counts } => {
            let lines = counts
                .iter()
                .map(|(meter, counts)| format!("{meter} {}", counts.as_str()));
            more.extend([
                ("funding", text(METERED)),
                ("customer", text(customer.as_str())),
                ("counts", texts(lines)),
            ]);
        }
        Funding::Free => more.push(("funding", text(FREE))),
    }
    more.into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

pub(crate) fn terms_of(item: &Item<'_>) -> Result<Terms, StoreError> {
    let credits = |name| item.parsed_number(name, Credits::from_micros);
    let funding = match item.text("funding")? {
        PREPAID => Funding::Prepaid {
            held: credits("held")?,
            markup: BasisPoints(item.number("markup")?),
            fee: credits("fee")?,
        },
        METERED => Funding::Metered {
            customer: item.parsed("customer", CustomerId::parse)?,
            counts: counts_of(item)?,
        },
        FREE => Funding::Free,
        _ => return Err(item.bad("funding")),
    };
    let budget: Option<u64> = item.find_number("budget")?;
    Ok(Terms {
        funding,
        billable: item.parsed("billable", |word| Billable::parse(word).ok_or(()))?,
        budget: budget
            .map(|micros| Credits::from_micros(micros).ok_or_else(|| item.bad("budget")))
            .transpose()?,
        period: item.text("period")?.to_owned(),
        priced_by: item.text("priced_by")?.to_owned(),
        spending: spending_of(item)?,
        places: QuotaPlaces {
            agent: item.switch("takes_agent")?.is_on(),
            tokens_in: item.find_text("tokens_period")?.map(str::to_owned),
        },
    })
}

/// The amount reserved for a job when it started.
pub(crate) const RESERVED: &str = "reserved";

fn spending_attributes(spending: &Spending) -> [(&'static str, AttributeValue); 4] {
    let line = |line: &SpendLine| {
        format!(
            "{} {} {} {}",
            line.meter,
            line.counts.as_str(),
            line.most,
            line.rate.text()
        )
    };
    [
        ("spent_in", text(&spending.period)),
        ("spends", text(spending.unit.as_str())),
        ("lines", texts(spending.lines.iter().map(line))),
        (RESERVED, number(spending.reserved)),
    ]
}

/// Jobs created before spending was counted have no spending.
fn spending_of(item: &Item<'_>) -> Result<Option<Spending>, StoreError> {
    let Some(period) = item.find_text("spent_in")? else {
        return Ok(None);
    };
    let line = |line: &str| {
        let mut words = line.split(' ');
        let mut word = || words.next();
        Some(SpendLine {
            meter: Meter::parse(word()?).ok()?,
            counts: MeteredUnit::parse(word()?)?,
            most: word()?.parse().ok()?,
            rate: Rate::parse(word()?)?,
        })
    };
    let lines = item
        .texts("lines")?
        .into_iter()
        .map(line)
        .collect::<Option<_>>();
    Ok(Some(Spending {
        period: period.to_owned(),
        unit: item.parsed("spends", |word| SpendUnit::parse(word).ok_or(()))?,
        lines: lines.ok_or_else(|| item.bad("lines"))?,
        reserved: item.number(RESERVED)?,
    }))
}

const PREPAID: &str = "prepaid";
const METERED: &str = "metered";
const FREE: &str = "free";

fn counts_of(item: &Item<'_>) -> Result<Vec<(Meter, MeteredUnit)>, StoreError> {
    let one = |line: &str| {
        let (meter, counts) = line.split_once(' ')?;
        Some((Meter::parse(meter).ok()?, MeteredUnit::parse(counts)?))
    };
    item.texts("counts")?
        .into_iter()
        .map(one)
        .collect::<Option<_>>()
        .ok_or_else(|| item.bad("counts"))
}
