//! Lines of files that a text points at: frames of tracebacks, compilers' messages, permalinks.

use crate::snapshot::Snapshot;
use std::collections::HashMap;

/// A line of a file, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub path: String,
    pub line: usize,
}

/// A text with more places is a log, whose last ones are nearest to the fault.
const PLACES_MAX: usize = 12;

/// The places that a text points at, in its order, each once.
pub fn places(snapshot: &Snapshot, text: &str) -> Vec<Place> {
    let mut by_name: HashMap<&str, Vec<&str>> = HashMap::new();
    for (path, entry) in snapshot.iter() {
        if entry.text().is_some() {
            let name = path.rsplit('/').next().unwrap_or(path);
            by_name.entry(name).or_default().push(path);
        }
    }
    let mut found: Vec<Place> = Vec::new();
    for (path, line) in text.lines().flat_map(pointed) {
        let Some(path) = resolved(&path, &by_name) else {
            continue;
        };
        let text = snapshot.get(path).and_then(|entry| entry.text());
        let lines = text.map_or(0, |text| text.body().lines().count());
        let place = Place {
            path: path.to_owned(),
            line,
        };
        if line > 0 && line <= lines {
            found.retain(|before| *before != place);
            found.push(place);
        }
    }
    found.split_off(found.len().saturating_sub(PLACES_MAX))
}

/// Paths with lines, as a line of text writes them.
fn pointed(line: &str) -> Vec<(String, usize)> {
    // Python: `File "a/b.py", line 3, in c`.
    let frame = line.trim().strip_prefix("File \"");
    if let Some((path, rest)) = frame.and_then(|rest| rest.split_once("\", line ")) {
        return number(rest)
            .map(|line| (path.to_owned(), line))
            .into_iter()
            .collect();
    }
    let word = |c: char| c.is_whitespace() || "\"'`()[]<>,;".contains(c);
    line.split(word)
        .filter_map(|word| {
            // `https://host/owner/name/blob/commit/a/b.py#L3-L5`, or `a/b.py:3:1`.
            let (path, rest) = match word.split_once("#L") {
                Some(parts) => parts,
                None => word.match_indices(':').find_map(|(at, _)| {
                    let (path, rest) = (&word[..at], &word[at + 1..]);
                    let digit = rest.starts_with(|c: char| c.is_ascii_digit());
                    (digit && path.contains('.')).then_some((path, rest))
                })?,
            };
            number(rest).map(|line| (path.to_owned(), line))
        })
        .collect()
}

fn number(text: &str) -> Option<usize> {
    let end = text.find(|c: char| !c.is_ascii_digit());
    text[..end.unwrap_or(text.len())].parse().ok()
}

/// The one file whose path ends most like this one.
fn resolved<'s>(path: &str, by_name: &HashMap<&str, Vec<&'s str>>) -> Option<&'s str> {
    let path = path.replace('\\', "/");
    let files = by_name.get(path.rsplit('/').next()?)?;
    let shared = |file: &str| {
        let parts = file.rsplit('/').zip(path.rsplit('/'));
        parts.take_while(|(one, other)| one == other).count()
    };
    let most = files.iter().map(|file| shared(file)).max()?;
    let mut best = files.iter().filter(|file| shared(file) == most);
    let first = best.next()?;
    best.next().is_none().then_some(*first)
}
