//! Generates payloads in the vendors' formats with made-up contents, to train a compression
//! dictionary for bodies.

use crate::webhook::compact;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::Path;

const GITHUB: &str = include_str!("../shapes/github.txt");
const STRIPE: [&str; 5] = [
    include_str!("../../../events/stripe/customer.subscription.created.json"),
    include_str!("../../../events/stripe/customer.subscription.deleted.json"),
    include_str!("../../../events/stripe/customer.subscription.updated.json"),
    include_str!("../../../events/stripe/invoice.paid.json"),
    include_str!("../../../events/stripe/invoice.payment_failed.json"),
];

/// Writes this many payloads of one vendor into a folder. The output is the same every time.
pub fn write(vendor: &str, folder: &Path, count: usize) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    let (shapes, events) = github();
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    for n in 0..count {
        let payload = match vendor {
            "github" => {
                let event = random.pick(&events);
                compact(&Payload::new(&shapes, &mut random).expand(event)?)
            }
            "stripe" => rename(STRIPE[n % STRIPE.len()], &mut random),
            _ => return Err("samples are for github or stripe".into()),
        };
        let _: serde_json::Value = serde_json::from_str(&payload)?;
        fs::write(folder.join(format!("{n:05}.json")), payload)?;
    }
    Ok(())
}

/// Shapes by name, and whole payloads, each repeated according to its frequency.
fn github() -> (BTreeMap<&'static str, &'static str>, Vec<&'static str>) {
    let lines = GITHUB
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(' '));
    let (mut shapes, mut events) = (BTreeMap::new(), Vec::new());
    for (name, text) in lines {
        match name.strip_prefix("event") {
            Some(weight) => {
                let weight = weight.trim_start_matches('*').parse().unwrap_or(1);
                events.extend(std::iter::repeat_n(text, weight));
            }
            None => {
                shapes.insert(name, text);
            }
        }
    }
    (shapes, events)
}

/// Replaces ids, times and amounts in Stripe's fixture, consistently within it.
fn rename(fixture: &str, random: &mut Random) -> String {
    let words: BTreeSet<&str> = fixture
        .split(|c: char| !c.is_ascii_alphanumeric())
        .collect();
    let mut payload = fixture.to_owned();
    for word in words {
        let other = match word {
            id if id.starts_with("Tallyhook") && id.len() > "Tallyhook".len() => random.letters(20),
            time if time.len() == 10 && time.bytes().all(|byte| byte.is_ascii_digit()) => {
                random.epoch()
            }
            "500" => random.number(5),
            _ => continue,
        };
        payload = payload.replace(word, &other);
    }
    payload
}

/// One GitHub payload while it is generated.
struct Payload<'a> {
    shapes: &'a BTreeMap<&'a str, &'a str>,
    random: &'a mut Random,
    /// Values that are the same throughout the payload.
    fixed: BTreeMap<&'static str, String>,
    /// The acting user: name and number.
    sender: (String, String),
    /// The users in scope, innermost last.
    users: Vec<(String, String)>,
    /// The ids of the objects being written, innermost last.
    ids: Vec<String>,
    hashes: Vec<String>,
}

impl<'a> Payload<'a> {
    fn new(shapes: &'a BTreeMap<&'a str, &'a str>, random: &'a mut Random) -> Self {
        let fixed = [
            ("owner", random.word()),
            ("repo", random.word()),
            ("oid", random.number(9)),
            ("rid", random.number(9)),
            ("n", random.number(5)),
        ];
        let sender = (random.word(), random.number(9));
        let ids = vec![random.number(9)];
        Self {
            shapes,
            fixed: fixed.into(),
            users: vec![sender.clone()],
            sender,
            ids,
            hashes: Vec::new(),
            random,
        }
    }

    /// Expands a template with made-up values.
    fn expand(&mut self, text: &str) -> Result<String, String> {
        let mut written = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['$', '<']) {
            written.push_str(&rest[..at]);
            let mark = &rest[at..];
            if let Some(after) = mark.strip_prefix('$') {
                let end = after
                    .find(|c: char| !c.is_ascii_lowercase() && c != '_')
                    .unwrap_or(after.len());
                written.push_str(&self.one(&after[..end])?);
                rest = &after[end..];
            } else if mark.starts_with("< ") {
                written.push('<');
                rest = &mark[1..];
            } else {
                let (choices, after) = choices(&mark[1..])?;
                let choice = choices[self.random.below(choices.len())];
                written.push_str(&self.expand(choice)?);
                rest = after;
            }
        }
        written.push_str(rest);
        Ok(written)
    }

    fn one(&mut self, name: &str) -> Result<String, String> {
        if let Some(value) = self.fixed.get(name) {
            return Ok(value.clone());
        }
        let random = &mut *self.random;
        Ok(match name {
            "user" | "owner_user" | "sender_user" => return self.user(name),
            "login" => self
                .users
                .last()
                .map_or(String::new(), |user| user.0.clone()),
            "uid" => self
                .users
                .last()
                .map_or(String::new(), |user| user.1.clone()),
            "cid" => self.ids.last().cloned().unwrap_or_default(),
            "sha" => self.hash(),
            "id" => random.number(10),
            "small" => random.number(2),
            "bool" => random.pick(&["false", "false", "true"]).to_owned(),
            "hex" => random.hex(12),
            "color" => random.hex(6),
            "node" => {
                let kind = random.pick(&[
                    "R_kgDO",
                    "U_kgDO",
                    "I_kwDO",
                    "PR_kwDO",
                    "MDQ6VXNlcj",
                    "MDEwOlJlcG9zaXRvcnk",
                ]);
                let length = 7 + random.below(8);
                format!("{kind}{}", random.letters(length))
            }
            "time" => random.time(),
            "epoch" => random.epoch(),
            "words" => random.words(5),
            "text" => format!("\"{}\"", random.words(25)),
            "word" => random.word(),
            "url" => format!("https://{}.example.com/{}", random.word(), random.word()),
            "ref" => {
                if random.below(2) == 0 {
                    random.pick(&["main", "master"]).to_owned()
                } else {
                    random.word()
                }
            }
            "path" => {
                format!(
                    "{}{}.{}",
                    random.pick(&["src/", "docs/", ""]),
                    random.word(),
                    random.pick(&["rs", "md"])
                )
            }
            "version" => format!(
                "v{}.{}.{}",
                random.below(9),
                random.below(20),
                random.below(9)
            ),
            shape => {
                let text = *self
                    .shapes
                    .get(shape)
                    .ok_or_else(|| format!("there is no shape `{shape}`"))?;
                if text.contains("$cid") {
                    let id = random.number(10);
                    self.ids.push(id);
                    let written = self.expand(text);
                    self.ids.pop();
                    return written;
                }
                return self.expand(text);
            }
        })
    }

    /// Most users in a payload are the sender or the owner.
    fn user(&mut self, role: &str) -> Result<String, String> {
        let owner = (self.fixed["owner"].clone(), self.fixed["oid"].clone());
        let who = match (role, self.random.below(10)) {
            ("sender_user", _) | ("user", 0..5) => self.sender.clone(),
            ("owner_user", _) | (_, 5..8) => owner,
            _ => (self.random.word(), self.random.number(9)),
        };
        self.users.push(who);
        let written = self.expand(self.shapes["user"]);
        self.users.pop();
        written
    }

    /// A payload mentions few commits, each several times.
    fn hash(&mut self) -> String {
        if self.hashes.is_empty() || self.random.below(10) < 6 {
            let hash = self.random.hex(40);
            self.hashes.push(hash);
        }
        let old = self.random.below(self.hashes.len().min(3));
        self.hashes[self.hashes.len() - 1 - old].clone()
    }
}

/// The choices up to the closing bracket, and the rest of the text.
fn choices(text: &str) -> Result<(Vec<&str>, &str), String> {
    let (mut depth, mut from, mut found) = (0_u32, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '<' if !text[at..].starts_with("< ") => depth += 1,
            '|' if depth == 0 => {
                found.push(&text[from..at]);
                from = at + 1;
            }
            '>' if depth == 0 => {
                found.push(&text[from..at]);
                return Ok((found, &text[at + 1..]));
            }
            '>' => depth -= 1,
            _ => {}
        }
    }
    Err(format!("a choice without an end: {text}"))
}

/// Xorshift, which yields the same numbers on every machine.
struct Random(u64);

const WORDS: &str = "river stone lamp green paper window copper maple little quick update remove rename handle server client \
    parser module config broken slow missing wrong error value field number header button report export import cache \
    token queue table index layout release draft notes the a of to in for with when from on after before not new old";

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or(0) % end.max(1)
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    fn some(&mut self, length: usize, alphabet: &str) -> String {
        (0..length)
            .map(|_| char::from(alphabet.as_bytes()[self.below(alphabet.len())]))
            .collect()
    }

    fn hex(&mut self, length: usize) -> String {
        self.some(length, "0123456789abcdef")
    }

    fn letters(&mut self, length: usize) -> String {
        self.some(
            length,
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
        )
    }

    /// A number with at most this many digits.
    fn number(&mut self, digits: usize) -> String {
        let least = if digits > 5 { 3 } else { 0 };
        let rest = least + self.below(digits - least);
        let first = if digits > 2 {
            self.some(1, "123456789")
        } else {
            self.some(1, "0012345678")
        };
        if first == "0" {
            first
        } else {
            first + &self.some(rest, "0123456789")
        }
    }

    fn word(&mut self) -> String {
        let words: Vec<&str> = WORDS.split_whitespace().collect();
        let mut word = self.pick(&words).to_owned();
        if self.below(2) == 0 {
            let _ = write!(word, "{}{}", self.pick(&["-", "_", ""]), self.pick(&words));
        }
        word
    }

    fn words(&mut self, most: usize) -> String {
        (0..1 + self.below(most))
            .map(|_| self.word())
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn epoch(&mut self) -> String {
        format!("1{}", self.some(9, "56789012"))
    }

    fn time(&mut self) -> String {
        let mut part = |from: usize, span: usize| from + self.below(span);
        let (year, month, day) = (part(2019, 9), part(1, 12), part(1, 28));
        format!(
            "{year}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
            part(0, 24),
            part(0, 60),
            part(0, 60)
        )
    }
}
