//! The settings and the context of this function.

use boot::{Env, Keyed, Outside, Setting, Settings};
use flows::accounts::rates::Rates;
use flows::accounts::sessions::Found;
use flows::cache::Cache;
use github_api::SignIn;
use rest::ApiError;
use settings::{DashboardUrl, MainSettings, PlatformSettings, SignInSettings};
use store::Store;

const RATE_LIMIT_PER_MINUTE: Setting = Setting::optional(
    "RATE_LIMIT_PER_MINUTE",
    "The number of requests that one key or session may make in a minute. All of an account together may make twice as many.",
)
.with_default("600");

pub struct Config {
    platform: PlatformSettings,
    main: MainSettings,
    sign_in: SignInSettings,
    dashboard_url: String,
    rate_limit_per_minute: u64,
}

impl Settings for Config {
    fn read(env: &mut Env) -> Self {
        Self {
            platform: Settings::read(env),
            main: Settings::read(env),
            sign_in: Settings::read(env),
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

/// The context that every handler shares.
pub struct Ctx {
    pub(crate) store: Store,
    sign_in: Option<Keyed<SignIn>>,
    pub(crate) dashboard_url: String,
    pub(crate) sessions: Cache<Found>,
    pub(crate) rates: Rates,
    pub(crate) outside: Outside,
}

impl Ctx {
    pub fn connect(config: Config, outside: Outside) -> Self {
        let platform = config.platform.connect(&outside);
        Self {
            store: config.main.connect(&platform),
            sign_in: config.sign_in.connect(&platform),
            dashboard_url: config.dashboard_url,
            sessions: Cache::default(),
            rates: Rates::of(config.rate_limit_per_minute),
            outside,
        }
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
}
