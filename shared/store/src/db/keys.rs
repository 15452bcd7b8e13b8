//! Every key of every table. No other module formats keys.

#![doc = include_str!("keys.md")]

mod balance;
mod installations;
mod listing;
mod recovery;
mod sessions;

pub(crate) use balance::*;
pub(crate) use installations::*;
pub(crate) use listing::{Listing, login};
pub(crate) use recovery::*;
pub(crate) use sessions::*;

use crate::db::item::{Attributes, text};
use domain::accounts::signups::{Applicant, SignUpState};
use domain::billing::refunds::RefundKey;
use domain::billing::usage::Meter;
use domain::ids::{
    AccountId, ActionId, AssistId, CustomerId, InvoiceId, JobId, KeyId, OwnerId, PaymentId,
    RepositoryId, SubscriptionId, UsageId, UserId,
};
use domain::inbox::{Digest, EventKey, EventSource, EventState};
use domain::jobs::assists::CommitRef;
use domain::jobs::fixes::Fix;
use domain::ledger::LotId;
use domain::time::Timestamp;

/// The shards of an index partition, so that no single partition takes every write.
pub(crate) const SHARDS: u32 = 8;

pub(crate) const HEAD: &str = "HEAD";
pub(crate) const PROFILE: &str = "PROFILE";
pub(crate) const JOB: &str = "JOB";
pub(crate) const REQUEST: &str = "REQUEST";
pub(crate) const ASSIST: &str = "ASSIST";
pub(crate) const TASK: &str = "TASK";
pub(crate) const ANSWER: &str = "ANSWER";
pub(crate) const ACCOUNT: &str = "ACCOUNT";
pub(crate) const MARKETPLACE: &str = "MARKETPLACE";
pub(crate) const PAYMENT: &str = "PAYMENT";
/// The prefix of every entry's sort key.
pub(crate) const ENTRY: &str = "ENTRY#";
/// The prefix of every open hold's sort key.
pub(crate) const HOLD: &str = "HOLD#";
pub(crate) const SEALS: &str = "SEALS";
pub(crate) const SEAL: &str = "SEAL#";
pub(crate) const BALANCE: &str = "BALANCE";

/// The key of one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) pk: String,
    pub(crate) sk: String,
}

impl Key {
    fn new(pk: String, sk: impl Into<String>) -> Self {
        Self { pk, sk: sk.into() }
    }

    pub(crate) fn attributes(&self) -> Attributes {
        [
            ("pk".to_owned(), text(&self.pk)),
            ("sk".to_owned(), text(&self.sk)),
        ]
        .into()
    }
}

/// A key under which no item is ever written.
pub(crate) fn unrelated() -> Key {
    Key::new("UNRELATED".to_owned(), "UNRELATED")
}

pub(crate) fn event(key: &EventKey) -> Key {
    Key::new(format!("EVENT#{}#{}", key.source(), key.id()), HEAD)
}

pub(crate) fn event_of(source: EventSource, pk: &str) -> Option<EventKey> {
    EventKey::parse(
        source,
        pk.strip_prefix("EVENT#")?
            .strip_prefix(source.as_str())?
            .strip_prefix('#')?,
    )
    .ok()
}

/// The prefix of all parts of a body. It contains the digest, so bodies with the same id but
/// different bytes stay separate.
pub(crate) fn body_prefix(digest: Digest) -> String {
    let digest = digest.to_string();
    format!("BODY#{}#", &digest[..16])
}

pub(crate) fn body(key: &EventKey, digest: Digest, part: usize) -> Key {
    Key::new(event(key).pk, format!("{}{part:02}", body_prefix(digest)))
}

/// The digest of the first signed body of an event that was recorded from its sender's API.
pub(crate) fn signed(key: &EventKey) -> Key {
    Key::new(event(key).pk, "SIGNED")
}

/// The partition of index `state` for an event.
pub(crate) fn state(key: &EventKey, state: EventState) -> String {
    state_shard(key.source(), state, shard(key.id()))
}

pub(crate) fn state_shard(source: EventSource, state: EventState, shard: u32) -> String {
    format!("{source}#{}#{shard}", state.as_str())
}

pub(crate) fn due_shard(shard: u32) -> String {
    format!("due#{shard}")
}

/// The partition of index `due` for the item with this key.
pub(crate) fn due(key: &Key) -> String {
    due_shard(shard(&key.pk))
}

/// FNV-1a: it spreads keys well enough, and its result is the same on every machine and never
/// changes.
fn shard(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    }) % SHARDS
}

fn account_pk(id: &AccountId) -> String {
    format!("ACCOUNT#{id}")
}

pub(crate) fn account(id: &AccountId) -> Key {
    Key::new(account_pk(id), PROFILE)
}

pub(crate) fn account_of(pk: &str) -> Option<AccountId> {
    AccountId::parse(pk.strip_prefix("ACCOUNT#")?).ok()
}

pub(crate) fn subscription(account: &AccountId, id: &SubscriptionId) -> Key {
    Key::new(account_pk(account), format!("SUBSCRIPTION#{id}"))
}

pub(crate) fn invoice(account: &AccountId, id: &InvoiceId) -> Key {
    Key::new(account_pk(account), format!("INVOICE#{id}"))
}

/// The sort key range that decides an account's entitlements: its profile, its owners' purchases,
/// and its subscriptions. The range also returns the few `REPORT#` rows in between. Items that can
/// be numerous must have a prefix outside this range.
pub(crate) const STANDING: (&str, &str) = (PROFILE, "SUBSCRIPTION~");
pub(crate) const TOP_UP: &str = "TOPUP";
pub(crate) const SUBSCRIPTION: &str = "SUBSCRIPTION#";
pub(crate) const INVOICE: &str = "INVOICE#";
pub(crate) const PURCHASE: &str = "PURCHASE#";

/// A purchase by an owner of the account.
pub(crate) fn purchase(account: &AccountId, owner: OwnerId) -> Key {
    Key::new(account_pk(account), format!("{PURCHASE}{owner}"))
}

pub(crate) fn purchase_of(sk: &str) -> Option<OwnerId> {
    sk.strip_prefix(PURCHASE)?.parse().ok().map(OwnerId::new)
}

pub(crate) fn balance(account: &AccountId) -> Key {
    Key::new(account_pk(account), BALANCE)
}

pub(crate) fn notice(account: &AccountId, fact: &str) -> Key {
    Key::new(account_pk(account), format!("{NOTICE}{fact}"))
}

pub(crate) const NOTICE: &str = "NOTICE#";

/// An address that receives no mail, by its digest.
pub(crate) fn muted(digest: &str) -> Key {
    Key::new(format!("MUTED#{digest}"), "MUTED")
}

/// A usage record of a customer, once per action.
pub(crate) fn record(account: &AccountId, act: &ActionId) -> Key {
    Key::new(account_pk(account), format!("USED#{act}"))
}

const PHASE: &str = "PHASE#";

/// A report from an external agent.
pub(crate) fn phase(account: &AccountId, act: &ActionId) -> Key {
    Key::new(account_pk(account), format!("{PHASE}{act}"))
}

pub(crate) fn phase_of(sk: &str) -> Option<ActionId> {
    ActionId::parse(sk.strip_prefix(PHASE)?).ok()
}

/// The partition of index `timeline` for an account's reports. It is separate from the partition of
/// its jobs, because there can be many reports.
pub(crate) fn phases_of(account: &AccountId) -> String {
    format!("{account}#phases")
}

/// A fix that was charged.
pub(crate) fn fix(account: &AccountId, fix: &Fix) -> Key {
    Key::new(account_pk(account), format!("FIX#{fix}"))
}

/// An action's request to create something at Stripe.
pub(crate) fn intent(account: &AccountId, act: &ActionId) -> Key {
    Key::new(account_pk(account), format!("INTENT#{act}"))
}

/// The action whose checkout session is current for this item.
pub(crate) fn cart(account: &AccountId, what: &str) -> Key {
    Key::new(account_pk(account), format!("CART#{what}"))
}

pub(crate) const API_KEY: &str = "APIKEY#";

/// The location of an API key, within its account.
pub(crate) fn api_key(account: &AccountId, id: &KeyId) -> Key {
    Key::new(account_pk(account), format!("{API_KEY}{id}"))
}

/// An API key, by the digest of its text.
pub(crate) fn api_key_text(digest: &str) -> Key {
    Key::new(format!("{API_KEY}{digest}"), "APIKEY")
}

/// The request count of an account, a user without one, or a network, in the window that begins at
/// `start`.
pub(crate) fn rate(whose: &str, start: Timestamp) -> Key {
    Key::new(format!("RATE#{whose}#{}", start.seconds()), "RATE")
}

pub(crate) const MEMBER: &str = "MEMBER#";
pub(crate) const MEMBERS: &str = "MEMBERS";

/// The members of an account. They have a partition of their own, because IAM can name partitions
/// and nothing below: only functions where people sign in may write here.
fn members_pk(account: &AccountId) -> String {
    format!("MEMBERS#{account}")
}

/// A member of an account.
pub(crate) fn member(account: &AccountId, user: UserId) -> Key {
    Key::new(members_pk(account), format!("{MEMBER}{user}"))
}

/// The numbers of members and admins of an account.
pub(crate) fn members(account: &AccountId) -> Key {
    Key::new(members_pk(account), MEMBERS)
}

/// The partition of a user's accounts and sessions.
fn user_pk(user: UserId) -> String {
    format!("USER#{user}")
}

/// An account of a user.
pub(crate) fn membership(user: UserId, account: &AccountId) -> Key {
    Key::new(user_pk(user), format!("{MEMBER}{account}"))
}

pub(crate) fn membership_of(sk: &str) -> Option<AccountId> {
    AccountId::parse(sk.strip_prefix(MEMBER)?).ok()
}

pub(crate) const SIGN_UP: &str = "SIGNUP";

pub(crate) fn sign_up(applicant: &Applicant) -> Key {
    Key::new(format!("{SIGN_UP}#{}", applicant.pointer()), SIGN_UP)
}

pub(crate) fn sign_up_of(pk: &str) -> Option<Applicant> {
    Applicant::parse(pk.strip_prefix(SIGN_UP)?.strip_prefix('#')?).ok()
}

/// The partition of index `timeline` for sign-ups in this state.
pub(crate) fn sign_ups(state: SignUpState) -> String {
    format!("{SIGN_UP}S#{}", state.as_str())
}

/// The account whose first API key a token reveals.
pub(crate) fn reveal(digest: &str) -> Key {
    Key::new(format!("REVEAL#{digest}"), "REVEAL")
}

/// The partition of every switch except the receivers'.
pub(crate) const SWITCHES: &str = "SWITCHES";
/// The prefix of each change of a switch.
pub(crate) const CHANGE: &str = "CHANGE#";

/// A switch, by its name or by the account that it pauses.
pub(crate) fn switch(which: &str) -> Key {
    Key::new(SWITCHES.to_owned(), which)
}

/// The name of the switch that pauses an account.
pub(crate) fn switch_of(account: &AccountId) -> String {
    account_pk(account)
}

/// One change of a switch.
pub(crate) fn switched(which: &str, at: Timestamp, act: &ActionId) -> Key {
    change(switched_pk(which), at, act)
}

pub(crate) fn switched_pk(which: &str) -> String {
    format!("SWITCHED#{which}")
}

/// A receiver's switch, in the `events` table.
pub(crate) fn ingest(source: EventSource) -> Key {
    Key::new(format!("SWITCH#{source}"), "SWITCH")
}

/// One change of a receiver's switch.
pub(crate) fn ingest_changed(source: EventSource, at: Timestamp, act: &ActionId) -> Key {
    change(ingest(source).pk, at, act)
}

fn change(pk: String, at: Timestamp, act: &ActionId) -> Key {
    Key::new(pk, format!("{CHANGE}{:013}#{act}", at.millis()))
}

pub(crate) fn payment(id: &PaymentId) -> Key {
    Key::new(format!("PAYMENT#{id}"), PAYMENT)
}

/// The prefix of the sort key of each refund that an operator requested.
pub(crate) const REFUND: &str = "REFUND#";

pub(crate) fn refund(key: &RefundKey) -> Key {
    Key::new(payment(&key.payment).pk, format!("{REFUND}{}", key.act))
}

pub(crate) fn refund_of(pk: &str, sk: &str) -> Option<RefundKey> {
    Some(RefundKey {
        payment: PaymentId::parse(pk.strip_prefix("PAYMENT#")?).ok()?,
        act: ActionId::parse(sk.strip_prefix(REFUND)?).ok()?,
    })
}

pub(crate) const EXPIRES: &str = "EXPIRES";

/// A payment or grant whose credits expire on a day.
pub(crate) fn expiry(day: &str, lot: &LotId) -> Key {
    Key::new(EXPIRES.to_owned(), format!("{day}#{lot}"))
}

pub(crate) fn expiry_of(sk: &str) -> Option<(String, LotId)> {
    let (day, lot) = sk.split_once('#')?;
    Some((day.to_owned(), LotId::parse(lot)?))
}

/// An entry, in the `ledger` table.
pub(crate) fn entry(account: &AccountId, cause: &str) -> Key {
    Key::new(account_pk(account), format!("{ENTRY}{cause}"))
}

/// The partition of index `day` for an entry.
pub(crate) fn day(day: &str, entry: &Key) -> String {
    day_shard(day, shard(&format!("{}{}", entry.pk, entry.sk)))
}

pub(crate) fn day_shard(day: &str, shard: u32) -> String {
    format!("{day}#{shard}")
}

/// A day's seal, in the `ledger` table.
pub(crate) fn seal(day: &str) -> Key {
    Key::new(SEALS.to_owned(), format!("{SEAL}{day}"))
}

/// The sort key prefixes of owed, reported, stuck, and cancelled usage records.
pub(crate) const OWED: &str = "OWED#";
pub(crate) const USAGE: &str = "USAGE#";
pub(crate) const STUCK: &str = "STUCK#";
pub(crate) const CANCELLED: &str = "CANCELLED#";

pub(crate) fn owed_prefix(meter: &Meter) -> String {
    format!("{OWED}{meter}#")
}

pub(crate) fn owed(account: &AccountId, meter: &Meter, id: &UsageId) -> Key {
    Key::new(account_pk(account), format!("{}{id}", owed_prefix(meter)))
}

pub(crate) fn usage(account: &AccountId, meter: &Meter, id: &UsageId) -> Key {
    Key::new(account_pk(account), format!("{}{id}", usage_prefix(meter)))
}

pub(crate) fn usage_prefix(meter: &Meter) -> String {
    format!("{USAGE}{meter}#")
}

pub(crate) fn stuck(account: &AccountId, meter: &Meter, id: &UsageId) -> Key {
    Key::new(account_pk(account), format!("{STUCK}{meter}#{id}"))
}

pub(crate) fn cancelled(account: &AccountId, meter: &Meter, id: &UsageId) -> Key {
    Key::new(
        account_pk(account),
        format!("{}{id}", cancelled_prefix(meter)),
    )
}

pub(crate) fn cancelled_prefix(meter: &Meter) -> String {
    format!("{CANCELLED}{meter}#")
}

/// The sort key prefix of credits for usage records.
pub(crate) const USAGE_CREDIT: &str = "USAGE_CREDIT#";

pub(crate) fn usage_credit(account: &AccountId, meter: &Meter, id: &UsageId) -> Key {
    Key::new(account_pk(account), format!("{USAGE_CREDIT}{meter}#{id}"))
}

/// The account of a usage record that no job or assist names.
pub(crate) fn usage_account(id: &UsageId) -> Key {
    Key::new(format!("{USAGE}{id}"), ACCOUNT)
}

pub(crate) fn report(account: &AccountId, meter: &Meter) -> Key {
    Key::new(account_pk(account), format!("REPORT#{meter}"))
}

pub(crate) fn job(id: &JobId) -> Key {
    Key::new(format!("JOB#{id}"), JOB)
}

/// The API request made under a job's id.
pub(crate) fn request(id: &JobId) -> Key {
    Key::new(job(id).pk, REQUEST)
}

pub(crate) fn job_of(pk: &str) -> Option<JobId> {
    JobId::parse(pk.strip_prefix("JOB#")?).ok()
}

pub(crate) fn step(id: &JobId, number: u32) -> Key {
    Key::new(job(id).pk, format!("STEP#{number:02}"))
}

/// The turns of a job, in a partition of their own: the job's has what is read with every step.
pub(crate) fn turns_pk(id: &JobId) -> String {
    format!("TURNS#{id}")
}

pub(crate) fn turn(id: &JobId, number: u32) -> Key {
    Key::new(turns_pk(id), format!("{number:03}"))
}

pub(crate) fn assist(id: &AssistId) -> Key {
    Key::new(format!("ASSIST#{id}"), ASSIST)
}

pub(crate) fn assist_of(pk: &str) -> Option<AssistId> {
    AssistId::parse(pk.strip_prefix("ASSIST#")?).ok()
}

/// The task or the answer of an assist.
pub(crate) fn assist_part(id: &AssistId, part: &'static str) -> Key {
    Key::new(assist(id).pk, part)
}

/// The assist that summarizes a commit for an account.
pub(crate) fn summary(account: &AccountId, commit: &CommitRef) -> Key {
    Key::new(format!("SUMMARY#{account}#{commit}"), "SUMMARY")
}

pub(crate) fn trigger(repository: RepositoryId, fact: &str) -> Key {
    Key::new(format!("TRIGGER#{repository}#{fact}"), JOB)
}

pub(crate) fn open(repository: RepositoryId, issue_number: u64) -> Key {
    Key::new(format!("OPEN#{repository}#{issue_number}"), JOB)
}

pub(crate) fn owner(id: OwnerId) -> Key {
    Key::new(format!("OWNER#{id}"), ACCOUNT)
}

/// A purchase by an owner on the Marketplace.
pub(crate) fn marketplace(owner: OwnerId) -> Key {
    Key::new(format!("OWNER#{owner}"), MARKETPLACE)
}

pub(crate) fn customer(id: &CustomerId) -> Key {
    Key::new(format!("CUSTOMER#{id}"), ACCOUNT)
}
