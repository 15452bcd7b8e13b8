//! What GitHub remembers. Plain data that serializes, and the few moves that touch more than one piece of it:
//! a branch that moves takes its open pull requests along, a branch that goes closes them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::git::{Files, Objects, Sha};
use super::manifests::Brought;
use super::people::{Pass, Seat};
use super::views::TokenRequest;

#[derive(Default, Serialize, Deserialize)]
pub(super) struct State {
    pub installations: BTreeMap<u64, Installation>,
    pub repositories: BTreeMap<u64, Repository>,
    pub tokens: BTreeMap<String, Token>,
    pub token_requests: Vec<TokenRequest>,
    /// Who can sign in; states written before anybody could have none of these four.
    #[serde(default)]
    pub people: BTreeMap<u64, Account>,
    /// Organization to person to what he is there.
    #[serde(default)]
    pub places: BTreeMap<String, BTreeMap<u64, Seat>>,
    #[serde(default)]
    pub codes: BTreeMap<String, Pass>,
    #[serde(default)]
    pub user_tokens: BTreeMap<String, Pass>,
    pub read_lag: u32,
    #[serde(default)]
    pub manifests: BTreeMap<String, Brought>,
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
    /// `None`: every repository of the installation.
    pub repositories: Option<BTreeSet<u64>>,
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
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Account {
    pub id: u64,
    pub login: String,
    pub kind: String,
}

/// Who wrote something: a person, or the app as its bot.
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
    /// What makes the issue a pull request.
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
    /// Whose review was asked for, by login; states written before there were any have none.
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

impl State {
    pub fn fresh_id(&mut self) -> u64 {
        self.last_id += 1;
        1_000_000 + self.last_id
    }

    /// The number of this request since the beginning, and in this hour.
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

    /// Spends one lagging read, if any is left, and says what it shows.
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

    /// The commit a branch, a tag, a full ref or an id stands for.
    pub fn resolve(&self, revision: &str) -> Option<Sha> {
        ["refs/heads/", "refs/tags/", "refs/", ""]
            .iter()
            .find_map(|prefix| self.refs.get(&format!("{prefix}{revision}")))
            .cloned()
            .or_else(|| self.objects.commit(revision).map(|_| revision.to_owned()))
    }

    /// The files at a commit; empty for one that is not there.
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

    /// Whether somebody has a place here: the owner, or whoever was given a role.
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
    /// A person whose id follows from the login, for those nobody gave an id.
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
