//! The settings of this door, and what it works with.

use crate::cache::Known;
use crate::rates::{self, Rates};
use crate::sessions::Found;
use boot::{Aws, AwsSettings, Env, EnvError, Keyed, Outside, Secret, Secrets, Trust};
use domain::accounts::api_keys::ApiKey;
use domain::billing::plans::Catalogue;
use domain::inbox::events::StripeMode;
use domain::switches::Switch;
use github_api::{SignIn, SignInConfig};
use queues::{Queue, Queues};
use rest::ApiError;
use store::{Connection, KeyRing, Store, Switchboard};
use stripe_api::{PriceChoice, StripeApi, StripeConfig};

/// The settings of this door.
///
/// - `MAIN_TABLE`: accounts, jobs and usage
/// - `LEDGER_TABLE`: the entries of the ledger
/// - `LEDGER_KEY`: the key entries are digested with; several separated by commas, the newest first
/// - `GITHUB_EVENTS_QUEUE_URL`: where jobs that are asked for go, to the door that reads GitHub
/// - `ASSISTS_QUEUE_URL`: where assists are worked on
/// - `PROVISIONING_QUEUE_URL`: where newcomers are given an account
/// - `AUTO_PROVISION`: `false` lets newcomers wait for an operator
/// - `CATALOGUE`: the file that says what is sold; the built-in one where it is not set
/// - `STRIPE_URL`: Stripe's API
/// - `STRIPE_SECRET_KEY`: the key to it; without one nothing is sold here, and everything else works
/// - `GITHUB_URL`: GitHub's API, for people who sign in
/// - `GITHUB_WEB_URL`: GitHub's pages, where they are asked whether they want to, and where pull requests are seen
/// - `GITHUB_CLIENT_ID`: the App's client id; without one nobody signs in here, and everything else works
/// - `GITHUB_CLIENT_SECRET`: what it proves itself with
/// - `DASHBOARD_URL`: where people are led after they have signed in or paid, and the only site that sessions act from
/// - `RATE_LIMIT_PER_MINUTE`: how often one key or session may ask; all of an account together may twice as often
pub struct Config {
    main_table: String,
    ledger_table: String,
    ledger_key: Secret,
    queue_urls: Vec<(Queue, String)>,
    auto_provision: Switch,
    catalogue: Catalogue,
    stripe_url: String,
    stripe_key: Option<Secret>,
    client: Option<Client>,
    github_web_url: String,
    dashboard_url: String,
    rate_limit_per_minute: u64,
    aws: AwsSettings,
}

/// The App, as people who sign in know it.
struct Client {
    url: String,
    web_url: String,
    id: String,
    secret: Secret,
}

impl Client {
    fn find(env: &mut Env) -> Option<Self> {
        let id = env.find("GITHUB_CLIENT_ID")?;
        let (url, web_url) = (env.text("GITHUB_URL"), env.text("GITHUB_WEB_URL"));
        Some(Self {
            url,
            web_url,
            id,
            secret: Secret::read(env, &["GITHUB_CLIENT_SECRET"]),
        })
    }
}

impl Config {
    /// Reads the settings, or says everything that is wrong with them.
    pub fn read(mut env: Env) -> Result<Self, EnvError> {
        let catalogue = catalogue::from_settings(|name| env.find(name)).unwrap_or_else(|errors| {
            env.error(errors.to_string());
            catalogue::built_in()
        });
        let config = Self {
            main_table: env.text("MAIN_TABLE"),
            ledger_table: env.text("LEDGER_TABLE"),
            ledger_key: Secret::read(&mut env, &["LEDGER_KEY"]),
            queue_urls: [Queue::GithubEvents, Queue::Assists, Queue::Provisioning]
                .map(|queue| (queue, env.text(queue.setting())))
                .into(),
            auto_provision: Switch::from(
                !env.find("AUTO_PROVISION")
                    .is_some_and(|text| text.eq_ignore_ascii_case("false")),
            ),
            catalogue,
            stripe_url: env.text("STRIPE_URL"),
            stripe_key: Secret::find(&env, "STRIPE_SECRET_KEY"),
            client: Client::find(&mut env),
            github_web_url: env
                .find("GITHUB_WEB_URL")
                .unwrap_or_else(|| "https://github.com".to_owned()),
            dashboard_url: env.text("DASHBOARD_URL"),
            rate_limit_per_minute: rate_limit(&mut env),
            aws: AwsSettings::read(&mut env),
        };
        env.finish().map(|()| config)
    }

    /// Whose certificates this door believes.
    pub fn trust(&self) -> Trust {
        self.aws.trust(Trust::Public)
    }
}

fn rate_limit(env: &mut Env) -> u64 {
    let Some(text) = env.find("RATE_LIMIT_PER_MINUTE") else {
        return rates::PER_KEY;
    };
    text.parse()
        .ok()
        .filter(|limit| *limit > 0)
        .unwrap_or_else(|| {
            env.error("RATE_LIMIT_PER_MINUTE is not a number above 0");
            rates::PER_KEY
        })
}

/// What this door works with.
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
    /// Joins the walls.
    pub fn connect(config: Config, outside: Outside) -> Self {
        let aws = Aws::new(config.aws, &outside);
        let connection = Connection::new(&aws.sdk, aws.dynamodb.as_deref());
        let secrets = |secret| Secrets::new(vec![secret], aws.clone(), outside.clone());
        let ring = Keyed::new(secrets(config.ledger_key), |values| {
            KeyRing::read(values.first())
        });
        let switches = connection.switches(config.main_table.clone());
        let store = connection.store(config.main_table, outside.random.clone());
        let (url, web) = (config.stripe_url, outside.web.clone());
        let stripe = config.stripe_key.map(|secret| {
            Keyed::new(secrets(secret), move |values| {
                let secret_key = values.first().cloned().unwrap_or_default();
                StripeApi::new(
                    StripeConfig {
                        url: url.clone(),
                        secret_key,
                    },
                    web.clone(),
                )
            })
        });
        let web = outside.web.clone();
        let sign_in = config.client.map(|client| {
            let Client {
                url,
                web_url,
                id,
                secret,
            } = client;
            Keyed::new(secrets(secret), move |values| {
                let client_secret = values.first().cloned().unwrap_or_default();
                let (url, web_url, client_id) = (url.clone(), web_url.clone(), id.clone());
                SignIn::new(
                    SignInConfig {
                        url,
                        web_url,
                        client_id,
                        client_secret,
                    },
                    web.clone(),
                )
            })
        });
        Self {
            store: store.with_ledger(config.ledger_table, ring.into_source()),
            queues: Queues::new(&aws.sdk, aws.sqs.as_deref(), config.queue_urls),
            switches,
            auto_provision: config.auto_provision,
            catalogue: config.catalogue,
            stripe,
            sign_in,
            github_web_url: config.github_web_url.trim_end_matches('/').to_owned(),
            dashboard_url: config.dashboard_url.trim_end_matches('/').to_owned(),
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
