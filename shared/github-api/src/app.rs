//! The App's identity: its id and key, and the JWTs made from them.
//!
//! Nothing else can sign as the App. The caller provides the time.

use crate::error::GithubError;
use domain::time::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

/// Tokens are backdated, because GitHub's clock may be behind ours.
const BACKDATED_SECONDS: i64 = 60;
/// GitHub accepts at most ten minutes.
const LIFE_SECONDS: i64 = 540;

pub(crate) struct App {
    pub id: u64,
    key: EncodingKey,
}

#[derive(Serialize)]
struct Claims {
    iss: String,
    iat: i64,
    exp: i64,
}

impl App {
    /// Parses the key, in which `\n` may stand for newlines, and signs once to check it.
    pub fn parse(id: u64, private_key_pem: &SecretString) -> Result<Self, GithubError> {
        let pem = SecretString::from(private_key_pem.expose_secret().replace("\\n", "\n"));
        let key = EncodingKey::from_rsa_pem(pem.expose_secret().trim().as_bytes())
            .map_err(|_| GithubError::PrivateKey)?;
        let app = Self { id, key };
        app.jwt(Timestamp::default())?;
        Ok(app)
    }

    /// Creates a short-lived JWT that proves the App's identity.
    pub fn jwt(&self, now: Timestamp) -> Result<SecretString, GithubError> {
        let claims = Claims {
            iss: self.id.to_string(),
            iat: now.seconds() - BACKDATED_SECONDS,
            exp: now.seconds() + LIFE_SECONDS,
        };
        let signed = jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &self.key);
        signed
            .map(SecretString::from)
            .map_err(|_| GithubError::PrivateKey)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, private_key_pem, public_key_pem};
    use jsonwebtoken::{DecodingKey, Validation, decode};
    use serde_json::{Value, json};

    fn app(pem: &str) -> Result<App, GithubError> {
        App::parse(42, &SecretString::from(pem))
    }

    #[test]
    fn a_jwt_says_who_and_for_how_long() {
        let jwt = app(private_key_pem())
            .expect("a key")
            .jwt(NOW)
            .expect("a JWT");
        let mut validation = Validation::new(Algorithm::RS256);
        validation.validate_exp = false;
        let key = DecodingKey::from_rsa_pem(public_key_pem().as_bytes()).expect("a key");
        let claims = decode::<Value>(jwt.expose_secret(), &key, &validation)
            .expect("a signature")
            .claims;
        assert_eq!(
            claims,
            json!({ "iss": "42", "iat": NOW.seconds() - 60, "exp": NOW.seconds() + 540 })
        );
    }

    #[test]
    fn keys_survive_an_environment_variable() {
        assert!(app(&private_key_pem().replace('\n', "\\n")).is_ok());
        assert!(app(&format!("\n {} \n", private_key_pem())).is_ok());
    }

    #[test]
    fn other_texts_are_no_keys() {
        let cut: String = private_key_pem().lines().take(5).collect();
        let hollow = "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n";
        for text in ["", "ghp_x", public_key_pem(), cut.as_str(), hollow] {
            let error = app(text).err().expect("an error").to_string();
            assert!(error.contains("generate one"), "{error}");
            assert!(text.is_empty() || !error.contains(text));
        }
    }
}
