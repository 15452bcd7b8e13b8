//! Shows files, and remembers which lines were shown.

use super::{ToolError, Workspace};
use std::fmt::Write as _;
use std::ops::Range;

const READ_LINES_MAX: usize = 400;
const READ_BYTES_MAX: usize = 24 << 10;

impl Workspace<'_> {
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
