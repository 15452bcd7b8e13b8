//! The settings of this door, and what it works with.

use boot::{Aws, AwsSettings, Env, EnvError, Outside, Trust};
use domain::accounts::addresses::MailAddress;
use mail_api::MailApi;
use queues::{Queue, Queues};
use store::{Connection, Store};

/// The settings of this door.
///
/// - `MAIN_TABLE`: accounts and their notices
/// - `NOTICES_QUEUE_URL`: its own queue
/// - `MAIL_URL`: SES in our region
/// - `MAIL_FROM`: the address that mails come from, verified at SES; without one no mail is sent, and notices say so
/// - `MAIL_CONFIGURATION_SET`: SES's configuration set, by which we hear what became of mails; nothing is heard without one
/// - `DASHBOARD_URL`: where customers can do something about what they are told; no link where it is not set
pub struct Config {
    main_table: String,
    queue_url: String,
    mail_url: String,
    mail_from: Option<MailAddress>,
    mail_configuration_set: Option<String>,
    dashboard_url: Option<String>,
    aws: AwsSettings,
}

impl Config {
    /// Reads the settings, or says everything that is wrong with them.
    pub fn read(mut env: Env) -> Result<Self, EnvError> {
        let mail_from = env.find("MAIL_FROM").map(|text| MailAddress::parse(&text));
        if let Some(Err(error)) = &mail_from {
            env.error(format!("MAIL_FROM is {error}"));
        }
        let config = Self {
            main_table: env.text("MAIN_TABLE"),
            queue_url: env.text("NOTICES_QUEUE_URL"),
            mail_url: env.text("MAIL_URL"),
            mail_from: mail_from.and_then(Result::ok),
            mail_configuration_set: env.find("MAIL_CONFIGURATION_SET"),
            dashboard_url: env.find("DASHBOARD_URL"),
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
    pub(crate) mail: MailApi,
    /// None where no mail is sent.
    pub(crate) from: Option<MailAddress>,
    pub(crate) dashboard_url: Option<String>,
    pub(crate) outside: Outside,
}

impl Ctx {
    /// Joins the walls.
    pub fn connect(config: Config, outside: Outside) -> Self {
        let aws = Aws::new(config.aws, &outside);
        Self {
            store: Connection::new(&aws.sdk, aws.dynamodb.as_deref())
                .store(config.main_table, outside.random.clone()),
            queues: Queues::new(
                &aws.sdk,
                aws.sqs.as_deref(),
                [(Queue::Notices, config.queue_url)],
            ),
            mail: MailApi::new(
                &config.mail_url,
                aws.signer("ses", &outside),
                outside.web.clone(),
            )
            .with_configuration_set(config.mail_configuration_set),
            from: config.mail_from,
            dashboard_url: config.dashboard_url,
            outside,
        }
    }
}
