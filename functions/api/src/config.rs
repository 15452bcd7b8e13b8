//! The settings of this door, and what it works with.

use crate::caller::KnownKeys;
use crate::rates::{self, Rates};
use crate::sales::KnownPrices;
use boot::{Aws, AwsSettings, Env, EnvError, Keyed, Outside, Secret, Secrets, Trust};
use domain::events::Mode;
use domain::plans::Catalogue;
use queues::{Queue, Queues};
use replies::ApiError;
use store::{Connection, KeyRing, Store, Switchboard};
use stripe_api::{StripeApi, StripeConfig};

/// The settings of this door.
///
/// - `MAIN_TABLE`: accounts, jobs and usage
/// - `LEDGER_TABLE`: the entries of the ledger
/// - `LEDGER_KEY`: the key entries are digested with; several separated by commas, the newest first
/// - `GITHUB_EVENTS_QUEUE_URL`: where jobs that are asked for go, to the door that reads GitHub
/// - `CATALOGUE`: the file that says what is sold; the built-in one where it is not set
/// - `STRIPE_URL`: Stripe's API
/// - `STRIPE_SECRET_KEY`: the key to it; without one nothing is sold here, and everything else works
/// - `DASHBOARD_URL`: where customers come back to after they have paid
/// - `RATE_LIMIT_PER_MINUTE`: how often one key may ask; all keys of an account together may twice as often
pub struct Config {
    main_table: String,
    ledger_table: String,
    ledger_key: Secret,
    queue_urls: Vec<(Queue, String)>,
    catalogue: Catalogue,
    stripe_url: String,
    stripe_key: Option<Secret>,
    dashboard_url: String,
    rate_limit_per_minute: u64,
    aws: AwsSettings,
}

impl Config {
    /// Reads the settings, or says everything that is wrong with them.
    pub fn read(mut env: Env) -> Result<Self, EnvError> {
        let catalogue = catalogue::from_settings(|name| env.find(name)).unwrap_or_else(|errors| {
            env.complain(errors.to_string());
            catalogue::built_in()
        });
        let config = Self {
            main_table: env.text("MAIN_TABLE"),
            ledger_table: env.text("LEDGER_TABLE"),
            ledger_key: Secret::read(&mut env, &["LEDGER_KEY"]),
            queue_urls: [Queue::GithubEvents].map(|queue| (queue, env.text(queue.setting()))).into(),
            catalogue,
            stripe_url: env.text("STRIPE_URL"),
            stripe_key: Secret::find(&env, "STRIPE_SECRET_KEY"),
            dashboard_url: env.text("DASHBOARD_URL"),
            rate_limit_per_minute: rate_limit(&mut env),
            aws: AwsSettings::read(&mut env),
        };
        env.verdict().map(|()| config)
    }

    /// Whose certificates this door believes.
    pub fn trust(&self) -> Trust {
        self.aws.trust(Trust::Public)
    }
}

fn rate_limit(env: &mut Env) -> u64 {
    let Some(text) = env.find("RATE_LIMIT_PER_MINUTE") else { return rates::PER_KEY };
    text.parse().ok().filter(|limit| *limit > 0).unwrap_or_else(|| {
        env.complain("RATE_LIMIT_PER_MINUTE is not a number above 0");
        rates::PER_KEY
    })
}

/// What this door works with.
pub struct Ctx {
    pub(crate) store: Store,
    pub(crate) queues: Queues,
    pub(crate) switches: Switchboard,
    pub(crate) catalogue: Catalogue,
    stripe: Option<Keyed<StripeApi>>,
    pub(crate) dashboard_url: String,
    pub(crate) known_keys: KnownKeys,
    pub(crate) known_prices: KnownPrices,
    pub(crate) rates: Rates,
    pub(crate) outside: Outside,
}

impl Ctx {
    /// Joins the walls.
    pub fn connect(config: Config, outside: Outside) -> Self {
        let aws = Aws::new(config.aws, &outside);
        let connection = Connection::new(&aws.sdk, aws.dynamodb.as_deref());
        let secrets = |secret| Secrets::new(vec![secret], aws.clone(), outside.clone());
        let ring = Keyed::new(secrets(config.ledger_key), |values| KeyRing::read(values.first()));
        let switches = connection.switches(config.main_table.clone());
        let store = connection.store(config.main_table, outside.random.clone());
        let (url, web) = (config.stripe_url, outside.web.clone());
        let stripe = config.stripe_key.map(|secret| {
            Keyed::new(secrets(secret), move |values| {
                let secret_key = values.first().cloned().unwrap_or_default();
                StripeApi::new(StripeConfig { url: url.clone(), secret_key }, web.clone())
            })
        });
        Self {
            store: store.with_ledger(config.ledger_table, ring.into_source()),
            queues: Queues::new(&aws.sdk, aws.sqs.as_deref(), config.queue_urls),
            switches,
            catalogue: config.catalogue,
            stripe,
            dashboard_url: config.dashboard_url.trim_end_matches('/').to_owned(),
            known_keys: KnownKeys::default(),
            known_prices: KnownPrices::default(),
            rates: Rates::of(config.rate_limit_per_minute),
            outside,
        }
    }

    /// In which of Stripe's modes we sell, if we do.
    pub(crate) async fn stripe_mode(&self) -> Result<Option<Mode>, ApiError> {
        let Some(stripe) = &self.stripe else { return Ok(None) };
        Ok(stripe.client().await.map_err(|failure| ApiError::behind(&failure))?.mode())
    }

    /// Stripe, if it is set up here.
    pub(crate) async fn stripe(&self) -> Result<StripeApi, ApiError> {
        let Some(stripe) = &self.stripe else {
            let detail = "nothing is sold here: Stripe is not set up. Everything else works; ask whoever runs this";
            return Err(ApiError::unprocessable("billing_off", detail));
        };
        stripe.client().await.map_err(|failure| ApiError::behind(&failure))
    }
}
