//! A reader for the tar archives that `git archive` writes: POSIX headers with pax records, and the
//! long names of GNU tar. It allocates for the content of a file only up to a bound that it checks
//! first, whatever the header says.

use super::{Bounded, SnapshotError};
use std::io::Read;

const BLOCK: usize = 512;
/// Pax records and long names; a path has at most 4,096 bytes on the systems that git knows.
const RECORD_BYTES_MAX: usize = 64 << 10;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    File { executable: bool },
    Link(Vec<u8>),
    Folder,
}

#[derive(Debug)]
pub struct Member {
    pub path: Vec<u8>,
    pub kind: Kind,
    pub size: usize,
    /// `None` if the file is larger than the bound.
    pub content: Option<Vec<u8>>,
}

/// Values of pax records or GNU headers that replace those of the next header.
#[derive(Default)]
struct Overrides {
    path: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    size: Option<usize>,
}

pub struct Archive<R> {
    reader: Bounded<R>,
    file_bytes_max: usize,
    entries_left: usize,
    commit: Option<String>,
}

impl<R: Read> Archive<R> {
    pub(super) fn new(reader: Bounded<R>, file_bytes_max: usize, entries_max: usize) -> Self {
        Self {
            reader,
            file_bytes_max,
            entries_left: entries_max,
            commit: None,
        }
    }

    /// The commit of the archive's global comment.
    pub fn commit(self) -> Option<String> {
        self.commit
    }

    /// The next file, link or folder, or `None` after the last one.
    pub fn next(&mut self) -> Result<Option<Member>, SnapshotError> {
        let mut overrides = Overrides::default();
        loop {
            let Some(header) = self.header()? else {
                self.drain()?;
                return Ok(None);
            };
            self.entries_left = self
                .entries_left
                .checked_sub(1)
                .ok_or(SnapshotError::TooManyEntries)?;
            let size = match overrides.size {
                Some(size) => size,
                None => number(&header[124..136])?,
            };
            match header[156] {
                b'g' => {
                    for (key, value) in records(&self.record(size)?)? {
                        if key == b"comment" {
                            self.commit = commit(&value);
                        }
                    }
                }
                b'x' => {
                    for (key, value) in records(&self.record(size)?)? {
                        match key.as_slice() {
                            b"path" => overrides.path = Some(value),
                            b"linkpath" => overrides.target = Some(value),
                            b"size" => overrides.size = Some(decimal(&value)?),
                            _ => {}
                        }
                    }
                }
                b'L' => overrides.path = Some(until_nul(&self.record(size)?).to_vec()),
                b'K' => overrides.target = Some(until_nul(&self.record(size)?).to_vec()),
                kind => return self.member(&header, kind, size, overrides).map(Some),
            }
        }
    }

    fn member(
        &mut self,
        header: &[u8; BLOCK],
        kind: u8,
        size: usize,
        overrides: Overrides,
    ) -> Result<Member, SnapshotError> {
        let path = overrides.path.unwrap_or_else(|| name(header));
        let executable = number(&header[100..108])? & 0o111 != 0;
        let kind = match kind {
            b'0' | 0 if path.ends_with(b"/") => Kind::Folder,
            b'0' | 0 => Kind::File { executable },
            b'2' => Kind::Link(
                overrides
                    .target
                    .unwrap_or_else(|| until_nul(&header[157..257]).to_vec()),
            ),
            b'5' => Kind::Folder,
            other => return Err(SnapshotError::Kind(other)),
        };
        let content = if size <= self.file_bytes_max {
            Some(self.take(size)?)
        } else {
            self.skip(size)?;
            None
        };
        self.skip(padding(size))?;
        Ok(Member {
            path,
            kind,
            size,
            content,
        })
    }

    /// The next header, or `None` at the two empty blocks or the end of the data.
    fn header(&mut self) -> Result<Option<[u8; BLOCK]>, SnapshotError> {
        let mut header = [0; BLOCK];
        if !self.fill(&mut header)? {
            return Err(SnapshotError::Damaged("the end of the archive is missing"));
        }
        if header.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let unsigned = |bytes: &[u8]| bytes.iter().map(|byte| usize::from(*byte)).sum::<usize>();
        // The sum counts its own field as eight spaces.
        let sum = unsigned(&header[..148]) + 8 * usize::from(b' ') + unsigned(&header[156..]);
        if number(&header[148..156])? != sum {
            return Err(SnapshotError::Damaged("a header has a wrong checksum"));
        }
        Ok(Some(header))
    }

    fn record(&mut self, size: usize) -> Result<Vec<u8>, SnapshotError> {
        if size > RECORD_BYTES_MAX {
            return Err(SnapshotError::Damaged("a path or a record is too long"));
        }
        let bytes = self.take(size)?;
        self.skip(padding(size))?;
        Ok(bytes)
    }

    fn take(&mut self, size: usize) -> Result<Vec<u8>, SnapshotError> {
        let mut bytes = vec![0; size];
        if self.fill(&mut bytes)? {
            Ok(bytes)
        } else {
            Err(SnapshotError::Damaged("a file is cut off"))
        }
    }

    fn skip(&mut self, mut size: usize) -> Result<(), SnapshotError> {
        let mut buffer = [0; 16 << 10];
        while size > 0 {
            let part = size.min(buffer.len());
            if !self.fill(&mut buffer[..part])? {
                return Err(SnapshotError::Damaged("a file is cut off"));
            }
            size -= part;
        }
        Ok(())
    }

    /// Reads to the end, where gzip's own checksum is compared.
    fn drain(&mut self) -> Result<(), SnapshotError> {
        let mut buffer = [0; 16 << 10];
        while self.reader.read_some(&mut buffer)? > 0 {}
        Ok(())
    }

    /// Fills the buffer, or says that the data ended before.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<bool, SnapshotError> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.reader.read_some(&mut buffer[filled..])? {
                0 => return Ok(false),
                count => filled += count,
            }
        }
        Ok(true)
    }
}

fn padding(size: usize) -> usize {
    (BLOCK - size % BLOCK) % BLOCK
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn name(header: &[u8; BLOCK]) -> Vec<u8> {
    let mut path = Vec::new();
    if header[257..262] == *b"ustar" && header[345] != 0 {
        path.extend_from_slice(until_nul(&header[345..500]));
        path.push(b'/');
    }
    path.extend_from_slice(until_nul(&header[..100]));
    path
}

const BAD_NUMBER: SnapshotError = SnapshotError::Damaged("a header has a number that is none");

/// An octal number, ended by a space or NUL, or a binary one whose first bit is set.
fn number(field: &[u8]) -> Result<usize, SnapshotError> {
    let mut value: usize = 0;
    if let Some((first, rest)) = field.split_first()
        && first & 0x80 != 0
    {
        for byte in std::iter::once(first & 0x7F).chain(rest.iter().copied()) {
            value = value
                .checked_mul(256)
                .and_then(|value| value.checked_add(usize::from(byte)))
                .ok_or(BAD_NUMBER)?;
        }
        return Ok(value);
    }
    let digits = field
        .iter()
        .skip_while(|byte| **byte == b' ')
        .take_while(|byte| !matches!(byte, b' ' | 0));
    for byte in digits {
        let digit = byte
            .checked_sub(b'0')
            .filter(|digit| *digit < 8)
            .ok_or(BAD_NUMBER)?;
        value = value
            .checked_mul(8)
            .and_then(|value| value.checked_add(usize::from(digit)))
            .ok_or(BAD_NUMBER)?;
    }
    Ok(value)
}

fn decimal(text: &[u8]) -> Result<usize, SnapshotError> {
    std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(BAD_NUMBER)
}

/// The commit of a comment, if it is one.
fn commit(comment: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(comment).ok()?.trim();
    let hex = text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    hex.then(|| text.to_owned())
}

type Record = (Vec<u8>, Vec<u8>);

/// Pax records: `length key=value\n`, where the length counts all of it.
fn records(mut bytes: &[u8]) -> Result<Vec<Record>, SnapshotError> {
    const BAD: SnapshotError = SnapshotError::Damaged("a pax record cannot be read");
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let space = bytes.iter().position(|byte| *byte == b' ').ok_or(BAD)?;
        let length = decimal(&bytes[..space])?;
        if length <= space || length > bytes.len() {
            return Err(BAD);
        }
        let record = bytes[space + 1..length].strip_suffix(b"\n").ok_or(BAD)?;
        let equals = record.iter().position(|byte| *byte == b'=').ok_or(BAD)?;
        found.push((record[..equals].to_vec(), record[equals + 1..].to_vec()));
        bytes = &bytes[length..];
    }
    Ok(found)
}
