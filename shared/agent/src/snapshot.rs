//! A repository at one commit, in memory.
//!
//! [`Snapshot::from_tarball`] reads the archive that GitHub makes with `git archive`. An archive is
//! somebody else's data: every size is bounded while it is read, nothing is written to a disk, and
//! no link is followed. Text is kept so that it can be written back byte for byte.

mod kinds;
mod tar;
mod text;

pub use kinds::{is_generated, is_secret, is_test};
pub use text::{Encoding, Ending, NotEncodable, Text};

use flate2::read::GzDecoder;
use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;

/// What is read at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Unpacked bytes of the whole archive.
    pub unpacked_bytes_max: usize,
    pub entries_max: usize,
    /// Unpacked bytes for each packed byte. Source code packs about 1:5.
    pub ratio_max: usize,
    /// A larger file is listed, but its content is not kept.
    pub file_bytes_max: usize,
    /// Once the kept texts are this large, further files are listed only.
    pub kept_bytes_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            unpacked_bytes_max: 512 << 20,
            entries_max: 100_000,
            ratio_max: 200,
            file_bytes_max: 1 << 20,
            kept_bytes_max: 256 << 20,
        }
    }
}

/// Small archives of zeros or of one repeated line pack far better than code does.
const RATIO_FREE_BYTES: usize = 4 << 20;
const PATH_BYTES_MAX: usize = 1_024;

/// Git's mode of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    Regular,
    Executable,
    Link,
    Submodule,
}

impl Mode {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Regular => "100644",
            Self::Executable => "100755",
            Self::Link => "120000",
            Self::Submodule => "160000",
        }
    }
}

/// Why the content of an entry is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Omitted {
    Binary,
    TooLarge,
    /// The snapshot has reached `kept_bytes_max`, or the content was never asked for.
    Full,
    /// An archive has no content for a submodule.
    Submodule,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    Text(Text),
    /// The target of a symbolic link, which is never followed.
    Link(String),
    Omitted(Omitted),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub mode: Mode,
    pub bytes: usize,
    pub content: Content,
    /// Made by a program: never worth an edit by hand.
    pub generated: bool,
}

impl Entry {
    pub fn text(&self) -> Option<&Text> {
        match &self.content {
            Content::Text(text) => Some(text),
            Content::Link(_) | Content::Omitted(_) => None,
        }
    }
}

/// The files of one commit by their paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    entries: BTreeMap<String, Entry>,
    commit: Option<String>,
    kept_bytes: usize,
}

impl Snapshot {
    /// Reads a gzip-compressed tar archive whose entries are all in one outer folder.
    pub fn from_tarball(packed: &[u8], bounds: &Bounds) -> Result<Self, SnapshotError> {
        let by_ratio = packed
            .len()
            .saturating_mul(bounds.ratio_max)
            .saturating_add(RATIO_FREE_BYTES);
        let reader = Bounded {
            inner: GzDecoder::new(packed),
            left: bounds.unpacked_bytes_max.min(by_ratio),
        };
        let mut archive = tar::Archive::new(reader, bounds.file_bytes_max, bounds.entries_max);
        let mut snapshot = Self::default();
        let mut outer: Option<String> = None;
        let mut folders = Vec::new();
        while let Some(member) = archive.next()? {
            let Ok(path) = String::from_utf8(member.path) else {
                // It can be neither shown nor written.
                continue;
            };
            let (first, rest) = path.split_once('/').unwrap_or((path.as_str(), ""));
            if *outer.get_or_insert_with(|| first.to_owned()) != first {
                return Err(SnapshotError::OuterFolder);
            }
            let path = rest.trim_end_matches('/');
            if path.is_empty() && member.kind == tar::Kind::Folder {
                continue;
            }
            if path.chars().any(char::is_control) || path.len() > PATH_BYTES_MAX {
                continue;
            }
            if !is_safe(path) {
                return Err(SnapshotError::Path(path.to_owned()));
            }
            let mode = match member.kind {
                tar::Kind::Folder => {
                    folders.push(path.to_owned());
                    continue;
                }
                tar::Kind::Link(target) => {
                    let entry = Entry {
                        mode: Mode::Link,
                        bytes: target.len(),
                        content: Content::Link(String::from_utf8_lossy(&target).into_owned()),
                        generated: false,
                    };
                    snapshot.insert(path, entry)?;
                    continue;
                }
                tar::Kind::File { executable: true } => Mode::Executable,
                tar::Kind::File { executable: false } => Mode::Regular,
            };
            let full = snapshot.kept_bytes.saturating_add(member.size) > bounds.kept_bytes_max;
            let content = match member.content {
                Some(_) if full => Content::Omitted(Omitted::Full),
                Some(bytes) => {
                    Text::decode(bytes).map_or(Content::Omitted(Omitted::Binary), Content::Text)
                }
                None => Content::Omitted(Omitted::TooLarge),
            };
            snapshot.add(path, mode, member.size, content)?;
        }
        snapshot.commit = archive.commit();
        snapshot.add_submodules(folders)?;
        Ok(snapshot)
    }

    /// A snapshot of texts, for callers that have them already.
    pub fn from_texts<'a>(
        texts: impl IntoIterator<Item = (&'a str, Vec<u8>)>,
    ) -> Result<Self, SnapshotError> {
        let mut snapshot = Self::default();
        for (path, bytes) in texts {
            if !is_safe(path) {
                return Err(SnapshotError::Path(path.to_owned()));
            }
            let size = bytes.len();
            let content =
                Text::decode(bytes).map_or(Content::Omitted(Omitted::Binary), Content::Text);
            snapshot.add(path, Mode::Regular, size, content)?;
        }
        Ok(snapshot)
    }

    /// Adds an entry of a listing, with its content if the caller has it.
    pub fn place(
        &mut self,
        path: &str,
        mode: Mode,
        bytes: usize,
        content: Option<Vec<u8>>,
    ) -> Result<(), SnapshotError> {
        if !is_safe(path) {
            return Err(SnapshotError::Path(path.to_owned()));
        }
        let content = match (mode, content) {
            (Mode::Submodule, _) => Content::Omitted(Omitted::Submodule),
            (Mode::Link, content) => {
                let target = content.unwrap_or_default();
                Content::Link(String::from_utf8_lossy(&target).into_owned())
            }
            (Mode::Regular | Mode::Executable, Some(bytes)) => {
                Text::decode(bytes).map_or(Content::Omitted(Omitted::Binary), Content::Text)
            }
            (Mode::Regular | Mode::Executable, None) => Content::Omitted(Omitted::Full),
        };
        self.add(path, mode, bytes, content)
    }

    fn add(
        &mut self,
        path: &str,
        mode: Mode,
        bytes: usize,
        content: Content,
    ) -> Result<(), SnapshotError> {
        let generated = match &content {
            Content::Text(text) => {
                self.kept_bytes += text.body().len();
                is_generated(path, text.body())
            }
            Content::Link(_) | Content::Omitted(_) => is_generated(path, ""),
        };
        let entry = Entry {
            mode,
            bytes,
            content,
            generated,
        };
        self.insert(path, entry)
    }

    fn insert(&mut self, path: &str, entry: Entry) -> Result<(), SnapshotError> {
        match self.entries.insert(path.to_owned(), entry) {
            None => Ok(()),
            Some(_) => Err(SnapshotError::Twice(path.to_owned())),
        }
    }

    /// Git tracks no empty folder, and its archives have one for each submodule.
    fn add_submodules(&mut self, folders: Vec<String>) -> Result<(), SnapshotError> {
        for folder in folders {
            let inside = format!("{folder}/");
            let next = self.entries.range(inside.clone()..).next();
            if !next.is_some_and(|(path, _)| path.starts_with(&inside)) {
                let entry = Entry {
                    mode: Mode::Submodule,
                    bytes: 0,
                    content: Content::Omitted(Omitted::Submodule),
                    generated: false,
                };
                self.insert(&folder, entry)?;
            }
        }
        Ok(())
    }

    /// Whether a file was listed, and its content was never asked for.
    pub fn lacks_content(&self, path: &str) -> bool {
        let entry = self.entries.get(path);
        entry.is_some_and(|entry| entry.content == Content::Omitted(Omitted::Full))
    }

    /// Adds the content of a listed file. Without one, the file is too large.
    pub fn fill(&mut self, path: &str, bytes: Option<Vec<u8>>) {
        let Some(entry) = self.entries.get_mut(path) else {
            return;
        };
        entry.content = match bytes {
            Some(bytes) => {
                Text::decode(bytes).map_or(Content::Omitted(Omitted::Binary), Content::Text)
            }
            None => Content::Omitted(Omitted::TooLarge),
        };
        if let Content::Text(text) = &entry.content {
            self.kept_bytes += text.body().len();
            entry.generated = is_generated(path, text.body());
        }
    }

    pub fn get(&self, path: &str) -> Option<&Entry> {
        self.entries.get(path)
    }

    /// The entries in the order of their paths' bytes.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&str, &Entry)> {
        self.entries
            .iter()
            .map(|(path, entry)| (path.as_str(), entry))
    }

    /// The commit that the archive names, if it names one.
    pub fn commit(&self) -> Option<&str> {
        self.commit.as_deref()
    }
}

/// Whether a path stays inside the repository, and outside of git's own folder.
pub fn is_safe(path: &str) -> bool {
    let safe = |part: &str| {
        // Git on other systems takes these for `.git` as well.
        let plain = part.trim_end_matches(['.', ' ']).to_ascii_lowercase();
        !part.is_empty() && part != "." && part != ".." && plain != ".git" && plain != "git~1"
    };
    !path.is_empty()
        && path.len() <= PATH_BYTES_MAX
        && !path.contains(['\\', '\0'])
        && path.split('/').all(safe)
}

/// Stops with an error after a number of bytes.
struct Bounded<R> {
    inner: R,
    left: usize,
}

impl<R: Read> Bounded<R> {
    fn read_some(&mut self, buffer: &mut [u8]) -> Result<usize, SnapshotError> {
        let count = self
            .inner
            .read(buffer)
            .map_err(|_| SnapshotError::Damaged("the compressed data is broken or cut off"))?;
        self.left = self
            .left
            .checked_sub(count)
            .ok_or(SnapshotError::TooManyBytes)?;
        Ok(count)
    }
}

/// Why an archive was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotError {
    TooManyBytes,
    TooManyEntries,
    OuterFolder,
    Path(String),
    Twice(String),
    /// A device, a hard link or another entry that `git archive` never writes.
    Kind(u8),
    Damaged(&'static str),
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyBytes => f.write_str(
                "The archive unpacks to more bytes than are read. Use a smaller repository.",
            ),
            Self::TooManyEntries => {
                f.write_str("The archive has more entries than are read. Use a smaller repository.")
            }
            Self::OuterFolder => f.write_str(
                "The archive has entries in more than one outer folder. Download it again.",
            ),
            Self::Path(path) => write!(
                f,
                "The path `{path}` leads out of the repository or into `.git`. Rename it."
            ),
            Self::Twice(path) => write!(
                f,
                "The archive has `{path}` more than once. Download it again."
            ),
            Self::Kind(kind) => write!(
                f,
                "The archive has an entry of type {kind}, which git does not write. Download it again."
            ),
            Self::Damaged(why) => write!(f, "The archive is damaged: {why}. Download it again."),
        }
    }
}

impl std::error::Error for SnapshotError {}

#[cfg(test)]
mod tests;
