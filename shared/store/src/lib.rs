//! The DynamoDB client, the only crate that imports the AWS SDK for DynamoDB. It owns every table,
//! key, condition, and reader.
//!
//! No write depends on an earlier read: each write is conditional, and its result says what it
//! found. Naming: noun first, then verb; `find_` may return nothing, `load_` must find its item, and
//! `list_` returns pages. There is one handle per role: [`Inbox`] for receivers (the `events` table
//! only), [`Store`] for jobs and accounts (`main`, and `ledger` if credits move), and [`Seals`] for
//! sealing the ledger's days (`ledger` only), [`Recoveries`] for recovery (two partitions of `main`). The switches are [`Ingest`] in `events` and
//! [`Switchboard`] in `main`.

mod accounts;
mod billing;
mod db;
mod due;
mod inbox;
mod jobs;
mod ledger;
mod listings;
mod notices;
mod switches;

pub use db::schema;

pub use accounts::api_keys::{KEYS_MAX, KeyCreated, key_digest};
pub use accounts::members::{Left, LetIn, MEMBERS_MAX, Refreshed, RoleSet, TakenOut};
pub use accounts::moving::{Move, OwnerMoved, Proof};
pub use accounts::operators::OperatorSession;
pub use accounts::rates::{RateCounted, Requests, Window};
pub use accounts::reveals::reveal_digest;
pub use accounts::sessions::{Linked, session_digest};
pub use accounts::signups::{Provisioned, SignUpMoved, SignUpOwed, SignUpRow, mail_applicant};
pub use accounts::{AccountBegun, AccountCreated, InstallationNoted};
pub use billing::cancelled_usage::{Cancelled, Cancelling};
pub use billing::intents::{Begun, Intent, SubscriptionLock};
pub use billing::marketplace::PurchaseNoted;
pub use billing::payments::PaymentRecorded;
pub use billing::quotas::{Counted, UsageRecord, UsageRecorded};
pub use billing::refunds::RefundRequested;
pub use billing::stuck::{
    Cancellation, Decided, Unbilled, UsagePage, UsageRow, UsageState, WriteOff,
};
pub use billing::subscriptions::Noted;
pub use billing::top_ups::TopUpSaved;
pub use billing::usage::{Attempted, Owed, ReportClaim};
pub use billing::usage_credits::CreditRequested;
pub use db::client::{Connection, Inbox, Random, Recoveries, Seals, Store};
pub use db::error::StoreError;
pub use db::pages::{Cursor, Page};
pub use db::versions::Written;
pub use due::{Due, DueItem, Moved};
pub use inbox::ingest::Ingest;
pub use inbox::pending::{DueEvent, Taken};
pub use inbox::recovery::{EventsCounted, MissNoted};
pub use inbox::{Event, Finished, Recorded};
pub use jobs::assists::{AssistClaimed, AssistCreated, NewAssist, SummaryPlace, WholeAssist};
pub use jobs::comments::CommentClaim;
pub use jobs::installations::{CreationsCounted, ReserveTaken};
pub use jobs::phases::Reported;
pub use jobs::requests::RequestMade;
pub use jobs::seen::RepositoryNoted;
pub use jobs::{Advanced, Claimed, JobCreated, NewJob};
pub use ledger::audit::{Audit, Rebuilt, Unbalanced};
pub use ledger::expired_holds::HoldReleased;
pub use ledger::expiries::{Expiring, Expiry};
pub use ledger::key_ring::{BadLedgerKey, KeyRing, KeySource};
pub use ledger::seals::{Checked, DaySum, Seal, Sealed};
pub use ledger::{OpenHold, Post};
pub use listings::Slice;
pub use notices::mailings::{AccountChanged, Mailing, Muted, OwedMail, Unmuted};
pub use notices::{NoticeClaim, NoticeOwed, NoticeRow, Tried, Untold};
pub use switches::{SwitchRow, SwitchWord, Switchboard, Switched, Which};
