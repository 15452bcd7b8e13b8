//! What a new tree overwrites, judged by the real `git`.

use super::*;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

const TREES: &str = "/repos/acme/widget/git/trees";
const MODULE: &str = "0123456789abcdef0123456789abcdef01234567";

/// The index of a git repository in a folder of its own, which is removed at the end.
struct Index {
    folder: PathBuf,
    blob: String,
}

impl Index {
    fn new() -> Self {
        let name = format!("tallyhook-trees-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        let mut index = Self {
            folder,
            blob: String::new(),
        };
        index.git(&["init", "--quiet"]);
        std::fs::write(index.folder.join("content"), "hi").expect("a file");
        index.blob = index.git(&["hash-object", "-w", "content"]);
        index
    }

    fn git(&self, arguments: &[&str]) -> String {
        let mut git = Command::new("git");
        let output = git.arg("-C").arg(&self.folder).args(arguments).output();
        let output = output.expect("git is installed");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn add(&self, path: &str, mode: &str) {
        let sha = if mode == "160000" { MODULE } else { &self.blob };
        let entry = format!("{mode},{sha},{path}");
        self.git(&["update-index", "--add", "--replace", "--cacheinfo", &entry]);
    }

    fn modes(&self) -> BTreeMap<String, String> {
        let mut modes = BTreeMap::new();
        for line in self.git(&["ls-files", "--stage"]).lines() {
            let (object, path) = line.split_once('\t').expect("a path");
            let mode = object.split(' ').next().expect("a mode");
            modes.insert(path.to_owned(), mode.to_owned());
        }
        modes
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// <https://docs.github.com/rest/git/trees#create-a-tree>: the endpoint overwrites what is at a path.
/// A file takes the place of a folder, a link or a submodule, and what is below a file takes its
/// place. So it is the client that has to look.
#[tokio::test]
async fn a_new_tree_overwrites_what_is_in_the_way_as_git_does() {
    let scene = scene();
    let token = scene.token(json!({})).await;
    let content = json!({"content": "hi"});
    let blob = scene
        .post("/repos/acme/widget/git/blobs", &token, content)
        .await;
    let blob = blob.expect(201)["sha"].clone();
    let entry = |path: &str, mode: &str| {
        let sha = if mode == "160000" {
            json!(MODULE)
        } else {
            blob.clone()
        };
        json!({"path": path, "mode": mode, "sha": sha})
    };
    let base = [
        ("README.md", "100644"),
        ("link", "120000"),
        ("module", "160000"),
        ("run.sh", "100755"),
        ("src.rs", "100644"),
        ("src/deep/a.rs", "100644"),
        ("src/lib.rs", "100644"),
    ];
    let entries: Vec<Value> = base.map(|(path, mode)| entry(path, mode)).into();
    let made = scene.post(TREES, &token, json!({"tree": entries})).await;
    let base_tree = made.expect(201)["sha"].clone();
    for (path, mode) in [
        ("src", "100644"),
        ("src/deep", "120000"),
        ("README.md/x", "100644"),
        ("link/y/z", "100755"),
        ("module/z", "100644"),
        ("module", "100644"),
        ("run.sh", "100644"),
        ("src/deep/b.rs", "100644"),
    ] {
        let new = json!({"base_tree": base_tree, "tree": [entry(path, mode)]});
        let made = scene.post(TREES, &token, new).await.expect(201);
        let sha = made["sha"].as_str().expect("a tree");
        let listed = scene
            .get(&format!("{TREES}/{sha}?recursive=1"), &token)
            .await;
        let listed = listed.expect(200);
        let modes: BTreeMap<String, String> = listed["tree"]
            .as_array()
            .expect("entries")
            .iter()
            .filter(|entry| entry["type"] != "tree")
            .map(|entry| {
                let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
                (text("path"), text("mode"))
            })
            .collect();
        let index = Index::new();
        for (path, mode) in base {
            index.add(path, mode);
        }
        index.add(path, mode);
        assert_eq!(modes, index.modes(), "{path} as {mode}");
    }
}
