//! What a customer has to be told, apart from what stands on GitHub.
//!
//! A notice belongs to a fact, and a fact is told once: the same warning for the same period, payment or invoice does not
//! come again, however often the event behind it does. It is told by mail, and a mail has no key by which it could be sent
//! twice and arrive once; [`after_unclear`] says what happens when nobody knows whether it went out.

use crate::billing::usage::Meter;
use crate::ids::{AccountId, BadId, InvoiceId, JobId, SubscriptionId};
use crate::switches::Switch;
use crate::text::words;
use crate::time::Timestamp;
use crate::units::SpendUnit;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// One thing to be told.
#[derive(Clone, PartialEq, Eq)]
pub struct Notice {
    /// About what.
    pub topic: Topic,
    /// What there is to say, beyond the topic.
    pub words: String,
    /// A link for this customer's eyes only, good once: kept until it is told, and never listed.
    pub link: Option<String>,
    /// Since when.
    pub at: Timestamp,
}

impl Notice {
    /// A notice without a link of its own.
    pub const fn new(topic: Topic, words: String, at: Timestamp) -> Self {
        Self {
            topic,
            words,
            link: None,
            at,
        }
    }

    /// Which it is, in the hands of an account.
    pub fn key(&self, account: &AccountId) -> NoticeKey {
        NoticeKey {
            account: account.clone(),
            fact: self.topic.fact(),
        }
    }

    /// The same with a link that is good once.
    #[must_use]
    pub fn with_link(self, link: impl Into<String>) -> Self {
        Self {
            link: Some(link.into()),
            ..self
        }
    }
}

/// Without the words and the link, which are the customer's.
impl fmt::Debug for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notice")
            .field("topic", &self.topic)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

/// What a notice is about: with the account, its identity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// The account is there and can be used.
    Welcome,
    /// A payment of an invoice has failed.
    PaymentFailed(InvoiceId),
    /// An invoice waits for its payer to confirm it.
    ActionRequired(InvoiceId),
    /// A trial ends soon.
    TrialEnding(SubscriptionId),
    /// Most of a quota is used, in this period.
    QuotaNearlyUsed(Meter, String),
    /// All of a quota is used, in this period.
    QuotaUsed(Meter, String),
    /// The balance is low, after so many grants.
    LowBalance(u64),
    /// Something was refused for want of credits, after so many grants.
    TopUpNeeded(u64),
    /// Most of a spend limit is spent, in this period, of a limit of so many millionths.
    SpendLimitNear(SpendUnit, String, u64),
    /// A spend limit is reached, or something was refused for it.
    SpendLimitReached(SpendUnit, String, u64),
    /// A job has come to its end.
    JobFinished(JobId),
}

impl Topic {
    /// The kind, without what it is about.
    pub const fn kind(&self) -> NoticeKind {
        match self {
            Self::Welcome => NoticeKind::Welcome,
            Self::PaymentFailed(_) => NoticeKind::PaymentFailed,
            Self::ActionRequired(_) => NoticeKind::ActionRequired,
            Self::TrialEnding(_) => NoticeKind::TrialEnding,
            Self::QuotaNearlyUsed(..) => NoticeKind::QuotaNearlyUsed,
            Self::QuotaUsed(..) => NoticeKind::QuotaUsed,
            Self::LowBalance(_) => NoticeKind::LowBalance,
            Self::TopUpNeeded(_) => NoticeKind::TopUpNeeded,
            Self::SpendLimitNear(..) => NoticeKind::SpendLimitNear,
            Self::SpendLimitReached(..) => NoticeKind::SpendLimitReached,
            Self::JobFinished(_) => NoticeKind::JobFinished,
        }
    }

    /// What tells it from every other notice of its account.
    pub fn fact(&self) -> String {
        let kind = self.kind();
        match self {
            Self::Welcome => kind.to_string(),
            Self::PaymentFailed(invoice) | Self::ActionRequired(invoice) => {
                format!("{kind}#{invoice}")
            }
            Self::TrialEnding(subscription) => format!("{kind}#{subscription}"),
            Self::QuotaNearlyUsed(meter, period) | Self::QuotaUsed(meter, period) => {
                format!("{kind}#{meter}#{period}")
            }
            Self::LowBalance(grants) | Self::TopUpNeeded(grants) => format!("{kind}#{grants}"),
            // A limit that was changed is another one, so whoever raises it is warned anew.
            Self::SpendLimitNear(unit, period, limit)
            | Self::SpendLimitReached(unit, period, limit) => {
                format!("{kind}#{unit}#{period}#{limit}")
            }
            Self::JobFinished(job) => format!("{kind}#{job}"),
        }
    }
}

words! {
    /// A kind of notice: what an account can switch on and off.
    NoticeKind {
        /// See [`Topic::Welcome`].
        Welcome = "welcome",
        /// See [`Topic::PaymentFailed`].
        PaymentFailed = "payment_failed",
        /// See [`Topic::ActionRequired`].
        ActionRequired = "action_required",
        /// See [`Topic::TrialEnding`].
        TrialEnding = "trial_ending",
        /// See [`Topic::QuotaNearlyUsed`].
        QuotaNearlyUsed = "quota_nearly_used",
        /// See [`Topic::QuotaUsed`].
        QuotaUsed = "quota_used",
        /// See [`Topic::LowBalance`].
        LowBalance = "low_balance",
        /// See [`Topic::TopUpNeeded`].
        TopUpNeeded = "top_up_needed",
        /// See [`Topic::SpendLimitNear`].
        SpendLimitNear = "spend_limit_near",
        /// See [`Topic::SpendLimitReached`].
        SpendLimitReached = "spend_limit_reached",
        /// See [`Topic::JobFinished`].
        JobFinished = "job_finished",
    }
}

impl NoticeKind {
    /// Whether an account that has said nothing gets such mails. GitHub tells of jobs already.
    pub const fn at_first(self) -> Switch {
        match self {
            Self::JobFinished => Switch::Off,
            Self::Welcome
            | Self::PaymentFailed
            | Self::ActionRequired
            | Self::TrialEnding
            | Self::QuotaNearlyUsed
            | Self::QuotaUsed
            | Self::LowBalance
            | Self::TopUpNeeded
            | Self::SpendLimitNear
            | Self::SpendLimitReached => Switch::On,
        }
    }

    /// What somebody would rather have: the same mail again, or none.
    const fn rather(self) -> Rather {
        match self {
            // Something has to be done, or something stops; a mail too many is the smaller harm.
            Self::Welcome
            | Self::PaymentFailed
            | Self::ActionRequired
            | Self::TrialEnding
            | Self::QuotaUsed
            | Self::TopUpNeeded
            | Self::SpendLimitReached => Rather::Twice,
            // Nothing stops yet, and it is said again when it does; or GitHub has said it.
            Self::QuotaNearlyUsed | Self::LowBalance | Self::SpendLimitNear | Self::JobFinished => {
                Rather::Never
            }
        }
    }
}

/// A word that names no kind of notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadNoticeKind;

impl fmt::Display for BadNoticeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known: Vec<_> = NoticeKind::ALL.iter().map(|kind| kind.as_str()).collect();
        write!(f, "a kind of notice is one of {}", known.join(", "))
    }
}

impl std::error::Error for BadNoticeKind {}

/// Reads which kinds somebody wants switched on and off, by their words.
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
    /// How a notice ended.
    NoticeOutcome {
        /// A mail was handed over.
        Sent = "sent",
        /// No address is known.
        Nobody = "nobody_to_tell",
        /// Mail to the address came back before.
        Muted = "muted",
        /// The account does not want this kind.
        SwitchedOff = "switched_off",
        /// This installation sends no mail.
        NoSender = "no_sender",
        /// The mail was refused, and always would be.
        Refused = "refused",
        /// Nobody knows whether it went out, and it is not sent again.
        Unclear = "unclear",
        /// It could not be sent for so long that it was given up.
        GivenUp = "given_up",
    }
}

/// Whether a mail is sent after tries of which nobody knows whether they did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterUnclear {
    /// It is, once this while has passed since the last one.
    Resend(Duration),
    /// It is not.
    Stop,
}

/// So many tries may end in doubt; each can have sent a mail.
pub const UNCLEAR_SENDS_MAX: u32 = 5;
/// The wait after a doubt, for each there was: an outage is over by then or soon.
const DOUBT_WAIT: Duration = Duration::from_secs(300);

/// What to do after `doubts` tries whose answer was lost, or whose process died over them.
pub fn after_unclear(kind: NoticeKind, doubts: u32) -> AfterUnclear {
    match kind.rather() {
        _ if doubts == 0 => AfterUnclear::Resend(Duration::ZERO),
        Rather::Twice if doubts < UNCLEAR_SENDS_MAX => AfterUnclear::Resend(DOUBT_WAIT * doubts),
        Rather::Twice | Rather::Never => AfterUnclear::Stop,
    }
}

/// Which notice: what a message points to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NoticeKey {
    /// Whose.
    pub account: AccountId,
    /// About what, as [`Topic::fact`] says it.
    pub fact: String,
}

const FACT_BYTES_MAX: usize = 200;

impl NoticeKey {
    /// As a message carries it.
    pub fn pointer(&self) -> String {
        format!("{}#{}", self.account, self.fact)
    }

    /// Reads a message's pointer.
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

    /// The kind of the fact; none if it is none that this version knows.
    pub fn kind(&self) -> Option<NoticeKind> {
        NoticeKind::parse(self.fact.split('#').next()?)
    }
}

/// A notice's pointer that points nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadNoticeKey {
    /// Not `account#kind…`.
    Shape,
    /// The part before `#`.
    Account(BadId),
}

impl fmt::Display for BadNoticeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a notice's pointer is an account's id, # and a fact that begins with a kind")
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

/// Which warning a count gives rise to, if any: at four fifths of a limit, and at the whole.
pub fn quota_warning(meter: &Meter, period: &str, used: u64, limit: u64) -> Option<Topic> {
    let topic = |kind: fn(Meter, String) -> Topic| Some(kind(meter.clone(), period.to_owned()));
    if used >= limit {
        return topic(Topic::QuotaUsed);
    }
    // used / limit >= 4 / 5, without a fraction and without an overflow.
    if u128::from(used) * 5 >= u128::from(limit) * 4 {
        topic(Topic::QuotaNearlyUsed)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_warns_at_four_fifths_and_at_the_end() {
        let meter = Meter::pull_requests();
        for (used, limit, expected) in [
            (79, 100, None),
            (80, 100, Some(NoticeKind::QuotaNearlyUsed)),
            (99, 100, Some(NoticeKind::QuotaNearlyUsed)),
            (100, 100, Some(NoticeKind::QuotaUsed)),
            (101, 100, Some(NoticeKind::QuotaUsed)),
            (1, 1, Some(NoticeKind::QuotaUsed)),
            (u64::MAX - 1, u64::MAX, Some(NoticeKind::QuotaNearlyUsed)),
        ] {
            let topic = quota_warning(&meter, "2026-11", used, limit);
            assert_eq!(
                topic.as_ref().map(Topic::kind),
                expected,
                "{used} of {limit}"
            );
        }
    }

    #[test]
    fn a_pointer_is_read_as_it_was_written() {
        let account = AccountId::mint(Timestamp::from_millis(1), [7; 10]);
        let invoice = InvoiceId::parse("in_1").expect("an id");
        let job = JobId::mint(Timestamp::from_millis(1), [7; 10]);
        for topic in [
            Topic::Welcome,
            Topic::PaymentFailed(invoice.clone()),
            Topic::ActionRequired(invoice),
            Topic::TrialEnding(SubscriptionId::parse("sub_1").expect("an id")),
            Topic::QuotaNearlyUsed(Meter::pull_requests(), "2026-11".to_owned()),
            Topic::QuotaUsed(Meter::pull_requests(), "2026-11".to_owned()),
            Topic::LowBalance(3),
            Topic::TopUpNeeded(3),
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
