//! Files that an issue names: by path, by file name, by dotted module, in a traceback or a link.

use super::Question;
use super::index::Ranking;
use std::collections::{BTreeMap, HashMap};

const PATH_POINTS: u64 = 100;
const MODULE_POINTS: u64 = 60;
const NAME_POINTS: u64 = 40;
/// The last frames of a traceback are nearest to the fault.
const FRAME_POINTS: u64 = 60;
const FILES_MAX: usize = 4;

/// How strongly the question mentions each of the paths.
pub fn ranked(paths: &[String], question: &Question<'_>) -> Ranking {
    let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
    let mut by_stem: HashMap<&str, Vec<usize>> = HashMap::new();
    for (file, path) in paths.iter().enumerate() {
        let name = path.rsplit('/').next().unwrap_or(path);
        by_name.entry(name).or_default().push(file);
        let bare = path
            .rsplit_once('.')
            .map_or(path.as_str(), |(bare, _)| bare);
        let bare = bare.strip_suffix("/__init__").unwrap_or(bare);
        let stem = bare.rsplit('/').next().unwrap_or(bare);
        by_stem.entry(stem).or_default().push(file);
    }
    let mut scores: BTreeMap<usize, u64> = BTreeMap::new();
    for (text, times) in [(question.title, 2), (question.body, 1)] {
        let mut said: Vec<(usize, u64)> = Vec::new();
        for word in text.split(|c: char| c.is_whitespace() || "\"'`()[]<>,;:#?*|{}=".contains(c)) {
            let word = word.trim_matches('.').trim_end_matches('/');
            said.extend(of_path(word, paths, &by_name));
            if !word.contains('/') {
                said.extend(of_module(word, paths, &by_stem));
            }
        }
        said.sort_unstable();
        said.dedup();
        for (file, points) in said {
            *scores.entry(file).or_default() += points * times;
        }
    }
    for (depth, file) in frames(question.body, paths, &by_name)
        .into_iter()
        .rev()
        .take(5)
        .enumerate()
    {
        let depth = u64::try_from(depth).unwrap_or(u64::MAX);
        *scores.entry(file).or_default() += FRAME_POINTS / (depth + 1);
    }
    scores.into_iter().collect()
}

/// The files whose paths end like this one, for the longest end that any has.
fn of_path(word: &str, paths: &[String], by_name: &HashMap<&str, Vec<usize>>) -> Vec<(usize, u64)> {
    let word = word.replace('\\', "/");
    let name = word.rsplit('/').next().unwrap_or(&word);
    let Some(files) = by_name.get(name).filter(|_| name.contains('.')) else {
        return Vec::new();
    };
    let shared = |file: &usize| {
        let mut parts = paths[*file].rsplit('/').zip(word.rsplit('/'));
        parts
            .by_ref()
            .take_while(|(one, other)| one == other)
            .count()
    };
    let best = files.iter().map(shared).max().unwrap_or(0);
    let best: Vec<usize> = files
        .iter()
        .copied()
        .filter(|file| shared(file) == best)
        .collect();
    if best.len() > FILES_MAX {
        return Vec::new();
    }
    let points = if word.contains('/') {
        PATH_POINTS
    } else {
        NAME_POINTS
    };
    let count = u64::try_from(best.len()).unwrap_or(1);
    best.into_iter()
        .map(|file| (file, points / count))
        .collect()
}

/// `package.module.Name`: the longest beginning that is a file or a package.
fn of_module(
    word: &str,
    paths: &[String],
    by_stem: &HashMap<&str, Vec<usize>>,
) -> Vec<(usize, u64)> {
    let parts: Vec<&str> = word.split('.').collect();
    if parts.len() < 2 || parts.iter().any(|part| part.is_empty()) {
        return Vec::new();
    }
    for end in (2..=parts.len()).rev() {
        let path = parts[..end].join("/");
        let files: Vec<usize> = by_stem
            .get(parts[end - 1])
            .into_iter()
            .flatten()
            .copied()
            .filter(|file| {
                let bare = paths[*file].rsplit_once('.').map_or("", |(bare, _)| bare);
                let bare = bare.strip_suffix("/__init__").unwrap_or(bare);
                bare.strip_suffix(&path)
                    .is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
            })
            .collect();
        if !files.is_empty() && files.len() <= FILES_MAX {
            return files
                .into_iter()
                .map(|file| (file, MODULE_POINTS))
                .collect();
        }
    }
    Vec::new()
}

/// The files of a traceback's frames, in its order: `File "a/b.py", line 3, in c`.
fn frames(text: &str, paths: &[String], by_name: &HashMap<&str, Vec<usize>>) -> Vec<usize> {
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("File \"")?.split_once("\", line "))
        .filter_map(|(path, _)| of_path(path, paths, by_name).first().map(|(file, _)| *file))
        .collect()
}
