//! The settings of this door, and what it works with.

use boot::{Aws, AwsSettings, Env, EnvError, Keyed, Outside, Secret, Secrets, Trust};
use domain::billing::plans::Catalogue;
use domain::retry::{Failure, Retry};
use queues::{Queue, Queues};
use std::time::Duration;
use store::{Connection, Inbox, KeyRing, Store, Switchboard};
use stripe_api::{StripeApi, StripeConfig};

/// The settings of this door.
///
/// - `EVENTS_TABLE`: the event log
/// - `MAIN_TABLE`: accounts, jobs and usage
/// - `LEDGER_TABLE`: the entries of the ledger
/// - `LEDGER_KEY`: the key entries are digested with; several separated by commas, the newest first
/// - `CATALOGUE`: the file that says what is sold; the built-in one where it is not set
/// - `STRIPE_EVENTS_QUEUE_URL`: its own queue, for events that must wait
/// - `NOTICES_QUEUE_URL`: where customers are told of what has become of their money
/// - `STRIPE_URL`: Stripe's API
/// - `STRIPE_SECRET_KEY`: the key to it; without one, events about which Stripe has to be asked wait
pub struct Config {
    events_table: String,
    main_table: String,
    ledger_table: String,
    ledger_key: Secret,
    catalogue: Catalogue,
    queue_urls: Vec<(Queue, String)>,
    stripe_url: String,
    secret_key: Option<Secret>,
    aws: AwsSettings,
}

impl Config {
    /// Reads the settings, or says everything that is wrong with them.
    pub fn read(mut env: Env) -> Result<Self, EnvError> {
        let catalogue = catalogue::from_settings(|name| env.find(name)).unwrap_or_else(|errors| {
            env.error(errors.to_string());
            catalogue::built_in()
        });
        let config = Self {
            events_table: env.text("EVENTS_TABLE"),
            main_table: env.text("MAIN_TABLE"),
            ledger_table: env.text("LEDGER_TABLE"),
            ledger_key: Secret::read(&mut env, &["LEDGER_KEY"]),
            catalogue,
            queue_urls: [Queue::StripeEvents, Queue::Notices]
                .map(|queue| (queue, env.text(queue.setting())))
                .into(),
            stripe_url: env.text("STRIPE_URL"),
            secret_key: Secret::find(&env, "STRIPE_SECRET_KEY"),
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
    pub(crate) inbox: Inbox,
    pub(crate) store: Store,
    pub(crate) switches: Switchboard,
    pub(crate) queues: Queues,
    pub(crate) catalogue: Catalogue,
    /// None where no key is set.
    pub(crate) stripe: Option<Keyed<StripeApi>>,
    pub(crate) outside: Outside,
}

/// Until somebody has set the key.
const KEYLESS_WAIT: Duration = Duration::from_secs(3_600);

impl Ctx {
    /// Joins the walls.
    pub fn connect(config: Config, outside: Outside) -> Self {
        let aws = Aws::new(config.aws, &outside);
        let connection = Connection::new(&aws.sdk, aws.dynamodb.as_deref());
        let secrets = |secret| Secrets::new(vec![secret], aws.clone(), outside.clone());
        let ring = Keyed::new(secrets(config.ledger_key), |values| {
            KeyRing::read(values.first())
        });
        let (url, web) = (config.stripe_url, outside.web.clone());
        let stripe = config.secret_key.map(|secret_key| {
            Keyed::new(secrets(secret_key), move |values| {
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
        let switches = connection.switches(config.main_table.clone());
        let store = connection.store(config.main_table, outside.random.clone());
        Self {
            inbox: connection.inbox(config.events_table),
            store: store.with_ledger(config.ledger_table, ring.into_source()),
            switches,
            queues: Queues::new(&aws.sdk, aws.sqs.as_deref(), config.queue_urls),
            catalogue: config.catalogue,
            stripe,
            outside,
        }
    }

    /// Stripe, for an event that cannot be acted on without asking it.
    pub(crate) async fn stripe(&self) -> Result<StripeApi, Failure> {
        match self.stripe_maybe().await? {
            Some(stripe) => Ok(stripe),
            None => Err(Failure {
                retry: Retry::Alarm(KEYLESS_WAIT),
                source: "Stripe has to be asked about this event: set STRIPE_SECRET_KEY".into(),
            }),
        }
    }

    /// Stripe, if it can be asked at all.
    pub(crate) async fn stripe_maybe(&self) -> Result<Option<StripeApi>, Failure> {
        match &self.stripe {
            Some(stripe) => stripe.client().await.map(Some),
            None => Ok(None),
        }
    }
}
