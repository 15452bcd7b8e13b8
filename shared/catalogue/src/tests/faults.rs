//! Tests the faults that are reported for invalid catalogues.

use super::*;

/// A valid catalogue that tests break.
const SMALL: &str = r#"currency = "usd"
credits_per_unit = 1000
default_plan = "payg"
[[meter]]
id = "pull_requests"
name = "Pull requests"
kind = "counter"
[[meter]]
id = "users"
name = "Users"
kind = "level"
[[plan]]
id = "payg"
name = "Pay as you go"
pays = "meters"
charges = [{ meter = "pull_requests", counts = "pulls", each = "15.00" }]
fallback = "credits"
[[plan]]
id = "credits"
name = "Credits"
pays = "credits"
budget = 600
quotas.users = { limit = 3 }
[[pack]]
id = "1k"
name = "1,000 credits"
credits = 1000
price = "1.00"
[[model]]
model = "m"
input_cost_per_1k = "0.003000"
output_cost_per_1k = "0.015000"
"#;

/// Each case breaks the small catalogue in one place. An empty expectation means that the catalogue
/// stays valid.
fn broken(cases: &[(&str, &str, &str)]) {
    parse(SMALL).unwrap_or_else(|errors| panic!("{errors}"));
    for (from, to, said) in cases {
        assert!(SMALL.contains(from), "{from}");
        match parse(&SMALL.replacen(from, to, 1)) {
            Ok(_) => assert_eq!(*said, "", "{to} is not refused"),
            Err(errors) => {
                let errors = errors.to_string();
                assert!(
                    !said.is_empty() && errors.contains(said),
                    "{to}\nis to say {said}\nsays {errors}"
                );
            }
        }
    }
}

#[test]
fn faults_of_the_head_and_its_meters() {
    broken(&[
        (
            "\"usd\"",
            "\"usdollar\"",
            "line 1, the catalogue: currency = \"usdollar\" is invalid; it must be three letters",
        ),
        (
            "currency = \"usd\"",
            "",
            "line 1, the catalogue: currency is missing; add it, for example currency = \"usd\"",
        ),
        (
            "= 1000\ndefault",
            "= 0\ndefault",
            "credits_per_unit is the number of credits that one unit of the currency buys; it must be at least 1",
        ),
        (
            "= 1000\ndefault",
            "= 1000\ncolor = 1\ndefault",
            "line 3, the catalogue: color is not a field of this table",
        ),
        (
            "= 1000\ndefault",
            "= 1000\ncheckout = [\"automatic_tax\", \"tips\"]\ndefault",
            "line 3, the catalogue: checkout has \"tips\", which is none of its options; choose from automatic_tax,",
        ),
        (
            "= 1000\ndefault",
            "= 1000\ncheckout = [\"automatic_tax\", \"invoice_creation\"]\ndefault",
            "",
        ),
        (
            "= 1000\ndefault",
            "= 1000\ntexts = { privacy_url = \"http://a.example\" }\ndefault",
            "line 3, texts: privacy_url = \"http://a.example\" is invalid; it must be an address that begins with https://",
        ),
        (
            "= 1000\ndefault",
            "= 1000\ntexts = { portal_headline = \"Your plan, your cards and your invoices, all of them in one place\" }\ndefault",
            "it must be at most 60 characters",
        ),
        (
            "default_plan = \"payg\"",
            "default_plan = \"pay\"",
            "line 3, default_plan: no plan has the id pay",
        ),
        (
            "\"counter\"",
            "\"meter\"",
            "line 7, meter 1: kind = \"meter\" is invalid; it must be \"counter\"",
        ),
        (
            "id = \"users\"",
            "id = \"pull_requests\"",
            "line 9, meter 2: another meter has the id pull_requests",
        ),
    ]);
}

#[test]
fn faults_of_charges() {
    broken(&[
        (
            "meter = \"pull_requests\"",
            "meter = \"pulls\"",
            "plan payg, charge 1: no meter has the id pulls; add it",
        ),
        (
            "meter = \"pull_requests\"",
            "meter = \"users\"",
            "plan payg, charge 1: users is a level, which cannot be charged",
        ),
        (
            ", each = \"15.00\"",
            "",
            "line 16, plan payg, charge 1: a charge needs one rate: each = \"8.00\"",
        ),
        (
            "each = \"15.00\"",
            "each = 15.00",
            "plan payg, charge 1: each is a float; write it in quotes",
        ),
        (
            "each = \"15.00\"",
            "each = \"15.00\", tiers = []",
            "needs one rate: each = \"8.00\", or each_1k",
        ),
        (
            "each = \"15.00\"",
            "each_1k = \"0.00000000000001\"",
            "with at most the twelve decimal places",
        ),
        (
            "each = \"15.00\"",
            "tiers = [{ up_to = 5, each = \"1\" }]",
            "plan payg, charge 1: the last tier must have no end",
        ),
        (
            "each = \"15.00\"",
            "tiers = [{ up_to = 5, each = \"1\" }, { up_to = 5, each = \"1\" }, { each = \"1\" }]",
            "plan payg, charge 1, tier 2: up_to = 5 must be greater than 5, the tier before it",
        ),
        (
            "each = \"15.00\"",
            "tiers = [{ each = \"1\" }, { each = \"2\" }]",
            "tier 2: comes after the tier without up_to",
        ),
        (
            "each = \"15.00\"",
            "tiers = [{ up_to = 1 }, { each = \"2\" }]",
            "tier 1: has no price",
        ),
        (
            "charges = [{ meter = \"pull_requests\", counts = \"pulls\", each = \"15.00\" }]\n",
            "",
            "line 12, plan payg: pays by meters but has no charges",
        ),
        (
            "pays = \"meters\"",
            "pays = \"nothing\"",
            "charges apply to plans that pay by meters, but this plan pays nothing",
        ),
    ]);
}

#[test]
#[expect(clippy::too_many_lines, reason = "one story or table of cases")]
fn faults_of_plans() {
    broken(&[
        (
            "fallback = \"credits\"",
            "fallback = \"credit\"",
            "plan payg: fallback names credit, which is not a plan in this catalogue",
        ),
        (
            "fallback = \"credits\"",
            "converts_to = \"more\"",
            "plan payg: converts_to names more, which is not a plan",
        ),
        (
            "fallback = \"credits\"",
            "fallback = \"payg\"",
            "plan payg: fallback names the plan itself",
        ),
        (
            "budget = 600",
            "budget = 600\nfallback = \"payg\"",
            "plan credits: its fallbacks form a loop",
        ),
        (
            "budget = 600",
            "budget = 600\nprice = \"1.00\"",
            "plan payg: fallback names credits, which has a price",
        ),
        (
            "pays = \"meters\"",
            "pays = \"meters\"\nprice = \"1.00\"",
            "line 3, default_plan: payg has a price",
        ),
        (
            "pays = \"meters\"",
            "pays = \"meters\"\nprice = \"1.001\"",
            "price = \"1.001\" is invalid; it must be an amount of usd in quotes with at most 2 places",
        ),
        (
            "pays = \"meters\"",
            "pays = \"meters\"\nevery = \"year\"",
            "plan payg: every needs a price",
        ),
        (
            "pays = \"meters\"",
            "pays = \"meters\"\nfee = 5",
            "plan payg: fee and overdraft are amounts of credits, but this plan pays meters",
        ),
        (
            "budget = 600",
            "budget = 600\nunbilled_max = 5",
            "plan credits: unbilled_max applies to plans that pay by meters",
        ),
        (
            "pays = \"meters\"",
            "pays = \"meters\"\nunbilled_max = 10001",
            "plan payg: unbilled_max must be at most 10000",
        ),
        (
            "pays = \"meters\"",
            "pays = \"meters\"\nquotas.pull = { limit = 5 }",
            "plan payg, quota pull: no meter has the id pull;",
        ),
        (
            "pays = \"credits\"",
            "pays = \"credits\"\nquotas.pull_requests = { limit = 5, beyond = \"charge\" }",
            "pull_requests has no charge",
        ),
        (
            "{ limit = 3 }",
            "{ limit = 3, renews = \"month\" }",
            "a level does not renew",
        ),
        (
            "{ limit = 3 }",
            "{ limit = -3 }",
            "plan credits, quota users: limit must be a whole number, zero or more",
        ),
        (
            "{ limit = 3 }",
            "{ }",
            "plan credits, quota users: limit is missing",
        ),
        (
            "budget = 600\n",
            "",
            "line 18, plan credits: pays from credits but has no budget",
        ),
        (
            "budget = 600",
            "budget = 600\nfee = 600",
            "plan credits: its fee of 600 uses up its whole budget of 600",
        ),
        (
            "id = \"credits\"",
            "id = \"payg\"",
            "line 18, plan payg: another plan has this id",
        ),
        (
            "id = \"credits\"",
            "id = \"My plan\"",
            "line 19, plan 2: id = \"My plan\" is invalid",
        ),
    ]);
}

#[test]
fn faults_of_plans_that_github_bills() {
    broken(&[
        (
            "pays = \"meters\"",
            "pays = \"meters\"\nmarketplace = \"Team\"",
            "plan payg: marketplace: GitHub bills this plan, so its jobs must not be charged again",
        ),
        (
            "budget = 600",
            "budget = 600\nmarketplace = \"Team\"",
            "plan credits: marketplace: its price is flat, so it needs a limit",
        ),
        (
            "[[pack]]",
            "[[plan]]\nid = \"a\"\nname = \"A\"\npays = \"nothing\"\nquotas.pull_requests = { limit = 60 }\nmarketplace = \"Team\"\n[[pack]]",
            "",
        ),
        (
            "[[pack]]",
            "[[plan]]\nid = \"a\"\nname = \"A\"\npays = \"nothing\"\nmarketplace = \"5501\"\n[[plan]]\nid = \"b\"\nname = \"B\"\npays = \"nothing\"\nmarketplace = \"5501\"\n[[pack]]",
            "plan b: marketplace \"5501\" already belongs to plan a",
        ),
    ]);
}

#[test]
fn faults_of_packs_models_and_what_is_no_toml() {
    broken(&[
        (
            "credits = 1000\nprice",
            "credits = 0\nprice",
            "pack 1k: credits must be at least 1",
        ),
        (
            "price = \"1.00\"",
            "price = \"0.00\"",
            "pack 1k: price must be greater than zero",
        ),
        (
            "price = \"1.00\"",
            "price = \"1.00\"\nprices = [\"prod_1\"]",
            "pack 1k: prices: prod_1 is a product; use",
        ),
        (
            "\"0.003000\"",
            "\"0.0030001\"",
            "model m: input_cost_per_1k must be a decimal in quotes with at most six places",
        ),
        ("= 1000\ndefault", "= 100\ndefault", ""),
        (
            "[[model]]\nmodel = \"m\"",
            "[[model]]\nmodel = \"m\"\nprice = 1",
            "model m: price is not a field of this table",
        ),
        (
            "kind = \"level\"",
            "kind = \"level",
            "line 11, the file: is not valid TOML",
        ),
    ]);
}

#[test]
fn a_token_costs_whole_microcredits_or_is_refused() {
    let text = SMALL
        .replace("= 1000\ndefault", "= 100\ndefault")
        .replace("0.003000", "0.000001");
    let errors = parse(&text)
        .expect_err("a hundredth of a microcredit")
        .to_string();
    assert!(
        errors.contains("model m: input_cost_per_1k = \"0.000001\" is less than a microcredit"),
        "{errors}"
    );
}

#[test]
fn a_plan_that_pays_from_credits_needs_models() {
    let text = SMALL.split("[[model]]").next().expect("a half");
    let errors = parse(text).expect_err("no models").to_string();
    assert!(
        errors.contains("line 18, plan credits: pays from credits, but no model has a price"),
        "{errors}"
    );
}

#[test]
fn a_price_at_stripe_sells_one_thing() {
    let text = SMALL
        .replace(
            "pays = \"meters\"",
            "pays = \"meters\"\nprices = [\"price_1\"]",
        )
        .replace(
            "price = \"1.00\"",
            "price = \"1.00\"\nprices = [\"price_1\"]",
        );
    let errors = parse(&text).expect_err("one price, two goods").to_string();
    assert!(
        errors.contains("pack 1k: price_1 is already the price of plan payg"),
        "{errors}"
    );
}

#[test]
fn everything_wrong_is_said_at_once_in_the_order_of_lines() {
    let text = SMALL
        .replace("\"counter\"", "\"count\"")
        .replace("= 600", "= \"six\"")
        .replace("1000\nprice", "0\nprice");
    let errors = parse(&text).expect_err("three faults");
    let lines: Vec<_> = errors.iter().filter_map(|error| error.line).collect();
    assert!(errors.iter().count() >= 3 && lines.is_sorted(), "{errors}");
}

#[test]
fn there_are_limits() {
    let plans: String = (0..=PLANS_MAX)
        .map(|at| format!("[[plan]]\nid = \"p{at}\"\nname = \"P\"\npays = \"nothing\"\n"))
        .collect();
    let errors = parse(&format!("{SMALL}{plans}"))
        .expect_err("too many")
        .to_string();
    assert!(
        errors.contains("there are 103 entries of plan; there can be at most 100"),
        "{errors}"
    );
    let long = format!("{SMALL}#{}", " ".repeat(FILE_BYTES_MAX));
    assert!(
        parse(&long)
            .expect_err("too long")
            .to_string()
            .contains("is longer than")
    );
    assert!(parse("").is_err());
}
