//! Sign-ups: from a wish to an account that works, once for each newcomer.
//!
//! A newcomer is known by the digest of his mail address, or by GitHub's number where the App was installed or bought for an
//! owner. Whatever Stripe is told is fixed when the sign-up is first written, before anybody is told, so that whoever takes
//! it up again says the same. Where Stripe's answer was lost, the same name says the same for a day; after that Stripe is
//! asked what it has before it is asked for another one.

use crate::accounts::addresses::MailAddress;
use crate::billing::plans::{Availability, Catalogue, Pays, Plan};
use crate::ids::{AccountId, InstallationId, OwnerId};
use crate::switches::Switch;
use crate::text::words;
use crate::time::Timestamp;
use std::fmt;
use std::time::Duration;

/// Who wants an account: with this, two sign-ups are one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Applicant {
    /// Whoever reads the mail of an address.
    Mail(AddressDigest),
    /// An owner on GitHub.
    Owner(OwnerId),
}

/// The SHA-256 of a folded mail address, in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AddressDigest(String);

const DIGEST_CHARS: usize = 64;

impl AddressDigest {
    /// Reads a digest; none if it cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        (plain && text.len() == DIGEST_CHARS).then(|| Self(text.to_owned()))
    }
}

/// A text that names no newcomer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadApplicant;

impl fmt::Display for BadApplicant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a newcomer is mail# and a digest, or owner# and GitHub's number")
    }
}

impl std::error::Error for BadApplicant {}

impl Applicant {
    /// As a message and a row's key carry it.
    pub fn pointer(&self) -> String {
        match self {
            Self::Mail(AddressDigest(digest)) => format!("mail#{digest}"),
            Self::Owner(owner) => format!("owner#{owner}"),
        }
    }

    /// Reads it back.
    pub fn parse(text: &str) -> Result<Self, BadApplicant> {
        let found = match text.split_once('#') {
            Some(("mail", digest)) => AddressDigest::parse(digest).map(Self::Mail),
            Some(("owner", number)) => number
                .parse()
                .ok()
                .map(|number| Self::Owner(OwnerId::new(number))),
            Some(_) | None => None,
        };
        // One text for each, so that no two rows stand for one newcomer.
        found
            .filter(|newcomer| newcomer.pointer() == text)
            .ok_or(BadApplicant)
    }
}

words! {
    /// Where a sign-up stands.
    SignUpState {
        /// An operator looks at it first.
        WaitingForApproval = "WAITING_FOR_APPROVAL",
        /// The account is to be made.
        Owed = "OWED",
        /// There is an account.
        Done = "DONE",
        /// There is none, and none is made.
        Refused = "REFUSED",
    }
}

words! {
    /// By which way a newcomer came.
    SignUpSource {
        /// He asked for it, by mail address.
        Form = "form",
        /// He installed the App.
        Installation = "installation",
        /// He bought it at GitHub's Marketplace.
        Marketplace = "marketplace",
    }
}

/// A sign-up as it was first said; none of it changes.
#[derive(Clone, PartialEq, Eq)]
pub struct SignUp {
    /// Who.
    pub newcomer: Applicant,
    /// The account to be.
    pub account: AccountId,
    /// How he came.
    pub way: SignUpSource,
    /// The plan the account begins with.
    pub plan: String,
    /// The plan he wants, where it is another one.
    pub wish: Option<String>,
    /// Where his mail goes.
    pub email: Option<MailAddress>,
    /// What he is called.
    pub name: Option<String>,
    /// Where the App is installed.
    pub installation: Option<InstallationId>,
    /// Since when.
    pub at: Timestamp,
}

/// Without the name, which is a person's.
impl fmt::Debug for SignUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignUp")
            .field("newcomer", &self.newcomer)
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

impl SignUp {
    /// Where GitHub's number is what the newcomer is known by.
    pub const fn owner(&self) -> Option<OwnerId> {
        match self.newcomer {
            Applicant::Owner(owner) => Some(owner),
            Applicant::Mail(_) => None,
        }
    }
}

/// Where a new sign-up begins: the one place that decides whether accounts come to be by themselves.
pub const fn begins(auto_provision: Switch) -> SignUpState {
    match auto_provision {
        Switch::On => SignUpState::Owed,
        Switch::Off => SignUpState::WaitingForApproval,
    }
}

/// Whether a newcomer may choose this plan.
pub fn is_open(plan: &Plan) -> bool {
    plan.sold == Availability::Public
}

/// What an account of somebody who wants this plan begins with: the plan itself where it works without a way to pay; else a
/// trial, which goes on to what was wanted; else what is left when the plan has lapsed.
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

/// The plan for who wants to try first: the first that costs nothing and leads to another one.
pub fn trial(catalogue: &Catalogue) -> Option<&Plan> {
    let is_trial =
        |plan: &&Plan| plan.pays == Pays::Nothing && plan.converts_to.is_some() && is_open(plan);
    catalogue.plans.iter().find(is_trial)
}

/// A customer's making at Stripe: under which name it is asked for, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CustomerCreation {
    /// How often the name has been a new one.
    pub round: u32,
    /// When it was first asked under this one.
    pub since: Timestamp,
    /// When Stripe said that it failed, which it will say of this name from then on, whatever it made.
    pub failed_at: Option<Timestamp>,
}

/// What to do about the customer now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CustomerStep {
    /// Ask for it under the present name: Stripe makes one, however often it is asked.
    Make,
    /// Wait: asking under the name says nothing, and what was made under it may not be found yet.
    Wait(Duration),
    /// Look whether there is one; only if not, ask under a new name.
    LookUp,
}

/// Stripe keeps names for a day at least; this much of it is used.
const NAMES_LAST: Duration = Duration::from_secs(23 * 3_600);
/// By then a name that was asked for is forgotten, or its customer made long ago.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(24 * 3_600);
/// Searching sees what was made after a minute, and after an outage later.
pub const FOUND_AFTER: Duration = Duration::from_secs(600);

impl CustomerCreation {
    /// What to do now.
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

    /// By what Stripe knows the making of an account's customer.
    pub fn name(self, account: &AccountId) -> String {
        format!("customer-{account}-{}", self.round)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newcomer_reads_back_by_one_text() {
        let digest = "0a".repeat(32);
        for text in [format!("mail#{digest}"), "owner#9001".to_owned()] {
            assert_eq!(Applicant::parse(&text).expect("a newcomer").pointer(), text);
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
            newcomer: Applicant::Owner(OwnerId::new(1)),
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
