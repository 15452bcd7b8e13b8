//! The amount for a quantity at a price: per unit or in tiers. Amounts have decimals of a cent and
//! are rounded once per line.

use serde_json::Value;

use super::account::text;

/// Stripe's decimal places of a cent.
const PLACES: u32 = 12;
const ONE: i128 = 10_i128.pow(PLACES);

/// Parses a decimal amount of cents into units of the smallest place; `None` if it is not a
/// decimal.
pub(super) fn parse(decimal: &str) -> Option<i128> {
    let (whole, part) = decimal.split_once('.').unwrap_or((decimal, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let places = u32::try_from(part.len()).ok()?;
    if whole.is_empty() || !digits(whole) || !digits(part) || places > PLACES || whole.len() > 15 {
        return None;
    }
    let part = if part.is_empty() {
        0
    } else {
        part.parse::<i128>().ok()?
    };
    Some(whole.parse::<i128>().ok()? * ONE + part * 10_i128.pow(PLACES - places))
}

/// Formats the number as Stripe does, without trailing zeros.
pub(super) fn format(units: i128) -> String {
    let (whole, part) = (units / ONE, units % ONE);
    let text = format!("{whole}.{part:012}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Whole cents, if there is no fraction.
pub(super) fn whole(units: i128) -> Option<i64> {
    (units % ONE == 0)
        .then(|| i64::try_from(units / ONE).ok())
        .flatten()
}

/// The cost of a quantity in whole cents. Takes a stored price, which includes its tiers.
pub(super) fn cost(price: &Value, quantity: i64) -> i64 {
    let quantity = i128::from(quantity.max(0));
    let units = match (text(price, "billing_scheme"), text(price, "tiers_mode")) {
        ("tiered", "volume") => volume(&tiers(price), quantity),
        ("tiered", _) => graduated(&tiers(price), quantity),
        _ => quantity * amount(price, "unit_amount"),
    };
    rounded(units)
}

/// A fraction of an amount, rounded half up, such as the rest of a period.
pub(super) fn share(amount: i64, part: i64, of: i64) -> i64 {
    let (amount, part, of) = (i128::from(amount), i128::from(part), i128::from(of.max(1)));
    i64::try_from((2 * amount * part + of).div_euclid(2 * of)).unwrap_or(i64::MAX)
}

fn rounded(units: i128) -> i64 {
    i64::try_from((units + ONE / 2).div_euclid(ONE)).unwrap_or(i64::MAX)
}

struct Tier {
    /// The last unit of the tier; `None` for the last tier.
    up_to: Option<i128>,
    unit: i128,
    flat: i128,
}

fn tiers(price: &Value) -> Vec<Tier> {
    let tier = |tier: &Value| Tier {
        up_to: tier["up_to"].as_i64().map(i128::from),
        unit: amount(tier, "unit_amount"),
        flat: amount(tier, "flat_amount"),
    };
    price["tiers"]
        .as_array()
        .into_iter()
        .flatten()
        .map(tier)
        .collect()
}

fn amount(object: &Value, field: &str) -> i128 {
    let decimal = object[format!("{field}_decimal")].as_str().and_then(parse);
    decimal.unwrap_or_else(|| i128::from(object[field].as_i64().unwrap_or_default()) * ONE)
}

/// Each unit costs the price of its own tier. A tier's flat amount is due as soon as the tier is
/// reached. As on Stripe, a quantity of zero already reaches the first tier.
fn graduated(tiers: &[Tier], quantity: i128) -> i128 {
    let (mut below, mut sum) = (0, 0);
    for tier in tiers {
        let end = tier.up_to.map_or(quantity, |up_to| up_to.min(quantity));
        sum += (end - below) * tier.unit + tier.flat;
        below = end;
        if quantity <= below {
            break;
        }
    }
    sum
}

/// All units cost the price of the tier that contains the whole quantity.
fn volume(tiers: &[Tier], quantity: i128) -> i128 {
    let reached = tiers
        .iter()
        .find(|tier| tier.up_to.is_none_or(|up_to| quantity <= up_to));
    reached.map_or(0, |tier| quantity * tier.unit + tier.flat)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn decimals_keep_their_places() {
        for (decimal, shown, cents) in [
            ("12", "12", Some(12)),
            ("0.50", "0.5", None),
            ("7.000", "7", Some(7)),
            ("0.000000000001", "0.000000000001", None),
        ] {
            let units = parse(decimal).expect(decimal);
            assert_eq!(
                (format(units).as_str(), whole(units)),
                (shown, cents),
                "{decimal}"
            );
        }
        for wrong in ["", ".5", "-1", "1.2.3", "1e3", "0.0000000000001", "x"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn quantities_cost_what_their_price_says() {
        let per_unit = json!({"billing_scheme": "per_unit", "unit_amount": null, "unit_amount_decimal": "0.35"});
        let tiers = json!([
            {"up_to": 10, "unit_amount": 0, "unit_amount_decimal": "0", "flat_amount": null},
            {"up_to": 100, "unit_amount": 5, "unit_amount_decimal": "5", "flat_amount": 100, "flat_amount_decimal": "100"},
            {"up_to": null, "unit_amount": null, "unit_amount_decimal": "2.5", "flat_amount": null},
        ]);
        let tiered =
            |mode: &str| json!({"billing_scheme": "tiered", "tiers_mode": mode, "tiers": tiers});
        for (price, quantity, cents) in [
            (&per_unit, 0, 0),
            (&per_unit, 1, 0),
            (&per_unit, 10, 4),
            (&per_unit, 1000, 350),
            (&tiered("graduated"), 0, 0),
            (&tiered("graduated"), 10, 0),
            (&tiered("graduated"), 11, 105),
            (&tiered("graduated"), 100, 550),
            (&tiered("graduated"), 103, 558),
            (&tiered("volume"), 10, 0),
            (&tiered("volume"), 11, 155),
            (&tiered("volume"), 101, 253),
        ] {
            assert_eq!(cost(price, quantity), cents, "{price} × {quantity}");
        }
    }

    #[test]
    fn shares_round_half_up_on_both_sides_of_nothing() {
        assert_eq!(
            [
                share(1000, 15, 30),
                share(1, 1, 2),
                share(-1000, 1, 3),
                share(5, 0, 30)
            ],
            [500, 1, -333, 0]
        );
    }
}
