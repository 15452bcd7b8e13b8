//! The edge of the process: everything that a function needs from outside.
//!
//! Owns the environment, the clock, random numbers, secrets, logging, the HTTP client under all
//! adapters and the Lambda runtime. It is the only caller of `std::env` and of the clock.
//! [`Outside`] is the seam: on AWS it holds one hyper client, in tests and on the local stack it
//! holds in-process stand-ins, and nothing else differs.

mod aws;
mod env;
#[cfg(feature = "receiver")]
mod gateway;
mod keyed;
mod log;
mod outside;
#[cfg(any(feature = "receiver", feature = "http", feature = "consumer"))]
pub mod runtime;
mod secrets;
mod setting;
mod settings;
mod signing;
mod source;
mod ssm;
mod web;

pub use aws::{Aws, AwsSettings};
pub use env::{Env, EnvError};
pub use keyed::{Keyed, Source};
pub use log::{log_at, log_to, log_to_stdout};
pub use outside::{Clock, Outside, Random, Web, WebError};
pub use secrets::{Secret, SecretError, Secrets};
pub use setting::Setting;
pub use settings::Settings;
pub use signing::Sign;
pub use source::SourceAddress;
pub use tracing::level_filters::LevelFilter;
pub use web::Trust;
