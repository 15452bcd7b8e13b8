//! Switches: what an operator can stop and start without a deployment.
//!
//! Everything is on unless an operator has switched it off. Two switches take their default from
//! the function's settings. Pausing an account stops its work and nothing else.

use crate::ids::AccountId;
use crate::inbox::EventSource;
use std::collections::{BTreeMap, BTreeSet};

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    On,
    Off,
}

impl From<bool> for Switch {
    fn from(on: bool) -> Self {
        if on { Self::On } else { Self::Off }
    }
}

impl Switch {
    pub const fn is_on(self) -> bool {
        matches!(self, Self::On)
    }
}

/// A switch that affects all accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SwitchName {
    Billing,
    /// Creating accounts from sign-ups without an operator's approval.
    AutoProvision,
    Ingest(EventSource),
    Process(EventSource),
}

impl SwitchName {
    pub const ALL: [Self; 6] = [
        Self::Billing,
        Self::AutoProvision,
        Self::Ingest(EventSource::Github),
        Self::Ingest(EventSource::Stripe),
        Self::Process(EventSource::Github),
        Self::Process(EventSource::Stripe),
    ];

    /// The name in paths and rows.
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

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|name| name.as_str() == text)
    }

    /// The effect while it is off, for operators about to use it.
    pub const fn while_off(self) -> &'static str {
        match self {
            Self::Billing => {
                "usage is kept, and sign-ups wait, until it is on again; Stripe accepts no usage older than 35 days"
            }
            Self::AutoProvision => "sign-ups wait for an operator",
            Self::Ingest(EventSource::Github) => {
                "GitHub's webhooks are answered 503 and not recorded. Once it is on again, \
                 recovery asks GitHub for them; GitHub keeps them for three days"
            }
            Self::Ingest(EventSource::Stripe) => {
                "Stripe's webhooks are answered 503 and not recorded. Stripe retries for three days"
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

/// The positions of all switches that an operator has used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Switches {
    set: BTreeMap<SwitchName, Switch>,
    paused: BTreeSet<AccountId>,
}

impl Switches {
    /// Sets a switch.
    #[must_use]
    pub fn with(mut self, name: SwitchName, position: Switch) -> Self {
        self.set.insert(name, position);
        self
    }

    /// Pauses an account.
    #[must_use]
    pub fn with_paused(mut self, account: AccountId) -> Self {
        self.paused.insert(account);
        self
    }

    /// The position of a switch, or the setting if no operator has used it.
    pub fn position(&self, name: SwitchName, setting: Switch) -> Switch {
        self.set.get(&name).copied().unwrap_or(setting)
    }

    /// Whether usage and customers are sent to Stripe.
    pub fn billing(&self, setting: Switch) -> Switch {
        self.position(SwitchName::Billing, setting)
    }

    /// Whether accounts are created from sign-ups automatically.
    pub fn auto_provision(&self, setting: Switch) -> Switch {
        self.position(SwitchName::AutoProvision, setting)
    }

    /// Whether a sender's recorded events are acted on.
    pub fn process(&self, source: EventSource) -> Switch {
        self.position(SwitchName::Process(source), Switch::On)
    }

    /// Whether an account's usage is reported to Stripe.
    pub fn usage(&self, account: &AccountId, setting: Switch) -> Switch {
        Switch::from(self.account(account).is_on() && self.billing(setting).is_on())
    }

    /// Whether an account's work continues.
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
