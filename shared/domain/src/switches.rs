//! Switches: what an operator can stop at once, and start again, without a deployment.
//!
//! Owns the list of them and what each stops. Everything is on unless somebody has switched it off; for two of them the
//! door's own settings say what holds where nobody has said anything. Pausing an account stops its work and nothing else.

use crate::ids::AccountId;
use crate::inbox::EventSource;
use std::collections::{BTreeMap, BTreeSet};

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}

impl From<bool> for Switch {
    fn from(on: bool) -> Self {
        if on { Self::On } else { Self::Off }
    }
}

impl Switch {
    /// Whether it is on, for those who can only say true and false.
    pub const fn is_on(self) -> bool {
        matches!(self, Self::On)
    }
}

/// What can be switched, for all accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SwitchName {
    /// ReportAction Stripe of usage.
    Billing,
    /// Making accounts of sign-ups without a person's word.
    AutoProvision,
    /// Taking webhooks of a sender.
    Ingest(EventSource),
    /// Acting on a sender's recorded events.
    Process(EventSource),
}

impl SwitchName {
    /// All of them, as they are listed.
    pub const ALL: [Self; 6] = [
        Self::Billing,
        Self::AutoProvision,
        Self::Ingest(EventSource::Github),
        Self::Ingest(EventSource::Stripe),
        Self::Process(EventSource::Github),
        Self::Process(EventSource::Stripe),
    ];

    /// Its name in paths and rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Billing => "billing_enabled",
            Self::AutoProvision => "auto_provision",
            Self::Ingest(EventSource::Github) => "ingest_github",
            Self::Ingest(EventSource::Stripe) => "ingest_stripe",
            Self::Process(EventSource::Github) => "process_github",
            Self::Process(EventSource::Stripe) => "process_stripe",
        }
    }

    /// The switch of a name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|name| name.as_str() == text)
    }

    /// What is so while it is off, for who thinks of touching it.
    pub const fn while_off(self) -> &'static str {
        match self {
            Self::Billing => {
                "usage is kept, and sign-ups wait, until it is on again; Stripe takes no usage older than 35 days"
            }
            Self::AutoProvision => "sign-ups wait for an operator",
            Self::Ingest(EventSource::Github) => {
                "GitHub's webhooks are answered 503 and not recorded. GitHub does not send them again by itself: \
                 redeliver them at the App's Advanced page or by its API, within three days"
            }
            Self::Ingest(EventSource::Stripe) => {
                "Stripe's webhooks are answered 503 and not recorded. Stripe sends them again by itself, for three days"
            }
            Self::Process(EventSource::Github) => {
                "GitHub's webhooks are recorded and wait; nothing is lost"
            }
            Self::Process(EventSource::Stripe) => {
                "Stripe's webhooks are recorded and wait; nothing is lost"
            }
        }
    }
}

/// How all switches stand, as far as somebody has touched them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Switches {
    set: BTreeMap<SwitchName, Switch>,
    paused: BTreeSet<AccountId>,
}

impl Switches {
    /// Notes how a switch stands.
    #[must_use]
    pub fn with(mut self, name: SwitchName, position: Switch) -> Self {
        self.set.insert(name, position);
        self
    }

    /// Notes that an account is paused.
    #[must_use]
    pub fn with_paused(mut self, account: AccountId) -> Self {
        self.paused.insert(account);
        self
    }

    /// How a switch stands; where nobody has touched it, as the settings say.
    pub fn position(&self, name: SwitchName, setting: Switch) -> Switch {
        self.set.get(&name).copied().unwrap_or(setting)
    }

    /// Whether Stripe is told of usage and of newcomers.
    pub fn billing(&self, setting: Switch) -> Switch {
        self.position(SwitchName::Billing, setting)
    }

    /// Whether accounts are made of sign-ups.
    pub fn auto_provision(&self, setting: Switch) -> Switch {
        self.position(SwitchName::AutoProvision, setting)
    }

    /// Whether a sender's recorded events are acted on.
    pub fn process(&self, source: EventSource) -> Switch {
        self.position(SwitchName::Process(source), Switch::On)
    }

    /// Whether Stripe is told of an account's usage.
    pub fn usage(&self, account: &AccountId, setting: Switch) -> Switch {
        Switch::from(self.account(account).is_on() && self.billing(setting).is_on())
    }

    /// Whether an account's work goes on.
    pub fn account(&self, account: &AccountId) -> Switch {
        Switch::from(!self.paused.contains(account))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    #[test]
    fn names_are_read_as_they_are_written() {
        for name in SwitchName::ALL {
            assert_eq!(SwitchName::parse(name.as_str()), Some(name));
            assert!(!name.while_off().is_empty());
        }
        assert_eq!(SwitchName::parse("everything"), None);
    }

    #[test]
    fn what_nobody_has_touched_is_as_the_settings_say() {
        let untouched = Switches::default();
        for setting in [Switch::On, Switch::Off] {
            assert_eq!(untouched.billing(setting), setting);
            assert_eq!(untouched.auto_provision(setting), setting);
            let touched = untouched.clone().with(SwitchName::Billing, Switch::On);
            assert_eq!(touched.billing(setting), Switch::On);
            assert_eq!(touched.auto_provision(setting), setting);
        }
        let paused = untouched
            .clone()
            .with(SwitchName::Process(EventSource::Github), Switch::Off);
        assert_eq!(
            (
                paused.process(EventSource::Github),
                paused.process(EventSource::Stripe)
            ),
            (Switch::Off, Switch::On)
        );
    }

    #[test]
    fn a_pause_is_of_one_account() {
        let account = |byte| AccountId::mint(Timestamp::from_millis(1), [byte; 10]);
        let switches = Switches::default().with_paused(account(1));
        assert_eq!(
            (switches.account(&account(1)), switches.account(&account(2))),
            (Switch::Off, Switch::On)
        );
    }
}
