//! What a setting is, and how a function says which ones it has.
//!
//! A setting is a constant that carries its description, and reading it records it. So the list of a function's settings
//! is what the function reads, and the reference page is made from it.

use crate::{Env, EnvError, log, web};

/// A variable of the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    pub name: &'static str,
    /// A second name, which counts where the first is not set.
    pub alias: Option<&'static str>,
    /// One or more sentences for operators.
    pub description: &'static str,
    /// Whether the function refuses to start without it.
    pub required: bool,
    /// The value that applies where it is not set.
    pub default: Option<&'static str>,
    /// Whether the value may be a reference to a parameter of Systems Manager, `ssm:/name`.
    pub secret: bool,
    /// Whether `template.yaml` sets it for every function that reads it.
    pub in_template: bool,
}

impl Setting {
    /// A setting without which a function does not start.
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

    /// A setting that may be absent. The description says what is different then.
    pub const fn optional(name: &'static str, description: &'static str) -> Self {
        Self {
            required: false,
            ..Self::required(name, description)
        }
    }

    /// The value that applies where the setting is absent.
    #[must_use]
    pub const fn with_default(self, default: &'static str) -> Self {
        Self {
            required: false,
            default: Some(default),
            ..self
        }
    }

    /// A second name, which counts where the first is not set.
    #[must_use]
    pub const fn with_alias(self, alias: &'static str) -> Self {
        Self {
            alias: Some(alias),
            ..self
        }
    }

    /// The value is a secret or a reference to one.
    #[must_use]
    pub const fn secret(self) -> Self {
        Self {
            secret: true,
            ..self
        }
    }

    /// Lambda, a developer's shell or nobody sets it, but not `template.yaml`.
    #[must_use]
    pub const fn outside_template(self) -> Self {
        Self {
            in_template: false,
            ..self
        }
    }

    /// The same setting for a function that starts without it.
    #[must_use]
    pub const fn when_present(self) -> Self {
        Self {
            required: false,
            ..self
        }
    }

    /// `NAME`, or `NAME or ALIAS`.
    pub fn names(&self) -> String {
        match self.alias {
            Some(alias) => format!("{} or {alias}", self.name),
            None => self.name.to_owned(),
        }
    }
}

/// All settings of a function, or a part that several functions share.
pub trait Settings: Sized {
    /// Reads every setting, whatever the others say, and notes in `env` what is wrong.
    fn read(env: &mut Env) -> Self;

    /// Reads the settings, or reports everything that is wrong with them.
    fn load(mut env: Env) -> Result<Self, EnvError> {
        let settings = Self::read(&mut env);
        env.finish().map(|()| settings)
    }

    /// The settings of a function: those that every function has, then those that [`Settings::read`] reads, in its order.
    fn settings() -> Vec<Setting> {
        let mut env = Env::empty();
        env.record(log::LEVEL);
        env.record(web::CA_BUNDLE);
        drop(Self::read(&mut env));
        env.into_read()
    }
}
