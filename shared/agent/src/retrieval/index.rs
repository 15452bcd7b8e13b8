//! One pass over a snapshot that counts only the words of one question.

use super::{Question, words};
use crate::outline::{Language, mask, of_masked};
use crate::snapshot::{Snapshot, is_test};
use std::collections::{BTreeMap, HashMap};

/// A larger file is data more often than code.
const FILE_BYTES_MAX: usize = 600_000;
const CHUNK_BYTES_MIN: usize = 1_500;
const TITLE_TIMES: u64 = 3;
const PATH_TIMES: u64 = 8;
const NAMES_TIMES: u64 = 4;
/// BM25's parameters in hundredths.
const K1: u64 = 120;
const B: u64 = 75;

type Counts = Vec<(usize, u64)>;
pub type Ranking = Vec<(usize, u64)>;

#[derive(Default)]
struct Part {
    file: usize,
    words: u64,
    counts: Counts,
}

pub struct Index {
    pub paths: Vec<String>,
    /// How often the question has each of its words.
    asked: Vec<u64>,
    files: Vec<Part>,
    chunks: Vec<Part>,
    /// Files by the names that they declare.
    declared: HashMap<String, Vec<usize>>,
}

impl Index {
    pub fn of(snapshot: &Snapshot, question: &Question<'_>) -> Self {
        let mut known: HashMap<Vec<u8>, usize> = HashMap::new();
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
            asked,
            files: Vec::new(),
            chunks: Vec::new(),
            declared: HashMap::new(),
        };
        for (path, entry) in snapshot.iter() {
            if let (Some(language), Some(text)) = (Language::of(path), entry.text())
                && !entry.generated
                && !is_test(path)
                && text.body().len() <= FILE_BYTES_MAX
            {
                index.add(path, language, text.body(), &known);
            }
        }
        index
    }

    fn add(&mut self, path: &str, language: Language, body: &str, known: &HashMap<Vec<u8>, usize>) {
        let file = self.paths.len();
        self.paths.push(path.to_owned());
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
fn count(text: &[u8], known: &HashMap<Vec<u8>, usize>) -> (Counts, u64) {
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
