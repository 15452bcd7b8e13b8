//! The catalogue: what is sold, and what models cost.

use boot::{Env, Setting, Settings};
use domain::billing::plans::Catalogue;

const CATALOGUE: Setting = Setting::optional(
    "CATALOGUE",
    "The path of the catalogue, the file that says what is sold and what models cost. The built-in `catalogue.toml` applies \
     without it.",
);
const PUBLISHABLE_KEY: Setting = Setting::optional(
    "STRIPE_PUBLISHABLE_KEY",
    "Stripe's publishable key, `pk_…`, for pages that show an embedded Checkout. A function refuses to start if its mode is not \
     that of `STRIPE_SECRET_KEY`, where both are given by value.",
);
const PRICE: &str = "The id of a price, `price_…`, that exists at Stripe already and was not made by `catalogue push`.";

/// The catalogue, parsed and validated.
pub struct CatalogueSettings(pub Catalogue);

impl Settings for CatalogueSettings {
    fn read(env: &mut Env) -> Self {
        env.record(CATALOGUE);
        for (name, _) in catalogue::PRICES {
            env.record(Setting::optional(name, PRICE));
        }
        env.record(PUBLISHABLE_KEY);
        let read = catalogue::from_settings(|name| env.find(name));
        Self(read.unwrap_or_else(|errors| {
            env.error(errors.to_string());
            catalogue::built_in()
        }))
    }
}

/// Stripe's publishable key, if there is one. The catalogue's settings compare its mode.
pub struct PublishableKey(pub Option<String>);

impl Settings for PublishableKey {
    fn read(env: &mut Env) -> Self {
        Self(env.optional(PUBLISHABLE_KEY))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_the_settings_that_it_names() {
        assert_eq!(CATALOGUE.name, catalogue::FILE);
    }
}
