//! The settings of this door, and what it works with.

use boot::{Aws, AwsSettings, Env, EnvError, Keyed, Outside, Secret, Secrets, Trust};
use domain::switches::Switch;
use queues::{Queue, Queues};
use store::{Connection, Store, Switchboard};
use stripe_api::{StripeApi, StripeConfig};

/// The settings of this door.
///
/// - `MAIN_TABLE`: accounts, jobs and usage
/// - `USAGE_QUEUE_URL`: its own queue
/// - `STRIPE_URL`: Stripe's API
/// - `STRIPE_SECRET_KEY`: the key to it; without one everything else works, and debts are kept until there is one
/// - `BILLING_ENABLED`: `false` keeps debts instead of reporting them, unless an operator has switched it on
pub struct Config {
    main_table: String,
    queue_url: String,
    stripe_url: String,
    secret_key: Option<Secret>,
    billing: Switch,
    aws: AwsSettings,
}

impl Config {
    /// Reads the settings, or says everything that is wrong with them.
    pub fn read(mut env: Env) -> Result<Self, EnvError> {
        let off = env
            .find("BILLING_ENABLED")
            .is_some_and(|text| text.eq_ignore_ascii_case("false"));
        let config = Self {
            main_table: env.text("MAIN_TABLE"),
            queue_url: env.text("USAGE_QUEUE_URL"),
            stripe_url: env.text("STRIPE_URL"),
            secret_key: Secret::find(&env, "STRIPE_SECRET_KEY"),
            billing: Switch::from(!off),
            aws: AwsSettings::read(&mut env),
        };
        env.finish().map(|()| config)
    }

    /// Whose certificates this door believes.
    pub fn trust(&self) -> Trust {
        self.aws.trust(Trust::Public)
    }
}

/// What this door works with.
pub struct Ctx {
    pub(crate) store: Store,
    pub(crate) queues: Queues,
    pub(crate) switches: Switchboard,
    /// Whether Stripe is told of usage where no operator has said anything.
    pub(crate) billing: Switch,
    /// None without a key.
    pub(crate) stripe: Option<Keyed<StripeApi>>,
    pub(crate) outside: Outside,
}

impl Ctx {
    /// Joins the walls.
    pub fn connect(config: Config, outside: Outside) -> Self {
        let aws = Aws::new(config.aws, &outside);
        let (url, web) = (config.stripe_url, outside.web.clone());
        let stripe = config.secret_key.map(|secret_key| {
            Keyed::new(
                Secrets::new(vec![secret_key], aws.clone(), outside.clone()),
                move |values| {
                    let secret_key = values.first().cloned().unwrap_or_default();
                    StripeApi::new(
                        StripeConfig {
                            url: url.clone(),
                            secret_key,
                        },
                        web.clone(),
                    )
                },
            )
        });
        let connection = Connection::new(&aws.sdk, aws.dynamodb.as_deref());
        Self {
            switches: connection.switches(config.main_table.clone()),
            billing: config.billing,
            store: connection.store(config.main_table, outside.random.clone()),
            queues: Queues::new(
                &aws.sdk,
                aws.sqs.as_deref(),
                [(Queue::Usage, config.queue_url)],
            ),
            stripe,
            outside,
        }
    }
}
