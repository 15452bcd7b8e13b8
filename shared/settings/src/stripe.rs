//! Stripe's API.

use crate::Platform;
use boot::{Env, Keyed, Secret, Setting, Settings};
use stripe_api::{StripeApi, StripeConfig};

const STRIPE_URL: Setting = Setting::required("STRIPE_URL", "The address of Stripe's API.");
const STRIPE_SECRET_KEY: Setting = Setting::optional(
    "STRIPE_SECRET_KEY",
    "The secret or restricted key for Stripe's API, `sk_…` or `rk_…`. Without it nothing can be bought; usage, sign-ups and \
     the events that need an answer from Stripe wait until there is one; everything else works.",
)
.secret();

/// The address of Stripe's API and the key to it.
pub struct StripeSettings {
    url: String,
    key: Option<Secret>,
}

impl Settings for StripeSettings {
    fn read(env: &mut Env) -> Self {
        Self {
            url: env.text(STRIPE_URL),
            key: Secret::optional(env, STRIPE_SECRET_KEY),
        }
    }
}

impl StripeSettings {
    /// Returns a client if there is a key.
    pub fn connect(self, platform: &Platform) -> Option<Keyed<StripeApi>> {
        let (url, web) = (self.url, platform.outside.web.clone());
        let secrets = platform.secrets(self.key?);
        Some(Keyed::new(secrets, move |values| {
            let config = StripeConfig {
                url: url.clone(),
                secret_key: values.first().cloned().unwrap_or_default(),
            };
            StripeApi::new(config, web.clone())
        }))
    }
}
