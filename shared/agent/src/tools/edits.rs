//! Changes files of a workspace.

use super::{Change, ToolError, Workspace, reading, writable};
use crate::outline::{Fault, fault};
use crate::snapshot::{Encoding, Ending, Mode, Text};
use std::fmt;
use std::ops::Range;

const PLACES_MAX: usize = 10;

/// Why an edit has no single place, or would break the file. Lines count from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EditError {
    Empty,
    Same,
    Nowhere { near: Vec<usize> },
    Ambiguous { lines: Vec<usize> },
    Breaks(Fault),
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |lines: &[usize]| {
            let lines: Vec<String> = lines
                .iter()
                .take(PLACES_MAX)
                .map(usize::to_string)
                .collect();
            lines.join(", ")
        };
        match self {
            Self::Empty => f.write_str("`old` is empty. Quote the lines to replace."),
            Self::Same => f.write_str("`old` and `new` are the same. Give the changed text."),
            Self::Nowhere { near } if near.is_empty() => f.write_str(
                "`old` does not occur, and neither does its first line. Read the file again and copy the lines exactly.",
            ),
            Self::Nowhere { near } => write!(
                f,
                "`old` does not occur. Its first line is at line {}. Read there and copy the lines exactly.",
                list(near)
            ),
            Self::Ambiguous { lines } => write!(
                f,
                "`old` occurs more than once, at lines {}. Add lines around it until it is unique.",
                list(lines)
            ),
            Self::Breaks(fault) => write!(
                f,
                "The file would not parse any more: {fault}. Correct `new` and try again."
            ),
        }
    }
}

/// One place for an edit: the bytes to replace and what to put there.
struct Place {
    bytes: Range<usize>,
    new: String,
}

impl Workspace<'_> {
    /// Replaces a text that occurs once, in lines that were shown.
    pub fn edit(&mut self, path: &str, old: &str, new: &str) -> Result<(), ToolError> {
        writable(path)?;
        let (mode, text) = self.text(path)?;
        let body = text.body();
        let place = place(body, text.ending(), old, new).map_err(ToolError::Edit)?;
        let lines = lines_of(body, &place.bytes);
        if !self.is_shown(path, &lines) {
            return Err(ToolError::NotShown {
                path: path.to_owned(),
                lines,
            });
        }
        let mut after = body.to_owned();
        after.replace_range(place.bytes.clone(), &place.new);
        let written = place.bytes.start..place.bytes.start + place.new.len();
        let written = lines_of(&after, &written);
        let encoding = text.encoding();
        self.replace(
            path,
            mode,
            Text::new(after, encoding),
            Some((&lines, &written)),
        )
    }

    /// Writes a new file, or one whose present version was shown whole.
    pub fn write(&mut self, path: &str, content: &str) -> Result<(), ToolError> {
        writable(path)?;
        let mut mode = Mode::Regular;
        let mut encoding = Encoding::Utf8;
        let mut content = content.to_owned();
        if self.exists(path) {
            let (before, text) = self.text(path)?;
            (mode, encoding) = (before, text.encoding());
            if !self.is_shown(path, &(0..text.body().lines().count())) {
                return Err(ToolError::Exists(path.to_owned()));
            }
            content = with_ending(&content, text.ending());
        } else if self.is_nested(path) {
            // A file where a folder is, or under a file, has no place in a tree.
            return Err(ToolError::Protected(path.to_owned()));
        }
        self.replace(path, mode, Text::new(content, encoding), None)
    }

    /// Deletes a file whose present version was shown whole.
    pub fn delete(&mut self, path: &str) -> Result<(), ToolError> {
        writable(path)?;
        let (mode, text) = self.text(path)?;
        let lines = 0..text.body().lines().count();
        if !self.is_shown(path, &lines) {
            return Err(ToolError::NotShown {
                path: path.to_owned(),
                lines,
            });
        }
        self.changes
            .insert(path.to_owned(), Change { mode, text: None });
        self.shown.remove(path);
        Ok(())
    }

    /// Stores a new version unless it cannot be written back or breaks the file. `moved` has the
    /// lines that were replaced and those in their place; without it, the whole file is new.
    fn replace(
        &mut self,
        path: &str,
        mode: Mode,
        text: Text,
        moved: Option<(&Range<usize>, &Range<usize>)>,
    ) -> Result<(), ToolError> {
        text.encode().map_err(ToolError::Encoding)?;
        let whole_before = self
            .text(path)
            .is_ok_and(|(_, before)| fault(path, before.body()).is_none());
        let new_file = !self.exists(path);
        if let Some(fault) = fault(path, text.body()).filter(|_| whole_before || new_file) {
            return Err(ToolError::Edit(EditError::Breaks(fault)));
        }
        let all = 0..text.body().lines().count();
        self.changes.insert(
            path.to_owned(),
            Change {
                mode,
                text: Some(text),
            },
        );
        let shown = self.shown.entry(path.to_owned()).or_default();
        match moved {
            // Lines before stay where they are, lines after move, and those between were written
            // by the caller.
            Some((old, new)) => {
                let mut next = vec![new.clone()];
                for range in shown.drain(..) {
                    next.push(range.start.min(old.start)..range.end.min(old.start));
                    if range.end > old.end {
                        let start = range.start.max(old.end) - old.end + new.end;
                        next.push(start..range.end - old.end + new.end);
                    }
                }
                next.retain(|range| !range.is_empty());
                *shown = next;
                reading::join(shown);
            }
            None => *shown = vec![all],
        }
        Ok(())
    }
}

pub(super) fn nested(path: &str, other: &str) -> bool {
    let under = |one: &str, two: &str| {
        one.strip_prefix(two)
            .is_some_and(|rest| rest.starts_with('/'))
    };
    under(path, other) || under(other, path)
}

/// The lines that these bytes touch, counted from 0.
fn lines_of(body: &str, bytes: &Range<usize>) -> Range<usize> {
    let first = body[..bytes.start].matches('\n').count();
    let inside = &body[bytes.clone()];
    let breaks = inside.matches('\n').count();
    // Nothing at the beginning of a line touches no line.
    let nothing = inside.is_empty() && (bytes.start == 0 || body[..bytes.start].ends_with('\n'));
    let partial = usize::from(!inside.ends_with('\n') && !nothing && bytes.start < body.len());
    let last = (first + breaks + partial).max(first);
    first..last
}

/// A text with the file's line endings.
fn with_ending(text: &str, ending: Ending) -> String {
    let plain = text.replace("\r\n", "\n");
    match ending {
        Ending::Lf => plain,
        Ending::CrLf => plain.replace('\n', ending.as_str()),
    }
}

/// The one place for an edit. Each step is exact in what it compares: the text as it is, then with
/// the file's line endings, then without blanks at the ends of lines. The first step with any
/// place decides.
fn place(body: &str, ending: Ending, old: &str, new: &str) -> Result<Place, EditError> {
    if old.trim().is_empty() {
        return Err(EditError::Empty);
    }
    if old == new {
        return Err(EditError::Same);
    }
    // A file with CRLF keeps it in every new line.
    let plain = match ending {
        Ending::Lf => new.to_owned(),
        Ending::CrLf => with_ending(new, ending),
    };
    for (old, new) in [
        (old.to_owned(), plain),
        (with_ending(old, ending), with_ending(new, ending)),
    ] {
        let places = occurrences(body, &old);
        if let [at] = places[..] {
            return Ok(Place {
                bytes: at..at + old.len(),
                new,
            });
        }
        if !places.is_empty() {
            return Err(ambiguous(body, &places));
        }
    }
    let wanted: Vec<&str> = old.lines().map(str::trim_end).collect();
    let mut begins = vec![0];
    begins.extend(body.match_indices('\n').map(|(at, _)| at + 1));
    let lines: Vec<&str> = body.split('\n').map(str::trim_end).collect();
    let matches: Vec<usize> = lines
        .windows(wanted.len())
        .enumerate()
        .filter(|(_, window)| *window == wanted)
        .map(|(line, _)| line)
        .collect();
    match matches[..] {
        [line] => {
            let start = begins[line];
            let whole = old.ends_with('\n');
            let after = line + wanted.len();
            let end = match begins.get(after) {
                Some(next) if whole => *next,
                Some(next) => body[..*next]
                    .trim_end_matches(['\n', '\r'])
                    .len()
                    .max(start),
                None => body.len(),
            };
            // Trailing blank lines of the match belong to it, so the end is not trimmed past them.
            let last = begins[after - 1] + lines[after - 1].len();
            Ok(Place {
                bytes: start..end.max(last),
                new: with_ending(new, ending),
            })
        }
        [] => {
            let first = wanted
                .iter()
                .map(|line| line.trim())
                .find(|line| !line.is_empty());
            let near = lines.iter().enumerate();
            let near = near.filter(|(_, line)| Some(line.trim()) == first);
            Err(EditError::Nowhere {
                near: near.map(|(line, _)| line + 1).take(PLACES_MAX).collect(),
            })
        }
        _ => Err(EditError::Ambiguous {
            lines: matches.iter().map(|line| line + 1).collect(),
        }),
    }
}

/// All places, also those that overlap.
fn occurrences(body: &str, old: &str) -> Vec<usize> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = body.get(from..).and_then(|rest| rest.find(old)) {
        found.push(from + at);
        from = body.ceil_char_boundary(from + at + 1);
    }
    found
}

fn ambiguous(body: &str, places: &[usize]) -> EditError {
    let line = |at: &usize| body[..*at].matches('\n').count() + 1;
    EditError::Ambiguous {
        lines: places.iter().map(line).collect(),
    }
}
