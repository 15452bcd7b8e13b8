//! The repository on disk, as the rules read it: folders, texts and manifests.

use std::path::{Path, PathBuf};

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The text of a file, if it exists.
pub fn find(path: impl AsRef<Path>) -> Option<String> {
    std::fs::read_to_string(root().join(path)).ok()
}

pub fn read(path: impl AsRef<Path>) -> String {
    find(&path).unwrap_or_else(|| panic!("{} must exist", path.as_ref().display()))
}

/// Sorted names in a folder; an empty list if the folder does not exist.
pub fn names(folder: impl AsRef<Path>) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(root().join(folder)) else {
        return Vec::new();
    };
    let mut names: Vec<_> = entries
        .map(|entry| {
            entry
                .expect("a readable folder")
                .file_name()
                .into_string()
                .expect("a plain name")
        })
        .collect();
    names.sort();
    names
}

/// Names of the packages in a folder.
pub fn packages(folder: &str) -> Vec<String> {
    names(folder)
        .into_iter()
        .filter(|name| find(format!("{folder}/{name}/Cargo.toml")).is_some())
        .collect()
}

/// The functions of AWS Lambda: one package each.
pub fn functions() -> Vec<String> {
    packages("functions")
}

/// Every Rust file of the workspace, by its path from the root.
pub fn sources() -> Vec<String> {
    let mut found = Vec::new();
    for folder in ["functions", "shared", "infra", "tests"] {
        collect(folder, &mut found);
    }
    found.sort();
    found
}

fn collect(folder: &str, found: &mut Vec<String>) {
    for name in names(folder) {
        let path = format!("{folder}/{name}");
        if name.ends_with(".rs") {
            found.push(path);
        } else if name != "target" && root().join(&path).is_dir() {
            collect(&path, found);
        }
    }
}

/// The part of a Rust file that ships: everything before its tests.
pub fn shipped(text: &str) -> &str {
    text.find("#[cfg(test)]\nmod tests")
        .map_or(text, |at| &text[..at])
}

/// `job-steps` → `JobSteps`, `issues_labeled` → `IssuesLabeled`.
pub fn pascal(name: &str) -> String {
    name.split(['-', '_', '.'])
        .map(|word| {
            word.chars()
                .next()
                .map(|first| first.to_ascii_uppercase().to_string() + &word[1..])
                .unwrap_or_default()
        })
        .collect()
}

/// Fails with every fault at once.
pub fn report(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n  {}\n", faults.join("\n  "));
}
