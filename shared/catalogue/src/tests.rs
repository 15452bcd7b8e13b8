//! Tests the contents of the built-in catalogue.

mod faults;

use super::*;
use domain::billing::plans::{Availability, Interval, Limit, Pays, Plan, Rate, Renewal};
use domain::billing::usage::Meter;

fn built_in() -> Catalogue {
    parse(BUILT_IN).unwrap_or_else(|errors| panic!("{errors}"))
}

fn plan<'c>(catalogue: &'c Catalogue, id: &str) -> &'c Plan {
    catalogue
        .plan(&PlanId::parse(id).expect("an id"))
        .expect("a plan")
}

fn limits(plan: &Plan) -> Vec<(&str, u64)> {
    let limit = |limit| match limit {
        Limit::Unlimited => 0,
        Limit::Of(limit) => limit,
    };
    plan.quotas
        .iter()
        .map(|(meter, quota)| (meter.as_str(), limit(quota.limit)))
        .collect()
}

#[test]
#[expect(clippy::too_many_lines, reason = "one story or table of cases")]
fn the_built_in_catalogue_sells_what_is_promised() {
    let catalogue = built_in();
    for (id, price_minor, pays, quotas) in [
        ("trial", None, Pays::Nothing, vec![("pull_requests", 10)]),
        ("payg", None, Pays::Meters, vec![]),
        (
            "teams",
            Some(48_000),
            Pays::Meters,
            vec![("pull_requests", 60)],
        ),
        ("hybrid", Some(2_000), Pays::Meters, vec![]),
        ("credits", None, Pays::Credits, vec![]),
        (
            "free",
            None,
            Pays::Credits,
            vec![("agents", 1), ("messages", 1_000), ("users", 1)],
        ),
        (
            "starter",
            Some(2_900),
            Pays::Credits,
            vec![("agents", 5), ("messages", 10_000), ("users", 3)],
        ),
        (
            "professional",
            Some(9_900),
            Pays::Credits,
            vec![("agents", 25), ("messages", 100_000), ("users", 10)],
        ),
        (
            "enterprise",
            None,
            Pays::Credits,
            vec![("agents", 0), ("messages", 0), ("users", 0)],
        ),
        (
            "basic",
            Some(1_900),
            Pays::Credits,
            vec![
                ("api_calls", 1_000),
                ("scraping_tasks", 100),
                ("tokens", 100_000),
            ],
        ),
        (
            "pro",
            Some(4_900),
            Pays::Credits,
            vec![
                ("api_calls", 10_000),
                ("scraping_tasks", 1_000),
                ("tokens", 1_000_000),
            ],
        ),
        (
            "enterprise_api",
            None,
            Pays::Credits,
            vec![("api_calls", 0), ("scraping_tasks", 0), ("tokens", 0)],
        ),
    ] {
        let plan = plan(&catalogue, id);
        assert_eq!(
            plan.price.map(|price| price.amount.minor),
            price_minor,
            "{id}"
        );
        assert!(
            plan.price
                .is_none_or(|price| price.every == Interval::Month),
            "{id}"
        );
        assert_eq!(plan.pays, pays, "{id}");
        assert_eq!(limits(plan), quotas, "{id}");
        assert_eq!(
            plan.sold == Availability::ByAgreement,
            id.starts_with("enterprise"),
            "{id}"
        );
    }
    assert_eq!(catalogue.default_plan.as_str(), "payg");
    assert_eq!(
        (catalogue.markup, catalogue.output_reserve),
        (BasisPoints(2_000), 4_096)
    );
    assert!(
        catalogue.phase.holds("mitigate", "success")
            && !catalogue.phase.holds("mitigate", "failure")
    );
    let packs: Vec<_> = catalogue
        .packs
        .iter()
        .map(|pack| (pack.credits.to_string(), pack.price.to_string()))
        .collect();
    let packs: Vec<_> = packs
        .iter()
        .map(|(credits, price)| (credits.as_str(), price.as_str()))
        .collect();
    assert_eq!(
        packs,
        [
            ("1000", "1.00 USD"),
            ("10000", "10.00 USD"),
            ("100000", "100.00 USD")
        ]
    );
}

#[test]
fn trial_pay_as_you_go_and_teams_charge_for_fixes() {
    let catalogue = built_in();
    let trial = plan(&catalogue, "trial");
    assert_eq!(trial.quotas[&Meter::pull_requests()].renews, Renewal::Never);
    assert_eq!(trial.converts_to.as_ref().map(PlanId::as_str), Some("payg"));
    let rate = |id| &plan(&catalogue, id).charges[0].rate;
    assert_eq!(*rate("payg"), Rate::PerUnit("1500".to_owned()));
    let Rate::Graduated(tiers) = rate("teams") else {
        panic!("teams has tiers")
    };
    let tiers: Vec<_> = tiers
        .iter()
        .map(|tier| (tier.up_to, tier.unit.as_str()))
        .collect();
    assert_eq!(tiers, [(Some(60), "0"), (None, "800")]);
    assert_eq!(*rate("hybrid"), Rate::PerUnit("0.0018".to_owned()));
}

#[test]
fn a_version_follows_the_meaning() {
    let version = |text: &str| {
        parse(text)
            .unwrap_or_else(|errors| panic!("{errors}"))
            .version
    };
    let base = version(BUILT_IN);
    assert!(
        base.len() == 12 && base.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{base}"
    );
    assert_eq!(version(&format!("# another word\n{BUILT_IN}")), base);
    assert_eq!(
        version(&BUILT_IN.replace("\"15.00\"", "\"15\"")),
        base,
        "the same amount"
    );
    assert_ne!(version(&BUILT_IN.replace("\"15.00\"", "\"15.01\"")), base);
    assert_ne!(
        version(&BUILT_IN.replace("name = \"Trial\"", "name = \"Try\"")),
        base
    );
}
