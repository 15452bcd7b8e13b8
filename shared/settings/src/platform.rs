//! The platform, through which every other part connects.

use boot::{Aws, AwsSettings, Env, Outside, Secret, Secrets, Settings};
use store::Connection;

pub struct PlatformSettings(AwsSettings);

impl Settings for PlatformSettings {
    fn read(env: &mut Env) -> Self {
        Self(AwsSettings::read(env))
    }
}

impl PlatformSettings {
    pub fn connect(self, outside: &Outside) -> Platform {
        let aws = Aws::new(self.0, outside);
        Platform {
            tables: Connection::new(&aws.sdk, aws.dynamodb.as_deref()),
            aws,
            outside: outside.clone(),
        }
    }
}

pub struct Platform {
    pub aws: Aws,
    pub tables: Connection,
    pub outside: Outside,
}

impl Platform {
    /// Returns a secret that is fetched on first use and cached for a minute.
    pub fn secrets(&self, secret: Secret) -> Secrets {
        Secrets::new(vec![secret], self.aws.clone(), self.outside.clone())
    }
}
