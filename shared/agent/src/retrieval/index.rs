//! One pass over a snapshot that counts only the words of one question.

use super::imports::{self, Import};
use super::{Question, words};
use crate::outline::{Language, mask, of_masked};
use crate::snapshot::{Snapshot, is_test};
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

/// A larger file is data more often than code.
const FILE_BYTES_MAX: usize = 600_000;
const CHUNK_BYTES_MIN: usize = 1_500;
const TITLE_TIMES: u64 = 3;
const PATH_TIMES: u64 = 8;
const NAMES_TIMES: u64 = 4;
/// A name that more files declare says little about each.
const PLACES_MAX: usize = 3;
const USES_LINES_MAX: usize = 200;
/// BM25's parameters in hundredths.
const K1: u64 = 120;
const B: u64 = 75;

type Counts = Vec<(usize, u64)>;
pub type Ranking = Vec<(usize, u64)>;

#[derive(Default)]
struct Part {
    /// Of a source, or of a test among the tests.
    file: usize,
    words: u64,
    counts: Counts,
}

/// A declaration, by its file and lines.
#[derive(Debug, Clone, Copy)]
struct Place {
    file: usize,
    first: usize,
    last: usize,
}

/// A test file with its imports.
pub struct Test {
    pub path: String,
    pub imports: Vec<Import>,
}

pub struct Index<'a> {
    pub paths: Vec<String>,
    /// What each of the files imports.
    pub imports: Vec<Vec<Import>>,
    pub tests: Vec<Test>,
    /// Files by the names that they declare.
    pub declared: HashMap<String, Vec<usize>>,
    bodies: Vec<&'a str>,
    places: HashMap<String, Vec<Place>>,
    /// How often the question has each of its words.
    asked: Vec<u64>,
    files: Vec<Part>,
    chunks: Vec<Part>,
    test_parts: Vec<Part>,
}

/// FNV-1a: the words of a question are few and short, and nobody gains by making them collide.
#[derive(Default)]
struct Fnv(u64);

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        let begin = if self.0 == 0 {
            0xCBF2_9CE4_8422_2325
        } else {
            self.0
        };
        self.0 = bytes.iter().fold(begin, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
        });
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

type Known = HashMap<Vec<u8>, usize, BuildHasherDefault<Fnv>>;

impl<'a> Index<'a> {
    pub fn of(snapshot: &'a Snapshot, question: &Question<'_>) -> Self {
        let mut known = Known::default();
        let mut asked: Vec<u64> = Vec::new();
        for (text, times) in [(question.title, TITLE_TIMES), (question.body, 1)] {
            words::each(text.as_bytes(), &mut |word| {
                let next = asked.len();
                let at = *known.entry(word.to_vec()).or_insert(next);
                if at == next {
                    asked.push(0);
                }
                asked[at] += times;
            });
        }
        let mut index = Self {
            paths: Vec::new(),
            imports: Vec::new(),
            tests: Vec::new(),
            declared: HashMap::new(),
            bodies: Vec::new(),
            places: HashMap::new(),
            asked,
            files: Vec::new(),
            chunks: Vec::new(),
            test_parts: Vec::new(),
        };
        for (path, entry) in snapshot.iter() {
            if let (Some(language), Some(text)) = (Language::of(path), entry.text())
                && !entry.generated
                && text.body().len() <= FILE_BYTES_MAX
            {
                if is_test(path) {
                    index.add_test(path, language, text.body(), &known);
                } else {
                    index.add(path, language, text.body(), &known);
                }
            }
        }
        index
    }

    fn add_test(&mut self, path: &str, language: Language, body: &str, known: &Known) {
        let (counts, words) = count(body.as_bytes(), known);
        self.test_parts.push(Part {
            file: self.tests.len(),
            words,
            counts,
        });
        self.tests.push(Test {
            path: path.to_owned(),
            imports: imports::of(language, path, body),
        });
    }

    fn add(&mut self, path: &str, language: Language, body: &'a str, known: &Known) {
        let file = self.paths.len();
        self.paths.push(path.to_owned());
        self.imports.push(imports::of(language, path, body));
        self.bodies.push(body);
        let outline = of_masked(language, &mask(language, body));
        let mut whole: BTreeMap<usize, u64> = BTreeMap::new();
        let mut length = 0;
        for chunk in chunks(body, outline.symbols.iter().map(|symbol| symbol.first)) {
            let (counts, words) = count(chunk.as_bytes(), known);
            for (word, times) in &counts {
                *whole.entry(*word).or_default() += times;
            }
            length += words;
            self.chunks.push(Part {
                file,
                words,
                counts,
            });
        }
        for symbol in &outline.symbols {
            let files = self.declared.entry(symbol.name.clone()).or_default();
            if files.last() != Some(&file) {
                files.push(file);
            }
            let places = self.places.entry(symbol.name.clone()).or_default();
            places.push(Place {
                file,
                first: symbol.first,
                last: symbol.last,
            });
            for (word, times) in count(symbol.name.as_bytes(), known).0 {
                *whole.entry(word).or_default() += times * NAMES_TIMES;
            }
        }
        for (word, times) in count(path.as_bytes(), known).0 {
            *whole.entry(word).or_default() += times * PATH_TIMES;
        }
        self.files.push(Part {
            file,
            words: length,
            counts: whole.into_iter().collect(),
        });
    }

    pub fn by_fields(&self) -> Ranking {
        self.scores(&self.files)
    }

    /// The best chunk of each file, and three tenths of its second.
    pub fn by_chunks(&self) -> Ranking {
        let mut best: BTreeMap<usize, (u64, u64)> = BTreeMap::new();
        for (file, score) in self.scores(&self.chunks) {
            let (first, second) = best.entry(file).or_default();
            if score > *first {
                (*first, *second) = (score, *first);
            } else {
                *second = score.max(*second);
            }
        }
        best.into_iter()
            .map(|(file, (first, second))| (file, first + second * 3 / 10))
            .collect()
    }

    /// Names of the question that few files declare.
    pub fn by_symbols(&self, question: &Question<'_>) -> Ranking {
        let mut scores: BTreeMap<usize, u64> = BTreeMap::new();
        let text = format!("{}\n{}", question.title, question.body);
        for name in words::names(&text) {
            let Some(files) = self.declared.get(name) else {
                continue;
            };
            let count = u64::try_from(files.len()).unwrap_or(u64::MAX);
            for file in files {
                *scores.entry(*file).or_default() += 1_000_000 / count;
            }
        }
        scores.into_iter().collect()
    }

    /// The tests by how much they resemble the question.
    pub fn by_tests(&self) -> Ranking {
        self.scores(&self.test_parts)
    }

    /// Files that declare what the declarations use that the question names: one step along the
    /// calls. A name counts less the more it uses, and the more files declare it.
    pub fn by_uses(&self, question: &Question<'_>) -> Ranking {
        let mut scores: BTreeMap<usize, u64> = BTreeMap::new();
        let text = format!("{}\n{}", question.title, question.body);
        for name in words::names(&text) {
            let Some(places) = self.places.get(name).filter(|all| all.len() <= PLACES_MAX) else {
                continue;
            };
            for place in places {
                let body: Vec<&str> = self.bodies[place.file]
                    .lines()
                    .skip(place.first - 1)
                    .take((place.last + 1 - place.first).min(USES_LINES_MAX))
                    .collect();
                let body = body.join("\n");
                let uses: Vec<&Vec<usize>> = words::names(&body)
                    .into_iter()
                    .filter_map(|used| self.declared.get(used))
                    .filter(|files| files.len() <= PLACES_MAX && !files.contains(&place.file))
                    .collect();
                let shares = u64::try_from(uses.len() * places.len()).unwrap_or(u64::MAX);
                for files in uses {
                    let among = u64::try_from(files.len()).unwrap_or(u64::MAX);
                    for file in files {
                        *scores.entry(*file).or_default() += 1_000_000 / among / (shares + 3);
                    }
                }
            }
        }
        scores.into_iter().collect()
    }

    fn scores(&self, parts: &[Part]) -> Ranking {
        let total = u64::try_from(parts.len()).unwrap_or(u64::MAX);
        let words: u64 = parts.iter().map(|part| part.words).sum();
        let mean = (words / total.max(1)).max(1);
        let mut having = vec![0; self.asked.len()];
        for (word, _) in parts.iter().flat_map(|part| &part.counts) {
            having[*word] += 1;
        }
        let rarity: Vec<u64> = having
            .iter()
            // ln(1 + (n - d + 0.5) / (d + 0.5)) but for a constant factor.
            .map(|parts| log2((2 * total + 2) << 16) - log2((2 * parts + 1) << 16))
            .collect();
        let score = |part: &Part| {
            let longer = 100 - B + B * part.words / mean;
            part.counts
                .iter()
                .map(|(word, times)| {
                    let times = times * 10_000;
                    let share = times * 1_000 / (times + K1 * longer);
                    rarity[*word] * share / 1_000 * self.asked[*word]
                })
                .sum()
        };
        parts.iter().map(|part| (part.file, score(part))).collect()
    }
}

/// The words of the question in a text, by their numbers, and the number of all words.
fn count(text: &[u8], known: &Known) -> (Counts, u64) {
    let mut counts: BTreeMap<usize, u64> = BTreeMap::new();
    let mut all = 0;
    words::each(text, &mut |word| {
        all += 1;
        if let Some(at) = known.get(word) {
            *counts.entry(*at).or_default() += 1;
        }
    });
    (counts.into_iter().collect(), all)
}

/// Parts of a text that begin at declarations and have a size that is worth comparing.
fn chunks(body: &str, firsts: impl Iterator<Item = usize>) -> Vec<&str> {
    let mut begins = vec![0];
    begins.extend(body.match_indices('\n').map(|(at, _)| at + 1));
    let mut found = Vec::new();
    let mut begin = 0;
    for first in firsts {
        let at = begins.get(first - 1).copied().unwrap_or(body.len());
        if at >= begin + CHUNK_BYTES_MIN {
            found.push(&body[begin..at]);
            begin = at;
        }
    }
    found.push(&body[begin..]);
    found
}

/// The logarithm to base 2 in 1/65536ths, of a number greater than zero.
fn log2(value: u64) -> u64 {
    let whole = u64::from(value.max(1).ilog2());
    // The fraction bit by bit: squaring a number between 1 and 2 doubles its logarithm.
    let mut part = u128::from(value.max(1)) << 64 >> whole;
    let mut result = whole;
    for _ in 0..16 {
        // Half of the bits are enough for the square.
        part = (part >> 32) * (part >> 32);
        let carry = u64::from(part >> 65 != 0);
        result = result * 2 + carry;
        part >>= carry;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_right_to_five_digits() {
        for (value, expected) in [
            (1, 0),
            (2, 65_536),
            (3, 103_872),
            (1_000, 653_117),
            (1 << 40, 40 << 16),
        ] {
            assert!(
                log2(value).abs_diff(expected) <= 2,
                "{value}: {}",
                log2(value)
            );
        }
    }

    #[test]
    fn identifiers_have_parts() {
        let mut found = Vec::new();
        words::each(b"HTTPServer_port2(x, snake_case) plain _ab", &mut |word| {
            found.push(String::from_utf8_lossy(word).into_owned());
        });
        assert_eq!(
            found,
            [
                "http",
                "server",
                "port2",
                "httpserver_port2",
                "snake",
                "case",
                "snake_case",
                "plain",
                "ab"
            ]
        );
    }
}
