//! `list`, `search`, `outline` and `read`: bounded answers that say how much more there is.

use super::{ToolError, Workspace};
use crate::outline::{Language, outline, render};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;

const LIST_LINES_MAX: usize = 200;
const OUTLINE_LINES_MAX: usize = 300;
pub const READ_LINES_MAX: usize = 400;
const READ_BYTES_MAX: usize = 24 << 10;
const HITS_MAX: usize = 50;
const HITS_BYTES_MAX: usize = 8 << 10;
const HIT_LINE_BYTES_MAX: usize = 300;

/// What `search` looks for.
#[derive(Debug, Clone, Copy)]
pub struct Hits<'q> {
    /// A plain text.
    pub text: &'q str,
    pub any_case: bool,
    /// Only paths with this beginning.
    pub under: &'q str,
    /// Only paths with this end.
    pub ending: &'q str,
}

impl Workspace<'_> {
    /// Files and folders under a path, with the number of files in each folder.
    pub fn list(&self, under: &str, depth: usize) -> Result<String, ToolError> {
        let prefix = match under.trim_matches('/') {
            "" | "." => String::new(),
            path => format!("{path}/"),
        };
        let mut rows: BTreeMap<String, usize> = BTreeMap::new();
        for path in self.paths() {
            let Some(rest) = path.strip_prefix(&prefix) else {
                continue;
            };
            let parts: Vec<&str> = rest.split('/').collect();
            if parts.len() <= depth.max(1) {
                rows.insert(rest.to_owned(), 0);
            } else {
                *rows
                    .entry(parts[..depth.max(1)].join("/") + "/")
                    .or_default() += 1;
            }
        }
        if rows.is_empty() {
            return Err(ToolError::Missing(under.to_owned()));
        }
        let mut out = String::new();
        for (row, files) in rows.iter().take(LIST_LINES_MAX) {
            let _ = match files {
                0 => writeln!(out, "{prefix}{row}"),
                files => writeln!(out, "{prefix}{row} ({files} files)"),
            };
        }
        if rows.len() > LIST_LINES_MAX {
            let more = rows.len() - LIST_LINES_MAX;
            let _ = writeln!(out, "({more} more; list a folder)");
        }
        Ok(out)
    }

    /// Lines that hold a text: first the number of hits by file, then the hits.
    pub fn search(&self, wanted: &Hits<'_>) -> Result<String, ToolError> {
        if wanted.text.is_empty() || wanted.text.contains('\n') {
            return Err(ToolError::Pattern(
                "it is empty or has several lines".to_owned(),
            ));
        }
        let lower = wanted.text.to_lowercase();
        let mut files = Vec::new();
        let mut hits = String::new();
        let (mut all, mut printed) = (0, 0);
        for path in self.paths() {
            if !path.starts_with(wanted.under) || !path.ends_with(wanted.ending) {
                continue;
            }
            let Ok((_, text)) = self.text(path) else {
                continue;
            };
            let mut count = 0;
            for (number, line) in text.body().lines().enumerate() {
                let hit = if wanted.any_case {
                    line.to_lowercase().contains(&lower)
                } else {
                    line.contains(wanted.text)
                };
                if !hit {
                    continue;
                }
                count += 1;
                if printed < HITS_MAX && hits.len() < HITS_BYTES_MAX {
                    let line = domain::text::truncate(line, HIT_LINE_BYTES_MAX);
                    let _ = writeln!(hits, "{path}:{}: {line}", number + 1);
                    printed += 1;
                }
            }
            if count > 0 {
                all += count;
                files.push(format!("{path} ({count})"));
            }
        }
        let mut out = format!("{all} lines in {} files\n", files.len());
        for file in files.iter().take(HITS_MAX) {
            let _ = writeln!(out, "{file}");
        }
        out.push_str(&hits);
        if all > printed {
            let _ = writeln!(out, "({} more; search in a folder)", all - printed);
        }
        Ok(out)
    }

    /// The declarations of a file with their lines, without their bodies.
    pub fn outline(&self, path: &str) -> Result<String, ToolError> {
        let (_, text) = self.text(path)?;
        match Language::of(path) {
            Some(language) => {
                let found = outline(language, text.body());
                Ok(render(text.body(), &found, OUTLINE_LINES_MAX))
            }
            None => Ok(format!(
                "No outline of this kind of file; it has {} lines.\n",
                text.body().lines().count()
            )),
        }
    }

    /// Numbered lines, from `first` (counted from 1) to `last`, as many as an answer holds. They
    /// count as shown from now on.
    pub fn read(&mut self, path: &str, first: usize, last: usize) -> Result<String, ToolError> {
        let (_, text) = self.text(path)?;
        let lines: Vec<&str> = text.body().lines().collect();
        let from = first.max(1) - 1;
        if from >= lines.len() && !(lines.is_empty() && from == 0) {
            return Err(ToolError::Beyond {
                path: path.to_owned(),
                lines: lines.len(),
            });
        }
        let to = last
            .min(lines.len())
            .min(from.saturating_add(READ_LINES_MAX));
        let mut out = String::new();
        let mut end = from;
        for line in lines.iter().take(to).skip(from) {
            // A single long line is cut, and then does not count as shown.
            if out.len() + line.len() > READ_BYTES_MAX {
                break;
            }
            end += 1;
            let _ = writeln!(out, "{end}\t{line}");
        }
        if end == from && from < lines.len() {
            let line = domain::text::truncate(lines[from], READ_BYTES_MAX);
            let _ = writeln!(out, "{}\t{line} (cut off)", from + 1);
        }
        if end < lines.len() {
            let _ = writeln!(out, "({} lines in all)", lines.len());
        }
        self.show(path, from..end);
        Ok(out)
    }

    /// The whole text of a file, which counts as shown from now on.
    pub fn show_whole(&mut self, path: &str) -> Result<String, ToolError> {
        let (_, text) = self.text(path)?;
        let body = text.body().to_owned();
        self.show(path, 0..body.lines().count());
        Ok(body)
    }

    fn show(&mut self, path: &str, lines: Range<usize>) {
        let shown = self.shown.entry(path.to_owned()).or_default();
        shown.push(lines);
        join(shown);
    }

    /// Whether all of these lines were shown in the present version.
    pub(super) fn is_shown(&self, path: &str, lines: &Range<usize>) -> bool {
        let inside = |shown: &Range<usize>| shown.start <= lines.start && lines.end <= shown.end;
        self.shown
            .get(path)
            .is_some_and(|all| all.iter().any(inside))
    }
}

/// Sorts ranges and joins those that touch.
pub(super) fn join(ranges: &mut Vec<Range<usize>>) {
    ranges.sort_unstable_by_key(|range| (range.start, range.end));
    let mut joined: Vec<Range<usize>> = Vec::new();
    for range in ranges.drain(..) {
        match joined.last_mut() {
            Some(before) if range.start <= before.end => before.end = before.end.max(range.end),
            Some(_) | None => joined.push(range),
        }
    }
    *ranges = joined;
}
