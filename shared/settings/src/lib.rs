//! The settings of functions, in parts: for example, one part for a table and one for Stripe.
//!
//! Each part reads its settings from the environment, records the errors in them, and connects the
//! client that they configure. A function's `Config` lists its parts. Parts are behind features, so
//! a function links only the clients that it uses.

#[cfg(feature = "catalogue")]
mod catalogue;
#[cfg(feature = "github")]
mod github;
#[cfg(feature = "mail")]
mod mail;
#[cfg(feature = "model")]
mod model;
mod platform;
#[cfg(feature = "queues")]
mod queues;
#[cfg(feature = "stripe")]
mod stripe;
mod switches;
mod tables;
mod urls;

#[cfg(feature = "catalogue")]
pub use self::catalogue::{CatalogueSettings, PublishableKey};
#[cfg(feature = "queues")]
pub use self::queues::QueueSettings;
#[cfg(feature = "github")]
pub use github::{GithubSettings, SignInSettings};
#[cfg(feature = "mail")]
pub use mail::{Mail, MailSettings};
#[cfg(feature = "model")]
pub use model::{Model, ModelSettings};
pub use platform::{Platform, PlatformSettings};
#[cfg(feature = "stripe")]
pub use stripe::StripeSettings;
pub use switches::{AutoProvision, BillingEnabled};
pub use tables::{EventsSettings, LedgerReadSettings, LedgerSettings, MainSettings};
pub use urls::{DashboardUrl, GithubAppUrl, GithubWebUrl, PublicUrl};
