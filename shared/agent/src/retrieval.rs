//! Which files an issue is about, found without a model.
//!
//! Rankings are fused by the reciprocals of their ranks: BM25 over fields of a file (body, path,
//! declared names), BM25 over chunks cut at declarations, paths and modules that the issue mentions,
//! declared names that it mentions, what those declarations use, and the sources of the tests that
//! resemble the issue. The files that the best ones import are one more ranking. All arithmetic is
//! on integers, so that the same snapshot and the same issue have the same ranking on every machine.

mod imports;
mod index;
mod mentions;
mod neighbors;
mod places;
mod words;

use crate::snapshot::Snapshot;
use index::{Index, Ranking};
use std::collections::BTreeMap;

pub use places::{Place, places};

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
const TESTS_WEIGHT: u64 = 4;
const USES_WEIGHT: u64 = 2;
const IMPORTED_WEIGHT: u64 = 3;
/// Documents, examples, benchmarks and scripts hold an issue's words often and its fault rarely.
const ASIDE_PERCENT: u64 = 40;

/// The files of a snapshot that an issue is most likely about, best first. Candidates are sources
/// in a language with outlines that are neither tests nor generated.
pub fn retrieve(snapshot: &Snapshot, question: &Question<'_>, count: usize) -> Vec<Found> {
    let index = Index::of(snapshot, question);
    let links = neighbors::Links::of(&index);
    let mentions = mentions::ranked(&index.paths, question);
    let mentioned: Vec<usize> = mentions.iter().map(|(file, _)| *file).collect();
    let mut scores: BTreeMap<usize, u64> = BTreeMap::new();
    fuse(&mut scores, index.by_fields(), FIELDS_WEIGHT);
    fuse(&mut scores, index.by_chunks(), CHUNKS_WEIGHT);
    fuse(&mut scores, mentions, MENTIONS_WEIGHT);
    fuse(&mut scores, index.by_symbols(question), SYMBOLS_WEIGHT);
    fuse(&mut scores, index.by_uses(question), USES_WEIGHT);
    fuse(&mut scores, links.by_tests(), TESTS_WEIGHT);
    let best = best_first(scores.iter().map(|(file, score)| (*file, *score)).collect());
    fuse(&mut scores, links.by_importers(&best), IMPORTED_WEIGHT);
    for (file, score) in &mut scores {
        if neighbors::is_aside(&index.paths[*file]) && !mentioned.contains(file) {
            *score = *score * ASIDE_PERCENT / 100;
        }
    }
    let best = best_first(scores.into_iter().collect()).into_iter();
    let found = best.map(|(file, score)| Found {
        path: index.paths[file].clone(),
        score,
    });
    found.take(count).collect()
}

/// Adds what a ranking says to the scores.
fn fuse(scores: &mut BTreeMap<usize, u64>, ranking: Ranking, weight: u64) {
    for (rank, (file, _)) in (1..).zip(best_first(ranking).into_iter().take(RANKS_MAX)) {
        *scores.entry(file).or_default() += weight * SCALE / (RANK_SHIFT + rank);
    }
}

/// Equal scores keep the order of the paths.
fn best_first(mut ranking: Ranking) -> Ranking {
    ranking.retain(|(_, score)| *score > 0);
    ranking.sort_by(|(one, score), (other, more)| more.cmp(score).then(one.cmp(other)));
    ranking
}

#[cfg(test)]
mod tests;
