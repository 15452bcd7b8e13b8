//! How well `agent::retrieval` finds the files that real fixes changed.
//!
//! The cases and their trees are other people's code and are read from a folder that is named on
//! the command line; the repository has none of them. `cases.jsonl` is one case a line. `trees/`
//! names each tree's files by hash, and `blobs.tar.zst` holds their texts; both are in the same
//! folder or in a folder in it.

use agent::retrieval::{Question, retrieve};
use agent::snapshot::Snapshot;
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::error::Error;
use std::fs;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const FILES_MAX: usize = 20;

#[derive(Deserialize)]
struct Case {
    id: String,
    #[serde(default)]
    repository: String,
    #[serde(default)]
    tier: String,
    title: String,
    #[serde(default)]
    body: String,
    #[serde(default)]
    gold_files: Vec<String>,
}

#[derive(Deserialize)]
struct Tree {
    /// Paths with the hashes of their texts.
    files: BTreeMap<String, String>,
}

/// Prints one line a case, `{"id", "files"}` with the best 20, and the sums to stderr. Cases
/// without a tree are named and left out, and the bench then fails.
pub fn measure(data: &Path) -> Result<ExitCode, Box<dyn Error>> {
    let cases = cases(data)?;
    let built = built(data)?;
    let mut trees = HashMap::new();
    let mut missing = Vec::new();
    for case in &cases {
        let path = built.join("trees").join(format!("{}.json", case.id));
        match fs::read(&path) {
            Ok(bytes) => {
                let tree: Tree = serde_json::from_slice(&bytes)
                    .map_err(|error| format!("cannot read `{}`: {error}", path.display()))?;
                trees.insert(case.id.as_str(), tree);
            }
            Err(_) => missing.push(case.id.as_str()),
        }
    }
    let wanted = trees.values().flat_map(|tree| tree.files.values());
    let blobs = blobs(
        &built.join("blobs.tar.zst"),
        &wanted.map(String::as_str).collect(),
    )?;
    let mut sums = Sums::default();
    for case in &cases {
        let Some(tree) = trees.get(case.id.as_str()) else {
            continue;
        };
        let texts = tree.files.iter().map(|(path, hash)| {
            let text = blobs.get(hash).ok_or_else(|| {
                format!("`blobs.tar.zst` lacks the text {hash} of `{path}`; {HOW}")
            })?;
            Ok((path.as_str(), text.clone()))
        });
        let texts: Vec<_> = texts.collect::<Result<_, String>>()?;
        let snapshot = Snapshot::from_texts(texts)?;
        let begin = cpu_micros()?;
        let question = Question {
            title: &case.title,
            body: &case.body,
        };
        let found = retrieve(&snapshot, &question, FILES_MAX);
        sums.times
            .entry(case.repository.clone())
            .or_default()
            .push(cpu_micros()? - begin);
        let files: Vec<String> = found.into_iter().map(|found| found.path).collect();
        sums.count(case, &files);
        println!("{}", json!({"id": case.id, "files": files}));
    }
    sums.print();
    if missing.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!(
        "{} of {} cases have no tree: {}; {HOW}",
        missing.len(),
        cases.len(),
        missing.join(", ")
    );
    Ok(ExitCode::FAILURE)
}

const HOW: &str = "build the trees with the data set's own program, \
    `python3 build.py --mirror SNAPSHOTS --out DIR`, where SNAPSHOTS has the repositories' git \
    snapshots as `<owner>+<name>/repo`";

fn cases(data: &Path) -> Result<Vec<Case>, Box<dyn Error>> {
    let path = data.join("cases.jsonl");
    let text = fs::read_to_string(&path).map_err(|error| {
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

#[derive(Default)]
struct Sums {
    /// By tier: cases, and those with all files among the first 1, 5, 10 and 20.
    tiers: BTreeMap<String, [usize; 5]>,
    times: BTreeMap<String, Vec<u64>>,
}

impl Sums {
    fn count(&mut self, case: &Case, files: &[String]) {
        if case.gold_files.is_empty() {
            return;
        }
        for tier in ["all", case.tier.as_str()] {
            let sums = self.tiers.entry(tier.to_owned()).or_default();
            sums[0] += 1;
            for (sum, within) in sums[1..].iter_mut().zip([1, 5, 10, 20]) {
                let first = &files[..files.len().min(within)];
                let found = case.gold_files.iter().all(|gold| first.contains(gold));
                *sum += usize::from(found);
            }
        }
    }

    fn print(&mut self) {
        for (tier, [cases, one, five, ten, twenty]) in &self.tiers {
            eprintln!("{tier}: {cases} cases, @1 {one}, @5 {five}, @10 {ten}, @20 {twenty}");
        }
        for (repository, micros) in &mut self.times {
            micros.sort_unstable();
            let (middle, most) = (micros[micros.len() / 2], micros[micros.len() - 1]);
            eprintln!(
                "{repository}: {} ms CPU in the middle, {} at most",
                middle / 1_000,
                most / 1_000
            );
        }
    }
}

/// The process's own CPU time, as the kernel counts it.
fn cpu_micros() -> Result<u64, Box<dyn Error>> {
    let stat = fs::read_to_string("/proc/self/schedstat")?;
    let nanos: u64 = stat.split(' ').next().ok_or("no CPU time")?.parse()?;
    Ok(nanos / 1_000)
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
