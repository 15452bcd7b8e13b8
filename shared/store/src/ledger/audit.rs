//! The audit: checks that every ledger entry is unchanged, and that every balance equals the sum of
//! its entries.
//!
//! The audit reads everything and changes nothing. Only [`Store::balance_rebuild`] writes, and only
//! if the entries of the balance have not changed in the meantime.

use crate::Store;
use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, number, text};
use crate::db::keys;
use crate::db::table::Updated;
use crate::db::tx::Change;
use crate::ledger::entry_of;
use crate::ledger::key_ring::KeyRing;
use crate::ledger::seals::{DaySum, Seal, seal_of};
use domain::ids::AccountId;
use domain::ledger::EntryKind;
use domain::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The result of an audit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Audit {
    /// The number of accounts that have entries or a balance.
    pub accounts: u64,
    pub entries: u64,
    /// The number of sealed days.
    pub seals: u64,
    /// The number of entries on days without a seal.
    pub unsealed: u64,
    /// Descriptions of all mismatches, in the order in which they were found.
    pub faults: Vec<String>,
    /// Balances that differ from the sum of their entries. Each is also one of the faults.
    pub unbalanced: Vec<Unbalanced>,
}

/// A balance that differs from the sum of its entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unbalanced {
    pub account: AccountId,
    /// The balance as it is, and as it should be.
    pub words: String,
}

/// The result of rebuilding a balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rebuilt {
    /// The balance was rewritten.
    Now,
    /// The balance already equals the sum of its entries.
    Already,
    /// The balance counts more entries than exist. Nothing here shows which of the two is wrong.
    EntriesMissing,
    /// An entry was changed after it was written, so the sum of the entries proves nothing.
    EntriesBroken,
}

/// The two kinds of account mismatch.
enum Wrong {
    Balance(String),
    Holds(String),
}

/// The sums of an account's entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Sums {
    free: i64,
    held: i64,
    entries: u64,
    digest_sum: u128,
    grants: u64,
}

impl Sums {
    fn of_balance(attributes: &Attributes) -> Result<Self, StoreError> {
        let item = Item::new(attributes, "read a balance");
        Ok(Self {
            free: item.number("free")?,
            held: item.number("held")?,
            entries: item.number("entries")?,
            digest_sum: item.number("digest_sum")?,
            grants: item.find_number("grants")?.unwrap_or(0),
        })
    }
}

/// The totals of all entries of an account.
#[derive(Default)]
struct Total {
    sums: Sums,
    /// The holds that the entries leave open, with their amounts.
    holds: BTreeMap<String, u64>,
    /// Whether an entry was changed after it was written.
    broken: bool,
}

impl fmt::Display for Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            free,
            held,
            entries,
            digest_sum,
            grants,
        } = self;
        write!(
            f,
            "{free} free and {held} held by {entries} entries, {grants} of them grants (digests {digest_sum:x})"
        )
    }
}

/// One entry as stored, with its digest.
struct Read {
    account: AccountId,
    cause: String,
    kind: EntryKind,
    sums: Sums,
    day: String,
    fault: Option<String>,
}

const AUDIT: &str = "audit the ledger";
/// The number of times to re-read an account while its entries keep changing.
const LOOKS_MAX: u32 = 5;

impl Store {
    /// Reads the whole ledger and every balance.
    pub async fn ledger_audit(&self) -> Result<Audit, StoreError> {
        self.ledger_audit_told(&|_| {}).await
    }

    /// Runs the same audit, and reports progress after every entry and every account.
    pub async fn ledger_audit_told(
        &self,
        tell: &(dyn Fn(&Audit) + Sync),
    ) -> Result<Audit, StoreError> {
        let side = self.ledger_side(AUDIT)?;
        let ring = (side.keys)()
            .await
            .map_err(|failure| StoreError::no_key(AUDIT, failure))?;
        let mut audit = Audit::default();
        let (mut seals, mut days, mut accounts) = (
            Vec::new(),
            BTreeMap::<String, DaySum>::new(),
            BTreeSet::new(),
        );
        let mut pages = self
            .table
            .client
            .scan()
            .table_name(&side.table.name)
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        while let Some(found) = pages.next().await {
            let found = found.map_err(|e| StoreError::sdk(AUDIT, e))?;
            let item = Item::new(&found, AUDIT);
            if item.text("pk")? == keys::SEALS {
                seals.push(seal_of(&item)?);
                continue;
            }
            audit.entries += 1;
            let read = match read(&item, &ring) {
                Err(error) if error.is_bad_item() => {
                    audit.faults.push(error.to_string());
                    continue;
                }
                read => read?,
            };
            days.entry(read.day).or_default().add(read.sums.digest_sum);
            audit.faults.extend(read.fault);
            accounts.insert(read.account);
            tell(&audit);
        }
        audit.seals = u64::try_from(seals.len()).unwrap_or(u64::MAX);
        self.audit_seals(&mut audit, &ring, &seals, &days);
        accounts.extend(self.accounts_with_balance().await?);
        for account in accounts {
            audit.accounts += 1;
            match self.audit_account(&account, &ring).await {
                Err(error) if error.is_bad_item() => {
                    audit
                        .faults
                        .push(format!("account {account} cannot be added up: {error}"));
                }
                Err(error) => return Err(error),
                Ok(None) => {}
                Ok(Some(Wrong::Holds(words))) => audit.faults.push(words),
                Ok(Some(Wrong::Balance(words))) => {
                    audit.faults.push(words.clone());
                    audit.unbalanced.push(Unbalanced { account, words });
                }
            }
            tell(&audit);
        }
        Ok(audit)
    }

    fn audit_seals(
        &self,
        audit: &mut Audit,
        ring: &KeyRing,
        seals: &[Seal],
        days: &BTreeMap<String, DaySum>,
    ) {
        let mut before: Option<&Seal> = None;
        for seal in seals {
            let day = days.get(&seal.day).copied().unwrap_or_default();
            let follows = match before {
                // Anyone who removes the first seals would have to forge all later ones.
                None => seal.number == 1 && seal.previous.is_empty(),
                Some(before) => {
                    let next = before.next_day().map(Timestamp::day);
                    seal.previous == before.link
                        && seal.number == before.number + 1
                        && next.as_ref() == Some(&seal.day)
                }
            };
            let fault = match seal.fault(ring, day) {
                None if !follows => Some("does not follow the seal before it"),
                fault => fault,
            };
            audit
                .faults
                .extend(fault.map(|fault| format!("the seal of {} {fault}", seal.day)));
            before = Some(seal);
        }
        let last = before.map(|seal| seal.day.as_str());
        let first = seals.first().map(|seal| seal.day.as_str());
        for (day, sum) in days {
            if first.is_some_and(|first| day.as_str() < first) {
                audit.faults.push(format!(
                    "{} entries of {day} are older than the first seal",
                    sum.entries
                ));
            } else if last.is_none_or(|last| day.as_str() > last) {
                audit.unsealed += sum.entries;
            }
        }
    }

    /// Checks an account's balance and its open holds. Reads again if entries were written in the
    /// meantime.
    async fn audit_account(
        &self,
        account: &AccountId,
        ring: &KeyRing,
    ) -> Result<Option<Wrong>, StoreError> {
        let mut fault = None;
        for _ in 0..LOOKS_MAX {
            let before = self.balance_item(account).await?;
            let Total { sums, holds, .. } = self.sums_of(account, ring).await?;
            let known = before
                .as_ref()
                .map(Sums::of_balance)
                .transpose()?
                .unwrap_or_default();
            let open: BTreeMap<String, u64> = self
                .hold_list(account)
                .await?
                .into_iter()
                .map(|hold| (hold.hold.to_string(), hold.amount.micros()))
                .collect();
            fault = if known != sums {
                Some(Wrong::Balance(format!(
                    "the balance of {account} is {known}; its entries add up to {sums}"
                )))
            } else if open != holds {
                Some(Wrong::Holds(format!(
                    "the open holds of {account} are {open:?}, by its entries {holds:?}"
                )))
            } else {
                return Ok(None);
            };
            let after = self.balance_item(account).await?;
            if before == after {
                break;
            }
        }
        Ok(fault)
    }

    /// Rewrites an account's balance from its entries, unless entries are missing or changed.
    pub async fn balance_rebuild(&self, account: &AccountId) -> Result<Rebuilt, StoreError> {
        const REBUILD: &str = "rebuild a balance";
        let side = self.ledger_side(REBUILD)?;
        let ring = (side.keys)()
            .await
            .map_err(|failure| StoreError::no_key(REBUILD, failure))?;
        let before = self.balance_item(account).await?;
        let was = before.as_ref().map(Sums::of_balance).transpose()?;
        let Total { sums, broken, .. } = self.sums_of(account, &ring).await?;
        if broken {
            return Ok(Rebuilt::EntriesBroken);
        }
        if was.is_some_and(|was| was.entries > sums.entries) {
            return Ok(Rebuilt::EntriesMissing);
        }
        if was.unwrap_or_default() == sums {
            return Ok(Rebuilt::Already);
        }
        let change = Change::of(keys::balance(account))
            .set("free", number(sums.free))
            .set("held", number(sums.held))
            .set("entries", number(sums.entries))
            .set("digest_sum", number(sums.digest_sum))
            .set("grants", number(sums.grants));
        let change = match was {
            None => change.when("attribute_not_exists(#entries)", vec![]),
            Some(was) => change.when(
                "#entries = :was_entries AND #digest_sum = :was_digest",
                vec![
                    ("was_entries", number(was.entries)),
                    ("was_digest", number(was.digest_sum)),
                ],
            ),
        };
        match self.table.update(REBUILD, change).await? {
            Updated::Done(()) => Ok(Rebuilt::Now),
            Updated::Refused(_) => Err(StoreError::contended(REBUILD)),
        }
    }

    async fn balance_item(&self, account: &AccountId) -> Result<Option<Attributes>, StoreError> {
        self.table
            .get("read a balance", &keys::balance(account))
            .await
    }

    /// Sums an account's entries and finds the holds they leave open; strongly consistent.
    async fn sums_of(&self, account: &AccountId, ring: &KeyRing) -> Result<Total, StoreError> {
        let side = self.ledger_side(AUDIT)?;
        let mut pages = side
            .table
            .prefix(keys::account(account).pk, keys::ENTRY)
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let Total {
            mut sums,
            mut holds,
            mut broken,
        } = Total::default();
        while let Some(found) = pages.next().await {
            let found = found.map_err(|e| StoreError::sdk(AUDIT, e))?;
            let read = read(&Item::new(&found, AUDIT), ring)?;
            sums.free = sums.free.saturating_add(read.sums.free);
            sums.held = sums.held.saturating_add(read.sums.held);
            sums.entries += 1;
            sums.digest_sum = sums.digest_sum.saturating_add(read.sums.digest_sum);
            sums.grants += read.sums.grants;
            broken |= read.fault.is_some();
            // In key order, holds come before their settlements.
            let (_, hold) = read.cause.split_once('#').unwrap_or_default();
            match read.kind {
                EntryKind::Hold => _ = holds.insert(hold.to_owned(), read.sums.held.unsigned_abs()),
                EntryKind::Capture | EntryKind::Release => _ = holds.remove(hold),
                EntryKind::Grant
                | EntryKind::TakeBack
                | EntryKind::GiveBack
                | EntryKind::Adjustment
                | EntryKind::Expiry => {}
            }
        }
        Ok(Total {
            sums,
            holds,
            broken,
        })
    }

    async fn accounts_with_balance(&self) -> Result<Vec<AccountId>, StoreError> {
        let mut pages = self
            .table
            .client
            .scan()
            .table_name(&self.table.name)
            .filter_expression("sk = :balance")
            .expression_attribute_values(":balance", text(keys::BALANCE))
            .projection_expression("pk")
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let mut accounts = Vec::new();
        while let Some(found) = pages.next().await {
            let found = found.map_err(|e| StoreError::sdk(AUDIT, e))?;
            let item = Item::new(&found, AUDIT);
            accounts.push(keys::account_of(item.text("pk")?).ok_or_else(|| item.bad("pk"))?);
        }
        Ok(accounts)
    }
}

fn read(item: &Item<'_>, ring: &KeyRing) -> Result<Read, StoreError> {
    let entry = entry_of(item)?;
    let digest: u128 = item.number("digest")?;
    let key = item.text("key")?;
    let fault = match ring.digest(key, &entry) {
        None => Some("was made with a key that LEDGER_KEY does not hold"),
        Some(right) if right != digest => Some("is not what it was written as"),
        Some(_) if !item.text("day")?.starts_with(&entry.at.day()) => {
            Some("stands under another day than its own")
        }
        Some(_) => None,
    };
    let fault = fault.map(|fault| format!("entry {} of {} {fault}", entry.cause, entry.account));
    let grants = u64::from(entry.kind == EntryKind::Grant);
    Ok(Read {
        sums: Sums {
            free: entry.free,
            held: entry.held,
            entries: 1,
            digest_sum: digest,
            grants,
        },
        day: entry.at.day(),
        account: entry.account,
        cause: entry.cause,
        kind: entry.kind,
        fault,
    })
}
