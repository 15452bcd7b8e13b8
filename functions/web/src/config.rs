//! The settings and the context of this function.

use boot::{Env, Keyed, Outside, Setting, Settings};
use domain::billing::plans::Catalogue;
use domain::inbox::events::StripeMode;
use flows::accounts::rates::Rates;
use flows::accounts::sessions::Found;
use flows::billing::Shop;
use flows::billing::usage_reports::Reporter;
use flows::cache::Cache;
use github_api::SignIn;
use http::HeaderMap;
use queues::{Queue, Queues};
use rest::{ApiError, site};
use settings::{
    CatalogueSettings, DashboardUrl, GithubAppUrl, LedgerReadSettings, PlatformSettings,
    QueueSettings, SignInSettings, StripeSettings,
};
use store::{Recoveries, Store, Switchboard};
use stripe_api::{CheckoutSession, PriceChoice, StripeApi};

const RATE_LIMIT_PER_MINUTE: Setting = Setting::optional(
    "RATE_LIMIT_PER_MINUTE",
    "The number of requests that one key or session may make in a minute. All of an account together may make twice as many.",
)
.with_default("600");

pub struct Config {
    platform: PlatformSettings,
    ledger: LedgerReadSettings,
    queues: QueueSettings,
    sign_in: SignInSettings,
    dashboard_url: DashboardUrl,
    app_url: GithubAppUrl,
    catalogue: CatalogueSettings,
    stripe: StripeSettings,
    rate_limit_per_minute: u64,
}

impl Settings for Config {
    fn read(env: &mut Env) -> Self {
        Self {
            platform: Settings::read(env),
            ledger: Settings::read(env),
            queues: QueueSettings::read(env, [Queue::GithubEvents]),
            sign_in: Settings::read(env),
            dashboard_url: Settings::read(env),
            app_url: Settings::read(env),
            catalogue: Settings::read(env),
            stripe: Settings::read(env),
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

/// The context that every handler shares.
pub struct Ctx {
    pub(crate) store: Store,
    pub(crate) switches: Switchboard,
    pub(crate) recoveries: Recoveries,
    pub(crate) queues: Queues,
    sign_in: Option<Keyed<SignIn>>,
    pub(crate) dashboard_url: Option<String>,
    app_url: Option<String>,
    pub(crate) catalogue: Catalogue,
    stripe: Option<Keyed<StripeApi>>,
    /// Stripe's prices by product.
    prices: Cache<Vec<PriceChoice>>,
    /// Checkouts that are complete, which never change again except for a slow payment.
    pub(crate) checkouts: Cache<CheckoutSession>,
    pub(crate) sessions: Cache<Found>,
    /// What the status page says of each sender.
    pub(crate) status: Cache<crate::pages::SourceStatus>,
    pub(crate) rates: Rates,
    pub(crate) outside: Outside,
}

impl Ctx {
    pub fn connect(config: Config, outside: Outside) -> Self {
        let platform = config.platform.connect(&outside);
        Self {
            store: config.ledger.connect(&platform),
            switches: config.ledger.switches(&platform),
            recoveries: config.ledger.recoveries(&platform),
            queues: config.queues.connect(&platform),
            sign_in: config.sign_in.connect(&platform),
            dashboard_url: config.dashboard_url.0,
            app_url: config.app_url.0,
            catalogue: config.catalogue.0,
            stripe: config.stripe.connect(&platform),
            prices: Cache::default(),
            checkouts: Cache::default(),
            sessions: Cache::default(),
            status: Cache::default(),
            rates: Rates::of(config.rate_limit_per_minute),
            outside,
        }
    }

    /// Returns the page on which people install the App, if its address is known.
    pub(crate) fn installation_page(&self) -> Option<String> {
        let app = self.app_url.as_ref()?;
        Some(format!("{app}/installations/new"))
    }

    /// Returns the GitHub client for sign-ins, or an error if GitHub sign-in is not configured.
    pub(crate) async fn sign_in(&self) -> Result<SignIn, ApiError> {
        let Some(sign_in) = &self.sign_in else {
            let detail =
                "Sign-in is not set up here: `GITHUB_CLIENT_ID` is missing. API keys work.";
            return Err(ApiError::unprocessable("sign_in_off", detail));
        };
        sign_in
            .client()
            .await
            .map_err(|failure| ApiError::failure(&failure))
    }

    /// Returns the Stripe client, or an error if Stripe is not configured.
    pub(crate) async fn stripe(&self) -> Result<StripeApi, ApiError> {
        let Some(stripe) = &self.stripe else {
            let detail = "Billing is not set up here, so nothing can be bought; contact support.";
            return Err(ApiError::unprocessable("billing_off", detail));
        };
        stripe
            .client()
            .await
            .map_err(|failure| ApiError::failure(&failure))
    }

    /// Returns Stripe's mode, if Stripe is configured.
    pub(crate) async fn stripe_mode(&self) -> Result<Option<StripeMode>, ApiError> {
        if self.stripe.is_none() {
            return Ok(None);
        }
        Ok(self.stripe().await?.mode())
    }

    pub(crate) fn shop<'a>(&'a self, stripe: &'a StripeApi) -> Shop<'a> {
        Shop {
            store: &self.store,
            stripe,
            catalogue: &self.catalogue,
            prices: &self.prices,
            now: self.outside.now(),
        }
    }

    pub(crate) fn reporter<'a>(&'a self, stripe: &'a StripeApi) -> Reporter<'a> {
        Reporter {
            store: &self.store,
            stripe,
            catalogue: &self.catalogue,
            now: &*self.outside.clock,
            random: &*self.outside.random,
        }
    }

    /// Returns the address of the dashboard, or its path if no setting names the address.
    pub(crate) fn dashboard(&self) -> &str {
        site::dashboard(self.dashboard_url.as_deref())
    }

    /// Returns the URL of a page of our site.
    pub(crate) fn page(&self, headers: &HeaderMap, path: &str) -> String {
        site::page(self.dashboard_url.as_deref(), headers, path)
    }
}
