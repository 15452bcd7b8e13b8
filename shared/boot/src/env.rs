//! Reads the environment once, at the start. All errors in it are reported together.

use crate::Setting;
use domain::switches::Switch;
use std::collections::BTreeMap;
use std::fmt;

/// The values of the settings, the settings that were read so far, and their errors.
pub struct Env {
    values: BTreeMap<String, String>,
    read: Vec<Setting>,
    errors: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvError(Vec<String>);

impl fmt::Display for EnvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot start: {}", self.0.join("; "))
    }
}

impl std::error::Error for EnvError {}

impl Env {
    /// Reads the environment of this process.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the only reader of the environment"
    )]
    pub fn of_process() -> Self {
        Self::of(std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }))
    }

    /// Takes the values from elsewhere, such as a command line or a test.
    pub fn of<N: Into<String>, V: Into<String>>(values: impl IntoIterator<Item = (N, V)>) -> Self {
        let values = values
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        Self {
            values,
            read: Vec::new(),
            errors: Vec::new(),
        }
    }

    /// An environment in which nothing is set.
    pub fn empty() -> Self {
        Self::of::<String, String>([])
    }

    /// Returns the value of a name. A blank value counts as absent.
    pub fn find(&self, name: &str) -> Option<String> {
        self.values
            .get(name)
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
    }

    /// Records that a setting is read, if its value is obtained in another way.
    pub fn record(&mut self, setting: Setting) {
        if self.read.iter().all(|known| known.name != setting.name) {
            self.read.push(setting);
        }
    }

    /// Returns the value of a setting that may be absent, or its default.
    pub fn optional(&mut self, setting: Setting) -> Option<String> {
        self.record(setting);
        self.find(setting.name)
            .or_else(|| self.find(setting.alias?))
            .or_else(|| setting.default.map(str::to_owned))
    }

    /// Returns the value of a setting that must be present or has a default.
    pub fn text(&mut self, setting: Setting) -> String {
        self.optional(setting).unwrap_or_else(|| {
            self.error(format!("{} is not set", setting.names()));
            String::new()
        })
    }

    /// Returns the value of a setting that must be present only if `needed`.
    pub fn text_if(&mut self, needed: bool, setting: Setting) -> String {
        if needed {
            self.text(setting)
        } else {
            self.optional(setting).unwrap_or_default()
        }
    }

    /// Returns the number of a setting that must be present or has a default.
    pub fn number(&mut self, setting: Setting) -> u64 {
        let text = self.text(setting);
        if text.is_empty() {
            return 0;
        }
        text.parse().unwrap_or_else(|_| {
            self.error(format!("{} is not a number", setting.names()));
            0
        })
    }

    /// Reads a switch. It is off only if the value is `false`.
    pub fn switch(&mut self, setting: Setting) -> Switch {
        let off = self
            .optional(setting)
            .is_some_and(|text| text.eq_ignore_ascii_case("false"));
        Switch::from(!off)
    }

    /// Records another error.
    pub fn error(&mut self, what: impl Into<String>) {
        self.errors.push(what.into());
    }

    /// Returns all recorded errors, if there are any.
    pub fn finish(self) -> Result<(), EnvError> {
        if self.errors.is_empty() {
            Ok(())
        } else {
            Err(EnvError(self.errors))
        }
    }

    pub(crate) fn into_read(self) -> Vec<Setting> {
        self.read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_everything_at_once() {
        const fn required(name: &'static str) -> Setting {
            Setting::required(name, "A setting.")
        }
        let mut env = Env::of([("B", " "), ("N", "x"), ("D", "d"), ("I", "FALSE")]);
        let _ = (
            env.text(required("A")),
            env.text(required("B")),
            env.text(required("E").with_alias("F")),
            env.number(required("N")),
            env.text_if(false, required("G")),
        );
        let d = env.text(required("C").with_alias("D"));
        let h = env.text(Setting::optional("H", "A setting.").with_default("h"));
        let i = env.switch(required("I").with_default("true"));
        assert_eq!((d.as_str(), h.as_str(), i), ("d", "h", Switch::Off));
        let names: Vec<_> = env.read.iter().map(|setting| setting.name).collect();
        assert_eq!(names, ["A", "B", "E", "N", "G", "C", "H", "I"]);
        assert_eq!(
            env.finish().expect_err("four are wrong").to_string(),
            "cannot start: A is not set; B is not set; E or F is not set; N is not a number"
        );
    }
}
