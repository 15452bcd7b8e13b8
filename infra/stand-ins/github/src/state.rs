//! The state as plain data. Moving a branch updates its open pull requests; deleting it closes
//! them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::git::{Files, Objects, Sha};

/// Requests that create something, in any minute and in any hour.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Creations {
    pub minute: usize,
    pub hour: usize,
}

#[derive(Default, Serialize, Deserialize)]
pub(super) struct State {
    pub installations: BTreeMap<u64, Installation>,
    pub repositories: BTreeMap<u64, Repository>,
    pub tokens: BTreeMap<String, Token>,
    pub token_requests: Vec<TokenRequest>,
    /// The people who can sign in. This field and the next three are missing in older states.
    #[serde(default)]
    pub people: BTreeMap<u64, Account>,
    /// Memberships by organization and person.
    #[serde(default)]
    pub places: BTreeMap<String, BTreeMap<u64, Membership>>,
    #[serde(default)]
    pub codes: BTreeMap<String, Grant>,
    #[serde(default)]
    pub user_tokens: BTreeMap<String, Grant>,
    /// Webhooks that are not delivered yet; a restart drops them.
    #[serde(skip)]
    pub outbox: Vec<Webhook>,
    /// Addresses of archives by their secrets; a restart drops them.
    #[serde(skip)]
    pub links: BTreeMap<String, super::archives::Link>,
    pub read_lag: u32,
    /// For how long lists omit a new entry, in milliseconds; missing in older states.
    #[serde(default)]
    pub list_lag: i64,
    /// For how long a new token is refused, in milliseconds; missing in older states.
    #[serde(default)]
    pub token_lag: i64,
    /// Former full names of repositories, in lower case; missing in older states.
    #[serde(default)]
    pub former: BTreeMap<String, u64>,
    /// The moments of the last creations by installation; missing in older states.
    #[serde(default)]
    pub creations: BTreeMap<u64, Vec<i64>>,
    /// The most creations of an installation; `None` if they are not limited.
    #[serde(default)]
    pub creations_max: Option<Creations>,
    /// The most creations that an installation had.
    #[serde(default)]
    pub creations_peak: Creations,
    /// How many creations were refused; missing in older states.
    #[serde(default)]
    pub creations_refused: usize,
    /// The log of webhook deliveries; this field and the next two are missing in older states.
    #[serde(default)]
    pub deliveries: Vec<HookDelivery>,
    /// The deliveries that are to be repeated.
    #[serde(default)]
    pub redeliveries: Vec<u64>,
    /// The status with which every delivery ends before it reaches the receiver.
    #[serde(default)]
    pub receiver_status: Option<u16>,
    #[serde(default)]
    pub manifests: BTreeMap<String, Manifest>,
    last_id: u64,
    requests: u64,
    requests_by_hour: BTreeMap<i64, u64>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Installation {
    pub id: u64,
    pub account: Account,
    pub permissions: Permissions,
    pub status: InstallationStatus,
    pub created: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum InstallationStatus {
    Active,
    Suspended,
    Removed,
}

/// Permission name to `read`, `write` or `admin`.
pub(super) type Permissions = BTreeMap<String, String>;

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Token {
    pub installation: u64,
    pub permissions: Permissions,
    /// `None` means every repository of the installation.
    pub repositories: Option<BTreeSet<u64>>,
    /// Missing in older states.
    #[serde(default)]
    pub created: i64,
    pub expires: i64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Repository {
    pub id: u64,
    pub installation: u64,
    pub owner: Account,
    pub name: String,
    pub default_branch: String,
    #[serde(default)]
    pub archived: bool,
    pub created: i64,
    pub objects: Objects,
    /// Full ref name to commit.
    pub refs: BTreeMap<String, Sha>,
    /// Issues and pull requests, which share their numbers.
    pub issues: BTreeMap<u64, Issue>,
    /// By comment id.
    pub comments: BTreeMap<u64, Comment>,
    /// Login to role.
    pub collaborators: BTreeMap<String, String>,
    /// The checks that each push gets; this field and the next are missing in older states.
    #[serde(default)]
    pub checks: Vec<super::ci::Check>,
    /// The first push of each commit.
    #[serde(default)]
    pub pushes: BTreeMap<Sha, super::ci::Push>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Account {
    pub id: u64,
    pub login: String,
    pub kind: String,
}

/// An author: a person, or the App as its bot.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Via {
    Hand,
    App,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Issue {
    pub id: u64,
    pub number: u64,
    pub title: String,
    pub body: Option<String>,
    pub author: Account,
    pub via: Via,
    pub labels: Vec<String>,
    pub reactions: Vec<Reaction>,
    pub created: i64,
    pub updated: i64,
    pub closed: Option<i64>,
    /// Present if the issue is a pull request.
    pub pull: Option<Pull>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Pull {
    /// Branch names, without `refs/heads/`.
    pub head: String,
    pub base: String,
    pub head_sha: Sha,
    pub base_sha: Sha,
    pub draft: bool,
    /// Logins of requested reviewers; missing in older states.
    #[serde(default)]
    pub reviewers: Vec<String>,
    pub merged: Option<Merge>,
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Merge {
    pub at: i64,
    pub by: Account,
    pub commit: Sha,
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Reaction {
    pub id: u64,
    pub author: Account,
    pub content: String,
    pub created: i64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Comment {
    pub id: u64,
    pub issue: u64,
    pub author: Account,
    pub via: Via,
    pub body: String,
    pub created: i64,
    pub updated: i64,
}

/// A person's authorization code or token.
#[derive(Serialize, Deserialize)]
pub(super) struct Grant {
    pub user: u64,
    pub expires: i64,
    /// The PKCE challenge that the exchange must answer.
    #[serde(default)]
    pub challenge: Option<String>,
}

/// A membership in an organization.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Membership {
    pub role: String,
    pub state: String,
}

/// A manifest from which a person wants to create an App.
#[derive(Serialize, Deserialize)]
pub(super) struct Manifest {
    pub manifest: Value,
    pub state: Option<String>,
    /// When the App was created and its code issued; `None` before the button is pressed.
    pub made: Option<i64>,
}

/// A request to `POST /app/installations/{id}/access_tokens`, granted or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRequest {
    pub installation: u64,
    /// Names of repositories; empty if the request names none.
    pub repositories: Vec<String>,
    /// Ids of repositories; empty if the request names none.
    pub repository_ids: Vec<u64>,
    /// Permissions; `None` requests all permissions of the installation.
    pub permissions: Option<BTreeMap<String, String>>,
}

/// An attempt to deliver a webhook.
#[derive(Serialize, Deserialize)]
pub(super) struct HookDelivery {
    pub id: u64,
    pub guid: String,
    pub at: i64,
    pub event: String,
    /// The body as it was sent.
    pub body: String,
    pub redelivery: bool,
    pub status_code: u16,
}

/// A webhook that is due for delivery.
#[derive(Clone, Debug, PartialEq)]
pub struct Webhook {
    /// The value of `X-GitHub-Event`.
    pub event: &'static str,
    pub payload: Value,
}

const INSTALLED_PERMISSIONS: [(&str, &str); 7] = [
    ("actions", "read"),
    ("checks", "read"),
    ("contents", "write"),
    ("issues", "write"),
    ("metadata", "read"),
    ("pull_requests", "write"),
    ("statuses", "read"),
];

impl State {
    pub fn fresh_id(&mut self) -> u64 {
        self.last_id += 1;
        1_000_000 + self.last_id
    }

    /// Installs the App for an account, with the permissions that it needs.
    pub fn install(&mut self, id: u64, account: Account, now: i64) {
        self.installations.insert(
            id,
            Installation {
                id,
                account,
                permissions: INSTALLED_PERMISSIONS
                    .map(|(name, level)| (name.to_owned(), level.to_owned()))
                    .into(),
                status: InstallationStatus::Active,
                created: now,
            },
        );
    }

    /// Counts a request. Returns its number since the start and within this hour.
    pub fn count_request(&mut self, hour: i64) -> (u64, u64) {
        self.requests += 1;
        self.requests_by_hour.retain(|counted, _| *counted == hour);
        let used = self.requests_by_hour.entry(hour).or_default();
        *used += 1;
        (self.requests, *used)
    }

    pub fn repository_named(&self, owner: &str, name: &str) -> Option<&Repository> {
        self.repositories
            .values()
            .find(|repository| repository.is_named(owner, name))
    }

    pub fn repository_named_mut(&mut self, owner: &str, name: &str) -> Option<&mut Repository> {
        self.repositories
            .values_mut()
            .find(|repository| repository.is_named(owner, name))
    }

    /// The repository that had a name before.
    pub fn repository_formerly(&self, owner: &str, name: &str) -> Option<&Repository> {
        let name = format!("{owner}/{name}").to_ascii_lowercase();
        self.repositories.get(self.former.get(&name)?)
    }

    /// Counts a request that creates something. Returns whether the minute and the hour have room
    /// for it.
    pub fn create(&mut self, installation: u64, now: i64) -> bool {
        let hour = self.creations.entry(installation).or_default();
        hour.retain(|at| now - at < 3_600_000);
        let minute = hour.iter().filter(|at| now - **at < 60_000).count();
        let is_full = |most: Creations| minute >= most.minute || hour.len() >= most.hour;
        if self.creations_max.is_some_and(is_full) {
            self.creations_refused += 1;
            return false;
        }
        hour.push(now);
        self.creations_peak.minute = self.creations_peak.minute.max(minute + 1);
        self.creations_peak.hour = self.creations_peak.hour.max(hour.len());
        true
    }

    /// Uses up one lagging read, if any is left.
    pub fn read_list(&mut self) -> Freshness {
        if self.read_lag == 0 {
            return Freshness::Current;
        }
        self.read_lag -= 1;
        Freshness::WithoutNewest
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Freshness {
    Current,
    WithoutNewest,
}

impl Repository {
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.owner.login, self.name)
    }

    fn is_named(&self, owner: &str, name: &str) -> bool {
        self.owner.login.eq_ignore_ascii_case(owner) && self.name.eq_ignore_ascii_case(name)
    }

    pub fn branch(&self, name: &str) -> Option<&Sha> {
        self.refs.get(&format!("refs/heads/{name}"))
    }

    /// The commit that a branch, a tag, a full ref or an id resolves to.
    pub fn resolve(&self, revision: &str) -> Option<Sha> {
        ["refs/heads/", "refs/tags/", "refs/", ""]
            .iter()
            .find_map(|prefix| self.refs.get(&format!("{prefix}{revision}")))
            .cloned()
            .or_else(|| self.objects.commit(revision).map(|_| revision.to_owned()))
    }

    /// The files at a commit; empty if the commit does not exist.
    pub fn files(&self, commit: &str) -> Files {
        self.objects
            .commit(commit)
            .map(|commit| self.objects.files(&commit.tree))
            .unwrap_or_default()
    }

    pub fn set_ref(&mut self, name: &str, commit: &str, now: i64) {
        self.refs.insert(name.to_owned(), commit.to_owned());
        let Some(branch) = name.strip_prefix("refs/heads/") else {
            return;
        };
        let number = u64::try_from(self.pushes.len()).unwrap_or(u64::MAX);
        let push = super::ci::Push {
            number,
            branch: branch.to_owned(),
            at: now,
        };
        self.pushes.entry(commit.to_owned()).or_insert(push);
        for issue in self
            .issues
            .values_mut()
            .filter(|issue| issue.closed.is_none())
        {
            let Some(pull) = &mut issue.pull else {
                continue;
            };
            if pull.head == branch {
                commit.clone_into(&mut pull.head_sha);
                issue.updated = now;
            } else if pull.base == branch {
                commit.clone_into(&mut pull.base_sha);
            }
        }
    }

    pub fn delete_ref(&mut self, name: &str, now: i64) -> Option<Sha> {
        let branch = name.strip_prefix("refs/heads/");
        for issue in self
            .issues
            .values_mut()
            .filter(|issue| issue.closed.is_none())
        {
            let lost = issue.pull.as_ref().is_some_and(|p| {
                [&p.head, &p.base]
                    .iter()
                    .any(|b| Some(b.as_str()) == branch)
            });
            if lost {
                issue.closed = Some(now);
                issue.updated = now;
            }
        }
        self.refs.remove(name)
    }

    pub fn next_number(&self) -> u64 {
        self.issues
            .last_key_value()
            .map_or(1, |(number, _)| number + 1)
    }

    /// Whether a person is the owner or has a role.
    pub fn has_collaborator(&self, login: &str) -> bool {
        let is = |name: &str| name.eq_ignore_ascii_case(login);
        is(&self.owner.login)
            || self
                .collaborators
                .iter()
                .any(|(name, role)| is(name) && role != "none")
    }

    /// The comments of one issue or pull request, oldest first.
    pub fn comments_of(&self, number: u64) -> Vec<&Comment> {
        self.comments
            .values()
            .filter(|comment| comment.issue == number)
            .collect()
    }
}

impl Account {
    /// A person whose id is derived from the login.
    pub fn person(login: &str) -> Self {
        Self {
            id: id_of(login),
            login: login.to_owned(),
            kind: "User".to_owned(),
        }
    }

    pub fn bot(slug: &str) -> Self {
        let login = format!("{slug}[bot]");
        Self {
            id: id_of(&login),
            login,
            kind: "Bot".to_owned(),
        }
    }
}

fn id_of(login: &str) -> u64 {
    let hash = Sha256::digest(login);
    u64::from(u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]))
}
