//! Mail, sent with Amazon SES.

use crate::Platform;
use boot::{Env, Setting, Settings};
use domain::accounts::addresses::MailAddress;
use mail_api::MailApi;

const MAIL_URL: Setting = Setting::required(
    "MAIL_URL",
    "The address of Amazon SES, version 2 of its API, in the function's region.",
);
const MAIL_FROM: Setting = Setting::optional(
    "MAIL_FROM",
    "The sender's address of mails to customers, verified at Amazon SES. Without it no mail is sent, and notices record that.",
);
const MAIL_CONFIGURATION_SET: Setting = Setting::optional(
    "MAIL_CONFIGURATION_SET",
    "The configuration set of Amazon SES that reports bounces and complaints. Without it nothing is reported.",
);

/// Amazon SES and the sender's address.
pub struct MailSettings {
    url: String,
    from: Option<MailAddress>,
    configuration_set: Option<String>,
}

impl Settings for MailSettings {
    fn read(env: &mut Env) -> Self {
        Self {
            url: env.text(MAIL_URL),
            from: from(env),
            configuration_set: env.optional(MAIL_CONFIGURATION_SET),
        }
    }
}

fn from(env: &mut Env) -> Option<MailAddress> {
    let text = env.optional(MAIL_FROM)?;
    match MailAddress::parse(&text) {
        Ok(address) => Some(address),
        Err(error) => {
            env.error(format!("MAIL_FROM is {error}"));
            None
        }
    }
}

/// A client of SES, and the sender's address if mail is sent.
pub struct Mail {
    pub api: MailApi,
    pub from: Option<MailAddress>,
}

impl MailSettings {
    pub fn connect(self, platform: &Platform) -> Mail {
        let sign = platform.aws.signer("ses", &platform.outside);
        let api = MailApi::new(&self.url, sign, platform.outside.web.clone());
        Mail {
            api: api.with_configuration_set(self.configuration_set),
            from: self.from,
        }
    }
}
