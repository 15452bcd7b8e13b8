//! The settings of this door, and what it works with.

use boot::{Aws, AwsSettings, Env, EnvError, Keyed, Outside, Secret, Secrets, Trust};
use github_api::{GithubApi, GithubConfig};
use queues::{Queue, Queues};
use store::{Connection, Inbox, Store};

/// The settings of this door.
///
/// - `EVENTS_TABLE`: the event log
/// - `MAIN_TABLE`: accounts, jobs and usage
/// - `GITHUB_EVENTS_QUEUE_URL`: its own queue, for events that must wait
/// - `PLAN_QUEUE_URL`: where new jobs go
/// - `PULLS_QUEUE_URL`: where comments are owed
/// - `GITHUB_URL`: GitHub's API
/// - `GITHUB_APP_ID` (or `APP_ID`): the App, by which its own doings are known
/// - `GITHUB_PRIVATE_KEY` (or `PRIVATE_KEY`): the App's key, for reading a repository's policy
pub struct Config {
    events_table: String,
    main_table: String,
    queue_urls: Vec<(Queue, String)>,
    github_url: String,
    app_id: u64,
    private_key: Secret,
    aws: AwsSettings,
}

impl Config {
    /// Reads the settings, or says everything that is wrong with them.
    pub fn read(mut env: Env) -> Result<Self, EnvError> {
        let config = Self {
            events_table: env.text("EVENTS_TABLE"),
            main_table: env.text("MAIN_TABLE"),
            queue_urls: [Queue::GithubEvents, Queue::Plan, Queue::Pulls]
                .map(|queue| (queue, env.text(queue.setting())))
                .into(),
            github_url: env.text("GITHUB_URL"),
            app_id: env.number_of(&["GITHUB_APP_ID", "APP_ID"]),
            private_key: Secret::read(&mut env, &["GITHUB_PRIVATE_KEY", "PRIVATE_KEY"]),
            aws: AwsSettings::read(&mut env),
        };
        env.verdict().map(|()| config)
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
    pub(crate) queues: Queues,
    pub(crate) github: Keyed<GithubApi>,
    pub(crate) app_id: u64,
    pub(crate) outside: Outside,
}

impl Ctx {
    /// Joins the walls.
    pub fn connect(config: Config, outside: Outside) -> Self {
        let aws = Aws::new(config.aws, &outside);
        let connection = Connection::new(&aws.sdk, aws.dynamodb.as_deref());
        let (url, app_id, web) = (config.github_url, config.app_id, outside.web.clone());
        let secrets = Secrets::new(vec![config.private_key], aws.clone(), outside.clone());
        Self {
            inbox: connection.inbox(config.events_table),
            store: connection.store(config.main_table, outside.random.clone()),
            queues: Queues::new(&aws.sdk, aws.sqs.as_deref(), config.queue_urls),
            github: Keyed::new(secrets, move |values| {
                let private_key_pem = values.first().cloned().unwrap_or_default();
                GithubApi::new(GithubConfig { url: url.clone(), app_id, private_key_pem }, web.clone())
            }),
            app_id,
            outside,
        }
    }
}
