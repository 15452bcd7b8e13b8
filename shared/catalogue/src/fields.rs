//! Reads the fields of one entry. Missing, malformed and unknown fields are recorded with their
//! line, and reading continues.

use crate::amounts;
use crate::fault::Faults;
use domain::units::Credits;
use domain::units::{Currency, Money};
use std::collections::BTreeMap;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

const TEXT_CHARS_MAX: usize = 500;
const NAME_CHARS_MAX: usize = 100;

/// The file, for line numbers.
#[derive(Clone, Copy)]
pub struct Page<'t> {
    /// The offsets of the line breaks. Each field has a line, so they are not counted each time.
    pub breaks: &'t [usize],
    pub faults: &'t Faults,
}

impl Page<'_> {
    pub fn line(self, offset: usize) -> usize {
        self.breaks.partition_point(|at| *at < offset) + 1
    }
}

/// A value and its line in the file.
pub struct Placed<T> {
    pub value: T,
    pub line: usize,
}

/// The fields of an entry.
pub struct Fields<'t> {
    page: Page<'t>,
    pub entry: String,
    pub line: usize,
    values: BTreeMap<String, Spanned<DeValue<'t>>>,
    asked: Vec<&'static str>,
}

impl<'t> Fields<'t> {
    /// Creates the fields of a table. `must` names the required fields, each with an example.
    pub fn new(
        page: Page<'t>,
        entry: String,
        start: usize,
        table: DeTable<'t>,
        must: &[(&'static str, &str)],
    ) -> Self {
        let values: BTreeMap<_, _> = table
            .into_iter()
            .map(|(name, value)| (name.get_ref().to_string(), value))
            .collect();
        let fields = Self {
            page,
            entry,
            line: page.line(start),
            values,
            asked: Vec::new(),
        };
        for (name, example) in must
            .iter()
            .filter(|(name, _)| !fields.values.contains_key(*name))
        {
            fields.fault(
                fields.line,
                format!("{name} is missing; add it, for example {name} = {example}"),
            );
        }
        fields
    }

    /// Sets the entry's name for later faults.
    pub fn rename(&mut self, entry: String) {
        self.entry = entry;
    }

    /// Records a fault.
    pub fn fault(&self, line: usize, what: impl Into<String>) {
        self.page.faults.note(Some(line), &self.entry, what);
    }

    /// Whether the field is present, read or not.
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    fn take(&mut self, name: &'static str) -> Option<(usize, DeValue<'t>)> {
        self.asked.push(name);
        let value = self.values.remove(name)?;
        Some((self.page.line(value.span().start), value.into_inner()))
    }

    /// Reads a non-blank text.
    pub fn text(&mut self, name: &'static str) -> Option<Placed<String>> {
        let (line, value) = self.take(name)?;
        let Some(text) = value.as_str() else {
            self.fault(line, format!("{name} is {}; write it in quotes", a(&value)));
            return None;
        };
        let most = if matches!(name, "description" | "checkout") {
            TEXT_CHARS_MAX
        } else {
            NAME_CHARS_MAX
        };
        if text.trim().is_empty()
            || text.chars().count() > most
            || text.chars().any(char::is_control)
        {
            self.fault(
                line,
                format!("{name} must be one line of 1 to {most} characters"),
            );
            return None;
        }
        Some(Placed {
            value: text.trim().to_owned(),
            line,
        })
    }

    /// Reads a text and parses it; `shape` describes the expected form.
    pub fn read<T>(
        &mut self,
        name: &'static str,
        shape: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<Placed<T>> {
        let text = self.text(name)?;
        let value = read(&text.value);
        if value.is_none() {
            self.fault(
                text.line,
                format!("{name} = {:?} is invalid; it must be {shape}", text.value),
            );
        }
        value.map(|value| Placed {
            value,
            line: text.line,
        })
    }

    pub fn whole(&mut self, name: &'static str) -> Option<Placed<u64>> {
        let (line, value) = self.take(name)?;
        let number = value
            .as_integer()
            .and_then(|number| u64::from_str_radix(number.as_str(), number.radix()).ok());
        if number.is_none() {
            self.fault(
                line,
                format!("{name} must be a whole number, zero or more, without quotes"),
            );
        }
        number.map(|value| Placed { value, line })
    }

    /// Reads a whole number up to `most`.
    pub fn small(&mut self, name: &'static str, most: u32) -> Option<u32> {
        let number = self.whole(name)?;
        let small = u32::try_from(number.value)
            .ok()
            .filter(|small| *small <= most);
        if small.is_none() {
            self.fault(number.line, format!("{name} must be at most {most}"));
        }
        small
    }

    /// Reads an amount of credits, as a whole number or a quoted decimal.
    pub fn credits(&mut self, name: &'static str) -> Option<Placed<Credits>> {
        let (line, value) = self.take(name)?;
        let text = value
            .as_integer()
            .map(|number| number.as_str())
            .or_else(|| value.as_str());
        match Credits::parse(text.unwrap_or_default()) {
            Ok(value) => Some(Placed { value, line }),
            Err(error) => {
                self.fault(line, format!("{name}: {error}; write decimals in quotes"));
                None
            }
        }
    }

    /// Reads an amount of money, as a quoted decimal in the currency's major unit.
    pub fn money(&mut self, name: &'static str, currency: Currency) -> Option<Placed<Money>> {
        let shape = amounts::money_shape(currency);
        self.read(name, &shape, |text| amounts::money(text, currency))
    }

    pub fn texts(&mut self, name: &'static str, most: usize) -> Vec<Placed<String>> {
        let Some((line, value)) = self.take(name) else {
            return Vec::new();
        };
        let DeValue::Array(values) = value else {
            self.fault(
                line,
                format!("{name} must be a list of texts: {name} = [\"…\"]"),
            );
            return Vec::new();
        };
        if values.len() > most {
            self.fault(
                line,
                format!(
                    "{name} has {} entries; it can have at most {most}",
                    values.len()
                ),
            );
        }
        let mut texts = Vec::new();
        for value in values.iter().take(most) {
            let line = self.page.line(value.span().start);
            match value
                .get_ref()
                .as_str()
                .map(str::trim)
                .filter(|text| !text.is_empty())
            {
                Some(text) => texts.push(Placed {
                    value: text.to_owned(),
                    line,
                }),
                None => self.fault(
                    line,
                    format!("{name} must be a list of texts, each in quotes"),
                ),
            }
        }
        texts
    }

    /// Reads a table whose keys are free names.
    pub fn named(&mut self, name: &'static str) -> Vec<(String, usize, DeTable<'t>)> {
        let Some((line, value)) = self.take(name) else {
            return Vec::new();
        };
        let DeValue::Table(table) = value else {
            self.fault(
                line,
                format!("{name} must be a table: {name}.pull_requests = {{ … }}"),
            );
            return Vec::new();
        };
        let mut found = Vec::new();
        for (key, value) in table {
            let start = value.span().start;
            match value.into_inner() {
                DeValue::Table(inner) => found.push((key.get_ref().to_string(), start, inner)),
                _ => self.fault(
                    self.page.line(start),
                    format!("{name}.{key} must be a table: {{ … }}", key = key.get_ref()),
                ),
            }
        }
        found
    }

    pub fn table(&mut self, name: &'static str, must: &[(&'static str, &str)]) -> Option<Self> {
        let start = self.values.get(name).map_or(0, |value| value.span().start);
        let (line, value) = self.take(name)?;
        let DeValue::Table(table) = value else {
            self.fault(line, format!("{name} must be a table: [{name}]"));
            return None;
        };
        Some(Self::new(self.page, name.to_owned(), start, table, must))
    }

    /// Reads a list of tables, each with its line.
    pub fn tables(&mut self, name: &'static str, most: usize) -> Vec<(usize, DeTable<'t>)> {
        let Some((line, value)) = self.take(name) else {
            return Vec::new();
        };
        let DeValue::Array(values) = value else {
            self.fault(
                line,
                format!("{name} must be a list of tables; write each as [[{name}]] or {{ … }}"),
            );
            return Vec::new();
        };
        if values.len() > most {
            self.fault(
                line,
                format!(
                    "there are {} entries of {name}; there can be at most {most}",
                    values.len()
                ),
            );
        }
        let mut tables = Vec::new();
        for value in values.into_iter().take(most) {
            let start = value.span().start;
            match value.into_inner() {
                DeValue::Table(table) => tables.push((start, table)),
                _ => self.fault(
                    self.page.line(start),
                    format!("{name} must be a list of tables"),
                ),
            }
        }
        tables
    }

    /// Records every field that was not read.
    pub fn close(self) {
        for (name, value) in &self.values {
            let line = self.page.line(value.span().start);
            let known = self.asked.join(", ");
            self.fault(
                line,
                format!(
                    "{name} is not a field of this table; correct it or remove it. The fields are {known}"
                ),
            );
        }
    }

    pub const fn page(&self) -> Page<'t> {
        self.page
    }
}

/// The kind of a value, with its indefinite article.
fn a(value: &DeValue<'_>) -> String {
    let kind = value.type_str();
    format!(
        "{} {kind}",
        if kind.starts_with(['a', 'i']) {
            "an"
        } else {
            "a"
        }
    )
}
