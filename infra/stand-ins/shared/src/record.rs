//! Records what clients send to the stand-ins and what the stand-ins answer and deliver.
//! `.ci/contracts` compares the records with the vendors' own descriptions of their APIs.
//!
//! Off until [`to`] names a folder. One file per process and one line per shape: an exchange that
//! differs from a recorded one only in ids, times, amounts or prose is not written again.

use std::collections::{BTreeSet, HashSet};
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use serde_json::{Value, json};

static RECORDING: OnceLock<Recording> = OnceLock::new();

/// The headers that select what a vendor answers.
const HEADERS: [&str; 4] = [
    "accept",
    "content-type",
    "stripe-version",
    "x-github-api-version",
];
/// The vendors whose APIs have an official description.
const VENDORS: [&str; 2] = ["github", "stripe"];
/// Longer texts are prose or data, not a vendor's word.
const WORD_LENGTH_MAX: usize = 40;

struct Recording {
    file: File,
    shapes: Mutex<HashSet<u64>>,
}

/// Records from now on, in a file of this process in this folder.
pub fn to(folder: &Path) -> io::Result<()> {
    if RECORDING.get().is_some() {
        return Ok(());
    }
    std::fs::create_dir_all(folder)?;
    let path = folder.join(format!("{}.jsonl", std::process::id()));
    let file = File::options().create(true).append(true).open(path)?;
    // Another thread may have been first; it appends to the same file.
    let _ = RECORDING.set(Recording {
        file,
        shapes: Mutex::default(),
    });
    Ok(())
}

/// Records a webhook that a vendor's stand-in hands over, under GitHub's name for the event, or
/// under `event` for Stripe's.
pub fn webhook(vendor: &str, event: &str, payload: &Value) {
    if let Some(recording) = RECORDING.get() {
        let mut hasher = DefaultHasher::new();
        (vendor, event, shape(payload)).hash(&mut hasher);
        let line = || json!({"vendor": vendor, "webhook": event, "payload": payload});
        recording.write_once(hasher.finish(), line);
    }
}

/// A request whose answer is not there yet.
pub(crate) struct Sent {
    vendor: String,
    request: http::Request<Bytes>,
}

/// Keeps a request to a vendor, if recording is on.
pub(crate) fn sent(request: &http::Request<Bytes>) -> Option<Sent> {
    RECORDING.get()?;
    let host = request.uri().host().unwrap_or_default();
    let (vendor, place) = host.split_once('.').unwrap_or((host, ""));
    // `github.test` has the pages for people, which no API description covers.
    (VENDORS.contains(&vendor) && place != "test").then(|| Sent {
        vendor: vendor.to_owned(),
        request: request.clone(),
    })
}

impl Sent {
    /// Records the request with its answer.
    pub(crate) fn answered(self, response: &http::Response<Bytes>) {
        let Some(recording) = RECORDING.get() else {
            return;
        };
        let (uri, body) = (self.request.uri(), Body::of(self.request.body()));
        let answer = Body::of(response.body());
        let mut hasher = DefaultHasher::new();
        self.vendor.hash(&mut hasher);
        self.request.method().hash(&mut hasher);
        response.status().hash(&mut hasher);
        uri.path()
            .split('/')
            .for_each(|segment| kind(segment, &mut hasher));
        Body::text(uri.query().unwrap_or_default()).hash(&mut hasher);
        (&body, &answer).hash(&mut hasher);
        let line = || {
            json!({
                "vendor": self.vendor,
                "method": self.request.method().as_str(),
                "path": uri.path(),
                "query": uri.query().unwrap_or_default(),
                "headers": headers(self.request.headers()),
                "body": body.value(),
                "status": response.status().as_u16(),
                "answer_headers": headers(response.headers()),
                "answer": answer.value(),
            })
        };
        recording.write_once(hasher.finish(), line);
    }
}

impl Recording {
    fn write_once(&self, shape: u64, line: impl FnOnce() -> Value) {
        let mut shapes = self.shapes.lock().unwrap_or_else(PoisonError::into_inner);
        if shapes.insert(shape) {
            let line = format!("{}\n", line());
            // The lock is still held, so lines do not mix. A full disk shows as a missing line.
            let _ = (&self.file).write_all(line.as_bytes());
        }
    }
}

/// A body, as JSON where it is JSON.
enum Body {
    Json(Value),
    Text(String),
}

impl Body {
    fn of(bytes: &Bytes) -> Self {
        serde_json::from_slice(bytes)
            .map_or_else(|_| Self::text(&String::from_utf8_lossy(bytes)), Self::Json)
    }

    fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    fn value(&self) -> Value {
        match self {
            Self::Json(value) => value.clone(),
            Self::Text(text) => json!(text),
        }
    }
}

impl Hash for Body {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Json(value) => shape(value).hash(state),
            Self::Text(form) => form.split('&').for_each(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                // A name with a space is no parameter but a line of a diff, for example.
                if !name.contains(' ') {
                    name.hash(state);
                    kind(value, state);
                }
            }),
        }
    }
}

/// A hash of the names, types and words in a value. A list counts as the set of its elements.
fn shape(value: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    match value {
        Value::Null => 0_u8.hash(&mut hasher),
        Value::Bool(value) => value.hash(&mut hasher),
        Value::Number(number) => (1_u8, number.is_f64()).hash(&mut hasher),
        Value::String(text) => kind(text, &mut hasher),
        Value::Array(list) => {
            let shapes: BTreeSet<u64> = list.iter().map(shape).collect();
            (2_u8, shapes).hash(&mut hasher);
        }
        Value::Object(fields) => fields
            .iter()
            .for_each(|(name, value)| (name, shape(value)).hash(&mut hasher)),
    }
    hasher.finish()
}

/// Hashes a vendor's word as itself, and other texts by what they look like.
fn kind(text: &str, hasher: &mut impl Hasher) {
    let word = |c: char| c.is_ascii_lowercase() || "_.-".contains(c);
    if text.len() <= WORD_LENGTH_MAX && text.chars().all(word) {
        text.hash(hasher);
    } else {
        text.parse::<i64>().is_ok().hash(hasher);
    }
}

fn headers(headers: &http::HeaderMap) -> Value {
    let kept = HEADERS.iter().filter_map(|name| {
        let value = headers.get(*name)?.to_str().ok()?;
        Some(((*name).to_owned(), json!(value)))
    });
    Value::Object(kept.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_numbers_do_not_make_another_shape() {
        let one = json!({"id": "sub_1A", "status": "active", "n": 1, "items": [{"a": 1}]});
        let two =
            json!({"id": "sub_2B", "status": "active", "n": 2, "items": [{"a": 1}, {"a": 2}]});
        assert_eq!(shape(&one), shape(&two));
        for (field, value) in [
            ("status", json!("past_due")),
            ("n", json!("1")),
            ("new", json!(null)),
        ] {
            let mut other = one.clone();
            other[field] = value;
            assert_ne!(shape(&one), shape(&other), "{field}");
        }
    }
}
