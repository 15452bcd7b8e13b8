//! What a test may see of a repository, as plain values.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::GitHub;
use super::state::{Issue, Repository, Via};

/// A commit on a branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitView {
    /// Its id.
    pub sha: String,
    /// Its tree's id.
    pub tree: String,
    /// Its parents' ids.
    pub parents: Vec<String>,
    /// Its message.
    pub message: String,
    /// Its author's name.
    pub author: String,
}

/// A pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullView {
    /// Its number, which it shares with no issue.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// Its body, empty if it has none.
    pub body: String,
    /// `open` or `closed`.
    pub state: String,
    /// Whether closing it was a merge.
    pub merged: bool,
    /// Whether it is a draft.
    pub draft: bool,
    /// The branch it comes from.
    pub head: String,
    /// The branch it goes to.
    pub base: String,
    /// The newest commit it brings.
    pub head_sha: String,
    /// Its author's login.
    pub author: String,
    /// Its labels, in the order they were given.
    pub labels: Vec<String>,
    /// Whose review was asked for, in the order they were asked.
    pub reviewers: Vec<String>,
}

/// A comment on an issue or a pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommentView {
    /// Its id.
    pub id: u64,
    /// Its text.
    pub body: String,
    /// Its author's login.
    pub author: String,
    /// Whether the app wrote it.
    pub by_app: bool,
}

/// What somebody asked of `POST /app/installations/{id}/access_tokens`, granted or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRequest {
    /// The installation.
    pub installation: u64,
    /// Repositories by name; empty if none were named.
    pub repositories: Vec<String>,
    /// Repositories by id; empty if none were named.
    pub repository_ids: Vec<u64>,
    /// Permissions; `None` asks for all the installation has.
    pub permissions: Option<BTreeMap<String, String>>,
}

impl GitHub {
    /// Branch names with the commits they point to.
    pub fn branches(&self, owner: &str, repository: &str) -> Vec<(String, String)> {
        let heads = |(name, sha): (&String, &String)| {
            Some((name.strip_prefix("refs/heads/")?.to_owned(), sha.clone()))
        };
        self.look(owner, repository, |found| {
            found.refs.iter().filter_map(heads).collect()
        })
    }

    /// The commits a branch reaches, newest first.
    pub fn commits_on(&self, owner: &str, repository: &str, branch: &str) -> Vec<CommitView> {
        self.look(owner, repository, |found| {
            let Some(head) = found.branch(branch) else {
                return vec![];
            };
            found
                .objects
                .history(head)
                .iter()
                .filter_map(|sha| commit_view(found, sha))
                .collect()
        })
    }

    /// All pull requests, oldest first.
    pub fn pulls(&self, owner: &str, repository: &str) -> Vec<PullView> {
        self.look(owner, repository, |found| {
            found.issues.values().filter_map(pull_view).collect()
        })
    }

    /// The comments of an issue or a pull request, oldest first.
    pub fn comments(&self, owner: &str, repository: &str, issue: u64) -> Vec<CommentView> {
        self.look(owner, repository, |found| {
            let view = |comment: &super::state::Comment| CommentView {
                id: comment.id,
                body: comment.body.clone(),
                author: comment.author.login.clone(),
                by_app: comment.via == Via::App,
            };
            found.comments_of(issue).into_iter().map(view).collect()
        })
    }

    /// The labels of an issue or a pull request.
    pub fn labels(&self, owner: &str, repository: &str, issue: u64) -> Vec<String> {
        self.look(owner, repository, |found| {
            found
                .issues
                .get(&issue)
                .map(|issue| issue.labels.clone())
                .unwrap_or_default()
        })
    }

    /// The reactions to an issue or a pull request.
    pub fn reactions(&self, owner: &str, repository: &str, issue: u64) -> Vec<String> {
        self.look(owner, repository, |found| {
            let reactions = found
                .issues
                .get(&issue)
                .map(|issue| issue.reactions.as_slice())
                .unwrap_or_default();
            reactions
                .iter()
                .map(|reaction| reaction.content.clone())
                .collect()
        })
    }

    /// The text of a file on a branch.
    pub fn file(&self, owner: &str, repository: &str, branch: &str, path: &str) -> Option<String> {
        self.look(owner, repository, |found| {
            let files = found.files(found.branch(branch)?);
            String::from_utf8(found.objects.blob(&files.get(path)?.sha)?).ok()
        })
    }

    /// Every token that was asked for, in order.
    pub fn token_requests(&self) -> Vec<TokenRequest> {
        self.lock().token_requests.clone()
    }

    /// A repository that is not there looks like an empty one.
    fn look<T: Default>(
        &self,
        owner: &str,
        repository: &str,
        view: impl FnOnce(&Repository) -> T,
    ) -> T {
        self.lock()
            .repository_named(owner, repository)
            .map(view)
            .unwrap_or_default()
    }
}

fn commit_view(repository: &Repository, sha: &str) -> Option<CommitView> {
    let commit = repository.objects.commit(sha)?;
    Some(CommitView {
        sha: sha.to_owned(),
        tree: commit.tree.clone(),
        parents: commit.parents.clone(),
        message: commit.message.clone(),
        author: commit.author.name.clone(),
    })
}

fn pull_view(issue: &Issue) -> Option<PullView> {
    let pull = issue.pull.as_ref()?;
    Some(PullView {
        number: issue.number,
        title: issue.title.clone(),
        body: issue.body.clone().unwrap_or_default(),
        state: if issue.closed.is_some() {
            "closed"
        } else {
            "open"
        }
        .to_owned(),
        merged: pull.merged.is_some(),
        draft: pull.draft,
        head: pull.head.clone(),
        base: pull.base.clone(),
        head_sha: pull.head_sha.clone(),
        author: issue.author.login.clone(),
        labels: issue.labels.clone(),
        reviewers: pull.reviewers.clone(),
    })
}
