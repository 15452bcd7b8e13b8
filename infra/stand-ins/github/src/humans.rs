//! What people do on GitHub while an App works: create repositories and issues, comment, merge,
//! close, delete, suspend. Each method panics if its object does not exist, since only tests and
//! demos call them.

use std::collections::BTreeMap;

use super::GitHub;
use super::git::{Commit, File, Files, SUBMODULE, Signature};
use super::state::{
    Account, Comment, Installation, InstallationStatus, Issue, Merge, Repository, Via,
};

impl GitHub {
    /// Adds a repository with one commit on its default branch, in which the App is installed. The
    /// installation is created with its first repository. Both stay unchanged if they exist, for
    /// example from before a restart.
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
        self.add_repository_without_app(
            installation_id,
            owner_id,
            owner,
            repo_id,
            name,
            default_branch,
            files,
        );
        let now = self.now();
        let mut state = self.lock();
        if !state.installations.contains_key(&installation_id) {
            let account = Account {
                id: owner_id,
                ..Account::person(owner)
            };
            state.install(installation_id, account, now);
        }
    }

    /// Adds a repository in which the App is not installed yet. `installation_id` is the number
    /// that installing it will assign.
    #[expect(
        clippy::too_many_arguments,
        reason = "a repository has that many names"
    )]
    pub fn add_repository_without_app(
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
            owner,
            name: name.to_owned(),
            default_branch: default_branch.to_owned(),
            archived: false,
            created: now,
            objects: Default::default(),
            refs: Default::default(),
            issues: Default::default(),
            comments: Default::default(),
            collaborators: Default::default(),
            checks: Default::default(),
            pushes: Default::default(),
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
        self.lock()
            .repositories
            .entry(repo_id)
            .or_insert(repository);
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

    /// A person closes an issue.
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

    /// Adds an issue, opened by the repository's owner, under a chosen number. An existing issue
    /// stays unchanged.
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

    /// Adds a comment by a person. Returns its id.
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

    /// Gives a person a role: `admin`, `write`, `read` or `none`. Others may read; the owner is
    /// `admin`.
    pub fn set_role(&self, owner: &str, repo: &str, login: &str, role: &str) {
        self.change(owner, repo, |repository| {
            repository
                .collaborators
                .insert(login.to_owned(), role.to_owned())
        });
    }

    /// Commits one file to a branch, as a person who pushes.
    pub fn push_file(&self, owner: &str, repo: &str, branch: &str, path: &str, content: &str) {
        self.push_entry((owner, repo), branch, path, ("100644", content));
    }

    /// Commits one entry of any mode to a branch: a script, a link with its target as the content, or
    /// a submodule with its commit as the content.
    pub fn push_entry(
        &self,
        (owner, repo): (&str, &str),
        branch: &str,
        path: &str,
        (mode, content): (&str, &str),
    ) {
        let now = self.now();
        self.change(owner, repo, |repository| {
            let head = repository
                .branch(branch)
                .expect("the branch exists")
                .clone();
            let mut files = repository.files(&head);
            let sha = match mode {
                SUBMODULE => content.to_owned(),
                _ => repository.objects.put_blob(content.as_bytes()),
            };
            let mode = mode.to_owned();
            files.insert(path.to_owned(), File { mode, sha });
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

    /// The mode of each path on a branch.
    pub fn modes(&self, owner: &str, repo: &str, branch: &str) -> BTreeMap<String, String> {
        let mut modes = BTreeMap::new();
        self.change(owner, repo, |repository| {
            let head = repository
                .branch(branch)
                .expect("the branch exists")
                .clone();
            let files = repository.files(&head);
            modes = files
                .into_iter()
                .map(|(path, file)| (path, file.mode))
                .collect();
        });
        modes
    }

    /// Merges a pull request with a merge commit on its base. Its files win over those of the base.
    pub fn merge_pull(&self, owner: &str, repo: &str, number: u64) {
        let now = self.now();
        self.change(owner, repo, |repository| {
            let by = repository.owner.clone();
            let issue = repository
                .issues
                .get_mut(&number)
                .expect("the pull request exists");
            assert!(issue.closed.is_none(), "pull request {number} is closed");
            // Closes it first, so it keeps the commits it was merged with even if its branches move
            // later.
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

    /// Reopens a closed pull request.
    pub fn reopen_pull(&self, owner: &str, repo: &str, number: u64) {
        let now = self.now();
        self.change(owner, repo, |repository| {
            let issue = repository
                .issues
                .get_mut(&number)
                .expect("the pull request exists");
            issue.closed = None;
            issue.updated = now;
        });
    }

    /// Renames an owner. Their repositories keep their numbers, and their former names redirect.
    pub fn rename_owner(&self, owner: &str, login: &str) {
        let mut state = self.lock();
        let mut former = Vec::new();
        for repository in state.repositories.values_mut() {
            if repository.owner.login == owner {
                former.push((repository.full_name().to_ascii_lowercase(), repository.id));
                repository.owner.login = login.to_owned();
            }
        }
        assert!(!former.is_empty(), "{owner} has no repository");
        for installation in state.installations.values_mut() {
            if installation.account.login == owner {
                installation.account.login = login.to_owned();
            }
        }
        state.former.extend(former);
    }

    /// Transfers a repository to an owner in whose installation it is from now on.
    pub fn transfer(&self, owner: &str, repo: &str, to: &str, installation: u64) {
        let mut state = self.lock();
        let account = state.installations[&installation].account.clone();
        assert_eq!(account.login, to, "the installation is the new owner's");
        let repository = state.repository_named_mut(owner, repo);
        let repository = repository.unwrap_or_else(|| panic!("no repository {owner}/{repo}"));
        let former = (repository.full_name().to_ascii_lowercase(), repository.id);
        repository.owner = account;
        repository.installation = installation;
        state.former.extend([former]);
    }

    /// Deletes a branch, which closes the open pull requests from and to it.
    pub fn delete_branch(&self, owner: &str, repo: &str, branch: &str) {
        let now = self.now();
        let gone = self.change(owner, repo, |repository| {
            repository.delete_ref(&format!("refs/heads/{branch}"), now)
        });
        assert!(gone.is_some(), "no branch {branch}");
    }

    /// Changes the permissions of an installation. Tokens that were issued before keep theirs.
    pub fn set_permissions(&self, installation_id: u64, permissions: &[(&str, &str)]) {
        let permissions = permissions
            .iter()
            .map(|(name, level)| ((*name).to_owned(), (*level).to_owned()))
            .collect();
        self.change_installation(installation_id, |installation| {
            installation.permissions = permissions
        });
    }

    /// Suspends an installation: its tokens and requests for new ones are refused until
    /// [`GitHub::resume_installation`].
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

    /// Uninstalls the App. Its repositories remain for people and tests.
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
        verified: false,
    };
    let sha = repository.objects.put_commit(commit);
    repository.set_ref(&format!("refs/heads/{branch}"), &sha, now);
    sha
}

/// The files of the base with all changes made on the head since the merge base.
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
