//! Caps on how many jobs begin, in a repository within an hour and at one person's request within a
//! day, and on what one job may cost. A plan sets them. A repository's policy can only lower them,
//! and so can the people who request a job, for its cost.
//!
//! A cap is counted in the transaction that creates the job, so jobs that are requested at once
//! cannot pass it together.

use crate::ids::{AccountId, RepositoryId, UserId};
use crate::time::Timestamp;
use crate::units::Credits;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// How many jobs may begin, and what each may cost; unlimited where absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Caps {
    pub repository_hour: Option<u32>,
    pub person_day: Option<u32>,
    pub budget: Option<Credits>,
}

fn lower<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// One cap that a new job counts against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cap {
    pub scope: CapScope,
    pub most: u32,
    /// The first moment of the hour or day.
    pub start: Timestamp,
    /// The first moment after it.
    pub end: Timestamp,
}

/// What a cap counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CapScope {
    /// The jobs of a repository.
    Repository(RepositoryId),
    /// The jobs that a person requested in an account.
    Person(AccountId, UserId),
}

impl CapScope {
    /// The text that identifies it in keys.
    pub fn key(&self) -> String {
        match self {
            Self::Repository(id) => format!("jobs:repository:{id}"),
            Self::Person(account, user) => format!("jobs:person:{account}:{user}"),
        }
    }
}

impl Caps {
    /// The lower of each.
    #[must_use]
    pub fn lowered(self, by: Self) -> Self {
        Self {
            repository_hour: lower(self.repository_hour, by.repository_hour),
            person_day: lower(self.person_day, by.person_day),
            budget: lower(self.budget, by.budget),
        }
    }

    /// The caps that a job counts against which begins now.
    pub fn of(
        self,
        account: &AccountId,
        repository: RepositoryId,
        person: Option<UserId>,
        now: Timestamp,
    ) -> Vec<Cap> {
        let within = |scope, most, length| {
            let start = now.floor(length);
            Cap {
                scope,
                most,
                start,
                end: start.plus(length),
            }
        };
        let repository = self
            .repository_hour
            .map(|most| within(CapScope::Repository(repository), most, HOUR));
        let person = person
            .zip(self.person_day)
            .map(|(person, most)| within(CapScope::Person(account.clone(), person), most, DAY));
        repository.into_iter().chain(person).collect()
    }
}

impl Cap {
    /// Why a job cannot begin, and when it can. Everybody on GitHub may read it.
    pub fn reason(&self, requested_by: &str) -> String {
        let most = self.most;
        let end = self.end.minute();
        match self.scope {
            CapScope::Repository(_) => format!(
                "this repository has started as many jobs within this hour as it may ({most}). Ask again after {end}"
            ),
            CapScope::Person(..) => format!(
                "{requested_by} has requested as many jobs today as one person may ({most}). Ask again after {end}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lower_cap_counts() {
        let caps = |repository_hour, person_day| Caps {
            repository_hour,
            person_day,
            budget: None,
        };
        assert_eq!(
            caps(Some(5), None).lowered(caps(Some(9), Some(2))),
            caps(Some(5), Some(2))
        );
        assert_eq!(Caps::default().lowered(Caps::default()), Caps::default());
    }

    #[test]
    fn a_cap_counts_within_its_hour_or_day() {
        let account = AccountId::mint(Timestamp::from_millis(0), [1; 10]);
        let caps = Caps {
            repository_hour: Some(3),
            person_day: Some(2),
            budget: None,
        };
        let now = Timestamp::parse("2026-11-30T10:59:59Z").expect("a moment");
        let (repository, person) = (RepositoryId::new(7), UserId::new(9));
        let found = caps.of(&account, repository, Some(person), now);
        let ends: Vec<_> = found.iter().map(|cap| cap.end.minute()).collect();
        assert_eq!(ends, ["2026-11-30 11:00 UTC", "2026-12-01 00:00 UTC"]);
        assert_eq!(caps.of(&account, repository, None, now).len(), 1);
        assert!(
            found[1]
                .reason("ann")
                .starts_with("ann has requested as many jobs")
        );
    }
}
