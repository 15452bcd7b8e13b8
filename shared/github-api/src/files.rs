//! Reading files: the tree of a commit, and the content of a file.

use crate::call::Call;
use crate::error::GithubError;
use crate::repository::Repository;
use crate::route::Route;
use base64::prelude::{BASE64_STANDARD, Engine};
use domain::jobs::pulls::tree::Mode;
use serde::Deserialize;
use serde_json::Value;
use std::fmt;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    pub entries: Vec<TreeEntry>,
    /// Whether GitHub omitted entries because there are too many.
    pub truncated: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeEntry {
    /// Relative to the root.
    pub path: String,
    pub mode: Mode,
    pub sha: String,
    pub size: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    pub sha: String,
    pub content: FileContent,
}

#[derive(Clone, PartialEq, Eq)]
pub enum FileContent {
    /// UTF-8 without a zero byte.
    Text(String),
    Binary {
        bytes: Vec<u8>,
    },
}

/// The size of the largest file whose content is read.
pub const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

#[derive(Deserialize)]
struct TreeShape {
    tree: Vec<EntryShape>,
    #[serde(default)]
    truncated: bool,
}

#[derive(Deserialize)]
struct EntryShape {
    path: String,
    mode: String,
    sha: String,
    #[serde(default)]
    size: u64,
}

#[derive(Deserialize)]
struct FileShape {
    #[serde(rename = "type")]
    kind: String,
    sha: String,
    size: u64,
    #[serde(flatten)]
    blob: BlobShape,
}

#[derive(Deserialize)]
struct BlobShape {
    content: Option<String>,
    encoding: Option<String>,
}

impl Repository {
    /// Lists everything in the tree of a commit.
    pub async fn tree_list(&self, commit_sha: &str) -> Result<Tree, GithubError> {
        let route = Route::new("/git/trees/").segment(commit_sha);
        self.tree_read(route.query("recursive", "1")).await
    }

    /// Lists what is directly in a tree.
    pub(crate) async fn folder_list(&self, tree_sha: &str) -> Result<Tree, GithubError> {
        self.tree_read(Route::new("/git/trees/").segment(tree_sha))
            .await
    }

    async fn tree_read(&self, route: Route) -> Result<Tree, GithubError> {
        let shape: TreeShape = self
            .send(Call::get("list the files", route))
            .await?
            .read()?;
        let entries = shape.tree.into_iter().map(EntryShape::entry).collect();
        Ok(Tree {
            entries,
            truncated: shape.truncated,
        })
    }

    /// A file at a branch, tag or commit, or `None` if the path is absent or a directory.
    pub async fn file_load(&self, path: &str, git_ref: &str) -> Result<Option<File>, GithubError> {
        let route = contents(path).query("ref", git_ref);
        let Some(answer) = self.send_for(Call::get(READ, route)).await? else {
            return Ok(None);
        };
        // GitHub answers with a list if the path is a directory.
        if answer.read::<Value>()?.is_array() {
            return Ok(None);
        }
        let file: FileShape = answer.read()?;
        if file.kind != "file" {
            return Ok(None);
        }
        if file.size > FILE_BYTES_MAX {
            return Err(GithubError::FileTooLarge {
                path: path.to_owned(),
                bytes: file.size,
            });
        }
        // The contents API omits the content of files larger than 1 MB.
        let bytes = match file.blob.bytes()? {
            Some(bytes) => bytes,
            None => self.blob_load(&file.sha).await?,
        };
        Ok(Some(File {
            sha: file.sha,
            content: FileContent::of(bytes),
        }))
    }

    pub(crate) async fn blob_load(&self, sha: &str) -> Result<Vec<u8>, GithubError> {
        let blob: BlobShape = self
            .send(Call::get(READ, Route::new("/git/blobs/").segment(sha)))
            .await?
            .read()?;
        blob.bytes()?.ok_or_else(unreadable)
    }
}

const READ: &str = "read the file";

pub(crate) fn contents(path: &str) -> Route {
    Route::new("/contents/").path(path)
}

fn unreadable() -> GithubError {
    GithubError::Unclear {
        operation: READ,
        source: "the content is not in base64".into(),
    }
}

impl EntryShape {
    fn entry(self) -> TreeEntry {
        let mode = match self.mode.as_str() {
            "100755" => Mode::Executable,
            "120000" => Mode::Link,
            "160000" => Mode::Submodule,
            "040000" => Mode::Folder,
            _ => Mode::File,
        };
        TreeEntry {
            path: self.path,
            mode,
            sha: self.sha,
            size: self.size,
        }
    }
}

impl BlobShape {
    /// The content, if the response contains it.
    fn bytes(&self) -> Result<Option<Vec<u8>>, GithubError> {
        let Some(content) = self
            .content
            .as_ref()
            .filter(|_| self.encoding.as_deref() == Some("base64"))
        else {
            return Ok(None);
        };
        let packed: String = content.split_ascii_whitespace().collect();
        BASE64_STANDARD
            .decode(packed)
            .map(Some)
            .map_err(|_| unreadable())
    }
}

impl FileContent {
    fn of(bytes: Vec<u8>) -> Self {
        if bytes.contains(&0) {
            return Self::Binary { bytes };
        }
        String::from_utf8(bytes).map_or_else(
            |error| Self::Binary {
                bytes: error.into_bytes(),
            },
            Self::Text,
        )
    }
}

/// Omits the content, which belongs to a customer.
impl fmt::Debug for FileContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Binary { bytes } => write!(f, "Binary({} bytes)", bytes.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Peer, found, missing, repository};
    use domain::retry::{Retry, Retryable};
    use serde_json::json;

    const LINE: &str = "GET /repos/octo/hello/contents/a%20dir/%C3%A9%23.md?ref=feature%2Fx";
    const BLOB: &str = "GET /repos/octo/hello/git/blobs/b1";

    async fn load(peer: &Peer) -> Result<Option<File>, GithubError> {
        repository(peer)
            .await
            .file_load("a dir/é#.md", "feature/x")
            .await
    }

    fn file(size: u64, encoding: &str, content: &str) -> Value {
        json!({ "type": "file", "sha": "b1", "size": size, "encoding": encoding, "content": content })
    }

    #[tokio::test]
    async fn trees_list_what_they_have() {
        let entry = |path, mode, kind| json!({ "path": path, "mode": mode, "type": kind, "sha": "b", "size": 3 });
        let entries = json!([
            entry("src", "040000", "tree"),
            entry("src/a.rs", "100644", "blob"),
            entry("run", "100755", "blob"),
            entry("link", "120000", "blob"),
            entry("module", "160000", "commit"),
        ]);
        let line = "GET /repos/octo/hello/git/trees/c1?recursive=1";
        let peer = Peer::script([found(
            line,
            json!({ "sha": "t", "tree": entries, "truncated": true }),
        )]);
        let tree = repository(&peer)
            .await
            .tree_list("c1")
            .await
            .expect("a tree");
        let seen: Vec<_> = tree
            .entries
            .iter()
            .map(|entry| (entry.path.as_str(), entry.mode))
            .collect();
        assert_eq!(
            seen,
            [
                ("src", Mode::Folder),
                ("src/a.rs", Mode::File),
                ("run", Mode::Executable),
                ("link", Mode::Link),
                ("module", Mode::Submodule)
            ]
        );
        assert!(tree.truncated && tree.entries[1].size == 3);
    }

    #[tokio::test]
    async fn contents_are_text_or_not() {
        for (content, expected) in [
            ("aGVs\nbG8=\n", FileContent::Text("hello".to_owned())),
            ("", FileContent::Text(String::new())),
            (
                "AAEC",
                FileContent::Binary {
                    bytes: vec![0, 1, 2],
                },
            ),
            (
                "//4=",
                FileContent::Binary {
                    bytes: vec![255, 254],
                },
            ),
        ] {
            let peer = Peer::script([found(LINE, file(5, "base64", content))]);
            let loaded = load(&peer).await.expect("an answer").expect("a file");
            assert_eq!(
                loaded,
                File {
                    sha: "b1".to_owned(),
                    content: expected
                }
            );
        }
    }

    #[tokio::test]
    async fn large_files_come_as_blobs_up_to_a_size() {
        let blob = json!({ "encoding": "base64", "content": "aGVsbG8=" });
        let peer = Peer::script([
            found(LINE, file(FILE_BYTES_MAX, "none", "")),
            found(BLOB, blob),
        ]);
        let loaded = load(&peer).await.expect("an answer").expect("a file");
        assert_eq!(loaded.content, FileContent::Text("hello".to_owned()));
        let peer = Peer::script([found(LINE, file(FILE_BYTES_MAX + 1, "none", ""))]);
        let error = load(&peer).await.expect_err("an error");
        assert_eq!(error.retry(), Retry::Never, "{error}");
    }

    #[tokio::test]
    async fn what_is_no_file_is_nothing() {
        let peer = Peer::script([
            missing(LINE),
            found(LINE, json!([{ "type": "file", "path": "x" }])),
            found(LINE, json!({ "type": "submodule", "sha": "s", "size": 0 })),
        ]);
        for _ in 0..3 {
            assert_eq!(load(&peer).await.expect("an answer"), None);
        }
    }

    #[test]
    fn contents_are_not_printed() {
        let shown = format!(
            "{:?}",
            File {
                sha: "b1".to_owned(),
                content: FileContent::Text("canary".to_owned())
            }
        );
        assert!(!shown.contains("canary"), "{shown}");
    }
}
