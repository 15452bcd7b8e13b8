//! What ties a sign-in together while the person is at GitHub.
//!
//! A cookie for ten minutes has a random secret, the installation that it is about and where to go afterwards. GitHub only
//! sees the digest of all that, the state, and gives it back: so it fits this browser and this intent, and nobody else's.
//! What GitHub's code opens with, the verifier, follows from the cookie as well, and GitHub is told its digest: so a code that
//! was made in another browser opens nothing here. Nothing is kept here before somebody comes back; then the state is noted as used, in one conditional write.

use crate::sessions::{cookie, set_cookie};
use crate::{ApiError, Ctx};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::accounts::sessions::SessionText;
use domain::ids::InstallationId;
use domain::time::Timestamp;
use http::{HeaderMap, HeaderValue};
use sha2::{Digest, Sha256};
use std::time::Duration;
use store::Finished;
use subtle::ConstantTimeEq;

const COOKIE: &str = "th_signin";
const PATH: &str = "/signin";
/// As long as GitHub's code.
const LIFE_SECONDS: u64 = 600;
/// A used state is remembered for longer than any code or cookie lives.
const REMEMBERED: Duration = Duration::from_secs(86_400);
const RETURN_BYTES_MAX: usize = 512;

/// What somebody who signs in is up to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Intent {
    /// The installation that led him here.
    pub installation: Option<InstallationId>,
    /// Where he wants to go afterwards, within this site.
    pub return_to: Option<String>,
}

/// A sign-in that has begun.
pub struct Begun {
    /// What GitHub gives back.
    pub state: String,
    /// The digest of what its code opens with.
    pub challenge: String,
    /// What the browser keeps.
    pub cookie: HeaderValue,
}

/// Begins a sign-in.
pub fn begin(ctx: &Ctx, intent: &Intent) -> Begun {
    let secret = SessionText::mint(ctx.outside.random_bytes());
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

/// The intent with which somebody left who comes back with this state, and what his code opens with; none if it is not this
/// browser's or was used.
pub async fn come_back(
    ctx: &Ctx,
    headers: &HeaderMap,
    state: &str,
    now: Timestamp,
) -> Result<Option<(Intent, String)>, ApiError> {
    let Some(value) = cookie(headers, COOKIE) else {
        return Ok(None);
    };
    let same: bool = state_of(value).as_bytes().ct_eq(state.as_bytes()).into();
    let Some(intent) = intent_of(value).filter(|_| same) else {
        return Ok(None);
    };
    let used = ctx.store.state_use(state, now.plus(REMEMBERED)).await?;
    Ok((used == Finished::Now).then(|| (intent, verifier_of(value))))
}

/// The header that takes the cookie away.
pub fn take_away() -> HeaderValue {
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

/// A path of this site, and nothing that a browser could take for another one.
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
    fn only_paths_of_this_site_are_gone_to() {
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
