//! The settings and clients of this function.

use boot::{Env, Outside, Settings};
use domain::accounts::addresses::MailAddress;
use mail_api::MailApi;
use queues::{Queue, Queues};
use settings::{DashboardUrl, MailSettings, MainSettings, PlatformSettings, QueueSettings};
use store::Store;

pub struct Config {
    platform: PlatformSettings,
    main: MainSettings,
    queues: QueueSettings,
    mail: MailSettings,
    dashboard_url: DashboardUrl,
}

impl Settings for Config {
    fn read(env: &mut Env) -> Self {
        Self {
            platform: Settings::read(env),
            main: Settings::read(env),
            queues: QueueSettings::read(env, [Queue::Notices]),
            mail: Settings::read(env),
            dashboard_url: Settings::read(env),
        }
    }
}

pub struct Ctx {
    pub(crate) store: Store,
    pub(crate) queues: Queues,
    pub(crate) mail: MailApi,
    /// `None` if no mail is sent.
    pub(crate) from: Option<MailAddress>,
    pub(crate) dashboard_url: Option<String>,
    pub(crate) outside: Outside,
}

impl Ctx {
    pub fn connect(config: Config, outside: Outside) -> Self {
        let platform = config.platform.connect(&outside);
        let mail = config.mail.connect(&platform);
        Self {
            store: config.main.connect(&platform),
            queues: config.queues.connect(&platform),
            mail: mail.api,
            from: mail.from,
            dashboard_url: config.dashboard_url.0,
            outside,
        }
    }
}
