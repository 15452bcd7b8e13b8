//! The settings and the context of this function.

use boot::{Env, Keyed, Outside, Setting, Settings};
use domain::accounts::api_keys::ApiKey;
use domain::billing::plans::Catalogue;
use domain::ids::AccountId;
use domain::inbox::events::StripeMode;
use domain::switches::Switch;
use flows::accounts::rates::Rates;
use flows::accounts::sessions::Found;
use flows::billing::Shop;
use flows::billing::usage_reports::Reporter;
use flows::cache::Cache;
use flows::jobs::assists::Desk;
use flows::jobs::requests;
use http::HeaderMap;
use queues::{Queue, Queues};
use rest::{ApiError, site};
use settings::{
    AutoProvision, CatalogueSettings, DashboardUrl, GithubWebUrl, LedgerSettings, PlatformSettings,
    PublishableKey, QueueSettings, StripeSettings,
};
use store::{Store, Switchboard};
use stripe_api::{PriceChoice, StripeApi};

const RATE_LIMIT_PER_MINUTE: Setting = Setting::optional(
    "RATE_LIMIT_PER_MINUTE",
    "The number of requests that one key or session may make in a minute. All of an account together may make twice as many.",
)
.with_default("600");

pub struct Config {
    platform: PlatformSettings,
    ledger: LedgerSettings,
    queues: QueueSettings,
    auto_provision: AutoProvision,
    catalogue: CatalogueSettings,
    publishable_key: PublishableKey,
    stripe: StripeSettings,
    github_web_url: GithubWebUrl,
    dashboard_url: DashboardUrl,
    rate_limit_per_minute: u64,
}

impl Settings for Config {
    fn read(env: &mut Env) -> Self {
        let queues = [
            Queue::GithubEvents,
            Queue::Pulls,
            Queue::Usage,
            Queue::Assists,
            Queue::Provisioning,
        ];
        Self {
            platform: Settings::read(env),
            ledger: Settings::read(env),
            queues: QueueSettings::read(env, queues),
            auto_provision: Settings::read(env),
            catalogue: Settings::read(env),
            publishable_key: Settings::read(env),
            stripe: Settings::read(env),
            github_web_url: Settings::read(env),
            dashboard_url: Settings::read(env),
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
    pub(crate) queues: Queues,
    pub(crate) switches: Switchboard,
    pub(crate) auto_provision: Switch,
    pub(crate) catalogue: Catalogue,
    pub(crate) publishable_key: Option<String>,
    stripe: Option<Keyed<StripeApi>>,
    pub(crate) github_web_url: String,
    pub(crate) dashboard_url: Option<String>,
    pub(crate) keys: Cache<ApiKey>,
    pub(crate) sessions: Cache<Found>,
    pub(crate) prices: Cache<Vec<PriceChoice>>,
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
            publishable_key: config.publishable_key.0,
            stripe: config.stripe.connect(&platform),
            github_web_url: config.github_web_url.0,
            dashboard_url: config.dashboard_url.0,
            keys: Cache::default(),
            sessions: Cache::default(),
            prices: Cache::default(),
            rates: Rates::of(config.rate_limit_per_minute),
            outside,
        }
    }

    /// Returns Stripe's mode, if Stripe is configured.
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

    /// Returns what requests, retries and cancels jobs for an account.
    pub(crate) fn requests<'a>(
        &'a self,
        account: &'a AccountId,
        by: &'a str,
    ) -> requests::Desk<'a> {
        requests::Desk {
            store: &self.store,
            queues: &self.queues,
            catalogue: &self.catalogue,
            account,
            billing_url: self.dashboard(),
            is_call: true,
            by,
            now: self.outside.now(),
        }
    }

    pub(crate) fn assists(&self) -> Desk<'_> {
        Desk {
            store: &self.store,
            queues: &self.queues,
            catalogue: &self.catalogue,
            dashboard_url: self.dashboard(),
            now: self.outside.now(),
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
