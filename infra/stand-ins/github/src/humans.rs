//! What people do on GitHub while an app works: create repositories and issues, comment, merge, close, delete,
//! suspend. Each act panics if its object is not there, since only tests and demos perform them.

use super::GitHub;
use super::git::{Commit, File, Files, Signature};
use super::state::{
    Account, Comment, Installation, InstallationStatus, Issue, Merge, Repository, Via,
};

const INSTALLED_PERMISSIONS: [(&str, &str); 4] = [
    ("contents", "write"),
    ("issues", "write"),
    ("metadata", "read"),
    ("pull_requests", "write"),
];

impl GitHub {
    /// A repository with one commit on its default branch, reachable through an installation of the app. The
    /// installation appears with its first repository and may read and write contents, issues and pull requests.
    /// One that is there already, from before a restart, stays as it is.
    #[expect(
        clippy::too_many_arguments,
        reason = "a repository has that many names"
    )]
    pub fn add_repository(
        &self,
        installation_id: u64,
        owner_id: u64,
        owner: &str,
        repo_id: u64,
        name: &str,
        default_branch: &str,
        files: &[(&str, &str)],
    ) {
        let now = self.now();
        let owner = Account {
            id: owner_id,
            ..Account::person(owner)
        };
        let mut repository = Repository {
            id: repo_id,
            installation: installation_id,
            owner: owner.clone(),
            name: name.to_owned(),
            default_branch: default_branch.to_owned(),
            archived: false,
            created: now,
            objects: Default::default(),
            refs: Default::default(),
            issues: Default::default(),
            comments: Default::default(),
            collaborators: Default::default(),
        };
        let put = |(path, content): &(&str, &str)| {
            let sha = repository.objects.put_blob(content.as_bytes());
            (
                (*path).to_owned(),
                File {
                    mode: "100644".to_owned(),
                    sha,
                },
            )
        };
        let files: Files = files.iter().map(put).collect();
        commit(
            &mut repository,
            default_branch,
            &files,
            vec![],
            "Initial commit",
            now,
        );
        let mut state = self.lock();
        state.repositories.entry(repo_id).or_insert(repository);
        state
            .installations
            .entry(installation_id)
            .or_insert_with(|| Installation {
                id: installation_id,
                account: owner,
                permissions: INSTALLED_PERMISSIONS
                    .map(|(name, level)| (name.to_owned(), level.to_owned()))
                    .into(),
                status: InstallationStatus::Active,
                created: now,
            });
    }

    /// The number that the next issue or pull request gets.
    pub fn next_number(&self, owner: &str, repo: &str) -> u64 {
        self.lock()
            .repository_named(owner, repo)
            .map_or(1, Repository::next_number)
    }

    /// The owner archives a repository.
    pub fn archive(&self, owner: &str, repo: &str) {
        self.change(owner, repo, |repository| repository.archived = true);
    }

    /// Somebody closes an issue.
    pub fn close_issue(&self, owner: &str, repo: &str, number: u64) {
        let now = self.now();
        self.change(owner, repo, |repository| {
            repository
                .issues
                .get_mut(&number)
                .expect("the issue is there")
                .closed = Some(now);
        });
    }

    /// An issue opened by the repository's owner, under a chosen number. One that is there already stays as it is.
    pub fn add_issue(&self, owner: &str, repo: &str, number: u64, title: &str, body: &str) {
        let (now, id) = (self.now(), self.lock().fresh_id());
        self.change(owner, repo, |repository| {
            let issue = Issue {
                id,
                number,
                title: title.to_owned(),
                body: Some(body.to_owned()),
                author: repository.owner.clone(),
                via: Via::Hand,
                labels: vec![],
                reactions: vec![],
                created: now,
                updated: now,
                closed: None,
                pull: None,
            };
            repository.issues.entry(number).or_insert(issue);
        });
    }

    /// A comment by a person; returns its id.
    pub fn add_comment(&self, owner: &str, repo: &str, issue: u64, login: &str, body: &str) -> u64 {
        let (now, id) = (self.now(), self.lock().fresh_id());
        self.change(owner, repo, |repository| {
            assert!(repository.issues.contains_key(&issue), "no issue {issue}");
            let author = Account::person(login);
            let body = body.to_owned();
            let comment = Comment {
                id,
                issue,
                author,
                via: Via::Hand,
                body,
                created: now,
                updated: now,
            };
            repository.comments.insert(id, comment);
        });
        id
    }

    /// Gives a person a role: `admin`, `write`, `read` or `none`. Others may read; the owner is `admin`.
    pub fn set_role(&self, owner: &str, repo: &str, login: &str, role: &str) {
        self.change(owner, repo, |repository| {
            repository
                .collaborators
                .insert(login.to_owned(), role.to_owned())
        });
    }

    /// Commits one file to a branch, as a person who pushes.
    pub fn push_file(&self, owner: &str, repo: &str, branch: &str, path: &str, content: &str) {
        let now = self.now();
        self.change(owner, repo, |repository| {
            let head = repository
                .branch(branch)
                .expect("the branch exists")
                .clone();
            let mut files = repository.files(&head);
            let sha = repository.objects.put_blob(content.as_bytes());
            files.insert(
                path.to_owned(),
                File {
                    mode: "100644".to_owned(),
                    sha,
                },
            );
            commit(
                repository,
                branch,
                &files,
                vec![head],
                &format!("Update {path}"),
                now,
            );
        });
    }

    /// Merges a pull request: a merge commit on its base, its files winning over the base's.
    pub fn merge_pull(&self, owner: &str, repo: &str, number: u64) {
        let now = self.now();
        self.change(owner, repo, |repository| {
            let by = repository.owner.clone();
            let issue = repository
                .issues
                .get_mut(&number)
                .expect("the pull request exists");
            assert!(issue.closed.is_none(), "pull request {number} is closed");
            // Closed first: its commits stay those it was merged with, however its branches move on.
            issue.closed = Some(now);
            issue.updated = now;
            let pull = issue.pull.as_ref().expect("an issue cannot be merged");
            let (head, base, branch) = (
                pull.head_sha.clone(),
                pull.base_sha.clone(),
                pull.base.clone(),
            );
            let files = merged_files(repository, &base, &head);
            let message = format!("Merge pull request #{number}");
            let commit = commit(repository, &branch, &files, vec![base, head], &message, now);
            let pull = repository
                .issues
                .get_mut(&number)
                .and_then(|issue| issue.pull.as_mut());
            pull.expect("seen above").merged = Some(Merge {
                at: now,
                by,
                commit,
            });
        });
    }

    /// Closes a pull request without merging it.
    pub fn close_pull(&self, owner: &str, repo: &str, number: u64) {
        let now = self.now();
        self.change(owner, repo, |repository| {
            let issue = repository
                .issues
                .get_mut(&number)
                .expect("the pull request exists");
            issue.closed = issue.closed.or(Some(now));
            issue.updated = now;
        });
    }

    /// Deletes a branch, which closes the open pull requests from and to it.
    pub fn delete_branch(&self, owner: &str, repo: &str, branch: &str) {
        let now = self.now();
        let gone = self.change(owner, repo, |repository| {
            repository.delete_ref(&format!("refs/heads/{branch}"), now)
        });
        assert!(gone.is_some(), "no branch {branch}");
    }

    /// Changes what an installation may do; tokens handed out before keep what they have.
    pub fn set_permissions(&self, installation_id: u64, permissions: &[(&str, &str)]) {
        let permissions = permissions
            .iter()
            .map(|(name, level)| ((*name).to_owned(), (*level).to_owned()))
            .collect();
        self.change_installation(installation_id, |installation| {
            installation.permissions = permissions
        });
    }

    /// Suspends an installation: its tokens and new ones are refused until [`GitHub::resume_installation`].
    pub fn suspend_installation(&self, id: u64) {
        self.change_installation(id, |installation| {
            installation.status = InstallationStatus::Suspended
        });
    }

    /// Ends a suspension.
    pub fn resume_installation(&self, id: u64) {
        self.change_installation(id, |installation| {
            installation.status = InstallationStatus::Active
        });
    }

    /// Uninstalls the app; its repositories stay for people, and for tests to look at.
    pub fn remove_installation(&self, id: u64) {
        self.change_installation(id, |installation| {
            installation.status = InstallationStatus::Removed
        });
    }

    fn change<T>(&self, owner: &str, repo: &str, act: impl FnOnce(&mut Repository) -> T) -> T {
        let mut state = self.lock();
        let repository = state.repository_named_mut(owner, repo);
        act(repository.unwrap_or_else(|| panic!("no repository {owner}/{repo}")))
    }

    fn change_installation(&self, id: u64, act: impl FnOnce(&mut Installation)) {
        act(self
            .lock()
            .installations
            .get_mut(&id)
            .unwrap_or_else(|| panic!("no installation {id}")));
    }
}

fn commit(
    repository: &mut Repository,
    branch: &str,
    files: &Files,
    parents: Vec<String>,
    message: &str,
    now: i64,
) -> String {
    let login = repository.owner.login.clone();
    let email = format!("{login}@users.noreply.github.com");
    let author = Signature {
        name: login,
        email,
        seconds: now.div_euclid(1000),
    };
    let tree = repository.objects.put_files(files);
    let commit = Commit {
        tree,
        parents,
        message: message.to_owned(),
        committer: author.clone(),
        author,
    };
    let sha = repository.objects.put_commit(commit);
    repository.set_ref(&format!("refs/heads/{branch}"), &sha, now);
    sha
}

/// The base with everything the head changed since they parted.
fn merged_files(repository: &Repository, base: &str, head: &str) -> Files {
    let origin = repository
        .objects
        .merge_base(base, head)
        .map(|sha| repository.files(&sha))
        .unwrap_or_default();
    let theirs = repository.files(head);
    let mut merged = repository.files(base);
    merged.retain(|path, _| theirs.contains_key(path) || !origin.contains_key(path));
    merged.extend(
        theirs
            .into_iter()
            .filter(|(path, file)| origin.get(path) != Some(file)),
    );
    merged
}
