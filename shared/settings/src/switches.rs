//! The switches of a deployment. A switch that an operator has set in the table takes precedence.

use boot::{Env, Setting, Settings};
use domain::switches::Switch;

const BILLING_ENABLED: Setting = Setting::optional(
    "BILLING_ENABLED",
    "`false` keeps usage instead of reporting it to Stripe and makes sign-ups wait, unless an operator has switched billing \
     on. Any other value switches it on.",
)
.with_default("true");
const AUTO_PROVISION: Setting = Setting::optional(
    "AUTO_PROVISION",
    "`false` makes sign-ups wait for an operator's approval. With any other value they get an account at once.",
)
.with_default("true");

/// Whether usage is reported and customers are created if no operator has set the switch.
pub struct BillingEnabled(pub Switch);

impl Settings for BillingEnabled {
    fn read(env: &mut Env) -> Self {
        Self(env.switch(BILLING_ENABLED))
    }
}

/// Whether sign-ups get an account without an operator's approval.
pub struct AutoProvision(pub Switch);

impl Settings for AutoProvision {
    fn read(env: &mut Env) -> Self {
        Self(env.switch(AUTO_PROVISION))
    }
}
