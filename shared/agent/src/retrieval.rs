//! Which files an issue is about, found without a model.
//!
//! Four rankings are fused by the reciprocals of their ranks: BM25 over fields of a file (body,
//! path, declared names), BM25 over chunks cut at declarations, paths and modules that the issue
//! mentions, and declared names that it mentions. All arithmetic is on integers, so that the same
//! snapshot and the same issue have the same ranking on every machine.

mod index;
mod mentions;
mod words;

use crate::snapshot::{Snapshot, is_test};
use index::Index;
use std::collections::BTreeMap;

/// What is searched for.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    pub title: &'a str,
    /// The body and what else people have written.
    pub body: &'a str,
}

/// A file with its score, which has no unit and is comparable within one answer only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub path: String,
    pub score: u64,
}

/// A rank beyond this counts little more than the next one.
const RANK_SHIFT: u64 = 10;
const SCALE: u64 = 1_000_000;
/// Of each ranking, only this many files take part.
const RANKS_MAX: usize = 100;
const FIELDS_WEIGHT: u64 = 10;
const CHUNKS_WEIGHT: u64 = 10;
const MENTIONS_WEIGHT: u64 = 12;
const SYMBOLS_WEIGHT: u64 = 4;

/// The files of a snapshot that an issue is most likely about, best first. Candidates are sources
/// in a language with outlines that are neither tests nor generated.
pub fn retrieve(snapshot: &Snapshot, question: &Question<'_>, count: usize) -> Vec<Found> {
    let index = Index::of(snapshot, question);
    let mentions = mentions::ranked(&index.paths, question);
    let mut scores: BTreeMap<usize, u64> = BTreeMap::new();
    let rankings = [
        (index.by_fields(), FIELDS_WEIGHT),
        (index.by_chunks(), CHUNKS_WEIGHT),
        (mentions, MENTIONS_WEIGHT),
        (index.by_symbols(question), SYMBOLS_WEIGHT),
    ];
    for (mut ranking, weight) in rankings {
        ranking.retain(|(_, score)| *score > 0);
        ranking.sort_by(|(one, score), (other, more)| more.cmp(score).then(one.cmp(other)));
        for (rank, (file, _)) in (1..).zip(ranking.into_iter().take(RANKS_MAX)) {
            *scores.entry(file).or_default() += weight * SCALE / (RANK_SHIFT + rank);
        }
    }
    let mut found: Vec<Found> = scores
        .into_iter()
        .map(|(file, score)| Found {
            path: index.paths[file].clone(),
            score,
        })
        .collect();
    found.sort_by(|one, other| other.score.cmp(&one.score).then(one.path.cmp(&other.path)));
    found.truncate(count);
    found
}

/// The tests that belong to a source by their names: `test_a.py`, `a_test.go`, `a.test.ts`,
/// `ATest.java` for `a`.
pub fn tests_of<'a>(snapshot: &'a Snapshot, source: &str) -> Vec<&'a str> {
    let stem = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or_default();
        let stem = name
            .split('.')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        let bare = stem.strip_prefix("test_").unwrap_or(&stem);
        let ends = ["_tests", "_test", "tests", "test"];
        let bare = ends
            .iter()
            .find_map(|end| bare.strip_suffix(end))
            .unwrap_or(bare);
        bare.to_owned()
    };
    let wanted = stem(source);
    snapshot
        .iter()
        .map(|(path, _)| path)
        .filter(|path| is_test(path) && !wanted.is_empty() && stem(path) == wanted)
        .collect()
}

#[cfg(test)]
mod tests;
