//! Lists folders and searches texts, with the changes so far.

use super::{ToolError, Workspace};
use crate::snapshot::{Entry, Snapshot, Text, is_secret};
use domain::text::truncate;
use std::collections::BTreeMap;
use std::fmt::Write as _;

const LIST_LINES_MAX: usize = 200;
const HITS_MAX: usize = 50;
const HITS_BYTES_MAX: usize = 8 << 10;
const LINE_BYTES_MAX: usize = 200;

impl Workspace<'_> {
    /// The text of a file as it is now. It does not count as shown.
    pub fn view(&self, path: &str) -> Result<&str, ToolError> {
        let (_, text) = self.text(path)?;
        Ok(text.body())
    }

    /// The files and folders of a folder. A folder has a slash and the number of files below it.
    pub fn list(&self, folder: &str) -> String {
        let folder = folder.trim_matches('/');
        let prefix = if folder.is_empty() || folder == "." {
            String::new()
        } else {
            format!("{folder}/")
        };
        let mut found: BTreeMap<String, usize> = BTreeMap::new();
        for path in self.paths() {
            let Some(rest) = path.strip_prefix(prefix.as_str()) else {
                continue;
            };
            match rest.split_once('/') {
                Some((inner, _)) => *found.entry(format!("{inner}/")).or_default() += 1,
                None => _ = found.insert(rest.to_owned(), 0),
            }
        }
        if found.is_empty() {
            return format!("There is no folder `{folder}`.");
        }
        let mut out = String::new();
        for (name, files) in found.iter().take(LIST_LINES_MAX) {
            let _ = match files {
                0 => writeln!(out, "{name}"),
                files => writeln!(out, "{name} ({files} files)"),
            };
        }
        if found.len() > LIST_LINES_MAX {
            let _ = writeln!(out, "({} more)", found.len() - LIST_LINES_MAX);
        }
        out
    }

    /// Lines that contain a text, from a snapshot that has the texts of all files.
    pub fn search(&self, texts: &Snapshot, wanted: &str, below: &str) -> String {
        let below = below.trim_matches('/');
        let inside = |path: &str| {
            let rest = path.strip_prefix(below);
            below.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let exact = wanted.chars().any(char::is_uppercase);
        let fits = |line: &str| {
            if exact {
                line.contains(wanted)
            } else {
                line.to_lowercase().contains(wanted)
            }
        };
        let changed = self.changes.iter();
        let changed = changed.map(|(path, change)| (path.as_str(), change.text.as_ref()));
        let others = texts
            .iter()
            .filter(|(path, _)| !self.changes.contains_key(*path));
        let others = others.map(|(path, entry)| (path, Entry::text(entry)));
        let mut hits = Vec::new();
        for (path, text) in changed.chain(others) {
            if !inside(path) || is_secret(path) {
                continue;
            }
            let lines = (1..).zip(text.map_or("", Text::body).lines());
            hits.extend(
                lines
                    .filter(|(_, line)| fits(line))
                    .map(|(number, line)| (path, number, line)),
            );
        }
        hits.sort_unstable_by_key(|(path, number, _): &(&str, usize, &str)| (*path, *number));
        if hits.is_empty() {
            return "No line contains it.".to_owned();
        }
        let mut out = String::new();
        let mut shown = 0;
        for (path, number, line) in hits.iter().take(HITS_MAX) {
            let hit = format!(
                "{path}:{number}: {}\n",
                truncate(line.trim(), LINE_BYTES_MAX)
            );
            if out.len() + hit.len() > HITS_BYTES_MAX {
                break;
            }
            out.push_str(&hit);
            shown += 1;
        }
        if shown < hits.len() {
            let _ = writeln!(
                out,
                "({} more lines; search below a folder)",
                hits.len() - shown
            );
        }
        out
    }
}
