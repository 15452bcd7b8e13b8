//! The tree of a commit: the base's tree with the changes, after a look at what is at their paths.

use crate::call::Call;
use crate::commits::{CommitOrder, ShaShape};
use crate::error::GithubError;
use crate::files::TreeEntry;
use crate::repository::Repository;
use crate::route::Route;
use domain::jobs::pulls::FileChange;
use domain::jobs::pulls::tree::{
    Edit, Mode, Paths, Unfit, fit, folders_of, is_pointer, may_be_pointer,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The entries at the paths of a change, above and below them, by path.
type Entries = BTreeMap<String, TreeEntry>;

impl Repository {
    /// Creates the base's tree with the changes. All contents go into one request, because a blob
    /// for each file would soon reach GitHub's limit of 80 new objects per minute.
    pub(crate) async fn tree_create(
        &self,
        order: &CommitOrder<'_>,
        base_tree: &str,
    ) -> Result<String, GithubError> {
        let entries = self.entries_near(order, base_tree).await?;
        let paths: Paths = entries
            .iter()
            .map(|(path, entry)| (path.clone(), entry.mode))
            .collect();
        let edits = fit(order.changes, &paths).map_err(GithubError::Unfit)?;
        for edit in &edits {
            self.pointer_keep(edit, entries.get(edit.path)).await?;
        }
        let no_changes = || GithubError::NoChanges {
            branch: order.branch.to_owned(),
        };
        if edits.is_empty() {
            return Err(no_changes());
        }
        let listed: Vec<Value> = edits.iter().map(wire_entry).collect();
        let body = json!({ "base_tree": base_tree, "tree": listed });
        let tree: ShaShape = self
            .send(Call::post(
                "create the tree",
                Route::new("/git/trees"),
                body,
            ))
            .await?
            .read()?;
        if tree.sha == base_tree {
            Err(no_changes())
        } else {
            Ok(tree.sha)
        }
    }

    /// Lists the whole tree, or walks to each path if GitHub omits a part of the tree.
    async fn entries_near(
        &self,
        order: &CommitOrder<'_>,
        base_tree: &str,
    ) -> Result<Entries, GithubError> {
        let tree = self.tree_list(order.base_sha).await?;
        if tree.truncated {
            return self.entries_walk(order.changes, base_tree).await;
        }
        Ok(by_path(tree.entries, ""))
    }

    /// Lists the folders that lead to the changes. A path that turns out to be a folder has an entry
    /// below it, so nothing replaces it.
    async fn entries_walk(
        &self,
        changes: &[FileChange],
        base_tree: &str,
    ) -> Result<Entries, GithubError> {
        let mut entries = self.folder_entries("", base_tree).await?;
        let wanted: BTreeSet<&str> = changes
            .iter()
            .flat_map(|file| folders_of(&file.path).chain([file.path.as_str()]))
            .collect();
        // A folder sorts before what is in it.
        for path in wanted {
            let folder = entries
                .get(path)
                .filter(|entry| entry.mode == Mode::Folder)
                .map(|entry| entry.sha.clone());
            if let Some(sha) = folder {
                entries.append(&mut self.folder_entries(&format!("{path}/"), &sha).await?);
            }
        }
        Ok(entries)
    }

    async fn folder_entries(&self, prefix: &str, tree_sha: &str) -> Result<Entries, GithubError> {
        let folder = self.folder_list(tree_sha).await?;
        if folder.truncated {
            return Err(GithubError::Unfit(Unfit::Unlisted {
                folder: prefix.to_owned(),
            }));
        }
        Ok(by_path(folder.entries, prefix))
    }

    /// Refuses text in the place of a pointer of Git LFS.
    async fn pointer_keep(
        &self,
        edit: &Edit<'_>,
        known: Option<&TreeEntry>,
    ) -> Result<(), GithubError> {
        let (Some(text), Some(entry)) = (edit.content, known) else {
            return Ok(());
        };
        let is_file = matches!(entry.mode, Mode::File | Mode::Executable);
        if !is_file || !may_be_pointer(entry.size) || is_pointer(text.as_bytes()) {
            return Ok(());
        }
        if is_pointer(&self.blob_load(&entry.sha).await?) {
            let path = edit.path.to_owned();
            return Err(GithubError::Unfit(Unfit::LargeFile { path }));
        }
        Ok(())
    }
}

fn by_path(entries: Vec<TreeEntry>, prefix: &str) -> Entries {
    let placed = |entry: TreeEntry| (format!("{prefix}{}", entry.path), entry);
    entries.into_iter().map(placed).collect()
}

fn wire_entry(edit: &Edit<'_>) -> Value {
    let (path, mode, kind) = (edit.path, edit.mode.number(), edit.mode.object());
    match edit.content {
        Some(text) => json!({ "path": path, "mode": mode, "type": kind, "content": text }),
        None => json!({ "path": path, "mode": mode, "type": kind, "sha": null }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Peer, Reply, found, made, repository};
    use domain::jobs::pulls::FileEdit;
    use domain::retry::{Retry, Retryable};

    const ALL: &str = "GET /repos/octo/hello/git/trees/base?recursive=1";
    const POST: &str = "POST /repos/octo/hello/git/trees";

    fn entry(path: &str, mode: &str, sha: &str, size: u64) -> Value {
        json!({ "path": path, "mode": mode, "type": "any", "sha": sha, "size": size })
    }

    fn listed(line: &'static str, entries: Value, truncated: bool) -> (&'static str, Reply) {
        let tree = json!({ "sha": "t0", "tree": entries, "truncated": truncated });
        found(line, tree)
    }

    async fn create(peer: &Peer, path: &str, change: FileEdit) -> Result<String, GithubError> {
        let changes = [FileChange {
            path: path.to_owned(),
            change,
        }];
        let order = CommitOrder {
            branch: "tallyhook/job_1",
            base_sha: "base",
            changes: &changes,
            message: "Fix it\n",
            marker: "Tallyhook-Job: job_1",
        };
        repository(peer).await.tree_create(&order, "t0").await
    }

    fn new() -> FileEdit {
        FileEdit::Write("new".to_owned())
    }

    /// GitHub omits a part of the tree, so the folders on the way are read one by one.
    #[tokio::test]
    async fn a_truncated_tree_is_walked() {
        let root = "GET /repos/octo/hello/git/trees/t0";
        let src = "GET /repos/octo/hello/git/trees/t_src";
        let deep = "GET /repos/octo/hello/git/trees/t_deep";
        let steps = || {
            [
                listed(ALL, json!([]), true),
                listed(root, json!([entry("src", "040000", "t_src", 0)]), false),
                listed(src, json!([entry("deep", "040000", "t_deep", 0)]), false),
                listed(deep, json!([entry("run", "100755", "b", 1)]), false),
            ]
        };
        let peer = Peer::script(steps());
        peer.then([made(POST, json!({ "sha": "t1" }))]);
        create(&peer, "src/deep/run", new()).await.expect("a tree");
        assert_eq!(peer.heard(POST)[0].body["tree"][0]["mode"], "100755");
        for (path, change) in [("src/deep", new()), ("src/deep", FileEdit::Delete)] {
            let peer = Peer::script(steps());
            let error = create(&peer, path, change).await.expect_err("a refusal");
            assert_eq!(error.retry(), Retry::Never, "{error}");
            assert!(error.to_string().contains("is a folder"), "{error}");
        }
        let unlisted = [listed(ALL, json!([]), true), listed(root, json!([]), true)];
        let error = create(&Peer::script(unlisted), "a", new()).await;
        assert!(matches!(error, Err(GithubError::Unfit(_))));
    }

    #[tokio::test]
    async fn a_pointer_of_git_lfs_is_not_replaced_by_text() {
        let blob = "GET /repos/octo/hello/git/blobs/b1";
        let pointer = "dmVyc2lvbiBodHRwczovL2dpdC1sZnMuZ2l0aHViLmNvbS9zcGVjL3YxCg==";
        let tree = || listed(ALL, json!([entry("logo.png", "100644", "b1", 130)]), false);
        let content = |text: &str| json!({ "encoding": "base64", "content": text });
        let peer = Peer::script([tree(), found(blob, content(pointer))]);
        let error = create(&peer, "logo.png", new())
            .await
            .expect_err("a refusal");
        assert!(error.to_string().contains("kept in Git LFS"), "{error}");
        peer.assert_done();
        // A deletion, another pointer, and any text in the place of a text.
        let other = FileEdit::Write("version https://git-lfs.github.com/spec/v1\n".to_owned());
        for (change, read) in [(FileEdit::Delete, false), (other, false), (new(), true)] {
            let peer = Peer::script([tree()]);
            if read {
                peer.then([found(blob, content("aGVsbG8="))]);
            }
            peer.then([made(POST, json!({ "sha": "t1" }))]);
            create(&peer, "logo.png", change).await.expect("a tree");
            peer.assert_done();
        }
    }
}
