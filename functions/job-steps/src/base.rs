//! A job's repository at its base commit.
//!
//! A search reads the archive of the commit. An archive is not the commit: `.gitattributes` leaves
//! files out of it (`export-ignore`) and changes others (`eol`, `export-subst`, `ident`). So what is
//! shown for a change is read file by file, and the commit's tree says what exists.
//!
//! All of it is dropped with the step, because the next job in this process can be another
//! customer's.

use agent::snapshot::{Bounds, Mode, Snapshot, is_safe};
use domain::jobs::pulls::tree;
use domain::jobs::untrusted::cleaned;
use domain::retry::{Failure, Retry};
use domain::text::truncate;
use github_api::{Download, FileContent, GithubError, Repository, TreeEntry};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The function has 1,024 MB, which hold the archive, its texts and their index.
const BOUNDS: Bounds = Bounds {
    unpacked_bytes_max: 384 << 20,
    entries_max: 100_000,
    ratio_max: 200,
    file_bytes_max: 1 << 20,
    kept_bytes_max: 96 << 20,
};
/// Files in which a repository says how it is worked on, best first.
const INSTRUCTIONS: [&str; 5] = [
    "AGENTS.md",
    "CLAUDE.md",
    "CONTRIBUTING.md",
    "docs/CONTRIBUTING.md",
    "CONTRIBUTING.rst",
];
const INSTRUCTIONS_BYTES_MAX: usize = 8 * 1024;

/// A snapshot of the base.
#[derive(Clone)]
pub struct Base {
    pub snapshot: Snapshot,
    /// Whether the texts are in it, so that it can be searched.
    pub searchable: bool,
    /// Whether all files are in it, with or without their contents.
    pub complete: bool,
}

impl Base {
    /// Reads the repository at a commit for a search. A GitHub that gives no archive leaves the
    /// files without their contents.
    pub async fn to_search(repository: &Repository, sha: &str) -> Result<Self, Failure> {
        let reason = match repository.archive(sha).await? {
            Download::File(packed) => match unpacked(packed, sha).await? {
                Ok(snapshot) => return with_the_rest(repository, sha, snapshot).await,
                Err(reason) => reason,
            },
            Download::Unavailable(reason) => reason,
        };
        tracing::info!(reason, "the repository cannot be searched");
        Self::to_change(repository, sha, &[]).await
    }

    /// Lists the files of a commit, and reads the contents of these.
    pub async fn to_change(
        repository: &Repository,
        sha: &str,
        paths: &[String],
    ) -> Result<Self, Failure> {
        let tree = repository.tree_list(sha).await?;
        let mut snapshot = Snapshot::default();
        let mut wanted: BTreeSet<&str> = paths.iter().map(String::as_str).collect();
        wanted.extend(INSTRUCTIONS);
        for entry in tree.entries {
            let content = if wanted.remove(entry.path.as_str()) && is_file(entry.mode) {
                content(repository, &entry.path, sha).await?
            } else {
                None
            };
            place(&mut snapshot, &entry, content)?;
        }
        let mut base = Self {
            snapshot,
            searchable: false,
            complete: !tree.truncated,
        };
        for path in wanted {
            base.look(repository, sha, path).await?;
        }
        Ok(base)
    }

    /// Reads a file's content, unless it is here.
    pub async fn read(
        &mut self,
        repository: &Repository,
        sha: &str,
        path: &str,
    ) -> Result<(), Failure> {
        let is_listed = self.snapshot.get(path).is_some();
        if !is_listed {
            return self.look(repository, sha, path).await;
        }
        if !self.snapshot.lacks_content(path) {
            return Ok(());
        }
        let content = content(repository, path, sha).await?;
        self.snapshot.fill(path, content);
        Ok(())
    }

    /// Looks for a file that GitHub's listing may have left out.
    pub async fn look(
        &mut self,
        repository: &Repository,
        sha: &str,
        path: &str,
    ) -> Result<(), Failure> {
        if self.complete || self.snapshot.get(path).is_some() || !is_safe(path) {
            return Ok(());
        }
        let Some(content) = content(repository, path, sha).await? else {
            return Ok(());
        };
        let size = content.len();
        self.snapshot
            .place(path, Mode::Regular, size, Some(content))
            .map_err(|error| Failure::never(error.to_string()))
    }

    /// What the repository says to people and agents who work on it, from the base only: a change
    /// cannot instruct the agent that writes it.
    pub fn instructions(&self) -> Option<Value> {
        let found = INSTRUCTIONS.iter().filter_map(|path| {
            let text = self.snapshot.get(path)?.text()?;
            let text = cleaned(truncate(text.body(), 4 * INSTRUCTIONS_BYTES_MAX)).text;
            let text = truncate(text.trim(), INSTRUCTIONS_BYTES_MAX);
            (!text.is_empty()).then(|| json!({ "path": path, "text": text }))
        });
        let found: Vec<Value> = found.collect();
        (!found.is_empty()).then(|| Value::from(found))
    }
}

/// Unpacks the archive on a thread where nobody waits, or says why it cannot be used.
async fn unpacked(
    packed: impl AsRef<[u8]> + Send + 'static,
    sha: &str,
) -> Result<Result<Snapshot, String>, Failure> {
    let read =
        tokio::task::spawn_blocking(move || Snapshot::from_tarball(packed.as_ref(), &BOUNDS));
    let snapshot = match read.await.map_err(broken)? {
        Ok(snapshot) => snapshot,
        Err(error) => return Ok(Err(error.to_string())),
    };
    Ok(match snapshot.commit() {
        Some(other) if other != sha => Err(format!("the archive is of the commit {other}")),
        Some(_) | None => Ok(snapshot),
    })
}

/// A thread that ended without its result.
pub fn broken(error: tokio::task::JoinError) -> Failure {
    Failure {
        retry: Retry::Soon,
        source: error.into(),
    }
}

/// Adds the files that the archive leaves out.
async fn with_the_rest(
    repository: &Repository,
    sha: &str,
    mut snapshot: Snapshot,
) -> Result<Base, Failure> {
    let tree = repository.tree_list(sha).await?;
    for entry in &tree.entries {
        if snapshot.get(&entry.path).is_none() {
            place(&mut snapshot, entry, None)?;
        }
    }
    Ok(Base {
        snapshot,
        searchable: true,
        complete: !tree.truncated,
    })
}

/// Adds an entry of the tree, except folders and paths that we could not write.
fn place(
    snapshot: &mut Snapshot,
    entry: &TreeEntry,
    content: Option<Vec<u8>>,
) -> Result<(), Failure> {
    let mode = match entry.mode {
        tree::Mode::File => Mode::Regular,
        tree::Mode::Executable => Mode::Executable,
        tree::Mode::Link => Mode::Link,
        tree::Mode::Submodule => Mode::Submodule,
        tree::Mode::Folder => return Ok(()),
    };
    if !is_safe(&entry.path) {
        return Ok(());
    }
    let size = usize::try_from(entry.size).unwrap_or(usize::MAX);
    snapshot
        .place(&entry.path, mode, size, content)
        .map_err(|error| Failure::never(error.to_string()))
}

const fn is_file(mode: tree::Mode) -> bool {
    matches!(mode, tree::Mode::File | tree::Mode::Executable)
}

async fn content(
    repository: &Repository,
    path: &str,
    sha: &str,
) -> Result<Option<Vec<u8>>, Failure> {
    match repository.file_load(path, sha).await {
        Ok(Some(file)) => Ok(Some(match file.content {
            FileContent::Text(text) => text.into_bytes(),
            FileContent::Binary { bytes } => bytes,
        })),
        Ok(None) | Err(GithubError::FileTooLarge { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
