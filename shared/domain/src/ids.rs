//! All identifiers.
//!
//! Tallyhook's own ids are a prefix and a lower-case ULID, so they sort by creation; they are made
//! from a moment and random bytes that the caller provides. Vendors' ids can only be parsed. No id
//! is made from text without a check.

use crate::time::Timestamp;
use std::fmt;

/// A text that is not a valid id of its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadId {
    kind: &'static str,
}

impl fmt::Display for BadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a valid {}", self.kind)
    }
}

impl std::error::Error for BadId {}

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const ULID_CHARS: usize = 26;

/// 48 bits of time, 80 of randomness, in Crockford's base 32.
fn ulid(at: Timestamp, random: [u8; 10]) -> String {
    let mut bits = u128::from(at.millis().unsigned_abs() & 0xFFFF_FFFF_FFFF);
    for byte in random {
        bits = bits << 8 | u128::from(byte);
    }
    (0..ULID_CHARS)
        .rev()
        .map(|place| {
            let digit = usize::try_from(bits >> (place * 5) & 31).unwrap_or(0);
            char::from(ALPHABET[digit])
        })
        .collect()
}

fn is_ulid(text: &str) -> bool {
    text.len() == ULID_CHARS
        && text.bytes().all(|byte| ALPHABET.contains(&byte))
        && text.as_bytes()[0] <= b'7'
}

macro_rules! ours {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The prefix of ids of this kind.
            pub const PREFIX: &'static str = $prefix;

            /// Creates an id from a moment and ten random bytes.
            pub fn mint(at: Timestamp, random: [u8; 10]) -> Self {
                Self(format!("{}{}", Self::PREFIX, ulid(at, random)))
            }

            /// Parses an id.
            pub fn parse(text: &str) -> Result<Self, BadId> {
                match text.strip_prefix(Self::PREFIX) {
                    Some(rest) if is_ulid(rest) => Ok(Self(text.to_owned())),
                    _ => Err(BadId { kind: stringify!($name) }),
                }
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The part after the prefix.
            pub fn ulid(&self) -> &str {
                &self.0[Self::PREFIX.len()..]
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

macro_rules! vendor_text {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal, $max:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Parses an id as the vendor sends it, with bounded length and plain characters.
            pub fn parse(text: &str) -> Result<Self, BadId> {
                let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
                if plain && text.starts_with($prefix) && text.len() > $prefix.len() && text.len() <= $max {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(BadId { kind: stringify!($name) })
                }
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

macro_rules! vendor_number {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            pub const fn new(number: u64) -> Self {
                Self(number)
            }

            pub const fn get(self) -> u64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    )*};
}

ours! {
    AccountId = "acc_";
    ActionId = "act_";
    KeyId = "key_";
    /// A small piece of model work.
    AssistId = "erd_";
    /// A job: an issue that becomes a pull request.
    JobId = "job_";
    /// A person's session in one browser.
    SessionId = "ses_";
    /// One billable fact to report to Stripe.
    UsageId = "use_";
}

vendor_text! {
    /// Stripe's id of a charge; only card charges start with `ch_`.
    ChargeId = "", 100;
    CheckoutSessionId = "cs_", 255;
    CustomerId = "cus_", 64;
    /// The `X-GitHub-Delivery` header of a webhook.
    DeliveryId = "", 100;
    /// Stripe's id of a dispute, `dp_…` or `du_…`.
    DisputeId = "d", 64;
    InvoiceId = "in_", 64;
    /// Identifies a payment: Stripe's id of the payment intent, of the charge if it is too old to
    /// have one, or of the checkout session if nothing was to be paid.
    PaymentId = "", 255;
    /// Stripe's id of a payment intent.
    PaymentIntentId = "pi_", 100;
    /// Stripe's id of a payment method: `pm_…`, or `card_…` and others for older ones.
    PaymentMethodId = "", 100;
    /// Stripe's id of a price; its creator may have chosen it.
    PriceId = "", 255;
    /// Stripe's id of a product; its creator may have chosen it.
    ProductId = "", 255;
    /// Stripe's id of a refund, `re_…`, `pyr_…` and others.
    RefundId = "", 64;
    /// Stripe's id of a subscription schedule.
    ScheduleId = "sub_sched_", 100;
    StripeEventId = "evt_", 100;
    SubscriptionId = "sub_", 64;
}

vendor_number! {
    /// GitHub's number for a comment.
    CommentId;
    /// GitHub's number for an installation of the App; reinstalling creates a new one.
    InstallationId;
    /// GitHub's number for a user or organization that owns repositories; it survives renames.
    OwnerId;
    /// GitHub's number for a repository; it survives renames and transfers.
    RepositoryId;
    /// GitHub's number for a person; it survives renames.
    UserId;
}

impl ActionId {
    /// Derives the id from an idempotency key's digest, so that the action cannot happen twice.
    pub fn of_digest(digest: [u8; 16]) -> Self {
        let [a, b, c, d, e, f, random @ ..] = digest;
        let millis = [a, b, c, d, e, f]
            .into_iter()
            .fold(0_i64, |sum, byte| sum << 8 | i64::from(byte));
        Self::mint(Timestamp::from_millis(millis), random)
    }
}

impl AssistId {
    /// Derives the id from the action that requests the assist, so that one action makes one
    /// assist.
    pub fn of_act(act: &ActionId) -> Self {
        Self(format!("{}{}", Self::PREFIX, act.ulid()))
    }
}

impl KeyId {
    /// Derives the id from the action that creates the key, so that one action makes one key.
    pub fn of_act(act: &ActionId) -> Self {
        Self(format!("{}{}", Self::PREFIX, act.ulid()))
    }
}

impl JobId {
    /// Derives the id from the action that requests the job, so that one action makes one job.
    pub fn of_act(act: &ActionId) -> Self {
        Self(format!("{}{}", Self::PREFIX, act.ulid()))
    }
}

impl UsageId {
    /// Derives the id from the action of reporting.
    pub fn of_act(act: &ActionId) -> Self {
        Self(format!("{}{}", Self::PREFIX, act.ulid()))
    }

    /// Derives the id from the job: the job is the fact, so it has one usage.
    pub fn of_job(job: &JobId) -> Self {
        Self(format!("{}{}", Self::PREFIX, job.ulid()))
    }

    /// Derives the id from the assist.
    pub fn of_assist(assist: &AssistId) -> Self {
        Self(format!("{}{}", Self::PREFIX, assist.ulid()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_round_trip_and_sort_by_birth() {
        let early = JobId::mint(Timestamp::from_millis(1_700_000_000_000), [255; 10]);
        let late = JobId::mint(Timestamp::from_millis(1_700_000_000_001), [0; 10]);
        assert_eq!(early.as_str(), "job_01hf7yat00zzzzzzzzzzzzzzzz");
        assert!(early < late);
        assert_eq!(JobId::parse(early.as_str()), Ok(early.clone()));
        assert_eq!(UsageId::of_job(&early).ulid(), early.ulid());
    }

    #[test]
    fn other_texts_do_not_parse() {
        for text in [
            "",
            "job_",
            "acc_01hf7yat00zzzzzzzzzzzzzzzz",
            "job_01HF7YAT00ZZZZZZZZZZZZZZZZ",
            "job_01hf7yat00zzzz#zzzzzzzzzzz",
            "job_zzzzzzzzzzzzzzzzzzzzzzzzzz",
        ] {
            assert!(JobId::parse(text).is_err(), "{text}");
        }
        let long = "a".repeat(101);
        for text in ["", "a#b", "a/b", "a b", "é", "a\u{0}", long.as_str()] {
            assert!(DeliveryId::parse(text).is_err(), "{text:?}");
        }
        assert!(StripeEventId::parse("evt_").is_err());
        assert!(StripeEventId::parse("evt_1AbC").is_ok());
    }
}
