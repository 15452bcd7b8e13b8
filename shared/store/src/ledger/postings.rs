//! Turns postings into transaction items: entries, the balance, and the rows of open holds.
//!
//! An entry and its effect on the balance are written together or not at all, without a read
//! before. The entry requires that its cause is new, and the balance requires enough credits, so a
//! repeated posting changes nothing. Each entry also adds its keyed digest to a sum on the balance,
//! so an entry that is changed, added, or removed by hand is detected.

use crate::Store;
use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, number, text, time};
use crate::db::keys;
use crate::db::tx::{Change, delete_when, put_new};
use crate::ledger::key_ring::{LedgerKey, LedgerSide};
use crate::ledger::{Post, entry_of};
use aws_sdk_dynamodb::types::TransactWriteItem;
use domain::ledger::{Balance, Cause, Entry, EntryKind, Posting};
use domain::retry::Failure;

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
    /// The credits already have a row that lets them expire.
    Expiry,
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
            StoreError::no_key(
                operation,
                Failure::never("this function has no `LEDGER_TABLE` and `LEDGER_KEY`"),
            )
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
        items.extend(
            postings
                .iter()
                .filter_map(|posting| self.grant_expiry(posting))
                .map(|row| (row, PostingRefused::Expiry)),
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
                let key = keys::hold(&entry.account, hold);
                let mut item = key.attributes();
                item.insert("amount".to_owned(), number(entry.held));
                item.insert("held_at".to_owned(), time(entry.at));
                if let Some(end) = posting.stands_until() {
                    item.insert("until".to_owned(), time(end));
                    // From then on, the sweeper has it released.
                    item.insert("dx".to_owned(), text(keys::due(&key)));
                    item.insert("due_at".to_owned(), time(end));
                }
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
            | Cause::Fix(_)
            | Cause::Debit(_) => None,
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
                    let what = |entry: &Entry| (entry.kind, entry.free, entry.held, entry.terms);
                    new.cause == old.cause && what(new) == what(&old)
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
            PostingRefused::Expiry => Err(StoreError::inconsistent(
                "post to the ledger",
                "the credits expire already".to_owned(),
            )),
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
    if let Some(terms) = entry.terms {
        item.insert("grant_type".to_owned(), text(terms.kind.as_str()));
        item.insert("priority".to_owned(), number(terms.priority));
        item.extend(
            terms
                .expires_at
                .map(|end| ("expires_at".to_owned(), time(end))),
        );
    }
    item.extend(
        texts
            .into_iter()
            .filter(|(_, words)| !words.is_empty())
            .map(|(name, words)| (name.to_owned(), text(words))),
    );
    item
}
