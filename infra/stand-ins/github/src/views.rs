//! The parts of a repository that a test may inspect, as plain values.

use super::GitHub;
use super::state::{Issue, Repository, TokenRequest, Via};

/// A commit on a branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitView {
    pub sha: String,
    /// The id of its tree.
    pub tree: String,
    /// The ids of its parents.
    pub parents: Vec<String>,
    pub message: String,
    /// The author's name.
    pub author: String,
    /// Whether GitHub shows it as verified.
    pub verified: bool,
}

/// A pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullView {
    /// Issues and pull requests share their numbers.
    pub number: u64,
    pub title: String,
    /// Empty if it has no body.
    pub body: String,
    /// `open` or `closed`.
    pub state: String,
    /// Whether it was closed by a merge.
    pub merged: bool,
    pub draft: bool,
    /// The branch with the changes.
    pub head: String,
    /// The branch to merge into.
    pub base: String,
    /// The newest commit of the head.
    pub head_sha: String,
    /// The author's login.
    pub author: String,
    /// In the order in which they were added.
    pub labels: Vec<String>,
    /// The requested reviewers, in the order of the requests.
    pub reviewers: Vec<String>,
}

/// A comment on an issue or a pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommentView {
    pub id: u64,
    pub body: String,
    /// The author's login.
    pub author: String,
    /// Whether the App wrote it.
    pub by_app: bool,
}

impl GitHub {
    /// The owner and the name that a repository has now.
    pub fn name_of(&self, id: u64) -> Option<(String, String)> {
        let state = self.lock();
        let found = state.repositories.get(&id)?;
        Some((found.owner.login.clone(), found.name.clone()))
    }

    /// Branch names with the commits they point to.
    pub fn branches(&self, owner: &str, repository: &str) -> Vec<(String, String)> {
        let heads = |(name, sha): (&String, &String)| {
            Some((name.strip_prefix("refs/heads/")?.to_owned(), sha.clone()))
        };
        self.look(owner, repository, |found| {
            found.refs.iter().filter_map(heads).collect()
        })
    }

    /// The commits that are reachable from a branch, newest first.
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

    /// All token requests, in order.
    pub fn token_requests(&self) -> Vec<TokenRequest> {
        self.lock().token_requests.clone()
    }

    /// Reads a repository. A missing repository looks like an empty one.
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
        verified: commit.verified,
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
