//! Issues with their real fixes, which the benches of the agent read from a folder.
//!
//! The cases and their trees are other people's code; the repository has none of them. `cases.jsonl`
//! is one case a line. `trees/` names each tree's files by hash, and `blobs.tar.zst` holds their
//! texts; both are in the same folder or in a folder in it.

use agent::snapshot::Snapshot;
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::error::Error;
use std::fs;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
pub struct Case {
    pub id: String,
    #[serde(default)]
    pub repository: String,
    #[serde(default)]
    pub tier: String,
    pub title: String,
    #[serde(default)]
    pub body: String,
    #[serde(default)]
    pub gold_files: Vec<String>,
    #[serde(default)]
    pub edits: Vec<Edit>,
    /// Path to the SHA-256 of the file after all edits.
    #[serde(default)]
    pub fixed_sha256: BTreeMap<String, String>,
}

/// A part of a fix.
#[derive(Deserialize)]
pub struct Edit {
    pub file: String,
    /// Where `old` begins in the base, counted from 1.
    pub line: usize,
    pub old: String,
    pub new: String,
}

/// An edit with more lines around it.
#[derive(Deserialize)]
struct Wider {
    id: String,
    edit: usize,
    old: String,
    new: String,
}

#[derive(Deserialize)]
struct Tree {
    /// Paths with the hashes of their texts.
    files: BTreeMap<String, String>,
}

/// A data set whose trees were built.
pub struct Data {
    pub cases: Vec<Case>,
    trees: HashMap<String, Tree>,
    blobs: HashMap<String, Vec<u8>>,
    wider: HashMap<(String, usize), (String, String)>,
}

impl Data {
    pub fn load(data: &Path) -> Result<Self, Box<dyn Error>> {
        let cases: Vec<Case> = lines(&data.join("cases.jsonl"))?;
        let built = built(data)?;
        let mut trees = HashMap::new();
        for case in &cases {
            let path = built.join("trees").join(format!("{}.json", case.id));
            if let Ok(bytes) = fs::read(&path) {
                let tree: Tree = serde_json::from_slice(&bytes)
                    .map_err(|error| format!("cannot read `{}`: {error}", path.display()))?;
                trees.insert(case.id.clone(), tree);
            }
        }
        let wanted = trees.values().flat_map(|tree| tree.files.values());
        let blobs = blobs(
            &built.join("blobs.tar.zst"),
            &wanted.map(String::as_str).collect(),
        )?;
        let wider = built.join("wider.jsonl");
        let wider: Vec<Wider> = if wider.is_file() {
            lines(&wider)?
        } else {
            Vec::new()
        };
        let wider = wider.into_iter();
        Ok(Self {
            cases,
            trees,
            blobs,
            wider: wider
                .map(|edit| ((edit.id, edit.edit), (edit.old, edit.new)))
                .collect(),
        })
    }

    /// The base of a case, or `None` if its tree was not built.
    pub fn base(&self, case: &Case) -> Result<Option<Snapshot>, Box<dyn Error>> {
        let Some(tree) = self.trees.get(&case.id) else {
            return Ok(None);
        };
        let texts = tree.files.iter().map(|(path, hash)| {
            let text = self.blobs.get(hash).ok_or_else(|| {
                format!("`blobs.tar.zst` lacks the text {hash} of `{path}`; {HOW}")
            })?;
            Ok((path.as_str(), text.clone()))
        });
        let texts: Vec<_> = texts.collect::<Result<_, String>>()?;
        Ok(Some(Snapshot::from_texts(texts)?))
    }

    /// An edit that is not unique, with enough lines around it to be so.
    pub fn wider(&self, case: &Case, edit: usize) -> Option<(&str, &str)> {
        let (old, new) = self.wider.get(&(case.id.clone(), edit))?;
        Some((old, new))
    }

    /// Says which cases have no tree and how to get them, if there are any.
    pub fn missing(&self) -> Option<String> {
        let missing: Vec<&str> = self
            .cases
            .iter()
            .map(|case| case.id.as_str())
            .filter(|id| !self.trees.contains_key(*id))
            .collect();
        let (few, all) = (missing.len(), self.cases.len());
        let list = missing.join(", ");
        (few > 0).then(|| format!("{few} of {all} cases have no tree: {list}; {HOW}"))
    }
}

const HOW: &str = "build the trees with the data set's own program, \
    `python3 build.py --mirror SNAPSHOTS --out DIR`, where SNAPSHOTS has the repositories' git \
    snapshots as `<owner>+<name>/repo`";

fn lines<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Vec<T>, Box<dyn Error>> {
    let text = fs::read_to_string(path).map_err(|error| {
        format!(
            "cannot read `{}`: {error}; pass the folder of the data set, which has `cases.jsonl`",
            path.display()
        )
    })?;
    let lines = (1..).zip(text.lines());
    lines
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(number, line)| {
            serde_json::from_str(line)
                .map_err(|error| format!("`{}` line {number}: {error}", path.display()).into())
        })
        .collect()
}

/// The folder with the trees and the texts.
fn built(data: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let complete =
        |folder: &Path| folder.join("trees").is_dir() && folder.join("blobs.tar.zst").is_file();
    if complete(data) {
        return Ok(data.to_owned());
    }
    let mut inside: Vec<PathBuf> = fs::read_dir(data)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| complete(path))
        .collect();
    inside.sort_unstable();
    inside.into_iter().next().ok_or_else(|| {
        format!(
            "neither `{}` nor a folder in it has `trees/` and `blobs.tar.zst`; {HOW}",
            data.display()
        )
        .into()
    })
}

/// The wanted texts by hash, from a tar archive with short names only.
fn blobs(path: &Path, wanted: &HashSet<&str>) -> Result<HashMap<String, Vec<u8>>, Box<dyn Error>> {
    let mut decoder =
        zstd::stream::read::Decoder::with_buffer(BufReader::new(fs::File::open(path)?))?;
    decoder.window_log_max(27)?;
    let mut all = HashMap::new();
    let mut header = [0; 512];
    loop {
        decoder.read_exact(&mut header)?;
        let name = header[..100]
            .split(|byte| *byte == 0)
            .next()
            .unwrap_or_default();
        if name.is_empty() {
            return Ok(all);
        }
        let name = String::from_utf8(name.to_vec())?;
        let size = std::str::from_utf8(&header[124..135])?;
        let size = usize::from_str_radix(size.trim(), 8)?;
        let mut bytes = vec![0; size.next_multiple_of(512)];
        decoder.read_exact(&mut bytes)?;
        bytes.truncate(size);
        if wanted.contains(name.as_str()) {
            all.insert(name, bytes);
        }
    }
}
