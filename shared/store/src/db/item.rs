//! Reads and writes attributes, with errors that name the item and the attribute.

use crate::db::error::StoreError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::switches::Switch;
use domain::time::Timestamp;
use domain::units::Credits;
use std::collections::HashMap;
use std::fmt::Display;

pub(crate) type Attributes = HashMap<String, AttributeValue>;

pub(crate) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(crate) fn number(value: impl Display) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

pub(crate) fn time(at: Timestamp) -> AttributeValue {
    number(at.millis())
}

pub(crate) fn bytes(value: impl Into<Vec<u8>>) -> AttributeValue {
    AttributeValue::B(Blob::new(value))
}

pub(crate) fn texts(values: impl IntoIterator<Item = String>) -> AttributeValue {
    AttributeValue::L(values.into_iter().map(AttributeValue::S).collect())
}

/// An item being read, with the operation to name in errors.
pub(crate) struct Item<'a> {
    attributes: &'a Attributes,
    operation: &'static str,
}

impl<'a> Item<'a> {
    pub(crate) const fn new(attributes: &'a Attributes, operation: &'static str) -> Self {
        Self {
            attributes,
            operation,
        }
    }

    /// Returns the error that names the invalid attribute.
    pub(crate) fn bad(&self, attribute: &'static str) -> StoreError {
        let part = |name| {
            self.attributes
                .get(name)
                .and_then(|value| value.as_s().ok())
                .map_or("?", String::as_str)
        };
        StoreError::bad_item(
            self.operation,
            &format!("{} {}", part("pk"), part("sk")),
            attribute,
        )
    }

    pub(crate) fn find_text(&self, attribute: &'static str) -> Result<Option<&'a str>, StoreError> {
        self.attributes
            .get(attribute)
            .map(|value| {
                value
                    .as_s()
                    .map(String::as_str)
                    .map_err(|_| self.bad(attribute))
            })
            .transpose()
    }

    pub(crate) fn text(&self, attribute: &'static str) -> Result<&'a str, StoreError> {
        self.find_text(attribute)?
            .ok_or_else(|| self.bad(attribute))
    }

    pub(crate) fn find_number<N: std::str::FromStr>(
        &self,
        attribute: &'static str,
    ) -> Result<Option<N>, StoreError> {
        let Some(value) = self.attributes.get(attribute) else {
            return Ok(None);
        };
        let digits = value.as_n().map_err(|_| self.bad(attribute))?;
        digits.parse().map(Some).map_err(|_| self.bad(attribute))
    }

    pub(crate) fn number<N: std::str::FromStr>(
        &self,
        attribute: &'static str,
    ) -> Result<N, StoreError> {
        self.find_number(attribute)?
            .ok_or_else(|| self.bad(attribute))
    }

    pub(crate) fn find_time(
        &self,
        attribute: &'static str,
    ) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.find_number(attribute)?.map(Timestamp::from_millis))
    }

    pub(crate) fn time(&self, attribute: &'static str) -> Result<Timestamp, StoreError> {
        self.find_time(attribute)?
            .ok_or_else(|| self.bad(attribute))
    }

    pub(crate) fn find_bytes(
        &self,
        attribute: &'static str,
    ) -> Result<Option<&'a [u8]>, StoreError> {
        self.attributes
            .get(attribute)
            .map(|value| {
                value
                    .as_b()
                    .map(AsRef::as_ref)
                    .map_err(|_| self.bad(attribute))
            })
            .transpose()
    }

    pub(crate) fn bytes(&self, attribute: &'static str) -> Result<&'a [u8], StoreError> {
        self.find_bytes(attribute)?
            .ok_or_else(|| self.bad(attribute))
    }

    /// Reads a switch. An absent attribute means off.
    pub(crate) fn switch(&self, attribute: &'static str) -> Result<Switch, StoreError> {
        let Some(value) = self.attributes.get(attribute) else {
            return Ok(Switch::Off);
        };
        value
            .as_bool()
            .map(|on| Switch::from(*on))
            .map_err(|_| self.bad(attribute))
    }

    pub(crate) fn texts(&self, attribute: &'static str) -> Result<Vec<&'a str>, StoreError> {
        let Some(value) = self.attributes.get(attribute) else {
            return Ok(Vec::new());
        };
        let list = value.as_l().map_err(|_| self.bad(attribute))?;
        list.iter()
            .map(|one| {
                one.as_s()
                    .map(String::as_str)
                    .map_err(|_| self.bad(attribute))
            })
            .collect()
    }

    /// Reads a number with a parser from the domain.
    pub(crate) fn parsed_number<N: std::str::FromStr, T>(
        &self,
        attribute: &'static str,
        parse: impl FnOnce(N) -> Option<T>,
    ) -> Result<T, StoreError> {
        parse(self.number(attribute)?).ok_or_else(|| self.bad(attribute))
    }

    /// Reads an amount of credits. An absent attribute means zero.
    pub(crate) fn find_credits(&self, attribute: &'static str) -> Result<Credits, StoreError> {
        let micros = self.find_number(attribute)?.unwrap_or(0);
        Credits::from_micros(micros).ok_or_else(|| self.bad(attribute))
    }

    /// Reads a text with a parser from the domain.
    pub(crate) fn parsed<T, E>(
        &self,
        attribute: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, StoreError> {
        parse(self.text(attribute)?).map_err(|_| self.bad(attribute))
    }
}
