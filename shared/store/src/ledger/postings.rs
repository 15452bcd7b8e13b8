//! Turns postings into transaction items: entries, the balance, and the rows of open holds.
//!
//! An entry and its effect on the balance are written together or not at all, without a read
//! before. The entry requires that its cause is new, and the balance requires enough credits, so a
//! repeated posting changes nothing. Each entry also adds its keyed digest to a sum on the balance,
//! so an entry that is changed, added, or removed by hand is detected.

use crate::Store;
use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, number, text, time};
use crate::db::table::Table;
use crate::db::tx::{Change, delete_when, put_new};
use crate::db::{digests, keys};
use crate::ledger::{Post, entry_of};
use aws_sdk_dynamodb::types::TransactWriteItem;
use domain::ledger::{Balance, Cause, Entry, EntryKind, Posting};
use domain::retry::{Failure, Retry, Retryable};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use sha2::Sha256;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// Fetches the keys that digest entries.
pub type KeySource =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<KeyRing, Failure>> + Send>> + Send + Sync>;

#[derive(Clone)]
pub(crate) struct LedgerSide {
    pub(crate) table: Table,
    pub(crate) keys: KeySource,
}

/// The keys that digest entries, newest first. Each entry names its key, so old keys must never be
/// discarded.
#[derive(Clone)]
pub struct KeyRing(Arc<Vec<LedgerKey>>);

struct LedgerKey {
    /// Identifies the key without revealing it.
    name: String,
    key: SecretSlice<u8>,
}

/// The setting contains no usable key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadLedgerKey;

impl std::fmt::Display for BadLedgerKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "LEDGER_KEY needs at least {KEY_CHARS_MIN} characters, several keys separated by commas and the newest first"
        )
    }
}

impl std::error::Error for BadLedgerKey {}

impl Retryable for BadLedgerKey {
    fn retry(&self) -> Retry {
        Retry::Alarm(std::time::Duration::from_secs(300))
    }
}

const KEY_CHARS_MIN: usize = 32;
const NAME_CHARS: usize = 8;
const DIGEST_BYTES: usize = 12;

impl KeyRing {
    /// Reads the setting: keys separated by commas, newest first.
    pub fn read(setting: Option<&SecretString>) -> Result<Self, BadLedgerKey> {
        let texts: Vec<_> = setting
            .ok_or(BadLedgerKey)?
            .expose_secret()
            .split(',')
            .map(str::trim)
            .collect();
        if texts.iter().any(|text| text.len() < KEY_CHARS_MIN) {
            return Err(BadLedgerKey);
        }
        let key = |text: &str| {
            let name = digests::of(text)[..NAME_CHARS].to_owned();
            LedgerKey {
                name,
                key: SecretSlice::from(text.as_bytes().to_vec()),
            }
        };
        Ok(Self(Arc::new(texts.into_iter().map(key).collect())))
    }

    fn newest(&self) -> &LedgerKey {
        &self.0[0]
    }

    fn named(&self, name: &str) -> Option<&LedgerKey> {
        self.0.iter().find(|key| key.name == name)
    }

    /// Returns the digest of an entry with the named key, or `None` if there is no such key.
    pub(crate) fn digest(&self, key: &str, entry: &Entry) -> Option<u128> {
        self.named(key).map(|key| key.digest(entry))
    }

    /// Returns a keyed digest of other data, in hexadecimal, with the newest key. The name of the
    /// key comes first.
    pub(crate) fn seal(&self, parts: &[&str]) -> (String, String) {
        let key = self.newest();
        (key.name.clone(), key.mac(parts))
    }

    /// Returns the same digest with the named key.
    pub(crate) fn seal_by(&self, name: &str, parts: &[&str]) -> Option<String> {
        self.named(name).map(|key| key.mac(parts))
    }
}

impl LedgerKey {
    fn hmac(&self, parts: &[&str]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key.expose_secret())
            .expect("a key of any length will do");
        for part in parts {
            // Each part is preceded by its length, so that no two lists of parts produce the same
            // input.
            mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac.finalize().into_bytes().into()
    }

    fn mac(&self, parts: &[&str]) -> String {
        self.hmac(parts)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// Uses 96 bits, so that the sum of a billion digests still fits in the 38 digits of a DynamoDB
    /// number.
    fn digest(&self, entry: &Entry) -> u128 {
        let numbers = [
            entry.amount.micros().to_string(),
            entry.free.to_string(),
            entry.held.to_string(),
            entry.at.millis().to_string(),
        ];
        let [amount, free, held, at] = &numbers;
        let (account, cause, kind) = (
            entry.account.as_str(),
            entry.cause.as_str(),
            entry.kind.as_str(),
        );
        let bytes = self.hmac(&[
            account,
            cause,
            kind,
            amount,
            free,
            held,
            at,
            &entry.note,
            &entry.source,
            &entry.priced_by,
        ]);
        bytes[..DIGEST_BYTES]
            .iter()
            .fold(0, |sum, byte| sum << 8 | u128::from(*byte))
    }
}

/// Postings on one account, ready to join a transaction.
pub(crate) struct Postings<'a> {
    postings: &'a [Posting],
    pub(crate) items: Vec<(TransactWriteItem, PostingRefused)>,
}

/// The item that refused a posting, in order of precedence. `Cause` comes first, because a repeated
/// posting may also find too few credits by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PostingRefused {
    /// An entry already exists for the cause.
    Cause,
    /// The balance is too low or too high, or has changed since it was read.
    Balance,
    /// The hold is already open, or it does not exist.
    Hold,
}

/// The state of a balance when it was read: the number of entries and the amount held.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) entries: u64,
    pub(crate) held: i64,
}

impl Store {
    pub(crate) fn ledger_side(&self, operation: &'static str) -> Result<&LedgerSide, StoreError> {
        self.ledger.as_ref().ok_or_else(|| {
            StoreError::no_key(operation, Failure::never("this door does not move credits"))
        })
    }

    /// Builds the items that write these postings, all on one account.
    pub(crate) async fn postings<'a>(
        &self,
        operation: &'static str,
        postings: &'a [Posting],
    ) -> Result<Postings<'a>, StoreError> {
        self.postings_if(operation, postings, None).await
    }

    /// Builds the items of postings that depend on a balance that was read. They are written only
    /// if the balance has not changed since.
    pub(crate) async fn postings_if<'a>(
        &self,
        operation: &'static str,
        postings: &'a [Posting],
        seen: Option<Seen>,
    ) -> Result<Postings<'a>, StoreError> {
        let Some(first) = postings.first() else {
            return Ok(Postings {
                postings,
                items: Vec::new(),
            });
        };
        let side = self.ledger_side(operation)?;
        let ring = (side.keys)()
            .await
            .map_err(|failure| StoreError::no_key(operation, failure))?;
        let key = ring.newest();
        let digests: Vec<u128> = postings
            .iter()
            .map(|posting| key.digest(posting.entry()))
            .collect();
        let mut items: Vec<_> = postings
            .iter()
            .map(|posting| {
                let entry = put_new(&side.table, entry_attributes(posting.entry(), key));
                (entry, PostingRefused::Cause)
            })
            .collect();
        let change = self.balance_change(&first.entry().account, postings, digests.iter().sum());
        let change = match seen {
            Some(Seen { entries, held }) => {
                let same = vec![
                    ("seen_entries", number(entries)),
                    ("seen_held", number(held)),
                ];
                change.and("#entries = :seen_entries AND #held = :seen_held", same)
            }
            None => change,
        };
        items.push((change.item(&self.table), PostingRefused::Balance));
        items.extend(
            postings
                .iter()
                .filter_map(|posting| self.hold_item(posting))
                .map(|hold| (hold, PostingRefused::Hold)),
        );
        Ok(Postings { postings, items })
    }

    fn balance_change(
        &self,
        account: &domain::ids::AccountId,
        postings: &[Posting],
        digest: u128,
    ) -> Change {
        let (mut free, mut held, mut low, mut high) = (0_i64, 0_i64, i64::MIN, i64::MAX);
        for posting in postings {
            let (least, most) = posting.bounds();
            low = low.max(least.saturating_sub(free));
            high = high.min(most.saturating_sub(free));
            free = free.saturating_add(posting.entry().free);
            held = held.saturating_add(posting.entry().held);
        }
        let grants = postings
            .iter()
            .filter(|posting| posting.entry().kind == EntryKind::Grant)
            .count();
        let within = "#free BETWEEN :low AND :high";
        // An account without a balance row has zero credits.
        let condition = if low <= 0 && high >= 0 {
            format!("attribute_not_exists(#free) OR {within}")
        } else {
            within.to_owned()
        };
        Change::of(keys::balance(account))
            .add("free", number(free))
            .add("held", number(held))
            .add("entries", number(postings.len()))
            .add("digest_sum", number(digest))
            .add("grants", number(grants))
            .when(
                &condition,
                vec![("low", number(low)), ("high", number(high))],
            )
    }

    fn hold_item(&self, posting: &Posting) -> Option<TransactWriteItem> {
        let entry = posting.entry();
        match posting.cause() {
            Cause::Hold(hold) => {
                let mut item = keys::hold(&entry.account, hold).attributes();
                item.insert("amount".to_owned(), number(entry.held));
                item.insert("held_at".to_owned(), time(entry.at));
                item.extend(
                    posting
                        .stands_until()
                        .map(|end| ("until".to_owned(), time(end))),
                );
                item.extend(
                    posting
                        .counts_in()
                        .map(|period| ("period".to_owned(), text(period))),
                );
                Some(put_new(&self.table, item))
            }
            Cause::Settlement(hold) => {
                let same = vec![("amount", number(entry.held.unsigned_abs()))];
                Some(delete_when(
                    &self.table,
                    keys::hold(&entry.account, hold),
                    "#amount = :amount",
                    same,
                ))
            }
            Cause::Payment(_)
            | Cause::Reversal(..)
            | Cause::Adjustment(_)
            | Cause::Expiry(_)
            | Cause::Fix(_) => None,
        }
    }
}

impl Postings<'_> {
    /// Returns what a refused posting means, based on the item that refused it.
    pub(crate) fn post(
        &self,
        refused: PostingRefused,
        old: &Attributes,
    ) -> Result<Post, StoreError> {
        match refused {
            PostingRefused::Cause => {
                let old = entry_of(&Item::new(old, "compare an entry"))?;
                let same = self.postings.iter().map(Posting::entry).any(|new| {
                    new.cause == old.cause
                        && (old.kind, old.free, old.held) == (new.kind, new.free, new.held)
                });
                Ok(if same {
                    Post::AlreadyPosted
                } else {
                    Post::CauseReused
                })
            }
            PostingRefused::Balance => {
                let item = Item::new(old, "read a balance");
                let (free, held) = (
                    item.find_number("free")?.unwrap_or(0),
                    item.find_number("held")?.unwrap_or(0),
                );
                let balance = Balance::of(free, held).ok_or_else(|| item.bad("free"))?;
                Ok(Post::Insufficient(balance))
            }
            PostingRefused::Hold => Ok(Post::NoHold),
        }
    }
}

fn entry_attributes(entry: &Entry, key: &LedgerKey) -> Attributes {
    let at = keys::entry(&entry.account, &entry.cause);
    let mut item = at.attributes();
    let more = [
        ("owner", text(entry.account.as_str())),
        ("at", time(entry.at)),
        ("day", text(keys::day(&entry.at.day(), &at))),
        ("kind", text(entry.kind.as_str())),
        ("amount", number(entry.amount.micros())),
        ("free", number(entry.free)),
        ("held", number(entry.held)),
        ("digest", number(key.digest(entry))),
        ("key", text(&key.name)),
    ];
    let texts = [
        ("note", &entry.note),
        ("source", &entry.source),
        ("priced_by", &entry.priced_by),
    ];
    item.extend(more.map(|(name, value)| (name.to_owned(), value)));
    item.extend(
        texts
            .into_iter()
            .filter(|(_, words)| !words.is_empty())
            .map(|(name, words)| (name.to_owned(), text(words))),
    );
    item
}
