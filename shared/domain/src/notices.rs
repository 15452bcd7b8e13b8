//! Notices: what customers are sent by mail.
//!
//! A notice belongs to a fact and is sent once: the same warning for the same period, payment or
//! invoice is not repeated, however often its event arrives. Mail has no idempotency key, so a
//! notice whose sending is unclear follows [`after_unclear`].

mod quotas;

pub use quotas::quota_notice;

use crate::billing::subscriptions::{Invoice, Status, Subscription};
use crate::billing::usage::Meter;
use crate::ids::{AccountId, BadId, InvoiceId, JobId, SubscriptionId, UserId};
use crate::switches::Switch;
use crate::text::words;
use crate::time::Timestamp;
use crate::units::SpendUnit;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// One notice to send.
#[derive(Clone, PartialEq, Eq)]
pub struct Notice {
    pub topic: Topic,
    pub words: String,
    /// A private, single-use link. It is kept until the notice is sent and is never listed.
    pub link: Option<String>,
    pub at: Timestamp,
}

impl Notice {
    /// Creates a notice without a link.
    pub const fn new(topic: Topic, words: String, at: Timestamp) -> Self {
        Self {
            topic,
            words,
            link: None,
            at,
        }
    }

    pub fn key(&self, account: &AccountId) -> NoticeKey {
        NoticeKey {
            account: account.clone(),
            fact: self.topic.fact(),
        }
    }

    /// Adds a single-use link.
    #[must_use]
    pub fn with_link(self, link: impl Into<String>) -> Self {
        Self {
            link: Some(link.into()),
            ..self
        }
    }
}

/// Omits the text and the link, which are the customer's.
impl fmt::Debug for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notice")
            .field("topic", &self.topic)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

/// The subject of a notice. Together with the account it identifies the notice.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    Welcome,
    PaymentFailed(InvoiceId),
    /// The payer has to confirm an invoice.
    ActionRequired(InvoiceId),
    TrialEnding(SubscriptionId),
    /// The grace after a failed payment of this invoice ends soon.
    ServiceEnding(InvoiceId),
    /// That grace has ended, or the subscription has.
    ServiceStopped(InvoiceId),
    /// Most of a quota is used in this period.
    QuotaNearlyUsed(Meter, String),
    QuotaUsed(Meter, String),
    /// The available credits fell below the threshold for the n-th time.
    LowBalance(u64),
    /// A request was refused for lack of credits, after this many grants.
    TopUpNeeded(u64),
    /// Automatic top-up bought a pack; this is the number of its crossing.
    TopUpCharged(u64),
    /// The payer has to confirm the payment of such a pack.
    TopUpConfirm(u64),
    /// Automatic top-up was switched off that the customer had agreed to at this time.
    TopUpOff(Timestamp),
    /// Most of a spend limit is used in this period; the limit is in millionths.
    SpendLimitNear(SpendUnit, String, u64),
    /// A spend limit is reached, or a request was refused because of it.
    SpendLimitReached(SpendUnit, String, u64),
    JobFinished(JobId),
    /// A person became an admin at this time by presenting an API key.
    AdminJoined(UserId, Timestamp),
}

impl Topic {
    pub const fn kind(&self) -> NoticeKind {
        match self {
            Self::Welcome => NoticeKind::Welcome,
            Self::PaymentFailed(_) => NoticeKind::PaymentFailed,
            Self::ActionRequired(_) => NoticeKind::ActionRequired,
            Self::TrialEnding(_) => NoticeKind::TrialEnding,
            Self::ServiceEnding(_) => NoticeKind::ServiceEnding,
            Self::ServiceStopped(_) => NoticeKind::ServiceStopped,
            Self::QuotaNearlyUsed(..) => NoticeKind::QuotaNearlyUsed,
            Self::QuotaUsed(..) => NoticeKind::QuotaUsed,
            Self::LowBalance(_) => NoticeKind::LowBalance,
            Self::TopUpNeeded(_) => NoticeKind::TopUpNeeded,
            Self::TopUpCharged(_) => NoticeKind::TopUpCharged,
            Self::TopUpConfirm(_) => NoticeKind::TopUpConfirm,
            Self::TopUpOff(_) => NoticeKind::TopUpOff,
            Self::SpendLimitNear(..) => NoticeKind::SpendLimitNear,
            Self::SpendLimitReached(..) => NoticeKind::SpendLimitReached,
            Self::JobFinished(_) => NoticeKind::JobFinished,
            Self::AdminJoined(..) => NoticeKind::AdminJoined,
        }
    }

    /// What distinguishes the notice from others of the account.
    pub fn fact(&self) -> String {
        let kind = self.kind();
        match self {
            Self::Welcome => kind.to_string(),
            Self::PaymentFailed(invoice)
            | Self::ActionRequired(invoice)
            | Self::ServiceEnding(invoice)
            | Self::ServiceStopped(invoice) => {
                format!("{kind}#{invoice}")
            }
            Self::TrialEnding(subscription) => format!("{kind}#{subscription}"),
            Self::QuotaNearlyUsed(meter, period) | Self::QuotaUsed(meter, period) => {
                format!("{kind}#{meter}#{period}")
            }
            Self::LowBalance(count)
            | Self::TopUpNeeded(count)
            | Self::TopUpCharged(count)
            | Self::TopUpConfirm(count) => format!("{kind}#{count}"),
            Self::TopUpOff(agreed_at) => format!("{kind}#{}", agreed_at.millis()),
            // A changed limit is a different fact, so a customer who raises it is warned again.
            Self::SpendLimitNear(unit, period, limit)
            | Self::SpendLimitReached(unit, period, limit) => {
                format!("{kind}#{unit}#{period}#{limit}")
            }
            Self::JobFinished(job) => format!("{kind}#{job}"),
            Self::AdminJoined(user, at) => format!("{kind}#{user}#{}", at.millis()),
        }
    }
}

words! {
    /// A kind of notice, which an account can switch on and off.
    NoticeKind {
        Welcome = "welcome",
        PaymentFailed = "payment_failed",
        ActionRequired = "action_required",
        TrialEnding = "trial_ending",
        ServiceEnding = "service_ending",
        ServiceStopped = "service_stopped",
        QuotaNearlyUsed = "quota_nearly_used",
        QuotaUsed = "quota_used",
        LowBalance = "low_balance",
        TopUpNeeded = "top_up_needed",
        TopUpCharged = "top_up_charged",
        TopUpConfirm = "top_up_confirm",
        TopUpOff = "top_up_off",
        SpendLimitNear = "spend_limit_near",
        SpendLimitReached = "spend_limit_reached",
        JobFinished = "job_finished",
        AdminJoined = "admin_joined",
    }
}

impl NoticeKind {
    /// The default for accounts without a setting. GitHub already notifies of jobs.
    pub const fn at_first(self) -> Switch {
        match self {
            Self::JobFinished => Switch::Off,
            Self::Welcome
            | Self::PaymentFailed
            | Self::ActionRequired
            | Self::TrialEnding
            | Self::ServiceEnding
            | Self::ServiceStopped
            | Self::QuotaNearlyUsed
            | Self::QuotaUsed
            | Self::LowBalance
            | Self::TopUpNeeded
            | Self::TopUpCharged
            | Self::TopUpConfirm
            | Self::TopUpOff
            | Self::SpendLimitNear
            | Self::SpendLimitReached
            | Self::AdminJoined => Switch::On,
        }
    }

    /// Whether accounts cannot switch it off. Who takes an account over could switch off the mail
    /// that says so.
    pub const fn is_always_sent(self) -> bool {
        matches!(self, Self::AdminJoined)
    }

    /// Whether its notices are written ahead, with the time at which they are due. They are sent
    /// only if they are still true then.
    pub const fn is_planned(self) -> bool {
        matches!(self, Self::ServiceEnding | Self::ServiceStopped)
    }

    /// Which error is less harmful: a duplicate mail or a missing one.
    const fn rather(self) -> Rather {
        match self {
            // The customer has to act, or something stops, so a duplicate mail is the smaller harm.
            Self::Welcome
            | Self::PaymentFailed
            | Self::ActionRequired
            | Self::TrialEnding
            | Self::ServiceEnding
            | Self::ServiceStopped
            | Self::QuotaUsed
            | Self::TopUpNeeded
            | Self::TopUpConfirm
            | Self::TopUpOff
            | Self::SpendLimitReached
            | Self::AdminJoined => Rather::Twice,
            // Nothing stops yet, and another notice follows when it does; or GitHub has already
            // notified the customer.
            // A second mail would read like a second charge; Stripe has the receipt.
            Self::QuotaNearlyUsed
            | Self::LowBalance
            | Self::TopUpCharged
            | Self::SpendLimitNear
            | Self::JobFinished => Rather::Never,
        }
    }
}

/// A word that is not a kind of notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadNoticeKind;

impl fmt::Display for BadNoticeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known: Vec<_> = NoticeKind::ALL.iter().map(|kind| kind.as_str()).collect();
        write!(f, "A kind of notice must be one of {}.", known.join(", "))
    }
}

impl std::error::Error for BadNoticeKind {}

/// Parses which kinds to switch on and off.
pub fn switches(
    wanted: &BTreeMap<String, bool>,
) -> Result<Vec<(NoticeKind, Switch)>, BadNoticeKind> {
    let switch = |(word, on): (&String, &bool)| {
        Ok((
            NoticeKind::parse(word).ok_or(BadNoticeKind)?,
            Switch::from(*on),
        ))
    };
    wanted.iter().map(switch).collect()
}

enum Rather {
    Twice,
    Never,
}

words! {
    NoticeOutcome {
        Sent = "sent",
        Nobody = "nobody_to_tell",
        Muted = "muted",
        SwitchedOff = "switched_off",
        /// What it would have said was no longer true.
        Obsolete = "obsolete",
        NoSender = "no_sender",
        Refused = "refused",
        /// The mail may have been sent. It is not sent again.
        Unclear = "unclear",
        /// All attempts failed.
        GivenUp = "given_up",
    }
}

/// Whether to send again after attempts with unclear results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterUnclear {
    /// Send again when this much time has passed since the last attempt.
    Resend(Duration),
    Stop,
}

/// The most attempts with unclear results; each may have sent a mail.
pub const UNCLEAR_SENDS_MAX: u32 = 5;
/// The wait per unclear attempt: an outage is over by then, or soon after.
const DOUBT_WAIT: Duration = Duration::from_secs(300);

/// A notice that is due later, if it is still true then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedNotice {
    pub notice: Notice,
    pub due_at: Timestamp,
    /// From then on it is no longer true.
    pub valid_until: Option<Timestamp>,
}

/// Whether a notice about the end of a plan's service is still true, given the latest known states.
pub fn is_still_true(kind: NoticeKind, invoice: &Invoice, subscription: &Subscription) -> bool {
    match kind {
        NoticeKind::ServiceEnding => invoice.is_unpaid() && subscription.status == Status::PastDue,
        NoticeKind::ServiceStopped => {
            invoice.is_unpaid()
                && matches!(
                    subscription.status,
                    Status::PastDue | Status::Unpaid | Status::Canceled
                )
        }
        _ => true,
    }
}

/// Decides after `doubts` attempts whose answer was lost or whose process died.
pub fn after_unclear(kind: NoticeKind, doubts: u32) -> AfterUnclear {
    match kind.rather() {
        _ if doubts == 0 => AfterUnclear::Resend(Duration::ZERO),
        Rather::Twice if doubts < UNCLEAR_SENDS_MAX => AfterUnclear::Resend(DOUBT_WAIT * doubts),
        Rather::Twice | Rather::Never => AfterUnclear::Stop,
    }
}

/// Identifies a notice; messages point to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NoticeKey {
    pub account: AccountId,
    /// The fact, as [`Topic::fact`] returns it.
    pub fact: String,
}

const FACT_BYTES_MAX: usize = 200;

impl NoticeKey {
    /// The text that messages contain.
    pub fn pointer(&self) -> String {
        format!("{}#{}", self.account, self.fact)
    }

    /// Parses a message's pointer.
    pub fn parse(text: &str) -> Result<Self, BadNoticeKey> {
        let (account, fact) = text.split_once('#').ok_or(BadNoticeKey::Shape)?;
        let key = Self {
            account: AccountId::parse(account).map_err(BadNoticeKey::Account)?,
            fact: fact.to_owned(),
        };
        let plain = fact.len() <= FACT_BYTES_MAX && fact.bytes().all(|c| c.is_ascii_graphic());
        if plain && key.kind().is_some() {
            Ok(key)
        } else {
            Err(BadNoticeKey::Shape)
        }
    }

    /// The invoice that the fact is about, if it is about one.
    pub fn invoice(&self) -> Option<InvoiceId> {
        InvoiceId::parse(self.fact.split('#').nth(1)?).ok()
    }

    /// The kind of the fact, or `None` if this version does not know it.
    pub fn kind(&self) -> Option<NoticeKind> {
        NoticeKind::parse(self.fact.split('#').next()?)
    }
}

/// A malformed pointer to a notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadNoticeKey {
    /// Not `account#kind…`.
    Shape,
    /// The part before `#`.
    Account(BadId),
}

impl fmt::Display for BadNoticeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a notice pointer consists of an account id, `#` and a fact that begins with a notice kind")
    }
}

impl std::error::Error for BadNoticeKey {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Shape => None,
            Self::Account(error) => Some(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_is_read_as_it_was_written() {
        let account = AccountId::mint(Timestamp::from_millis(1), [7; 10]);
        let invoice = InvoiceId::parse("in_1").expect("an id");
        let job = JobId::mint(Timestamp::from_millis(1), [7; 10]);
        for topic in [
            Topic::Welcome,
            Topic::PaymentFailed(invoice.clone()),
            Topic::ActionRequired(invoice),
            Topic::ServiceEnding(InvoiceId::parse("in_2").expect("an id")),
            Topic::ServiceStopped(InvoiceId::parse("in_2").expect("an id")),
            Topic::TrialEnding(SubscriptionId::parse("sub_1").expect("an id")),
            Topic::QuotaNearlyUsed(Meter::pull_requests(), "2026-11".to_owned()),
            Topic::QuotaUsed(Meter::pull_requests(), "2026-11".to_owned()),
            Topic::LowBalance(3),
            Topic::TopUpNeeded(3),
            Topic::TopUpCharged(1),
            Topic::TopUpConfirm(1),
            Topic::TopUpOff(Timestamp::from_millis(1)),
            Topic::SpendLimitNear(SpendUnit::Money, "2026-11".to_owned(), 50_000_000),
            Topic::SpendLimitReached(SpendUnit::Credits, "from-2026-11-17".to_owned(), 0),
            Topic::JobFinished(job),
        ] {
            let key = NoticeKey {
                account: account.clone(),
                fact: topic.fact(),
            };
            assert_eq!(NoticeKey::parse(&key.pointer()).as_ref(), Ok(&key));
            assert_eq!(key.kind(), Some(topic.kind()));
        }
        for bad in [
            "",
            "#",
            "acc_#welcome",
            &format!("{account}"),
            &format!("{account}#dance#1"),
            &format!("{account}#low balance"),
        ] {
            assert!(NoticeKey::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_has_to_be_done_is_rather_told_twice_and_news_rather_never() {
        for (kind, doubts, expected) in [
            (NoticeKind::Welcome, 0, AfterUnclear::Resend(Duration::ZERO)),
            (
                NoticeKind::LowBalance,
                0,
                AfterUnclear::Resend(Duration::ZERO),
            ),
            (
                NoticeKind::Welcome,
                1,
                AfterUnclear::Resend(Duration::from_secs(300)),
            ),
            (
                NoticeKind::PaymentFailed,
                4,
                AfterUnclear::Resend(Duration::from_secs(1_200)),
            ),
            (NoticeKind::PaymentFailed, 5, AfterUnclear::Stop),
            (NoticeKind::LowBalance, 1, AfterUnclear::Stop),
            (NoticeKind::JobFinished, 1, AfterUnclear::Stop),
        ] {
            assert_eq!(
                after_unclear(kind, doubts),
                expected,
                "{kind} after {doubts}"
            );
        }
    }

    #[test]
    fn what_is_the_customer_s_is_not_printed() {
        let at = Timestamp::from_millis(1);
        let notice =
            Notice::new(Topic::Welcome, "canary".to_owned(), at).with_link("https://canary");
        assert!(!format!("{notice:?}").contains("canary"));
    }
}
