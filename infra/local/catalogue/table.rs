//! Formats the catalogue as a table for people.

use catalogue::offers::Amount;
use domain::billing::plans::{
    Availability, Catalogue, Limit, MeterKind, Pays, Plan, Quota, Renewal,
};
use domain::units::Credits;
use domain::units::Currency;

/// The whole catalogue.
pub fn of(catalogue: &Catalogue) -> String {
    let currency = catalogue.currency;
    let head = format!(
        "catalogue {}: {} plans, {} packs, {} models, in {}; an account without a plan is on {}",
        catalogue.version,
        catalogue.plans.len(),
        catalogue.packs.len(),
        catalogue.models.len(),
        currency.as_str().to_ascii_uppercase(),
        catalogue.default_plan,
    );
    let mut plans = vec![row(["plan", "price", "a job costs", "allows"])];
    plans.extend(catalogue.plans.iter().map(|plan| {
        row([
            plan.id.as_str(),
            &price(plan, currency),
            &jobs(plan, currency),
            &allows(plan, catalogue),
        ])
    }));
    let mut packs = vec![row(["pack", "credits", "price"])];
    packs.extend(catalogue.packs.iter().map(|pack| {
        let days = pack
            .expires_days
            .map_or(String::new(), |days| format!(", for {days} days"));
        row([
            pack.id.as_str(),
            &pack.credits.to_string(),
            &format!("{}{days}", pack.price),
        ])
    }));
    let thousand = |micros: u64| {
        let credits = micros.checked_mul(1_000).and_then(Credits::from_micros);
        credits.map_or("more than can be counted".to_owned(), |credits| {
            credits.to_string()
        })
    };
    let mut models = vec![row(["model", "credits for 1k tokens in", "out"])];
    models.extend(catalogue.models.iter().map(|model| {
        row([
            &model.model,
            &thousand(model.input),
            &thousand(model.output),
        ])
    }));
    let (whole, hundredths) = (catalogue.markup.0 / 100, catalogue.markup.0 % 100);
    let note = format!("A customer pays {whole}.{hundredths:02} % more than the models cost.");
    format!(
        "{head}\n\n{}\n{}\n{}\n{note}",
        columns(&plans),
        columns(&packs),
        columns(&models)
    )
}

fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

/// Aligns rows in columns.
pub fn columns(rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
    };
    let mut text = String::new();
    for row in rows {
        let mut line = String::from("  ");
        for (column, cell) in row.iter().enumerate() {
            line += &format!("{cell:<width$}  ", width = width(column).unwrap_or(0));
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

fn price(plan: &Plan, currency: Currency) -> String {
    match (plan.sold, plan.price) {
        (Availability::ByAgreement, _) => "agreed with each customer".to_owned(),
        (Availability::Public, None) => "–".to_owned(),
        (Availability::Public, Some(price)) => Amount::Recurring(price).text(currency),
    }
}

fn jobs(plan: &Plan, currency: Currency) -> String {
    match plan.pays {
        Pays::Nothing => "nothing".to_owned(),
        Pays::Credits if plan.fee.is_zero() => {
            format!("its tokens, at most {} credits", plan.budget)
        }
        Pays::Credits => format!(
            "its tokens and {} credits, at most {} credits",
            plan.fee, plan.budget
        ),
        Pays::Meters => {
            let text = |charge: &domain::billing::plans::MeterCharge| {
                let (meter, every) = (
                    charge.meter.clone(),
                    domain::billing::plans::Interval::Month,
                );
                Amount::Metered {
                    meter,
                    every,
                    rate: charge.rate.clone(),
                }
                .text(currency)
            };
            plan.charges
                .iter()
                .map(text)
                .collect::<Vec<_>>()
                .join(" · ")
        }
    }
}

fn allows(plan: &Plan, catalogue: &Catalogue) -> String {
    let mut parts: Vec<_> = plan
        .quotas
        .iter()
        .map(|(meter, quota)| {
            let level = catalogue
                .meters
                .get(meter)
                .is_some_and(|info| info.kind == MeterKind::Level);
            format!(
                "{meter}: {}{}",
                size(quota),
                if level { "" } else { again(quota) }
            )
        })
        .collect();
    if let Some(next) = &plan.converts_to {
        parts.push(format!("then {next}"));
    }
    parts.join(" · ")
}

fn size(quota: &Quota) -> String {
    match quota.limit {
        Limit::Unlimited => "any number".to_owned(),
        Limit::Of(limit) => limit.to_string(),
    }
}

const fn again(quota: &Quota) -> &'static str {
    match (quota.limit, quota.renews) {
        (Limit::Unlimited, _) => "",
        (Limit::Of(_), Renewal::Month) => " a month",
        (Limit::Of(_), Renewal::Subscription) => " a paid period",
        (Limit::Of(_), Renewal::Never) => " in all",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_sees_what_is_sold() {
        let catalogue =
            catalogue::parse(catalogue::BUILT_IN).unwrap_or_else(|errors| panic!("{errors}"));
        let text = of(&catalogue);
        for line in [
            "trial           –                          nothing",
            "pull_requests: 10 in all · then payg",
            "payg            –                          pull_requests: 15.00 USD each",
            "pull_requests: 0.00 USD each up to 60, then 8.00 USD each",
            "starter         29.00 USD each month       its tokens, at most 600 credits",
            "agents: 5 · messages: 10000 a month · users: 3",
            "enterprise      agreed with each customer",
            "agents: any number · messages: any number · users: any number",
            "10k   10000    10.00 USD",
            "stand-in-1         3                         15",
            "20.00 % more than the models cost",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
