//! Declares a setting: a constant with its name and description.

/// An environment variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    pub name: &'static str,
    /// A second name, used if the first is not set.
    pub alias: Option<&'static str>,
    /// One or more sentences for operators.
    pub description: &'static str,
    /// Whether the function refuses to start without it.
    pub required: bool,
    /// The value that applies if it is not set.
    pub default: Option<&'static str>,
    /// Whether the value may be a reference to a parameter of Systems Manager, such as `ssm:/name`.
    pub secret: bool,
    /// Whether `template.yaml` sets it for every function that reads it.
    pub in_template: bool,
}

impl Setting {
    /// A setting that a function needs to start.
    pub const fn required(name: &'static str, description: &'static str) -> Self {
        Self {
            name,
            alias: None,
            description,
            required: true,
            default: None,
            secret: false,
            in_template: true,
        }
    }

    /// A setting that may be absent. The description says what changes then.
    pub const fn optional(name: &'static str, description: &'static str) -> Self {
        Self {
            required: false,
            ..Self::required(name, description)
        }
    }

    /// Sets the value that applies if the setting is absent.
    #[must_use]
    pub const fn with_default(self, default: &'static str) -> Self {
        Self {
            required: false,
            default: Some(default),
            ..self
        }
    }

    /// A second name, used if the first is not set.
    #[must_use]
    pub const fn with_alias(self, alias: &'static str) -> Self {
        Self {
            alias: Some(alias),
            ..self
        }
    }

    /// Marks the value as a secret or a reference to one.
    #[must_use]
    pub const fn secret(self) -> Self {
        Self {
            secret: true,
            ..self
        }
    }

    /// Marks a setting that `template.yaml` does not set: Lambda or a developer's shell may set it.
    #[must_use]
    pub const fn outside_template(self) -> Self {
        Self {
            in_template: false,
            ..self
        }
    }

    /// Returns the same setting for a function that starts without it.
    #[must_use]
    pub const fn when_present(self) -> Self {
        Self {
            required: false,
            ..self
        }
    }

    /// Returns `NAME`, or `NAME or ALIAS`.
    pub fn names(&self) -> String {
        match self.alias {
            Some(alias) => format!("{} or {alias}", self.name),
            None => self.name.to_owned(),
        }
    }
}

/// Every function reads it, before its own settings.
pub(crate) const LEVEL: Setting = Setting::optional(
    "RUST_LOG",
    "The log level: `off`, `error`, `warn`, `info`, `debug` or `trace`. The local stack logs nothing unless it is set.",
)
.with_default("info");
pub(crate) const CA_BUNDLE: Setting = Setting::optional(
    "AWS_CA_BUNDLE",
    "A PEM file with the only certificates to trust.",
)
.with_alias("SSL_CERT_FILE")
.outside_template();
