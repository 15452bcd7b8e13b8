//! The catalogue that a function's settings name.
//!
//! `CATALOGUE` is the path of a file; without it the built-in catalogue is used. Prices at Stripe
//! that were not created from the catalogue come from legacy settings. Blank settings count as
//! absent.

use crate::check::twice;
use crate::fault::{CatalogueErrors, Faults};
use crate::plans::price_id;
use crate::{BUILT_IN, parse};
use domain::billing::plans::{Catalogue, PlanId};

/// The setting with the file's path.
pub const FILE: &str = "CATALOGUE";

/// Settings that add a price to a plan, with the plan's name.
pub const PRICES: [(&str, &str); 6] = [
    ("STRIPE_STARTER_PRICE_ID", "starter"),
    ("STRIPE_PROFESSIONAL_PRICE_ID", "professional"),
    ("STRIPE_ENTERPRISE_PRICE_ID", "enterprise"),
    ("STRIPE_PRICE_BASIC", "basic"),
    ("STRIPE_PRICE_PRO", "pro"),
    ("STRIPE_PRICE_ENTERPRISE", "enterprise_api"),
];

const SECRET: &str = "STRIPE_SECRET_KEY";
const PUBLISHABLE: &str = "STRIPE_PUBLISHABLE_KEY";

/// Reads the catalogue that the settings name. Prices from settings do not change the catalogue's
/// version, because they change no amount.
pub fn from_settings(find: impl Fn(&str) -> Option<String>) -> Result<Catalogue, CatalogueErrors> {
    let find = |name: &str| {
        find(name)
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
    };
    let faults = Faults::default();
    let mut catalogue = match find(FILE) {
        None => parse(BUILT_IN)?,
        Some(path) => match std::fs::read_to_string(&path) {
            Ok(text) => parse(&text)?,
            Err(error) => {
                faults.note(
                    None,
                    FILE,
                    format!("cannot read {path} ({error}); correct the path or remove the setting"),
                );
                return faults.finish(None);
            }
        },
    };
    for (setting, plan) in PRICES {
        let Some(value) = find(setting) else { continue };
        let sold =
            PlanId::parse(plan).and_then(|id| catalogue.plans.iter_mut().find(|one| one.id == id));
        match (price_id(&value), sold) {
            (Err(why), _) => faults.note(None, setting, why),
            (Ok(_), None) => {
                faults.note(
                    None,
                    setting,
                    format!(
                        "is the price of {plan}, which is not a plan in this catalogue; remove the setting or add the plan"
                    ),
                );
            }
            (Ok(price), Some(plan)) if plan.prices.contains(&price) => {}
            (Ok(price), Some(plan)) => plan.prices.push(price),
        }
    }
    twice(catalogue.plans.iter(), &catalogue.packs, &|entry, what| {
        faults.note(None, entry, what)
    });
    modes(&find, &faults);
    faults.finish(Some(catalogue))
}

/// Whether a key is for live mode. Returns `None` if the key does not contain its mode, for example
/// if it is a reference to a parameter.
fn is_live(key: &str) -> Option<bool> {
    let mode = key.split_once('_')?.1;
    [("live_", true), ("test_", false)]
        .into_iter()
        .find_map(|(word, live)| mode.starts_with(word).then_some(live))
}

fn modes(find: &impl Fn(&str) -> Option<String>, faults: &Faults) {
    let (Some(secret), Some(publishable)) = (find(SECRET), find(PUBLISHABLE)) else {
        return;
    };
    let mode = |live| if live { "live" } else { "test" };
    if let (Some(one), Some(other)) = (is_live(&secret), is_live(&publishable))
        && one != other
    {
        let what = format!(
            "is a key of {} mode, but {SECRET} is one of {} mode; use keys of the same mode",
            mode(other),
            mode(one)
        );
        faults.note(None, PUBLISHABLE, what);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(settings: &[(&str, &str)]) -> Result<Catalogue, String> {
        let find = |name: &str| {
            settings
                .iter()
                .find(|(one, _)| *one == name)
                .map(|(_, value)| (*value).to_owned())
        };
        from_settings(find).map_err(|errors| errors.to_string())
    }

    #[test]
    fn without_settings_it_is_the_built_in_one() {
        assert_eq!(
            with(&[]),
            with(&[
                ("CATALOGUE", " "),
                ("STRIPE_PRICE_PRO", ""),
                ("STRIPE_SECRET_KEY", " ")
            ])
        );
    }

    #[test]
    fn every_price_setting_finds_its_plan() {
        let settings: Vec<_> = PRICES
            .iter()
            .map(|(setting, plan)| (*setting, format!("price_of_{plan}")))
            .collect();
        let settings: Vec<_> = settings
            .iter()
            .map(|(setting, price)| (*setting, price.as_str()))
            .collect();
        let catalogue = with(&settings).expect("a catalogue");
        for (_, plan) in PRICES {
            let price = domain::ids::PriceId::parse(&format!("price_of_{plan}")).expect("a price");
            let sold = catalogue
                .plan_sold_by(&price, None)
                .map(|plan| plan.id.as_str());
            assert_eq!(sold, Some(plan));
        }
        assert_eq!(
            catalogue.version,
            with(&[]).expect("a catalogue").version,
            "prices change no amount"
        );
    }

    #[test]
    fn what_cannot_be_meant_is_refused_all_at_once() {
        let errors = with(&[
            ("STRIPE_PRICE_BASIC", "price_1"),
            ("STRIPE_PRICE_PRO", "price_1"),
            ("STRIPE_STARTER_PRICE_ID", "prod_1"),
            ("STRIPE_ENTERPRISE_PRICE_ID", "29.00"),
            ("STRIPE_SECRET_KEY", "sk_live_x"),
            ("STRIPE_PUBLISHABLE_KEY", "pk_test_x"),
        ])
        .expect_err("much is wrong");
        for part in [
            "plan pro: price_1 is already the price of plan basic",
            "STRIPE_STARTER_PRICE_ID: prod_1 is a product",
            "STRIPE_ENTERPRISE_PRICE_ID: \"29.00\" is not the id",
            "STRIPE_PUBLISHABLE_KEY: is a key of test mode, but STRIPE_SECRET_KEY is one of live mode",
        ] {
            assert!(errors.contains(part), "{part}: {errors}");
        }
    }

    #[test]
    fn keys_of_two_modes_do_not_go_together() {
        for (secret, publishable, fine) in [
            ("sk_live_x", "pk_live_x", true),
            ("sk_test_x", "pk_test_x", true),
            ("sk_live_x", "pk_test_x", false),
            ("rk_live_x", "pk_test_x", false),
            ("sk_test_x", "pk_live_x", false),
            ("ssm:/tallyhook/secret", "pk_test_x", true),
            ("", "pk_test_x", true),
        ] {
            let keys = [
                ("STRIPE_SECRET_KEY", secret),
                ("STRIPE_PUBLISHABLE_KEY", publishable),
            ];
            assert_eq!(with(&keys).is_ok(), fine, "{keys:?}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_said_by_its_path() {
        let errors = with(&[("CATALOGUE", "/nowhere/catalogue.toml")]).expect_err("no such file");
        assert!(
            errors.contains("CATALOGUE: cannot read /nowhere/catalogue.toml"),
            "{errors}"
        );
    }
}
