//! The settings, read once at the start; everything wrong with them is said at once.

use std::collections::BTreeMap;
use std::fmt;

/// Where settings come from, and what was wrong with them so far.
pub struct Env {
    values: BTreeMap<String, String>,
    wrong: Vec<String>,
}

/// Everything that was wrong, a line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvError(Vec<String>);

impl fmt::Display for EnvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot start: {}", self.0.join("; "))
    }
}

impl std::error::Error for EnvError {}

impl Env {
    /// The environment of this process.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one reader of the environment"
    )]
    pub fn of_process() -> Self {
        Self::of(std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }))
    }

    /// Settings from elsewhere: a command line, a test.
    pub fn of<N: Into<String>, V: Into<String>>(values: impl IntoIterator<Item = (N, V)>) -> Self {
        let values = values
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        Self {
            values,
            wrong: Vec::new(),
        }
    }

    /// A setting that may be absent; blank is absent.
    pub fn find(&self, name: &str) -> Option<String> {
        self.values
            .get(name)
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
    }

    /// A setting that must be there.
    pub fn text(&mut self, name: &'static str) -> String {
        self.find(name).unwrap_or_else(|| {
            self.wrong.push(format!("{name} is not set"));
            String::new()
        })
    }

    /// A setting under the first of several names that is set.
    pub fn text_of(&mut self, names: &[&'static str]) -> String {
        names
            .iter()
            .find_map(|name| self.find(name))
            .unwrap_or_else(|| {
                self.wrong
                    .push(format!("{} is not set", names.join(" or ")));
                String::new()
            })
    }

    /// A number under the first of several names that is set.
    pub fn number_of(&mut self, names: &[&'static str]) -> u64 {
        let text = self.text_of(names);
        if text.is_empty() {
            return 0;
        }
        text.parse().unwrap_or_else(|_| {
            self.wrong
                .push(format!("{} is not a number", names.join(" or ")));
            0
        })
    }

    /// Notes something else that is wrong.
    pub fn error(&mut self, what: impl Into<String>) {
        self.wrong.push(what.into());
    }

    /// The verdict on all settings together.
    pub fn finish(self) -> Result<(), EnvError> {
        if self.wrong.is_empty() {
            Ok(())
        } else {
            Err(EnvError(self.wrong))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_everything_at_once() {
        let mut env = Env::of([("B", " "), ("N", "x"), ("D", "d")]);
        let _ = (
            env.text("A"),
            env.text("B"),
            env.text_of(&["C", "D"]),
            env.text_of(&["E", "F"]),
        );
        let _ = env.number_of(&["N"]);
        let said = env.finish().expect_err("much is wrong").to_string();
        for part in [
            "A is not set",
            "B is not set",
            "E or F is not set",
            "N is not a number",
        ] {
            assert!(said.contains(part), "{said}");
        }
        assert!(!said.contains('D'), "{said}");
    }
}
