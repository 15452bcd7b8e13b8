//! How a function says which settings it has.
//!
//! Reading a setting records it. So the list of a function's settings is what the function reads, and the reference page is
//! made from it.

use crate::setting::{CA_BUNDLE, LEVEL};
use crate::{Env, EnvError, Setting};

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
        env.record(LEVEL);
        env.record(CA_BUNDLE);
        drop(Self::read(&mut env));
        env.into_read()
    }
}
