//! The Stripe client: products, customers, payments, subscriptions and usage.
//!
//! The crate owns the secret key and the transport, and is the only importer of async-stripe. It
//! sends async-stripe's requests on our own transport, because async-stripe's client hides status
//! codes and invents idempotency keys. Each call is one attempt in the pinned API version, and the
//! key is never printed. Responses are parsed leniently: words that are newer than this code are
//! kept, and unknown fields are ignored.
//!
//! Writes are safe to repeat: the caller fixes the idempotency key in advance, and a usage report's
//! identifier is both its idempotency key and Stripe's own key for the event. "Already exists" is a
//! result, not an error. Stripe forgets keys after a day and stores its own failures with them
//! ([`StripeError::failure_is_stored`]), so callers look up older writes, as
//! [`StripeApi::usage_total`] does for usage.

mod adjustments;
mod calls;
mod charges;
mod checkout;
mod customer_balances;
mod customers;
mod error;
mod event_destinations;
mod events;
mod fields;
mod invoices;
mod meters;
mod payment_intents;
mod payment_methods;
mod portal;
mod prices;
mod products;
mod refunds;
mod schedules;
mod subscriptions;
#[cfg(test)]
mod testing;
mod transport;
mod usage;
mod webhook_endpoints;

pub use adjustments::{Adjusted, AdjustmentStatus};
pub use calls::Page;
pub use charges::Charge;
pub use checkout::{
    CheckoutMode, CheckoutOrder, CheckoutSession, CheckoutUi, Line, PaymentStatus, SessionMode,
    SessionStatus,
};
pub use customer_balances::{BalanceCredit, BalanceEntry};
pub use customers::{ACCOUNT_NOTE, BillingAddress, Customer, CustomerChange, CustomerOrder};
pub use error::{Advice, Fault, Origin, Refusal, StripeError};
pub use event_destinations::{
    DestinationStatus, EventDestination, EventDestinationOrder, NewEventDestination,
};
pub use events::RawEvent;
pub use invoices::{Invoice, InvoiceLine, InvoiceStatus};
pub use meters::{Meter, MeterStatus};
pub use payment_intents::{IntentStatus, PaymentIntent, PaymentIntentOrder};
pub use payment_methods::{Card, PaymentMethod};
pub use portal::{PortalCancel, PortalConfiguration, PortalOffer, PortalOrder, PortalSession};
pub use prices::{
    Amount, Interval, KeyTransfer, Price, PriceOrder, Recurring, Tier, TiersMode, UsageType,
};
pub use products::{Product, ProductChange, ProductOrder};
pub use refunds::{Refund, RefundOrder, RefundReason, RefundStatus};
pub use schedules::{PhaseItem, Schedule, SchedulePhase, ScheduleStatus};
pub use subscriptions::{
    Cancel, ItemChange, MethodMissing, Preview, PreviewLine, PriceChoice, Proration, Subscription,
    SubscriptionChange, SubscriptionItem, SubscriptionOrder, SubscriptionStatus, Trial, WhenUnpaid,
};
pub use usage::{Reported, UsageReport};
pub use webhook_endpoints::{
    EndpointStatus, NewWebhookEndpoint, WebhookEndpoint, WebhookEndpointChange,
    WebhookEndpointOrder,
};

use domain::inbox::events::StripeMode;
use http::{HeaderValue, Uri};
use secrecy::{ExposeSecret, SecretString};

/// The HTTP transport: absolute URLs, no redirects, bounded time and size. After an error, the
/// request may or may not have been carried out.
pub type Web = tower::util::BoxCloneSyncService<
    http::Request<bytes::Bytes>,
    http::Response<bytes::Bytes>,
    BoxError,
>;

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The version of Stripe's API that this crate uses; webhooks should use it too.
pub fn api_version() -> &'static str {
    stripe_shared::version::VERSION.as_str()
}

pub struct StripeConfig {
    /// For example `https://api.stripe.com`.
    pub url: String,
    pub secret_key: SecretString,
}

/// The client for Stripe.
#[derive(Clone)]
pub struct StripeApi {
    url: String,
    authorization: HeaderValue,
    mode: Option<StripeMode>,
    web: Web,
}

impl StripeApi {
    /// Creates the client without sending a request.
    pub fn new(config: StripeConfig, web: Web) -> Result<Self, StripeError> {
        let base: Uri = config.url.parse().map_err(|_| StripeError::Url)?;
        if base.scheme().is_none() || base.authority().is_none() {
            return Err(StripeError::Url);
        }
        let key = config.secret_key.expose_secret().trim();
        let mut authorization =
            HeaderValue::try_from(format!("Bearer {key}")).map_err(|_| StripeError::SecretKey)?;
        if key.is_empty() {
            return Err(StripeError::SecretKey);
        }
        authorization.set_sensitive(true);
        Ok(Self {
            url: config.url.trim_end_matches('/').to_owned(),
            authorization,
            mode: mode_of(key),
            web,
        })
    }

    /// The mode of the key, or `None` if the key does not contain it.
    pub const fn mode(&self) -> Option<StripeMode> {
        self.mode
    }
}

/// The mode in `sk_test_…`, `rk_live_…` and so on.
fn mode_of(key: &str) -> Option<StripeMode> {
    let world = key.split_once('_')?.1;
    let of = |(word, mode)| world.starts_with::<&str>(word).then_some(mode);
    [("test_", StripeMode::Test), ("live_", StripeMode::Live)]
        .into_iter()
        .find_map(of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_refused_at_the_start() {
        for (url, key, fine) in [
            ("https://api.stripe.com/", "sk_test_x\n", true),
            ("api.stripe.com", "sk_test_x", false),
            ("https://api.stripe.com", " ", false),
            ("https://api.stripe.com", "sk\n_x", false),
        ] {
            let config = StripeConfig {
                url: url.to_owned(),
                secret_key: SecretString::from(key),
            };
            let web = Web::new(tower::service_fn(async |_| Err("never called".into())));
            assert_eq!(StripeApi::new(config, web).is_ok(), fine, "{url} {key:?}");
        }
    }

    #[test]
    fn a_key_says_its_mode() {
        for (key, mode) in [
            ("sk_test_x", Some(StripeMode::Test)),
            ("rk_live_x", Some(StripeMode::Live)),
            ("sk_x", None),
            ("test_x", None),
            ("x", None),
        ] {
            assert_eq!(mode_of(key), mode, "{key}");
        }
    }
}
