//! Sign-ups: from a request to a working account, once for each applicant.
//!
//! An applicant is identified by the digest of a mail address, or by GitHub's number if the App was
//! installed or bought for an owner. Everything sent to Stripe is fixed when the sign-up is first
//! written, so a repeated attempt sends the same. If Stripe's answer is lost, the same idempotency
//! key is good for a day; after that Stripe is searched before another customer is created.

use crate::accounts::addresses::MailAddress;
use crate::billing::plans::{Availability, Catalogue, Pays, Plan};
use crate::ids::{AccountId, InstallationId, OwnerId};
use crate::switches::Switch;
use crate::text::words;
use crate::time::Timestamp;
use std::fmt;
use std::time::Duration;

/// Identifies who wants an account; it makes repeated sign-ups one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Applicant {
    Mail(AddressDigest),
    Owner(OwnerId),
}

/// The SHA-256 of a folded mail address, in lower-case hex.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AddressDigest(String);

const DIGEST_CHARS: usize = 64;

impl AddressDigest {
    /// Parses a digest.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        (plain && text.len() == DIGEST_CHARS).then(|| Self(text.to_owned()))
    }
}

/// A text that does not identify an applicant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadApplicant;

impl fmt::Display for BadApplicant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an applicant is `mail#` and a digest, or `owner#` and GitHub's number")
    }
}

impl std::error::Error for BadApplicant {}

impl Applicant {
    /// The text in messages and keys.
    pub fn pointer(&self) -> String {
        match self {
            Self::Mail(AddressDigest(digest)) => format!("mail#{digest}"),
            Self::Owner(owner) => format!("owner#{owner}"),
        }
    }

    /// Parses a text written by [`Self::pointer`].
    pub fn parse(text: &str) -> Result<Self, BadApplicant> {
        let found = match text.split_once('#') {
            Some(("mail", digest)) => AddressDigest::parse(digest).map(Self::Mail),
            Some(("owner", number)) => number
                .parse()
                .ok()
                .map(|number| Self::Owner(OwnerId::new(number))),
            Some(_) | None => None,
        };
        // Accept the canonical text only, so that two rows cannot stand for the same applicant.
        found
            .filter(|applicant| applicant.pointer() == text)
            .ok_or(BadApplicant)
    }
}

words! {
    /// The state of a sign-up.
    SignUpState {
        WaitingForApproval = "WAITING_FOR_APPROVAL",
        Owed = "OWED",
        Done = "DONE",
        Refused = "REFUSED",
    }
}

words! {
    /// How an applicant came.
    SignUpSource {
        /// The sign-up form, by mail address.
        Form = "form",
        Installation = "installation",
        Marketplace = "marketplace",
    }
}

/// A sign-up as it was first written; none of it changes.
#[derive(Clone, PartialEq, Eq)]
pub struct SignUp {
    pub applicant: Applicant,
    pub account: AccountId,
    pub way: SignUpSource,
    pub plan: String,
    pub wish: Option<String>,
    pub email: Option<MailAddress>,
    pub name: Option<String>,
    pub installation: Option<InstallationId>,
    pub at: Timestamp,
}

/// Omits the name, which is personal data.
impl fmt::Debug for SignUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignUp")
            .field("applicant", &self.applicant)
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

impl SignUp {
    /// The GitHub owner, if that identifies the applicant.
    pub const fn owner(&self) -> Option<OwnerId> {
        match self.applicant {
            Applicant::Owner(owner) => Some(owner),
            Applicant::Mail(_) => None,
        }
    }
}

/// The initial state of a sign-up: the only place that decides whether accounts are created
/// automatically.
pub const fn begins(auto_provision: Switch) -> SignUpState {
    match auto_provision {
        Switch::On => SignUpState::Owed,
        Switch::Off => SignUpState::WaitingForApproval,
    }
}

/// Whether an applicant may choose this plan.
pub fn is_open(plan: &Plan) -> bool {
    plan.sold == Availability::Public
}

/// The plan that an account starts with if its owner wants `wanted`: that plan if it needs no
/// payment method, otherwise the trial, otherwise the fallback of the plan if that is free,
/// otherwise the default plan.
pub fn begins_with<'a>(catalogue: &'a Catalogue, wanted: &'a Plan) -> &'a Plan {
    let is_free = |plan: &&Plan| plan.price.is_none() && plan.pays != Pays::Meters && is_open(plan);
    if is_free(&wanted) {
        return wanted;
    }
    let fallback = || catalogue.plan(wanted.fallback.as_ref()?).filter(is_free);
    trial(catalogue)
        .or_else(fallback)
        .or_else(|| catalogue.plan(&catalogue.default_plan))
        .unwrap_or(wanted)
}

/// The trial: the first plan that costs nothing and leads to another one.
pub fn trial(catalogue: &Catalogue) -> Option<&Plan> {
    let is_trial =
        |plan: &&Plan| plan.pays == Pays::Nothing && plan.converts_to.is_some() && is_open(plan);
    catalogue.plans.iter().find(is_trial)
}

/// The attempts to create a customer at Stripe: under which idempotency key, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CustomerCreation {
    /// The number of the idempotency key.
    pub round: u32,
    /// When this key was first used.
    pub since: Timestamp,
    /// When Stripe reported a failure. Stripe repeats that answer for this key, whatever it
    /// created.
    pub failed_at: Option<Timestamp>,
}

/// What to do next about the customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CustomerStep {
    /// Create it under the current key. Stripe creates one customer, however often this is
    /// repeated.
    Make,
    /// Wait: the key gives no answer, and search may not find the customer yet.
    Wait(Duration),
    /// Search for the customer; only if there is none, create it under a new key.
    LookUp,
}

/// Stripe keeps idempotency keys for at least 24 hours; an hour is kept as a margin.
const NAMES_LAST: Duration = Duration::from_secs(23 * 3_600);
/// After this time Stripe has forgotten the key, or the customer was created long ago.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(24 * 3_600);
/// How long Stripe's search may take to find a new object: a minute, or more after an outage.
pub const FOUND_AFTER: Duration = Duration::from_secs(600);

impl CustomerCreation {
    pub fn next(self, now: Timestamp) -> CustomerStep {
        let findable = match self.failed_at {
            Some(failed_at) => failed_at.plus(FOUND_AFTER),
            None if now.since(self.since) < NAMES_LAST => return CustomerStep::Make,
            None => self.since.plus(FORGOTTEN_AFTER),
        };
        if now < findable {
            CustomerStep::Wait(findable.since(now))
        } else {
            CustomerStep::LookUp
        }
    }

    /// The idempotency key for creating the account's customer.
    pub fn name(self, account: &AccountId) -> String {
        format!("customer-{account}-{}", self.round)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_applicant_reads_back_by_one_text() {
        let digest = "0a".repeat(32);
        for text in [format!("mail#{digest}"), "owner#9001".to_owned()] {
            assert_eq!(
                Applicant::parse(&text).expect("an applicant").pointer(),
                text
            );
        }
        for text in [
            "",
            "mail#",
            "owner#",
            "owner#+1",
            "owner#01",
            "owner#-1",
            "user#1",
            "owner#1#2",
            "mail#0A",
        ] {
            assert_eq!(Applicant::parse(text), Err(BadApplicant), "{text}");
        }
        assert_eq!(
            Applicant::parse(&format!("mail#{}", digest.to_uppercase())),
            Err(BadApplicant)
        );
    }

    #[test]
    fn stripe_is_asked_under_one_name_for_a_day_and_then_looked_through() {
        let since = Timestamp::from_seconds(1_795_000_000);
        let tried = CustomerCreation {
            round: 1,
            since,
            failed_at: None,
        };
        for (hours, expected) in [
            (0, CustomerStep::Make),
            (22, CustomerStep::Make),
            (23, CustomerStep::Wait(Duration::from_secs(3_600))),
            (24, CustomerStep::LookUp),
            (24 * 30, CustomerStep::LookUp),
        ] {
            assert_eq!(
                tried.next(since.plus(Duration::from_secs(hours * 3_600))),
                expected,
                "{hours} h"
            );
        }
        let failed_at = since.plus(Duration::from_secs(3_600));
        let failed = CustomerCreation {
            failed_at: Some(failed_at),
            ..tried
        };
        for (seconds, expected) in [
            (0, CustomerStep::Wait(FOUND_AFTER)),
            (599, CustomerStep::Wait(Duration::from_secs(1))),
            (600, CustomerStep::LookUp),
        ] {
            assert_eq!(
                failed.next(failed_at.plus(Duration::from_secs(seconds))),
                expected,
                "{seconds} s"
            );
        }
        let account = AccountId::mint(since, [7; 10]);
        assert_ne!(
            tried.name(&account),
            CustomerCreation { round: 2, ..tried }.name(&account)
        );
    }

    #[test]
    fn words_read_back() {
        for state in SignUpState::ALL {
            assert_eq!(SignUpState::parse(state.as_str()), Some(state));
        }
        for way in SignUpSource::ALL {
            assert_eq!(SignUpSource::parse(way.as_str()), Some(way));
        }
        assert_eq!(
            (begins(Switch::On), begins(Switch::Off)),
            (SignUpState::Owed, SignUpState::WaitingForApproval)
        );
    }

    #[test]
    fn a_name_is_not_printed() {
        let sign_up = SignUp {
            applicant: Applicant::Owner(OwnerId::new(1)),
            account: AccountId::mint(Timestamp::from_millis(1), [7; 10]),
            way: SignUpSource::Form,
            plan: "trial".to_owned(),
            wish: None,
            email: MailAddress::parse("canary@acme.example").ok(),
            name: Some("canary".to_owned()),
            installation: None,
            at: Timestamp::from_millis(1),
        };
        assert!(!format!("{sign_up:?}").contains("canary"));
    }
}
