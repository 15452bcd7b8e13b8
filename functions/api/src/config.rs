//! The settings of this function, and what it works with.

use crate::cache::Known;
use crate::rates::Rates;
use crate::sessions::Found;
use boot::{Env, Keyed, Outside, Setting, Settings};
use domain::accounts::api_keys::ApiKey;
use domain::billing::plans::Catalogue;
use domain::inbox::events::StripeMode;
use domain::switches::Switch;
use github_api::SignIn;
use queues::{Queue, Queues};
use rest::ApiError;
use settings::{
    AutoProvision, CatalogueSettings, DashboardUrl, GithubWebUrl, LedgerSettings, PlatformSettings,
    QueueSettings, SignInSettings, StripeSettings,
};
use store::{Store, Switchboard};
use stripe_api::{PriceChoice, StripeApi};

const RATE_LIMIT_PER_MINUTE: Setting = Setting::optional(
    "RATE_LIMIT_PER_MINUTE",
    "The number of requests that one key or session may make in a minute. All of an account together may make twice as many.",
)
.with_default("600");

/// The settings of this function.
pub struct Config {
    platform: PlatformSettings,
    ledger: LedgerSettings,
    queues: QueueSettings,
    auto_provision: AutoProvision,
    catalogue: CatalogueSettings,
    stripe: StripeSettings,
    sign_in: SignInSettings,
    github_web_url: GithubWebUrl,
    dashboard_url: String,
    rate_limit_per_minute: u64,
}

impl Settings for Config {
    fn read(env: &mut Env) -> Self {
        let queues = [Queue::GithubEvents, Queue::Assists, Queue::Provisioning];
        Self {
            platform: Settings::read(env),
            ledger: Settings::read(env),
            queues: QueueSettings::read(env, queues),
            auto_provision: Settings::read(env),
            catalogue: Settings::read(env),
            stripe: Settings::read(env),
            sign_in: Settings::read(env),
            github_web_url: Settings::read(env),
            dashboard_url: DashboardUrl::read_required(env),
            rate_limit_per_minute: rate_limit(env),
        }
    }
}

fn rate_limit(env: &mut Env) -> u64 {
    let limit = env.number(RATE_LIMIT_PER_MINUTE);
    if limit == 0 {
        env.error("RATE_LIMIT_PER_MINUTE must be greater than zero");
    }
    limit
}

/// What this function works with.
pub struct Ctx {
    pub(crate) store: Store,
    pub(crate) queues: Queues,
    pub(crate) switches: Switchboard,
    pub(crate) auto_provision: Switch,
    pub(crate) catalogue: Catalogue,
    stripe: Option<Keyed<StripeApi>>,
    sign_in: Option<Keyed<SignIn>>,
    pub(crate) github_web_url: String,
    pub(crate) dashboard_url: String,
    pub(crate) known_keys: Known<ApiKey>,
    pub(crate) known_sessions: Known<Found>,
    pub(crate) known_prices: Known<Vec<PriceChoice>>,
    pub(crate) rates: Rates,
    pub(crate) outside: Outside,
}

impl Ctx {
    pub fn connect(config: Config, outside: Outside) -> Self {
        let platform = config.platform.connect(&outside);
        Self {
            store: config.ledger.connect(&platform),
            switches: config.ledger.switches(&platform),
            queues: config.queues.connect(&platform),
            auto_provision: config.auto_provision.0,
            catalogue: config.catalogue.0,
            stripe: config.stripe.connect(&platform),
            sign_in: config.sign_in.connect(&platform),
            github_web_url: config.github_web_url.0,
            dashboard_url: config.dashboard_url,
            known_keys: Known::default(),
            known_sessions: Known::default(),
            known_prices: Known::default(),
            rates: Rates::of(config.rate_limit_per_minute),
            outside,
        }
    }

    /// In which of Stripe's modes we sell, if we do.
    pub(crate) async fn stripe_mode(&self) -> Result<Option<StripeMode>, ApiError> {
        let Some(stripe) = &self.stripe else {
            return Ok(None);
        };
        Ok(stripe
            .client()
            .await
            .map_err(|failure| ApiError::failure(&failure))?
            .mode())
    }

    /// Stripe, if it is set up here.
    pub(crate) async fn stripe(&self) -> Result<StripeApi, ApiError> {
        let Some(stripe) = &self.stripe else {
            let detail = "nothing is sold here: Stripe is not set up. Everything else works; ask whoever runs this";
            return Err(ApiError::unprocessable("billing_off", detail));
        };
        stripe
            .client()
            .await
            .map_err(|failure| ApiError::failure(&failure))
    }

    /// GitHub for people who sign in, if it is set up here.
    pub(crate) async fn sign_in(&self) -> Result<SignIn, ApiError> {
        let Some(sign_in) = &self.sign_in else {
            let detail = "nobody signs in here: GITHUB_CLIENT_ID is not set. Keys work, and so does everything else";
            return Err(ApiError::unprocessable("sign_in_off", detail));
        };
        sign_in
            .client()
            .await
            .map_err(|failure| ApiError::failure(&failure))
    }
}
