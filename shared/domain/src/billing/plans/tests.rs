//! Tests the names of plans, and what a price at Stripe sells.

use super::*;
use crate::billing::plans::pricing::BasisPoints;

fn price(id: &str) -> PriceId {
    PriceId::parse(id).expect("a price")
}

fn pack(id: &str, prices: &[&str]) -> CreditPack {
    let currency = Currency::parse("usd").expect("a currency");
    CreditPack {
        id: PlanId::parse(id).expect("a name"),
        name: id.to_owned(),
        credits: Credits::MAX,
        price: Money {
            minor: 100,
            currency,
        },
        expires_days: None,
        prices: prices.iter().map(|id| price(id)).collect(),
    }
}

#[test]
fn names_are_plain() {
    let long = "a".repeat(41);
    for (text, fine) in [
        ("payg", true),
        ("10k", true),
        ("enterprise_api", true),
        ("pro-2", true),
        ("", false),
        ("Pro", false),
        ("a b", false),
        ("a#b", false),
        ("é", false),
        (long.as_str(), false),
        (&long[..40], true),
    ] {
        assert_eq!(PlanId::parse(text).is_some(), fine, "{text}");
    }
}

#[test]
fn a_pack_is_found_by_its_name_its_price_or_its_product() {
    let catalogue = Catalogue {
        checkout: std::collections::BTreeSet::new(),
        texts: crate::billing::plans::Texts::default(),
        version: String::new(),
        currency: Currency::parse("usd").expect("a currency"),
        default_plan: PlanId::parse("payg").expect("a name"),
        meters: BTreeMap::new(),
        plans: vec![],
        packs: vec![pack("1k", &["price_old", "price_new"]), pack("10k", &[])],
        models: vec![],
        markup: BasisPoints(0),
        output_reserve: 0,
        job_cost_max: Credits::MAX,
        low_balance: Credits::ZERO,
        phase: PhasePredicate {
            phase: String::new(),
            result: String::new(),
        },
    };
    let product = |id: &str| ProductId::parse(id).expect("a product");
    for (id, of, found) in [
        ("price_old", None, Some("1k")),
        ("price_new", Some("prod_1"), Some("1k")),
        ("price_x", Some("tallyhook_pack_10k"), Some("10k")),
        ("price_x", Some("tallyhook_plan_10k"), None),
        ("price_x", None, None),
    ] {
        let product = of.map(product);
        let sold = catalogue
            .pack_sold_by(&price(id), product.as_ref())
            .map(|pack| pack.id.as_str());
        assert_eq!(sold, found, "{id} {of:?}");
    }
    assert!(
        catalogue
            .pack(&PlanId::parse("10k").expect("a name"))
            .is_some()
    );
    assert!(
        catalogue
            .plan(&PlanId::parse("10k").expect("a name"))
            .is_none(),
        "a pack is no plan"
    );
}

#[test]
fn words_of_the_catalogue_read_back() {
    for word in [Billable::PrOpened, Billable::Merged] {
        assert_eq!(Billable::parse(word.as_str()), Some(word));
    }
    for word in [Renewal::Month, Renewal::Subscription, Renewal::Never] {
        assert_eq!(Renewal::parse(word.as_str()), Some(word));
    }
    assert_eq!(
        (Billable::parse(""), Renewal::parse("weekly")),
        (None, None)
    );
}
