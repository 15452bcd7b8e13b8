//! How well `agent::retrieval` finds the files that real fixes changed.
//!
//! The cases and their trees are other people's code and are read from a folder that is named on
//! the command line; the repository has none of them. `cases.jsonl` is one case a line, `trees/`
//! names each tree's files by hash, `blobs.tar.zst` holds their texts.

use agent::retrieval::{Question, retrieve};
use agent::snapshot::Snapshot;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::fs;
use std::io::{BufReader, Read};
use std::path::Path;

/// Prints one line a case, `{"id", "files"}` with the best 20, and the sums to stderr.
pub fn measure(cases: &Path, data: &Path) -> Result<(), Box<dyn Error>> {
    let blobs = blobs(&data.join("blobs.tar.zst"))?;
    let mut tiers: BTreeMap<String, [usize; 5]> = BTreeMap::new();
    let mut times: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for line in fs::read_to_string(cases)?.lines() {
        let case: Value = serde_json::from_str(line)?;
        let text = |key: &str| case[key].as_str().unwrap_or_default().to_owned();
        let tree = data.join("trees").join(text("id") + ".json");
        let tree: Value = serde_json::from_slice(&fs::read(tree)?)?;
        let files = tree["files"].as_object().ok_or("a tree without files")?;
        let texts = files
            .iter()
            .filter_map(|(path, hash)| Some((path.as_str(), blobs.get(hash.as_str()?)?.clone())));
        let snapshot = Snapshot::from_texts(texts)?;
        let (title, body) = (text("title"), text("body"));
        let begin = cpu_micros()?;
        let question = Question {
            title: &title,
            body: &body,
        };
        let found = retrieve(&snapshot, &question, 20);
        times
            .entry(text("repository"))
            .or_default()
            .push(cpu_micros()? - begin);
        let found: Vec<String> = found.into_iter().map(|found| found.path).collect();
        let gold = case["gold_files"]
            .as_array()
            .ok_or("a case without gold files")?;
        let rank = |file: &Value| {
            found
                .iter()
                .position(|path| Some(path.as_str()) == file.as_str())
        };
        // A case counts at k when all of its files are among the first k.
        let worst = gold
            .iter()
            .map(rank)
            .max_by_key(|rank| rank.unwrap_or(usize::MAX))
            .flatten();
        for tier in ["all".to_owned(), text("tier")] {
            let sums = tiers.entry(tier).or_default();
            sums[0] += 1;
            for (sum, within) in sums[1..].iter_mut().zip([1, 5, 10, 20]) {
                *sum += usize::from(
                    gold.iter()
                        .all(|file| rank(file).is_some_and(|rank| rank < within)),
                );
            }
        }
        println!(
            "{}",
            json!({"id": text("id"), "rank": worst.map(|rank| rank + 1), "files": found})
        );
    }
    for (tier, [cases, one, five, ten, twenty]) in &tiers {
        eprintln!("{tier}: {cases} cases, @1 {one}, @5 {five}, @10 {ten}, @20 {twenty}");
    }
    for (repository, mut micros) in times {
        micros.sort_unstable();
        let (middle, most) = (micros[micros.len() / 2], micros[micros.len() - 1]);
        eprintln!(
            "{repository}: {} ms CPU in the middle, {} at most",
            middle / 1_000,
            most / 1_000
        );
    }
    Ok(())
}

/// The process's own CPU time, as the kernel counts it.
fn cpu_micros() -> Result<u64, Box<dyn Error>> {
    let stat = fs::read_to_string("/proc/self/schedstat")?;
    let nanos: u64 = stat.split(' ').next().ok_or("no CPU time")?.parse()?;
    Ok(nanos / 1_000)
}

/// Texts by hash, from a tar archive with short names only.
fn blobs(path: &Path) -> Result<HashMap<String, Vec<u8>>, Box<dyn Error>> {
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
        all.insert(name, bytes);
    }
}
