//! The wall to DynamoDB, the only importer of its SDK.
//!
//! Owns every table, key, condition and reading. Promises that no write depends on an earlier read: each is conditional and
//! says in its outcome what it found. Naming: noun first, then verb; `find_` may be absent, `load_` must exist, `list_`
//! pages. Three handles, because three roles: receivers hold an [`Inbox`] (the `events` table) and nothing else; who moves
//! jobs and accounts holds a [`Store`] (the `main` table, and where credits move the `ledger`); who seals the ledger's days
//! holds [`Seals`] (the `ledger` table alone). Beside them stand the switches: [`Ingest`] in `events`, [`Switchboard`] in
//! `main`.

mod accounts;
mod billing;
mod db;
mod due;
mod inbox;
mod jobs;
mod ledger;
mod notices;
mod switches;

pub use db::schema;

pub use accounts::api_keys::{KEYS_MAX, KeyCreated, key_digest};
pub use accounts::members::{Left, LetIn, MEMBERS_MAX, RoleSet, TakenOut};
pub use accounts::moving::{Move, OwnerMoved, Proof};
pub use accounts::rates::{RateCounted, Requests, Window};
pub use accounts::reveals::reveal_digest;
pub use accounts::sessions::{Linked, session_digest};
pub use accounts::signups::{Provisioned, SignUpMoved, SignUpOwed, SignUpRow, mail_newcomer};
pub use accounts::{AccountBegun, AccountCreated, InstallationNoted};
pub use billing::intents::{Begun, Intent};
pub use billing::marketplace::PurchaseNoted;
pub use billing::payments::PaymentLearnt;
pub use billing::quotas::{Counted, UsageRecord, UsageRecorded};
pub use billing::stuck::{Decided, Unbilled, UsagePage, UsageRow, UsageState, WriteOff};
pub use billing::subscriptions::Noted;
pub use billing::usage::{Owed, ReportClaim};
pub use db::client::{Connection, Inbox, Random, Seals, Store};
pub use db::error::StoreError;
pub use db::pages::{Cursor, Page};
pub use db::versions::Written;
pub use due::{Due, DueItem, Moved};
pub use inbox::ingest::Ingest;
pub use inbox::{DueEvent, Event, Finished, Recorded, Taken};
pub use jobs::assists::{AssistClaimed, AssistCreated, NewAssist, SummaryPlace, WholeAssist};
pub use jobs::phases::Reported;
pub use jobs::requests::RequestMade;
pub use jobs::{Advanced, Claimed, CommentClaim, JobCreated, NewJob};
pub use ledger::audit::{Audit, Rebuilt, Unbalanced};
pub use ledger::expiries::{Expiring, Expiry};
pub use ledger::postings::{BadLedgerKey, KeyRing, KeySource};
pub use ledger::seals::{Checked, DaySum, Seal, Sealed};
pub use ledger::{OpenHold, Post};
pub use notices::mailings::{AccountChanged, Mailing, Muted, Unmuted};
pub use notices::{NoticeClaim, NoticeOwed, NoticeRow, Tried, Untold};
pub use switches::{SwitchRow, SwitchWord, Switchboard, Switched, Which};
