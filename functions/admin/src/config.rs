//! The settings of this door, and what it works with.

use boot::{Aws, AwsSettings, Env, EnvError, Keyed, Outside, Secret, Secrets, Trust};
use domain::billing::plans::Catalogue;
use domain::inbox::EventSource;
use queues::{Queue, Queues};
use store::{Connection, Inbox, Ingest, KeyRing, Store, Switchboard};

/// The settings of this door.
///
/// - `EVENTS_TABLE`: the event log
/// - `MAIN_TABLE`: accounts, jobs and usage
/// - `LEDGER_TABLE`: the entries of the ledger
/// - `LEDGER_KEY`: the key entries are digested with; several separated by commas, the newest first
/// - `CATALOGUE`: the file that says what is sold; the built-in one where it is not set
/// - `GITHUB_EVENTS_QUEUE_URL`, `STRIPE_EVENTS_QUEUE_URL`, `PLAN_QUEUE_URL`, `CODE_QUEUE_URL`, `REVIEW_QUEUE_URL`,
///   `PULLS_QUEUE_URL`, `USAGE_QUEUE_URL`, `NOTICES_QUEUE_URL`, `MAIL_EVENTS_QUEUE_URL`, `PROVISIONING_QUEUE_URL`,
///   `ASSISTS_QUEUE_URL`: where replays go, and whose dead letters can be redriven
/// - `OPERATOR_TOKEN`: who may come in: `name:token`, several separated by commas; a bare token is `operator`'s
pub struct Config {
    events_table: String,
    main_table: String,
    ledger_table: String,
    ledger_key: Secret,
    catalogue: Catalogue,
    queue_urls: Vec<(Queue, String)>,
    operator_token: Secret,
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
            queue_urls: Queue::ALL
                .map(|queue| (queue, env.text(queue.setting())))
                .into(),
            operator_token: Secret::read(&mut env, &["OPERATOR_TOKEN"]),
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
    ingest: [Ingest; 2],
    pub(crate) queues: Queues,
    pub(crate) tokens: Secrets,
    pub(crate) catalogue: Catalogue,
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
        let ingest =
            EventSource::ALL.map(|source| connection.ingest(config.events_table.clone(), source));
        let switches = connection.switches(config.main_table.clone());
        let store = connection.store(config.main_table, outside.random.clone());
        Self {
            inbox: connection.inbox(config.events_table),
            store: store.with_ledger(config.ledger_table, ring.into_source()),
            switches,
            ingest,
            queues: Queues::new(&aws.sdk, aws.sqs.as_deref(), config.queue_urls),
            tokens: secrets(config.operator_token),
            catalogue: config.catalogue,
            outside,
        }
    }

    /// The switch of a sender's receiver.
    pub(crate) fn ingest(&self, source: EventSource) -> &Ingest {
        let [github, stripe] = &self.ingest;
        match source {
            EventSource::Github => github,
            EventSource::Stripe => stripe,
        }
    }
}
