//! The settings of functions, by part: one reads a table's settings, another Stripe's.
//!
//! Each part reads its settings from the environment, notes what is wrong with them, and connects the client that they are
//! for. A function's `Config` is the list of its parts. The parts of vendors are features, so a function links only the
//! clients that it uses.

#[cfg(feature = "catalogue")]
mod catalogue;
#[cfg(feature = "github")]
mod github;
#[cfg(feature = "mail")]
mod mail;
#[cfg(feature = "model")]
mod model;
mod platform;
mod queues;
#[cfg(feature = "stripe")]
mod stripe;
mod switches;
mod tables;
mod urls;

#[cfg(feature = "catalogue")]
pub use self::catalogue::CatalogueSettings;
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
pub use tables::{EventsSettings, LedgerSettings, MainSettings};
pub use urls::{DashboardUrl, GithubWebUrl, PublicUrl};
