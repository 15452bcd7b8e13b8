//! A job's repository at its base commit.
//!
//! The archive of the commit is read into memory and dropped with the step, because the next job
//! in this process can be another customer's. A GitHub that gives no archive is read by its tree,
//! file by file; then only the files that a step asks for have their contents.

use agent::snapshot::{Bounds, Mode, Snapshot, is_safe};
use domain::jobs::pulls::tree;
use domain::jobs::untrusted::cleaned;
use domain::retry::{Failure, Retry};
use domain::text::truncate;
use github_api::{Archive, FileContent, GithubError, Repository};
use serde_json::{Value, json};

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
pub struct Base {
    pub snapshot: Snapshot,
    /// Whether all texts are in it, and not only the ones that were asked for.
    pub whole: bool,
}

impl Base {
    /// Reads the repository at a commit. Without an archive, these paths have their contents.
    pub async fn load(
        repository: &Repository,
        sha: &str,
        paths: &[String],
    ) -> Result<Self, Failure> {
        let reason = match repository.archive(sha).await? {
            Archive::Packed(packed) => match unpacked(packed, sha).await? {
                Ok(snapshot) => {
                    return Ok(Self {
                        snapshot,
                        whole: true,
                    });
                }
                Err(reason) => reason,
            },
            Archive::Unavailable(reason) => reason,
        };
        tracing::info!(reason, "the repository is read file by file");
        by_tree(repository, sha, paths).await
    }

    /// What the repository says to people and agents who work on it, from the base only: a change
    /// cannot instruct the agent that writes it.
    pub fn instructions(&self) -> Option<Value> {
        let found = INSTRUCTIONS.iter().filter_map(|path| {
            let text = self.snapshot.get(path)?.text()?;
            let text = cleaned(text.body()).text;
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

async fn by_tree(repository: &Repository, sha: &str, paths: &[String]) -> Result<Base, Failure> {
    let listed = repository.tree_list(sha).await?.entries;
    let mut snapshot = Snapshot::default();
    for entry in listed {
        let mode = match entry.mode {
            tree::Mode::File => Mode::Regular,
            tree::Mode::Executable => Mode::Executable,
            tree::Mode::Link => Mode::Link,
            tree::Mode::Submodule => Mode::Submodule,
            tree::Mode::Folder => continue,
        };
        // A path that we could not write is not shown either.
        if !is_safe(&entry.path) {
            continue;
        }
        let size = usize::try_from(entry.size).unwrap_or(usize::MAX);
        let wanted = paths.contains(&entry.path) || INSTRUCTIONS.contains(&entry.path.as_str());
        let content = if wanted && matches!(mode, Mode::Regular | Mode::Executable) {
            content(repository, &entry.path, sha).await?
        } else {
            None
        };
        snapshot
            .place(&entry.path, mode, size, content)
            .map_err(|error| Failure::never(error.to_string()))?;
    }
    Ok(Base {
        snapshot,
        whole: false,
    })
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
