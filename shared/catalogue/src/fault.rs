//! The faults of a catalogue. All of them are reported at once, each with its place and remedy.

use std::cell::RefCell;
use std::fmt;

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueError {
    pub line: Option<usize>,
    /// The entry, such as `plan teams`, or the setting.
    pub entry: String,
    pub what: String,
}

impl fmt::Display for CatalogueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}, ")?;
        }
        write!(f, "{}: {}", self.entry, self.what)
    }
}

/// All faults of a catalogue, by line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueErrors(Vec<CatalogueError>);

impl CatalogueErrors {
    pub fn iter(&self) -> impl Iterator<Item = &CatalogueError> {
        self.0.iter()
    }
}

impl fmt::Display for CatalogueErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the catalogue is invalid: ")?;
        for (at, error) in self.0.iter().enumerate() {
            write!(f, "{}{error}", if at == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl std::error::Error for CatalogueErrors {}

/// Collects faults, so that the first one does not hide the rest.
#[derive(Default)]
pub struct Faults(RefCell<Vec<CatalogueError>>);

/// A file with more faults than this is probably not a catalogue.
const FAULTS_MAX: usize = 100;

impl Faults {
    /// Records a fault.
    pub fn note(&self, line: Option<usize>, entry: &str, what: impl Into<String>) {
        let mut faults = self.0.borrow_mut();
        if faults.len() < FAULTS_MAX {
            faults.push(CatalogueError {
                line,
                entry: entry.to_owned(),
                what: what.into(),
            });
        }
    }

    /// Returns the value if there was no fault.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, CatalogueErrors> {
        let mut faults = self.0.into_inner();
        match value {
            Some(value) if faults.is_empty() => Ok(value),
            _ => {
                faults.sort_by_key(|fault| fault.line);
                Err(CatalogueErrors(faults))
            }
        }
    }
}
