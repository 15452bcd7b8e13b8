//! Figures and checks, for people and for machines.

use crate::checks::Check;
use serde_json::{Value, json};
use std::fmt;
use std::time::Duration;

/// One figure.
pub struct Figure {
    name: &'static str,
    unit: &'static str,
    value: f64,
}

impl Figure {
    /// A figure with its unit.
    pub const fn new(name: &'static str, unit: &'static str, value: f64) -> Self {
        Self { name, unit, value }
    }

    /// A count.
    pub fn whole(name: &'static str, unit: &'static str, value: usize) -> Self {
        Self::new(
            name,
            unit,
            f64::from(u32::try_from(value).unwrap_or(u32::MAX)),
        )
    }

    /// A time in milliseconds.
    pub fn millis(name: &'static str, value: Duration) -> Self {
        Self::new(name, "ms", value.as_secs_f64() * 1e3)
    }

    /// A time in microseconds.
    pub fn micros(name: &'static str, value: Duration) -> Self {
        Self::new(name, "µs", value.as_secs_f64() * 1e6)
    }
}

/// All results.
pub struct Report {
    pub checks: Vec<Check>,
    pub figures: Vec<Figure>,
}

impl Report {
    /// Whether every check passed.
    pub fn holds(&self) -> bool {
        self.checks.iter().all(|check| check.fault.is_none())
    }

    /// The report as one JSON object.
    pub fn json(&self) -> Value {
        let figures = self
            .figures
            .iter()
            .map(|one| json!({ "name": one.name, "unit": one.unit, "value": one.value }));
        let checks = self
            .checks
            .iter()
            .map(|one| json!({ "name": one.name, "fault": one.fault }));
        json!({ "checks": checks.collect::<Value>(), "figures": figures.collect::<Value>() })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Check { name, fault } in &self.checks {
            match fault {
                None => writeln!(f, "  holds  {name}")?,
                Some(fault) => writeln!(f, "  FAILS  {name}: {fault}")?,
            }
        }
        for Figure { name, unit, value } in &self.figures {
            let places = if value.fract() == 0.0 { 0 } else { 3 };
            writeln!(f, "{name:>30}  {value:>10.places$} {unit}")?;
        }
        Ok(())
    }
}
