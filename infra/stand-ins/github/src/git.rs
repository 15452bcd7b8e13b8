//! The object store of one repository: blobs, trees and commits, each under the hash of its
//! content. As in git, the same content has the same id, and a commit's id depends only on its
//! tree, parents, message, author and committer. The hash is SHA-256 truncated to git's 40 digits.
//! It works on whole file lists, because one flat map makes "take a tree, change three paths" a map
//! operation.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub(super) type Sha = String;

/// All files of a tree by full path.
pub(super) type Files = BTreeMap<String, File>;

pub(super) const FOLDER: &str = "040000";
pub(super) const SUBMODULE: &str = "160000";
pub(super) const LINK: &str = "120000";
pub(super) const MODES: [&str; 5] = ["100644", "100755", FOLDER, SUBMODULE, LINK];

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct File {
    pub mode: String,
    pub sha: Sha,
}

#[derive(Default, Serialize, Deserialize)]
pub(super) struct Objects {
    blobs: BTreeMap<Sha, String>,
    trees: BTreeMap<Sha, Vec<TreeEntry>>,
    commits: BTreeMap<Sha, Commit>,
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct TreeEntry {
    pub mode: String,
    pub name: String,
    pub sha: Sha,
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Commit {
    pub tree: Sha,
    pub parents: Vec<Sha>,
    pub message: String,
    pub author: Signature,
    pub committer: Signature,
    /// Whether GitHub signed it; missing in older states.
    #[serde(default)]
    pub verified: bool,
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Signature {
    pub name: String,
    pub email: String,
    pub seconds: i64,
}

impl Objects {
    pub fn put_blob(&mut self, content: &[u8]) -> Sha {
        let sha = id("blob", content);
        self.blobs
            .entry(sha.clone())
            .or_insert_with(|| BASE64_STANDARD.encode(content));
        sha
    }

    pub fn blob(&self, sha: &str) -> Option<Vec<u8>> {
        BASE64_STANDARD.decode(self.blobs.get(sha)?).ok()
    }

    pub fn put_commit(&mut self, commit: Commit) -> Sha {
        let parents: String = commit
            .parents
            .iter()
            .map(|parent| format!("parent {parent}\n"))
            .collect();
        let Commit {
            tree,
            author,
            committer,
            message,
            ..
        } = &commit;
        let text = format!(
            "tree {tree}\n{parents}author {}\ncommitter {}\n\n{message}",
            author.encoded(),
            committer.encoded()
        );
        let sha = id("commit", text.as_bytes());
        self.commits.insert(sha.clone(), commit);
        sha
    }

    pub fn commit(&self, sha: &str) -> Option<&Commit> {
        self.commits.get(sha)
    }

    /// Writes the trees for these files, folder by folder, and returns the root.
    pub fn put_files(&mut self, files: &Files) -> Sha {
        let mut entries = Vec::new();
        let mut folders: BTreeMap<&str, Files> = BTreeMap::new();
        for (path, file) in files {
            match path.split_once('/') {
                Some((folder, inside)) => {
                    folders
                        .entry(folder)
                        .or_default()
                        .insert(inside.to_owned(), file.clone());
                }
                None => entries.push(TreeEntry {
                    mode: file.mode.clone(),
                    name: path.clone(),
                    sha: file.sha.clone(),
                }),
            }
        }
        for (folder, inside) in folders {
            let sha = self.put_files(&inside);
            entries.push(TreeEntry {
                mode: FOLDER.to_owned(),
                name: folder.to_owned(),
                sha,
            });
        }
        self.put_tree(entries)
    }

    pub fn tree(&self, sha: &str) -> Option<&[TreeEntry]> {
        self.trees.get(sha).map(Vec::as_slice)
    }

    /// The files of a tree; empty if the tree does not exist.
    pub fn files(&self, tree: &str) -> Files {
        let mut files = Files::new();
        for entry in self.tree(tree).unwrap_or_default() {
            if entry.is_folder() {
                let inside = self.files(&entry.sha);
                files.extend(
                    inside
                        .into_iter()
                        .map(|(path, file)| (format!("{}/{path}", entry.name), file)),
                );
            } else {
                files.insert(
                    entry.name.clone(),
                    File {
                        mode: entry.mode.clone(),
                        sha: entry.sha.clone(),
                    },
                );
            }
        }
        files
    }

    /// The commit and all its ancestors, nearest first.
    pub fn history(&self, head: &str) -> Vec<Sha> {
        let mut seen = BTreeSet::from([head.to_owned()]);
        let mut queue = VecDeque::from([head.to_owned()]);
        let mut order = Vec::new();
        while let Some(sha) = queue.pop_front() {
            let Some(commit) = self.commits.get(&sha) else {
                continue;
            };
            queue.extend(
                commit
                    .parents
                    .iter()
                    .filter(|parent| seen.insert((*parent).clone()))
                    .cloned(),
            );
            order.push(sha);
        }
        order
    }

    pub fn is_ancestor(&self, old: &str, new: &str) -> bool {
        self.history(new).iter().any(|sha| sha == old)
    }

    pub fn merge_base(&self, one: &str, other: &str) -> Option<Sha> {
        let known: BTreeSet<Sha> = self.history(one).into_iter().collect();
        self.history(other)
            .into_iter()
            .find(|sha| known.contains(sha))
    }

    /// The commits that `head` has and `base` lacks, oldest first.
    pub fn between(&self, base: &str, head: &str) -> Vec<Sha> {
        let known: BTreeSet<Sha> = self.history(base).into_iter().collect();
        let mut new: Vec<Sha> = self
            .history(head)
            .into_iter()
            .filter(|sha| !known.contains(sha))
            .collect();
        new.reverse();
        new
    }

    fn put_tree(&mut self, mut entries: Vec<TreeEntry>) -> Sha {
        entries.sort_by_key(TreeEntry::sort_key);
        let mut bytes = Vec::new();
        for entry in &entries {
            bytes.extend(
                format!("{} {}\0", entry.mode.trim_start_matches('0'), entry.name).into_bytes(),
            );
            bytes.extend(hex::decode(&entry.sha).unwrap_or_default());
        }
        let sha = id("tree", &bytes);
        self.trees.insert(sha.clone(), entries);
        sha
    }
}

impl TreeEntry {
    pub fn is_folder(&self) -> bool {
        self.mode == FOLDER
    }

    // Git compares folders as if their names ended in a slash.
    fn sort_key(&self) -> String {
        if self.is_folder() {
            format!("{}/", self.name)
        } else {
            self.name.clone()
        }
    }
}

impl Signature {
    fn encoded(&self) -> String {
        format!("{} <{}> {} +0000", self.name, self.email, self.seconds)
    }
}

/// The API's name for an entry of this mode.
pub(super) fn kind_of(mode: &str) -> &'static str {
    match mode {
        FOLDER => "tree",
        SUBMODULE => "commit",
        _ => "blob",
    }
}

fn id(kind: &str, content: &[u8]) -> Sha {
    let mut hash = Sha256::new();
    hash.update(format!("{kind} {}\0", content.len()));
    hash.update(content);
    let mut sha = hex::encode(hash.finalize());
    sha.truncate(40);
    sha
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_files_are_the_same_tree_and_come_back_whole() {
        let mut objects = Objects::default();
        let sha = objects.put_blob(b"fn main() {}\n");
        let file = File {
            mode: "100644".to_owned(),
            sha,
        };
        let files: Files = ["README.md", "src/main.rs", "src/a/b.rs", "src.rs"]
            .map(|path| (path.to_owned(), file.clone()))
            .into();
        let tree = objects.put_files(&files);
        assert_eq!(objects.files(&tree), files);
        assert_eq!(objects.put_files(&files), tree);
        assert_eq!(tree.len(), 40);
    }

    #[test]
    fn a_commit_is_named_by_its_content() {
        let mut objects = Objects::default();
        let me = Signature {
            name: "x".to_owned(),
            email: "x@example.com".to_owned(),
            seconds: 7,
        };
        let tree = objects.put_files(&Files::new());
        let first = Commit {
            tree,
            parents: vec![],
            message: "one".to_owned(),
            author: me.clone(),
            committer: me,
            verified: false,
        };
        let root = objects.put_commit(first.clone());
        assert_eq!(objects.put_commit(first.clone()), root);
        let left = objects.put_commit(Commit {
            parents: vec![root.clone()],
            ..first.clone()
        });
        let right = objects.put_commit(Commit {
            parents: vec![root.clone()],
            message: "two".to_owned(),
            ..first.clone()
        });
        assert_ne!(left, right);
        assert_eq!(objects.merge_base(&left, &right), Some(root.clone()));
        assert_eq!(objects.between(&left, &right), vec![right.clone()]);
        assert!(objects.is_ancestor(&root, &right));
        assert!(!objects.is_ancestor(&left, &right));
    }
}
