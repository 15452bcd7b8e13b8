//! What files have to do with each other: imports, and tests with their sources.

use super::best_first;
use super::imports::{Import, Resolver};
use super::index::{Index, Ranking};
use std::collections::BTreeMap;

/// The tests and the files that are followed.
const TESTS_MAX: usize = 8;
const IMPORTERS_MAX: usize = 10;
const PAIRS_MAX: usize = 3;
/// A file with this many imports passes on half as much to each as one with few.
const IMPORTS_USUAL: u64 = 10;

/// The files of an index with the files that they import.
pub struct Links<'i, 's> {
    index: &'i Index<'s>,
    resolver: Resolver<'i>,
}

impl<'i, 's> Links<'i, 's> {
    pub fn of(index: &'i Index<'s>) -> Self {
        Self {
            index,
            resolver: Resolver::of(&index.paths),
        }
    }

    fn imported(&self, imports: &[Import]) -> Vec<usize> {
        let files = |import| self.resolver.files(import, &self.index.declared);
        let mut all: Vec<usize> = imports.iter().flat_map(files).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The sources of the tests that resemble the question: those that a test is named after, and
    /// a share for each that it imports.
    pub fn by_tests(&self) -> Ranking {
        let mut scores: BTreeMap<usize, u64> = BTreeMap::new();
        for (test, score) in best_first(self.index.by_tests())
            .into_iter()
            .take(TESTS_MAX)
        {
            let test = &self.index.tests[test];
            for file in sources_of(&test.path, &self.index.paths) {
                *scores.entry(file).or_default() += score;
            }
            let imported = self.imported(&test.imports);
            let shares = count(&imported) + 1;
            for file in imported {
                *scores.entry(file).or_default() += score / shares;
            }
        }
        scores.into_iter().collect()
    }

    /// The files that the best ones import.
    pub fn by_importers(&self, best: &[(usize, u64)]) -> Ranking {
        let mut scores: BTreeMap<usize, u64> = BTreeMap::new();
        for (importer, score) in best.iter().take(IMPORTERS_MAX) {
            let mut imported = self.imported(&self.index.imports[*importer]);
            imported.retain(|file| file != importer);
            let shares = count(&imported) + IMPORTS_USUAL;
            for file in imported {
                *scores.entry(file).or_default() += score / shares;
            }
        }
        scores.into_iter().collect()
    }
}

fn count(files: &[usize]) -> u64 {
    u64::try_from(files.len()).unwrap_or(u64::MAX - IMPORTS_USUAL)
}

/// The sources that a test is named after: of those with its bare name, the ones that share the
/// most folders with it.
fn sources_of(test: &str, paths: &[String]) -> Vec<usize> {
    let wanted = tested(test);
    let shared = |file: &usize| {
        let parts = paths[*file].split('/').zip(test.split('/'));
        parts.take_while(|(one, other)| one == other).count()
    };
    let same: Vec<usize> = (0..paths.len())
        .filter(|file| !wanted.is_empty() && tested(&paths[*file]) == wanted)
        .collect();
    let most = same.iter().map(shared).max().unwrap_or(0);
    let nearest = same.into_iter().filter(|file| shared(file) == most);
    nearest.take(PAIRS_MAX).collect()
}

/// The name of the source that a test's name stands for; that of a source is its own.
fn tested(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or_default();
    let stem = name.split('.').next().unwrap_or_default();
    let stem = stem.to_ascii_lowercase();
    let bare = stem.strip_prefix("test_").unwrap_or(&stem);
    let ends = ["_tests", "_test", "tests", "test"];
    let ended = ends.iter().find_map(|end| bare.strip_suffix(end));
    ended.unwrap_or(bare).to_owned()
}

/// Whether a file stands beside the product: documents, examples, benchmarks, scripts.
pub fn is_aside(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let mut parts = lower.rsplit('/');
    let name = parts.next().unwrap_or_default();
    let folder = |part: &str| {
        matches!(
            part.trim_end_matches('s'),
            "doc"
                | "documentation"
                | "example"
                | "demo"
                | "sample"
                | "bench"
                | "benche"
                | "benchmark"
                | "asv_bench"
                | "release"
                | "script"
                | "tool"
                | "ci"
                | "testing"
        )
    };
    matches!(
        name,
        "setup.py" | "conf.py" | "noxfile.py" | "fabfile.py" | "tasks.py" | "build.rs"
    ) || parts.any(folder)
}
