//! Secrets: by value on one machine, by reference on AWS.
//!
//! A setting that begins with `ssm:` names a parameter; all of a door's are fetched in one call, kept for a minute and
//! fetched again then by whoever comes first. A refresh that fails keeps the old values for ten minutes and alarms;
//! after that the door refuses to work rather than to work with secrets that may have been withdrawn.

use crate::{Aws, Env, Outside, Setting, ssm};
use domain::retry::{Retry, Retryable};
use domain::time::Timestamp;
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

const FRESH: Duration = Duration::from_secs(60);
const BEARABLE: Duration = Duration::from_secs(600);

/// Where one secret is to be had.
#[derive(Clone)]
pub enum Secret {
    /// Here.
    Value(SecretString),
    /// In this parameter of AWS Systems Manager.
    Parameter(String),
}

impl Secret {
    /// Reads a setting that must be present.
    pub fn read(env: &mut Env, setting: Setting) -> Self {
        Self::of(env.text(setting))
    }

    /// Reads a setting that must be present only if another one is.
    pub fn read_if(needed: bool, env: &mut Env, setting: Setting) -> Self {
        Self::of(env.text_if(needed, setting))
    }

    /// Reads a setting that may be absent.
    pub fn optional(env: &mut Env, setting: Setting) -> Option<Self> {
        env.optional(setting).map(Self::of)
    }

    fn of(text: String) -> Self {
        match text.strip_prefix("ssm:") {
            Some(name) => Self::Parameter(name.to_owned()),
            None => Self::Value(SecretString::from(text)),
        }
    }
}

/// The secrets are not to be had.
#[derive(Debug)]
pub struct SecretError {
    source: crate::WebError,
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("could not fetch the secrets from Systems Manager")
    }
}

impl std::error::Error for SecretError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(self.source.as_ref())
    }
}

impl Retryable for SecretError {
    fn retry(&self) -> Retry {
        Retry::Alarm(Duration::from_secs(60))
    }
}

struct Kept {
    values: Arc<Vec<SecretString>>,
    fetched_at: Timestamp,
    tried_at: Timestamp,
}

/// The secrets of a door, in the order in which they were named.
#[derive(Clone)]
pub struct Secrets {
    named: Arc<Vec<Secret>>,
    aws: Aws,
    outside: Outside,
    kept: Arc<Mutex<Option<Kept>>>,
}

impl Secrets {
    /// Nothing is fetched yet.
    pub fn new(named: Vec<Secret>, aws: Aws, outside: Outside) -> Self {
        Self {
            named: Arc::new(named),
            aws,
            outside,
            kept: Arc::default(),
        }
    }

    /// The values as they are now, at most a minute old unless they cannot be had.
    pub async fn current(&self) -> Result<Arc<Vec<SecretString>>, SecretError> {
        let now = self.outside.now();
        // Held across the fetch: whoever comes meanwhile waits for it instead of fetching too.
        let mut kept = self.kept.lock().await;
        if let Some(kept) = kept.as_ref()
            && now.since(kept.tried_at) < FRESH
        {
            return Ok(Arc::clone(&kept.values));
        }
        match self.fetch().await {
            Ok(values) => {
                let values = Arc::new(values);
                *kept = Some(Kept {
                    values: Arc::clone(&values),
                    fetched_at: now,
                    tried_at: now,
                });
                Ok(values)
            }
            Err(source) => match kept.as_mut() {
                Some(old) if now.since(old.fetched_at) < BEARABLE => {
                    tracing::error!(error = %source, alarm = true, "secrets could not be refreshed; the old ones still serve");
                    old.tried_at = now;
                    Ok(Arc::clone(&old.values))
                }
                Some(_) | None => Err(SecretError { source }),
            },
        }
    }

    async fn fetch(&self) -> Result<Vec<SecretString>, crate::WebError> {
        let names: Vec<&str> = self
            .named
            .iter()
            .filter_map(|secret| match secret {
                Secret::Parameter(name) => Some(name.as_str()),
                Secret::Value(_) => None,
            })
            .collect();
        let fetched: BTreeMap<String, SecretString> = if names.is_empty() {
            BTreeMap::new()
        } else {
            ssm::parameters(&self.aws, &self.outside, &names).await?
        };
        let value = |secret: &Secret| match secret {
            Secret::Value(value) => Ok(value.clone()),
            Secret::Parameter(name) => fetched
                .get(name)
                .cloned()
                .ok_or_else(|| format!("there is no parameter {name}").into()),
        };
        self.named.iter().map(value).collect()
    }
}
