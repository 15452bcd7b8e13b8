//! A client that needs secrets, rebuilt when they change.

use crate::{SecretError, Secrets};
use domain::retry::{Failure, Retryable};
use secrecy::{ExposeSecret, SecretString};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::Mutex;

/// An asynchronous function that returns a value, such as a client.
pub type Source<T> =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<T, Failure>> + Send>> + Send + Sync>;

type Build<T> = dyn Fn(&[SecretString]) -> Result<T, Failure> + Send + Sync;

/// A client and the secrets from which it was built. The client and its caches are kept while the
/// secrets stay the same.
pub struct Keyed<T> {
    secrets: Secrets,
    build: Box<Build<T>>,
    kept: Mutex<Option<(Arc<Vec<SecretString>>, T)>>,
}

impl<T: Clone> Keyed<T> {
    /// Creates the holder. Nothing is built before the first use.
    pub fn new<E: Retryable>(
        secrets: Secrets,
        build: impl Fn(&[SecretString]) -> Result<T, E> + Send + Sync + 'static,
    ) -> Self {
        Self {
            secrets,
            build: Box::new(move |values| build(values).map_err(Failure::from)),
            kept: Mutex::default(),
        }
    }

    /// Converts it to a function, for an adapter that does not depend on this crate.
    pub fn into_source(self) -> Source<T>
    where
        T: Send + 'static,
    {
        let keyed = Arc::new(self);
        Arc::new(move || {
            let keyed = Arc::clone(&keyed);
            Box::pin(async move { keyed.client().await })
        })
    }

    /// Returns the client for the current secrets.
    pub async fn client(&self) -> Result<T, Failure> {
        let current = self
            .secrets
            .current()
            .await
            .map_err(|error: SecretError| Failure::from(error))?;
        let mut kept = self.kept.lock().await;
        if let Some((values, client)) = kept.as_ref()
            && same(values, &current)
        {
            return Ok(client.clone());
        }
        let client = (self.build)(&current)?;
        *kept = Some((current, client.clone()));
        Ok(client)
    }
}

fn same(one: &[SecretString], other: &[SecretString]) -> bool {
    one.len() == other.len()
        && one
            .iter()
            .zip(other)
            .all(|(a, b)| a.expose_secret() == b.expose_secret())
}
