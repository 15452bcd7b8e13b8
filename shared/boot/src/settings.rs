//! Declares and reads a function's settings.
//!
//! Reading a setting records it. So the list of a function's settings is exactly what the function
//! reads, and the reference page is generated from it.

use crate::setting::{CA_BUNDLE, LEVEL};
use crate::{Env, EnvError, Setting};

/// All settings of a function, or a part of them that several functions share.
pub trait Settings: Sized {
    /// Reads every setting, even after an error, and records the errors in `env`.
    fn read(env: &mut Env) -> Self;

    /// Reads the settings, or returns all errors in them.
    fn load(mut env: Env) -> Result<Self, EnvError> {
        let settings = Self::read(&mut env);
        env.finish().map(|()| settings)
    }

    /// Lists the settings of a function: those that every function has, then those that
    /// [`Settings::read`] reads, in its order.
    fn settings() -> Vec<Setting> {
        let mut env = Env::empty();
        env.record(LEVEL);
        env.record(CA_BUNDLE);
        drop(Self::read(&mut env));
        env.into_read()
    }
}
