//! Checks that no secret and no personal text appears in a log line or an error's answer.
//!
//! Every world takes part. Each line that our crates log at any level, and that others log at the
//! levels that production shows, is formatted as in production and searched while it is written; so
//! is each answer of a function. The search covers the secrets of worlds and local stacks, anything
//! that looks like a token, a key or a mail address, and the text of people and models in these
//! worlds, also as base64, as hex and percent-encoded. A test with a finding fails at its end.
//! `RUST_LOG` also prints the lines.

use bytes::Bytes;
use http::Response;
use local_stack::stack::{LOCAL_LEDGER_KEY, LOCAL_MODEL_KEY, LOCAL_SECRET};
use local_stack::world::{ISSUE_BODY, ISSUE_TITLE};
use std::cell::RefCell;
use std::io::{self, Write};
use std::sync::{LazyLock, Mutex};

/// Texts that must not appear.
struct Needle {
    what: String,
    forms: Vec<String>,
}

thread_local! {
    /// Secrets that this test creates, such as the cookies of its sessions.
    static KNOWN: RefCell<Vec<Needle>> = const { RefCell::new(Vec::new()) };
    /// The findings of this test, which runs on one thread with all its functions.
    static FOUND: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    /// The lines of this test that raise an alarm.
    static ALARMS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Findings on threads that belong to no test.
static STRAY: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Secrets, which may appear in no line and no answer.
static SECRETS: LazyLock<Vec<Needle>> = LazyLock::new(|| {
    let key = stand_in_github::app_key::app_key().private_pem;
    let key = key.lines().nth(5).expect("a key has many lines").to_owned();
    [
        LOCAL_SECRET,
        LOCAL_LEDGER_KEY,
        LOCAL_MODEL_KEY,
        "local-token",
        "sk_test_local",
        CANARY,
        &key,
    ]
    .map(needle)
    .into()
});

/// Texts of people and models, which may appear in no line and no error.
static WORDS: LazyLock<Vec<Needle>> = LazyLock::new(|| {
    let says = [
        ISSUE_BODY,
        ISSUE_TITLE,
        "Says hello to whoever",
        "The change does what the plan says",
        MARKER,
    ];
    says.map(needle).into()
});

/// A secret that only this file plants.
const CANARY: &str = "canary-of-a-secret-that-nobody-has";
/// A marker in an unknown field of every event that a world's vendors send.
pub const MARKER: &str = "canary-in-a-payload, as people write";

fn needle(text: &str) -> Needle {
    let (hex, mut forms) = (hex::encode(text), base64_forms(text.as_bytes()));
    let percent = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    forms.extend([
        text.to_owned(),
        hex.to_uppercase(),
        hex,
        text.bytes().map(percent).collect(),
    ]);
    forms.push(text.replace(' ', "+"));
    forms.sort();
    forms.dedup();
    Needle {
        what: text.chars().take(12).collect(),
        forms,
    }
}

/// Registers a secret that this test's worlds must keep from now on.
pub fn keep(secret: &str) {
    KNOWN.with_borrow_mut(|known| known.push(needle(secret)));
}

/// The known secret that a text contains, if any.
fn secret(text: &str) -> Option<String> {
    found(&SECRETS, text).or_else(|| KNOWN.with_borrow(|known| found(known, text)))
}

/// The needle that a text contains, if any.
fn found(needles: &[Needle], text: &str) -> Option<String> {
    needles
        .iter()
        .find(|needle| needle.forms.iter().any(|form| text.contains(form.as_str())))
        .map(|n| n.what.clone())
}

/// A token in a text: a known prefix followed by enough characters to be a secret.
fn token(text: &str) -> Option<String> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    [
        "ghs_",
        "ghp_",
        "ghu_",
        "th_live_",
        "th_test_",
        "whsec_",
        "eyJhbGciOi",
        "Bearer ",
    ]
    .into_iter()
    .find_map(|prefix| {
        let long = |rest: &str| rest.chars().take_while(|c| word(*c)).count() >= 16;
        text.split(prefix)
            .skip(1)
            .any(long)
            .then(|| format!("{prefix}…"))
    })
}

/// A mail address in a text. Our own addresses and the example in an error are allowed.
fn address(text: &str) -> Option<String> {
    let word = |c: &char| c.is_ascii_alphanumeric() || "._%+-".contains(*c);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('@') {
        let domain: String = after.chars().take_while(word).collect();
        let named = before.chars().next_back().is_some_and(|c| word(&c));
        let dotted = domain
            .split_once('.')
            .is_some_and(|(name, top)| !name.is_empty() && top.len() >= 2);
        let ours = domain.starts_with("tallyhook.")
            || before.ends_with("somebody") && domain == "example.com";
        if named && dotted && !ours {
            return Some(format!("…@{domain}"));
        }
        rest = after;
    }
    None
}

fn note(what: String, line: &str) {
    let said: String = line.chars().take(400).collect();
    let leak = format!("{what} in {said}");
    if std::thread::current().name().is_some() {
        FOUND.with_borrow_mut(|found| found.push(leak));
    } else {
        STRAY
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .push(leak);
    }
}

/// Receives every log line.
struct Listener {
    prints: bool,
}

impl Write for Listener {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let leak = secret(&text)
            .or_else(|| found(&WORDS, &text))
            .or_else(|| token(&text));
        if let Some(what) = leak.or_else(|| address(&text)) {
            note(what, &text);
        }
        if text.contains("\"alarm\":true") {
            ALARMS.with_borrow_mut(|alarms| alarms.push(text.into_owned()));
        }
        if self.prints {
            io::stdout().write_all(line)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Starts listening to this process's log.
pub fn listen() {
    let env = boot::Env::of_process();
    let prints = env.find("RUST_LOG").is_some();
    boot::log_to(&env, boot::LevelFilter::TRACE, move || Listener { prints });
}

/// Searches an answer of a function. A key's text is shown only in the answer that creates it.
pub fn look(path: &str, response: &Response<Bytes>) {
    let text = String::from_utf8_lossy(response.body());
    let refused = response.status().is_client_error() || response.status().is_server_error();
    let is_of_keys = path.contains("/api-keys") || path.starts_with("/settings/keys");
    let shows_key = is_of_keys && !refused;
    let secret = secret(&text).or_else(|| token(&text).filter(|_| !shows_key));
    let words = || {
        found(&WORDS, &text)
            .or_else(|| address(&text))
            .filter(|_| refused)
    };
    if let Some(what) = secret.or_else(words) {
        note(what, &format!("{} of {path}: {text}", response.status()));
    }
}

/// Takes this test's findings so far, together with those of threads that belong to no test.
pub fn take() -> Vec<String> {
    let stray = STRAY
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .clone();
    FOUND
        .with_borrow_mut(std::mem::take)
        .into_iter()
        .chain(stray)
        .collect()
}

/// Takes the log lines that raised an alarm so far.
pub fn alarms() -> Vec<String> {
    ALARMS.with_borrow_mut(std::mem::take)
}

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The base64 forms of these bytes at each offset, reduced to the characters that depend only on
/// them.
fn base64_forms(bytes: &[u8]) -> Vec<String> {
    let forms = (0..3).flat_map(|shift| {
        let bits: Vec<u8> = std::iter::repeat_n(0, shift)
            .chain(bytes.iter().copied())
            .flat_map(|byte| (0..8).rev().map(move |bit| (byte >> bit) & 1))
            .collect();
        let letters = bits.chunks_exact(6).skip((8 * shift).div_ceil(6));
        let sum = |six: &[u8]| {
            six.iter()
                .fold(0_usize, |sum, bit| sum * 2 + usize::from(*bit))
        };
        let plain: String = letters.map(|six| char::from(LETTERS[sum(six)])).collect();
        [plain.replace('+', "-").replace('/', "_"), plain]
    });
    forms.collect()
}

mod tests {
    use super::*;
    use crate::world::World;
    use domain::accounts::addresses::MailAddress;
    use domain::accounts::api_keys::{KeyText, LIVE};
    use http::StatusCode;

    /// Plants a leak in each place and asserts that the guard finds it.
    #[tokio::test(start_paused = true)]
    async fn a_leak_is_found_in_whatever_form_it_comes() {
        let world = World::start().await;
        assert_eq!(take(), Vec::<String>::new());
        for shift in 0..3 {
            let text = format!("{}{CANARY}, and more", "x".repeat(shift));
            tracing::trace!(target: "store", value = base64_forms(text.as_bytes())[1], "planted");
            assert_eq!(take().len(), 1, "base64, shifted by {shift}");
        }
        tracing::debug!(target: "queues", value = hex::encode(CANARY), "planted");
        tracing::info!(target: "api", error = ?io::Error::other(CANARY), "planted");
        tracing::warn!(target: "somebody_else", "planted {CANARY}");
        tracing::info!(target: "admin", mail = "jenny@example.com", "planted");
        tracing::info!(target: "github_api", token = "ghs_16C7e42F292c6912E7710c838347Ae178B4a", "planted");
        tracing::info!(target: "model_api", prompt = ISSUE_BODY, "planted");
        tracing::info!(target: "github_webhook", body = %MARKER.replace(' ', "%20").replace(',', "%2C"), "planted");
        tracing::info_span!(target: "store", "a span", value = CANARY)
            .in_scope(|| tracing::info!(target: "store", "x"));
        assert_eq!(take().len(), 8);
        tracing::info!(target: "api", "a-cookie-of-this-test is unknown so far");
        keep("a-cookie-of-this-test");
        tracing::info!(target: "api", cookie = "a-cookie-of-this-test", "planted");
        assert_eq!(take().len(), 1);
        let answer = |status: StatusCode, text: &str| {
            let mut response = Response::new(Bytes::copy_from_slice(text.as_bytes()));
            *response.status_mut() = status;
            response
        };
        let key = "th_live_0123456789abcdefghij";
        look("/api/v1/jobs", &answer(StatusCode::OK, CANARY));
        look("/api/v1/jobs", &answer(StatusCode::OK, key));
        look("/api/v1/api-keys", &answer(StatusCode::BAD_REQUEST, key));
        look(
            "/api/v1/jobs",
            &answer(StatusCode::CONFLICT, "jenny@example.com has it"),
        );
        assert_eq!(take().len(), 4);
        look("/api/v1/api-keys", &answer(StatusCode::CREATED, key));
        look(
            "/api/v1/account",
            &answer(StatusCode::OK, "jenny@example.com"),
        );
        tracing::info!(target: "somebody_else", "production does not show {CANARY}");
        assert_eq!(take(), Vec::<String>::new(), "what may be said");
        world.done().await;
    }

    #[test]
    fn what_holds_a_secret_does_not_print_it() {
        let key = KeyText::mint(LIVE, [7; 32]);
        let address = MailAddress::parse("jenny@example.com").expect("an address");
        for (text, hidden) in [
            (format!("{key:?}"), key.expose()),
            (format!("{address:?}"), "jenny"),
            (format!("{:?}", secrecy::SecretString::from(CANARY)), CANARY),
        ] {
            assert!(!text.contains(hidden), "{text}");
        }
    }
}
