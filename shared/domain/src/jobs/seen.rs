//! What GitHub's events and Tallyhook's own reads have shown of a repository, for its account's list.
//!
//! Events come late, twice and in any order. A name counts from the newest event that was received, a
//! policy from the newest read, and whether the App may work in the repository from GitHub's newest
//! change of the installation.

use crate::ids::{InstallationId, JobId, OwnerId, RepositoryId};
use crate::inbox::events::Visibility;
use crate::jobs::JobRow;
use crate::jobs::repositories::RepositoryName;
use crate::jobs::triggers::Policy;
use crate::text::{truncate, words};
use crate::time::Timestamp;

words! {
    /// Whether the App may work in a repository.
    Membership {
        Present = "present",
        Removed = "removed",
    }
}

/// What the newest read of a repository's policy file found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyFound {
    /// There is no file, so the defaults count.
    Absent,
    Read(Policy),
    /// The file cannot be used, for these reasons.
    Broken(Vec<String>),
    /// The App may not read the repository.
    Hidden,
}

impl PolicyFound {
    /// The word in rows and in the API.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Read(_) => "read",
            Self::Broken(_) => "broken",
            Self::Hidden => "hidden",
        }
    }
}

/// A policy file as it was at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicySeen {
    pub found: PolicyFound,
    /// The first read that found this.
    pub read_at: Timestamp,
}

const LISTED_MAX: usize = 20;
const WORD_BYTES_MAX: usize = 100;
const MISTAKE_BYTES_MAX: usize = 1_000;

impl PolicySeen {
    /// Bounds the lists and texts, because a file can be larger than a row.
    pub fn of(found: PolicyFound, read_at: Timestamp) -> Self {
        let found = match found {
            PolicyFound::Read(mut policy) => {
                policy.label = truncate(&policy.label, WORD_BYTES_MAX).to_owned();
                policy.associations.truncate(LISTED_MAX);
                for one in &mut policy.associations {
                    *one = truncate(one, WORD_BYTES_MAX).to_owned();
                }
                policy.bots.truncate(LISTED_MAX);
                PolicyFound::Read(policy)
            }
            PolicyFound::Broken(mistakes) => PolicyFound::Broken(
                mistakes
                    .iter()
                    .take(LISTED_MAX)
                    .map(|one| truncate(one, MISTAKE_BYTES_MAX).to_owned())
                    .collect(),
            ),
            other @ (PolicyFound::Absent | PolicyFound::Hidden) => other,
        };
        Self { found, read_at }
    }
}

/// When a repository's membership was decided: GitHub's time of the installation's change, and our
/// time of receipt, because GitHub does not always change the former.
pub type Decided = (Timestamp, Timestamp);

/// One look at a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    pub id: RepositoryId,
    pub owner: OwnerId,
    pub installation: InstallationId,
    pub name: RepositoryName,
    pub visibility: Visibility,
    /// When the event was received that named the repository.
    pub seen_at: Timestamp,
    pub what: Sighted,
}

/// What a look at a repository showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sighted {
    /// GitHub listed it among those that an installation gained or lost.
    Listed(Membership, Decided),
    /// Tallyhook read its policy.
    Policy(PolicySeen),
}

/// A repository as its account's list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenRepository {
    pub id: RepositoryId,
    pub owner: OwnerId,
    pub installation: InstallationId,
    pub name: RepositoryName,
    pub visibility: Visibility,
    pub named_at: Timestamp,
    pub membership: Membership,
    pub decided: Decided,
    /// Absent until the first event that may become a job.
    pub policy: Option<PolicySeen>,
    /// The newest job, whichever account it belongs to.
    pub last_job: Option<JobId>,
    pub first_seen_at: Timestamp,
    pub version: u64,
}

/// A repository with its newest job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedRepository {
    pub seen: SeenRepository,
    pub state: RepositoryState,
    pub last_job: Option<JobRow>,
}

words! {
    /// Whether Tallyhook works in a repository.
    RepositoryState {
        Active = "active",
        /// The App is suspended for the owner.
        Suspended = "suspended",
        /// The App is uninstalled, or may no longer work in this repository.
        Removed = "removed",
    }
}

impl SeenRepository {
    /// The repository after one more look. Returns `None` if the look shows nothing new.
    pub fn after(old: Option<&Self>, look: &Sighting) -> Option<Self> {
        let Some(old) = old else {
            return Some(Self::first(look));
        };
        let mut new = if old.owner == look.owner {
            old.clone()
        } else {
            old.transferred(look)?
        };
        // Numbers of installations only grow, so a smaller one is of an App that is uninstalled.
        if look.installation < new.installation {
            return None;
        }
        if look.seen_at > new.named_at
            && (&new.name, new.visibility) != (&look.name, look.visibility)
        {
            new.name = look.name.clone();
            new.visibility = look.visibility;
            new.named_at = look.seen_at;
        }
        let reinstalled = look.installation > new.installation;
        new.installation = look.installation;
        match &look.what {
            Sighted::Listed(membership, decided) => {
                if reinstalled || *decided > new.decided {
                    // The time is kept even if the result is the same, for a late event between them.
                    new.membership = *membership;
                    new.decided = *decided;
                }
            }
            Sighted::Policy(seen) => new.read(seen, reinstalled),
        }
        (new != *old).then_some(new)
    }

    fn first(look: &Sighting) -> Self {
        let zero = Timestamp::from_millis(0);
        let (membership, decided, policy) = match &look.what {
            Sighted::Listed(membership, decided) => (*membership, *decided, None),
            Sighted::Policy(seen) => (
                Membership::Present,
                (zero, seen.read_at),
                Some(seen.clone()),
            ),
        };
        Self {
            id: look.id,
            owner: look.owner,
            installation: look.installation,
            name: look.name.clone(),
            visibility: look.visibility,
            named_at: look.seen_at,
            membership,
            decided,
            policy,
            last_job: None,
            first_seen_at: look.seen_at,
            version: 0,
        }
    }

    /// The repository at its new owner, who does not see what was read for the previous one.
    fn transferred(&self, look: &Sighting) -> Option<Self> {
        let leaves = matches!(look.what, Sighted::Listed(Membership::Removed, _));
        if leaves || look.seen_at <= self.named_at {
            return None;
        }
        Some(Self {
            version: self.version,
            ..Self::first(look)
        })
    }

    fn read(&mut self, seen: &PolicySeen, reinstalled: bool) {
        let newer = self
            .policy
            .as_ref()
            .is_none_or(|old| seen.read_at > old.read_at);
        if newer && self.policy.as_ref().map(|old| &old.found) != Some(&seen.found) {
            self.policy = Some(seen.clone());
        }
        // What the App can read, it may work in, even if GitHub's event about it is missing.
        let readable = seen.found != PolicyFound::Hidden;
        let back = self.membership == Membership::Removed && seen.read_at > self.decided.1;
        if readable && (reinstalled || back) {
            self.membership = Membership::Present;
            self.decided.1 = self.decided.1.max(seen.read_at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(seen_at: i64, what: Sighted) -> Sighting {
        Sighting {
            id: RepositoryId::new(1),
            owner: OwnerId::new(2),
            installation: InstallationId::new(3),
            name: RepositoryName::parse("acme/greeter").expect("a name"),
            visibility: Visibility::Private,
            seen_at: Timestamp::from_millis(seen_at),
            what,
        }
    }

    fn listed(membership: Membership, as_of: i64, seen_at: i64) -> Sighting {
        let at = Timestamp::from_millis;
        look(
            seen_at,
            Sighted::Listed(membership, (at(as_of), at(seen_at))),
        )
    }

    fn read(found: PolicyFound, at: i64) -> Sighting {
        let seen = PolicySeen::of(found, Timestamp::from_millis(at));
        look(at, Sighted::Policy(seen))
    }

    /// Applies looks in this order.
    fn all(looks: &[Sighting]) -> SeenRepository {
        let mut now: Option<SeenRepository> = None;
        for one in looks {
            now = SeenRepository::after(now.as_ref(), one).or(now);
        }
        now.expect("a repository")
    }

    #[test]
    fn the_newest_look_counts_in_any_order() {
        let broken = PolicyFound::Broken(vec!["line 1".to_owned()]);
        let (first, second) = (read(broken, 5), read(PolicyFound::Absent, 9));
        for looks in [
            [first.clone(), second.clone()],
            [second.clone(), first.clone()],
        ] {
            let found = all(&looks).policy.map(|policy| policy.found);
            assert_eq!(found, Some(PolicyFound::Absent), "{looks:?}");
        }
        let added = listed(Membership::Present, 7, 7);
        for (removed, expected) in [
            (listed(Membership::Removed, 8, 8), Membership::Removed),
            // GitHub did not change its time, and the receipt decides.
            (listed(Membership::Removed, 7, 8), Membership::Removed),
            (listed(Membership::Removed, 6, 9), Membership::Present),
        ] {
            for looks in [
                [added.clone(), removed.clone()],
                [removed.clone(), added.clone()],
            ] {
                assert_eq!(all(&looks).membership, expected, "{looks:?}");
            }
        }
    }

    #[test]
    fn what_is_known_needs_no_write() {
        for one in [
            listed(Membership::Present, 7, 7),
            read(PolicyFound::Absent, 7),
        ] {
            let old = all(std::slice::from_ref(&one));
            assert_eq!(SeenRepository::after(Some(&old), &one), None);
        }
        let old = all(&[read(PolicyFound::Absent, 7)]);
        let later = read(PolicyFound::Absent, 9);
        assert_eq!(SeenRepository::after(Some(&old), &later), None);
    }

    #[test]
    fn a_transferred_repository_shows_nothing_of_before() {
        let known = all(&[read(PolicyFound::Read(Policy::default()), 5)]);
        let other = |seen_at, membership| Sighting {
            owner: OwnerId::new(9),
            installation: InstallationId::new(10),
            ..listed(membership, seen_at, seen_at)
        };
        let new = SeenRepository::after(Some(&known), &other(6, Membership::Present));
        let new = new.expect("another owner's");
        assert_eq!((new.owner, &new.policy), (OwnerId::new(9), &None));
        for late in [other(4, Membership::Present), other(6, Membership::Removed)] {
            assert_eq!(SeenRepository::after(Some(&known), &late), None);
        }
        let left = listed(Membership::Removed, 8, 8);
        assert_eq!(SeenRepository::after(Some(&new), &left), None);
    }

    #[test]
    fn what_can_be_read_is_present() {
        let removed = listed(Membership::Removed, 7, 7);
        let state = |look| all(&[removed.clone(), look]).membership;
        assert_eq!(state(read(PolicyFound::Absent, 9)), Membership::Present);
        assert_eq!(state(read(PolicyFound::Hidden, 9)), Membership::Removed);
        assert_eq!(state(read(PolicyFound::Absent, 6)), Membership::Removed);
    }

    #[test]
    fn a_huge_policy_is_bounded() {
        let policy = Policy {
            label: "x".repeat(5_000),
            associations: vec!["y".repeat(5_000); 5_000],
            ..Policy::default()
        };
        let seen = PolicySeen::of(PolicyFound::Read(policy), Timestamp::from_millis(0));
        let PolicyFound::Read(policy) = seen.found else {
            panic!("it was read");
        };
        assert_eq!(policy.label.len(), WORD_BYTES_MAX);
        assert_eq!(policy.associations.len(), LISTED_MAX);
        assert_eq!(policy.associations[0].len(), WORD_BYTES_MAX);
    }
}
