//! Every identifier of the house, in one registry.
//!
//! Ours are a prefix and a lower-case ULID, so they sort by birth; they are minted from a moment and random bytes that
//! `boot` hands in. Vendors' ids can only be parsed. None of them dereferences to text or comes from text unchecked.

use crate::time::Timestamp;
use std::fmt;

/// Why a text is not the id it was taken for.
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
            /// What every id of this kind begins with.
            pub const PREFIX: &'static str = $prefix;

            /// A new id, from a moment and ten random bytes.
            pub fn mint(at: Timestamp, random: [u8; 10]) -> Self {
                Self(format!("{}{}", Self::PREFIX, ulid(at, random)))
            }

            /// Reads an id back.
            pub fn parse(text: &str) -> Result<Self, BadId> {
                match text.strip_prefix(Self::PREFIX) {
                    Some(rest) if is_ulid(rest) => Ok(Self(text.to_owned())),
                    _ => Err(BadId { kind: stringify!($name) }),
                }
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The part behind the prefix.
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
            /// Reads an id as the vendor sends it: bounded, plain characters only.
            pub fn parse(text: &str) -> Result<Self, BadId> {
                let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
                if plain && text.starts_with($prefix) && text.len() > $prefix.len() && text.len() <= $max {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(BadId { kind: stringify!($name) })
                }
            }

            /// The id as text.
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
            /// Takes the vendor's number.
            pub const fn new(number: u64) -> Self {
                Self(number)
            }

            /// The vendor's number.
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
    /// Who pays and owns things.
    AccountId = "acc_";
    /// One act of an operator that moves money.
    ActionId = "act_";
    /// A key of a customer's programs.
    KeyId = "key_";
    /// A small piece of model work with an answer to read.
    AssistId = "erd_";
    /// One order: an issue that is to become a pull request.
    JobId = "job_";
    /// A person's being signed in, on one browser.
    SessionId = "ses_";
    /// One billable fact that Stripe must be told.
    UsageId = "use_";
}

vendor_text! {
    /// Stripe's id of a charge; other ways to pay than cards have other prefixes than `ch_`.
    ChargeId = "", 100;
    /// Stripe's id of a checkout session.
    CheckoutSessionId = "cs_", 255;
    /// Stripe's id of an account's customer.
    CustomerId = "cus_", 64;
    /// The `X-GitHub-Delivery` of one webhook.
    DeliveryId = "", 100;
    /// Stripe's id of a dispute, `dp_…` or `du_…`.
    DisputeId = "d", 64;
    /// Stripe's id of an invoice.
    InvoiceId = "in_", 64;
    /// What a payment is known by: Stripe's id of the payment intent; of the charge, where it is so old that it has none; of
    /// the checkout session, where nothing was to be paid.
    PaymentId = "", 255;
    /// Stripe's id of one payment, whatever it is for.
    PaymentIntentId = "pi_", 100;
    /// Stripe's id of a way to pay: `pm_…`, or `card_…` and others from older times.
    PaymentMethodId = "", 100;
    /// Stripe's id of a price; whoever made it may have chosen it.
    PriceId = "", 255;
    /// Stripe's id of a product; whoever made it may have chosen it.
    ProductId = "", 255;
    /// Stripe's id of a refund, `re_…`, `pyr_…` and others.
    RefundId = "", 64;
    /// Stripe's id of an event.
    StripeEventId = "evt_", 100;
    /// Stripe's id of a subscription.
    SubscriptionId = "sub_", 64;
}

vendor_number! {
    /// GitHub's number for a comment.
    CommentId;
    /// GitHub's number for one installation of the App; reinstalling makes a new one.
    InstallationId;
    /// GitHub's number for a user or organization that owns repositories; it survives renames.
    OwnerId;
    /// GitHub's number for a repository; it survives renames and transfers.
    RepositoryId;
    /// GitHub's number for a person; it survives renames.
    UserId;
}

impl ActionId {
    /// An act that is known by a key has an id that follows from it, so that it cannot be done twice.
    pub fn of_digest(digest: [u8; 16]) -> Self {
        let [a, b, c, d, e, f, random @ ..] = digest;
        let millis = [a, b, c, d, e, f]
            .into_iter()
            .fold(0_i64, |sum, byte| sum << 8 | i64::from(byte));
        Self::mint(Timestamp::from_millis(millis), random)
    }
}

impl AssistId {
    /// An assist has the ULID of the act that asked for it, so that the act cannot ask for two.
    pub fn of_act(act: &ActionId) -> Self {
        Self(format!("{}{}", Self::PREFIX, act.ulid()))
    }
}

impl KeyId {
    /// A key has the ULID of the act that made it, so that the act cannot make two.
    pub fn of_act(act: &ActionId) -> Self {
        Self(format!("{}{}", Self::PREFIX, act.ulid()))
    }
}

impl JobId {
    /// A job that is asked for by the API has the ULID of the act that asks, so that the act cannot make two.
    pub fn of_act(act: &ActionId) -> Self {
        Self(format!("{}{}", Self::PREFIX, act.ulid()))
    }
}

impl UsageId {
    /// The usage that a report of an agent tells of has the ULID of the act of reporting.
    pub fn of_act(act: &ActionId) -> Self {
        Self(format!("{}{}", Self::PREFIX, act.ulid()))
    }

    /// The usage of a job has the job's own ULID: the fact is the job, so it has no second id to be minted twice.
    pub fn of_job(job: &JobId) -> Self {
        Self(format!("{}{}", Self::PREFIX, job.ulid()))
    }

    /// The usage of an assist, likewise.
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
    fn strangers_do_not_parse() {
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
