//! The state of a sign-in while the person is at GitHub.
//!
//! A cookie holds a random secret, the installation of the sign-in and the page to return to, for
//! ten minutes. GitHub receives only a digest of these, the state, and sends it back, so the state
//! fits only this browser and this intent. The PKCE verifier also follows from the cookie, so a
//! code issued to another browser is useless here. Nothing is stored until the person returns; then
//! one conditional write marks the state as used.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::accounts::sessions::SessionText;
use domain::ids::InstallationId;
use domain::time::Timestamp;
use http::{HeaderMap, HeaderValue};
use rest::browsers::{cookie, set_cookie};
use sha2::{Digest, Sha256};
use std::time::Duration;
use store::{Finished, Store, StoreError};
use subtle::ConstantTimeEq;

const COOKIE: &str = "th_signin";
const PATH: &str = "/signin";
/// As long as GitHub's code is valid.
const LIFE_SECONDS: u64 = 600;
/// Outlives every code and cookie.
const USED_FOR: Duration = Duration::from_secs(86_400);
const RETURN_BYTES_MAX: usize = 512;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Intent {
    /// The installation that led the person here.
    pub installation: Option<InstallationId>,
    /// The page of this site to go to after the sign-in.
    pub return_to: Option<String>,
}

/// A sign-in in progress.
pub struct Begun {
    /// The state that GitHub sends back.
    pub state: String,
    /// The PKCE challenge: the digest of the verifier.
    pub challenge: String,
    /// The header that sets the browser's cookie.
    pub cookie: HeaderValue,
}

pub fn begin(secret: [u8; 32], intent: &Intent) -> Begun {
    let secret = SessionText::mint(secret);
    let installation = intent
        .installation
        .map(|installation| installation.to_string())
        .unwrap_or_default();
    let return_to = URL_SAFE_NO_PAD.encode(intent.return_to.as_deref().unwrap_or_default());
    let value = format!("{}.{installation}.{return_to}", secret.expose());
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier_of(&value)));
    Begun {
        state: state_of(&value),
        challenge,
        cookie: set_cookie(COOKIE, &value, PATH, LIFE_SECONDS),
    }
}

/// Returns the intent and the PKCE verifier of the sign-in with this state. Returns `None` if the
/// sign-in began in another browser or if its state was already used.
pub async fn come_back(
    store: &Store,
    headers: &HeaderMap,
    state: &str,
    now: Timestamp,
) -> Result<Option<(Intent, String)>, StoreError> {
    let Some(value) = cookie(headers, COOKIE) else {
        return Ok(None);
    };
    let same: bool = state_of(value).as_bytes().ct_eq(state.as_bytes()).into();
    let Some(intent) = intent_of(value).filter(|_| same) else {
        return Ok(None);
    };
    let used = store.state_use(state, now.plus(USED_FOR)).await?;
    Ok((used == Finished::Now).then(|| (intent, verifier_of(value))))
}

/// Returns the header that deletes the cookie.
pub fn no_cookie() -> HeaderValue {
    set_cookie(COOKIE, "", PATH, 0)
}

fn state_of(value: &str) -> String {
    hex::encode(Sha256::digest(format!("tallyhook sign-in {value}")))
}

fn verifier_of(value: &str) -> String {
    hex::encode(Sha256::digest(format!("tallyhook verifier {value}")))
}

fn intent_of(value: &str) -> Option<Intent> {
    let mut parts = value.splitn(3, '.');
    SessionText::parse(parts.next()?)?;
    let installation = match parts.next()? {
        "" => None,
        number => Some(InstallationId::new(number.parse().ok()?)),
    };
    let return_to = String::from_utf8(URL_SAFE_NO_PAD.decode(parts.next()?).ok()?).ok()?;
    let return_to = if return_to.is_empty() {
        None
    } else {
        Some(within(&return_to)?.to_owned())
    };
    Some(Intent {
        installation,
        return_to,
    })
}

/// Returns the path if it is within this site and no browser can interpret it as another site.
pub fn within(path: &str) -> Option<&str> {
    let plain = path
        .bytes()
        .all(|byte| (b'!'..=b'~').contains(&byte) && byte != b'\\');
    let ours = path.starts_with('/') && !path.starts_with("//");
    (plain && ours && path.len() <= RETURN_BYTES_MAX).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_this_site_are_accepted() {
        for good in ["/", "/billing?tab=keys#top", "/a//b"] {
            assert_eq!(within(good), Some(good));
        }
        let long = format!("/{}", "a".repeat(RETURN_BYTES_MAX));
        for bad in [
            "",
            "billing",
            "//evil.test",
            "/\\evil.test",
            "\\\\evil.test",
            "https://evil.test",
            "/a\r\nb: c",
            "/\t/x",
            "/é",
            &long,
        ] {
            assert_eq!(within(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn an_intent_reads_back() {
        let secret = SessionText::mint([3; 32]);
        let value = format!(
            "{}.7001.{}",
            secret.expose(),
            URL_SAFE_NO_PAD.encode("/x?y=1")
        );
        let intent = Intent {
            installation: Some(InstallationId::new(7001)),
            return_to: Some("/x?y=1".to_owned()),
        };
        assert_eq!(intent_of(&value), Some(intent));
        assert_eq!(
            intent_of(&format!("{}..", secret.expose())),
            Some(Intent::default())
        );
        let elsewhere = format!(
            "{}..{}",
            secret.expose(),
            URL_SAFE_NO_PAD.encode("//evil.test")
        );
        for bad in ["", "..", "short..", &elsewhere] {
            assert_eq!(intent_of(bad), None, "{bad}");
        }
    }
}
