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
            "line 1, the catalogue: currency = \"usdollar\" cannot be read; it is three letters",
        ),
        (
            "currency = \"usd\"",
            "",
            "line 1, the catalogue: currency is missing; add for example currency = \"usd\"",
        ),
        (
            "= 1000\ndefault",
            "= 0\ndefault",
            "credits_per_unit is how many credits one unit of the currency buys; at least 1",
        ),
        (
            "= 1000\ndefault",
            "= 1000\ncolor = 1\ndefault",
            "line 3, the catalogue: color means nothing here",
        ),
        (
            "default_plan = \"payg\"",
            "default_plan = \"pay\"",
            "line 3, default_plan: there is no plan pay",
        ),
        (
            "\"counter\"",
            "\"meter\"",
            "line 7, meter no. 1: kind = \"meter\" cannot be read; it is \"counter\"",
        ),
        (
            "id = \"users\"",
            "id = \"pull_requests\"",
            "line 9, meter no. 2: there is another meter pull_requests",
        ),
    ]);
}

#[test]
fn faults_of_charges() {
    broken(&[
        (
            "meter = \"pull_requests\"",
            "meter = \"pulls\"",
            "plan payg, charge no. 1: there is no meter pulls; add it",
        ),
        (
            "meter = \"pull_requests\"",
            "meter = \"users\"",
            "plan payg, charge no. 1: users says how many there are",
        ),
        (
            ", each = \"15.00\"",
            "",
            "line 16, plan payg, charge no. 1: a charge has a rate: each = \"8.00\"",
        ),
        (
            "each = \"15.00\"",
            "each = 15.00",
            "plan payg, charge no. 1: each is a float; write it in quotes",
        ),
        (
            "each = \"15.00\"",
            "each = \"15.00\", tiers = []",
            "has a rate: each = \"8.00\", or each_1k",
        ),
        (
            "each = \"15.00\"",
            "each_1k = \"0.00000000000001\"",
            "not finer than Stripe's twelve places",
        ),
        (
            "each = \"15.00\"",
            "tiers = [{ up_to = 5, each = \"1\" }]",
            "plan payg, charge no. 1: the last of its tiers has no end",
        ),
        (
            "each = \"15.00\"",
            "tiers = [{ up_to = 5, each = \"1\" }, { up_to = 5, each = \"1\" }, { each = \"1\" }]",
            "plan payg, charge no. 1, tier no. 2: up_to = 5 does not rise; it must be over 5",
        ),
        (
            "each = \"15.00\"",
            "tiers = [{ each = \"1\" }, { each = \"2\" }]",
            "tier no. 2: comes after the one without up_to",
        ),
        (
            "each = \"15.00\"",
            "tiers = [{ up_to = 1 }, { each = \"2\" }]",
            "tier no. 1: says no price",
        ),
        (
            "charges = [{ meter = \"pull_requests\", counts = \"pulls\", each = \"15.00\" }]\n",
            "",
            "line 12, plan payg: pays by meters and charges nothing",
        ),
        (
            "pays = \"meters\"",
            "pays = \"nothing\"",
            "charges are for plans that pay by meters, and it pays nothing",
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
            "plan payg: fallback names credit, which is no plan here",
        ),
        (
            "fallback = \"credits\"",
            "converts_to = \"more\"",
            "plan payg: converts_to names more, which is no plan",
        ),
        (
            "fallback = \"credits\"",
            "fallback = \"payg\"",
            "plan payg: fallback names the plan itself",
        ),
        (
            "budget = 600",
            "budget = 600\nfallback = \"payg\"",
            "plan credits: its fallbacks lead back to it",
        ),
        (
            "budget = 600",
            "budget = 600\nprice = \"1.00\"",
            "plan payg: fallback names credits, which has to be paid for",
        ),
        (
            "pays = \"meters\"",
            "pays = \"meters\"\nprice = \"1.00\"",
            "line 3, default_plan: payg has to be paid for",
        ),
        (
            "pays = \"meters\"",
            "pays = \"meters\"\nprice = \"1.001\"",
            "price = \"1.001\" cannot be read; it is an amount of usd in quotes with at most 2 places",
        ),
        (
            "pays = \"meters\"",
            "pays = \"meters\"\nevery = \"year\"",
            "plan payg: every goes with a price",
        ),
        (
            "pays = \"meters\"",
            "pays = \"meters\"\nfee = 5",
            "plan payg: fee and overdraft are credits, and it pays meters",
        ),
        (
            "budget = 600",
            "budget = 600\nunbilled_max = 5",
            "plan credits: unbilled_max is for plans that pay by meters",
        ),
        (
            "pays = \"meters\"",
            "pays = \"meters\"\nunbilled_max = 10001",
            "plan payg: unbilled_max is at most 10000",
        ),
        (
            "pays = \"meters\"",
            "pays = \"meters\"\nquotas.pull = { limit = 5 }",
            "plan payg, quota pull: there is no meter pull",
        ),
        (
            "pays = \"credits\"",
            "pays = \"credits\"\nquotas.pull_requests = { limit = 5, beyond = \"charge\" }",
            "pull_requests is not charged",
        ),
        (
            "{ limit = 3 }",
            "{ limit = 3, renews = \"month\" }",
            "how many there are at a time does not renew",
        ),
        (
            "{ limit = 3 }",
            "{ limit = -3 }",
            "plan credits, quota users: limit is a whole number that is not negative",
        ),
        (
            "{ limit = 3 }",
            "{ }",
            "plan credits, quota users: limit is missing",
        ),
        (
            "budget = 600\n",
            "",
            "line 18, plan credits: pays from credits and has no budget",
        ),
        (
            "budget = 600",
            "budget = 600\nfee = 600",
            "plan credits: its budget of 600 leaves nothing beside its fee of 600",
        ),
        (
            "id = \"credits\"",
            "id = \"payg\"",
            "line 18, plan payg: there is another plan of this name",
        ),
        (
            "id = \"credits\"",
            "id = \"My plan\"",
            "line 19, plan no. 2: id = \"My plan\" cannot be read",
        ),
    ]);
}

#[test]
fn faults_of_plans_that_github_bills() {
    broken(&[
        (
            "pays = \"meters\"",
            "pays = \"meters\"\nmarketplace = \"Team\"",
            "plan payg: marketplace: GitHub bills this plan, so its jobs cannot be paid for a second time",
        ),
        (
            "budget = 600",
            "budget = 600\nmarketplace = \"Team\"",
            "plan credits: marketplace: its price is flat; say how much it covers with quotas.pull_requests",
        ),
        (
            "[[pack]]",
            "[[plan]]\nid = \"a\"\nname = \"A\"\npays = \"nothing\"\nquotas.pull_requests = { limit = 60 }\nmarketplace = \"Team\"\n[[pack]]",
            "",
        ),
        (
            "[[pack]]",
            "[[plan]]\nid = \"a\"\nname = \"A\"\npays = \"nothing\"\nmarketplace = \"5501\"\n[[plan]]\nid = \"b\"\nname = \"B\"\npays = \"nothing\"\nmarketplace = \"5501\"\n[[pack]]",
            "plan b: marketplace \"5501\" is plan a, too; give each its own",
        ),
    ]);
}

#[test]
fn faults_of_packs_models_and_what_is_no_toml() {
    broken(&[
        (
            "credits = 1000\nprice",
            "credits = 0\nprice",
            "pack 1k: a pack without credits is no pack",
        ),
        (
            "price = \"1.00\"",
            "price = \"0.00\"",
            "pack 1k: a pack costs something",
        ),
        (
            "price = \"1.00\"",
            "price = \"1.00\"\nprices = [\"prod_1\"]",
            "pack 1k: prices: prod_1 is a product; take",
        ),
        (
            "\"0.003000\"",
            "\"0.0030001\"",
            "model m: input_cost_per_1k is a decimal in quotes with at most six places",
        ),
        ("= 1000\ndefault", "= 100\ndefault", ""),
        (
            "[[model]]\nmodel = \"m\"",
            "[[model]]\nmodel = \"m\"\nprice = 1",
            "model m: price means nothing here",
        ),
        (
            "kind = \"level\"",
            "kind = \"level",
            "line 11, the file: is no TOML",
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
        errors
            .contains("model m: input_cost_per_1k = \"0.000001\" comes to less than a microcredit"),
        "{errors}"
    );
}

#[test]
fn a_plan_that_pays_from_credits_needs_models() {
    let text = SMALL.split("[[model]]").next().expect("a half");
    let errors = parse(text).expect_err("no models").to_string();
    assert!(
        errors.contains("line 18, plan credits: pays from credits, and no model has a price"),
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
        errors.contains("pack 1k: price_1 sells plan payg, too"),
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
        errors.contains("there are 103 of plan; 100 is the most"),
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
