//! Secrets: values on a developer's machine, references on AWS.
//!
//! A setting that begins with `ssm:` names a parameter of Systems Manager. Its value is cached for
//! a minute, and the next use fetches it again. If that fails, an alarm is logged and the old value
//! is used for ten more minutes. After that the function refuses to work, because the secret may
//! have been revoked.

use crate::{Aws, Env, Outside, Setting, ssm};
use domain::retry::{Retry, Retryable};
use domain::time::Timestamp;
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

const FRESH_FOR: Duration = Duration::from_secs(60);
const STALE_FOR: Duration = Duration::from_secs(600);

/// A secret, or where to fetch it.
#[derive(Clone)]
pub enum Secret {
    Value(SecretString),
    /// The name of a parameter in Systems Manager.
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

#[derive(Debug)]
pub struct SecretError {
    source: crate::WebError,
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("could not fetch secrets from Systems Manager")
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
    attempted_at: Timestamp,
}

/// A list of secrets. Their values are returned in the same order.
#[derive(Clone)]
pub struct Secrets {
    named: Arc<Vec<Secret>>,
    aws: Aws,
    outside: Outside,
    kept: Arc<Mutex<Option<Kept>>>,
}

impl Secrets {
    /// Creates the list. Nothing is fetched before the first use.
    pub fn new(named: Vec<Secret>, aws: Aws, outside: Outside) -> Self {
        Self {
            named: Arc::new(named),
            aws,
            outside,
            kept: Arc::default(),
        }
    }

    /// Returns the current values. They are at most a minute old, unless fetching them fails.
    pub async fn current(&self) -> Result<Arc<Vec<SecretString>>, SecretError> {
        let now = self.outside.now();
        // The lock is held across the fetch, so that concurrent callers wait for it instead of also
        // fetching.
        let mut kept = self.kept.lock().await;
        if let Some(kept) = kept.as_ref()
            && now.since(kept.attempted_at) < FRESH_FOR
        {
            return Ok(Arc::clone(&kept.values));
        }
        match self.fetch().await {
            Ok(values) => {
                let values = Arc::new(values);
                *kept = Some(Kept {
                    values: Arc::clone(&values),
                    fetched_at: now,
                    attempted_at: now,
                });
                Ok(values)
            }
            Err(source) => match kept.as_mut() {
                Some(old) if now.since(old.fetched_at) < STALE_FOR => {
                    tracing::error!(error = %source, alarm = true, "secrets could not be refreshed; using the old ones");
                    old.attempted_at = now;
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
                .ok_or_else(|| format!("Systems Manager has no parameter `{name}`").into()),
        };
        self.named.iter().map(value).collect()
    }
}
