//! Fields in Stripe's formats: ids or whole objects, seconds, and words that may be newer than this
//! code.

use domain::ids::{
    ChargeId, CheckoutSessionId, CustomerId, InvoiceId, PaymentIntentId, PaymentMethodId, PriceId,
    ProductId, RefundId, ScheduleId, StripeEventId, SubscriptionId,
};
use domain::time::Timestamp;
use secrecy::SecretString;
use serde::de::{Deserialize, Deserializer, Error};
use serde_json::Number;

/// An id that may appear in place of its object.
pub(crate) trait Reference: Sized {
    fn of(text: &str) -> Option<Self>;
}

macro_rules! references {
    ($($name:ident)*) => {$(
        impl Reference for $name {
            fn of(text: &str) -> Option<Self> {
                Self::parse(text).ok()
            }
        }
    )*};
}

references! {
    ChargeId CheckoutSessionId CustomerId InvoiceId PaymentIntentId PaymentMethodId PriceId ProductId RefundId
    ScheduleId StripeEventId SubscriptionId
}

impl Reference for String {
    fn of(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Shape {
    Id(String),
    Whole { id: String },
}

/// Reads an id, or an object with an id.
pub(crate) fn id<'de, D: Deserializer<'de>, T: Reference>(deserializer: D) -> Result<T, D::Error> {
    match Shape::deserialize(deserializer)? {
        Shape::Id(id) | Shape::Whole { id } => {
            T::of(&id).ok_or_else(|| D::Error::custom("not an id of its kind"))
        }
    }
}

/// Like `id`, but the field may be absent.
pub(crate) fn id_maybe<'de, D: Deserializer<'de>, T: Reference>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    match Option::<Shape>::deserialize(deserializer)? {
        Some(Shape::Id(id) | Shape::Whole { id }) => T::of(&id)
            .map(Some)
            .ok_or_else(|| D::Error::custom("not an id of its kind")),
        None => Ok(None),
    }
}

/// Reads seconds since 1970.
pub(crate) fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    i64::deserialize(deserializer).map(Timestamp::from_seconds)
}

/// Like `moment`, but the field may be absent.
pub(crate) fn moment_maybe<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Timestamp>, D::Error> {
    Ok(Option::<i64>::deserialize(deserializer)?.map(Timestamp::from_seconds))
}

/// Returns the default if Stripe sends `null`.
pub(crate) fn or_empty<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// Whether the field has a value.
pub(crate) fn is_there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::<serde::de::IgnoredAny>::deserialize(deserializer)?.is_some())
}

/// Reads a text that is never printed.
pub(crate) fn secret<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SecretString>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(SecretString::from))
}

/// Reads a decimal from a text or a number, and returns it as text.
pub(crate) fn decimal<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum Decimal {
        Text(String),
        Number(Number),
    }
    Ok(
        Option::<Decimal>::deserialize(deserializer)?.map(|decimal| match decimal {
            Decimal::Text(text) => text,
            Decimal::Number(number) => number.to_string(),
        }),
    )
}

/// Declares enums of Stripe's words, with `Other` for words that are newer than this code.
macro_rules! open_words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $word:ident = $text:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
        #[serde(from = "String")]
        pub enum $name {
            $($(#[$word_doc])* $word,)*
            Other(String),
        }

        impl $name {
            /// Stripe's word.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$word => $text,)*
                    Self::Other(word) => word,
                }
            }
        }

        impl From<String> for $name {
            fn from(word: String) -> Self {
                match word.as_str() {
                    $($text => Self::$word,)*
                    _ => Self::Other(word),
                }
            }
        }
    )*};
}

pub(crate) use open_words;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json};

    #[derive(serde::Deserialize)]
    struct Thing {
        #[serde(default, deserialize_with = "id_maybe")]
        customer: Option<CustomerId>,
        #[serde(default, deserialize_with = "moment_maybe")]
        at: Option<Timestamp>,
        #[serde(default, deserialize_with = "decimal")]
        amount: Option<String>,
        #[serde(default, deserialize_with = "is_there")]
        pause: bool,
    }

    #[test]
    fn objects_come_whole_or_as_ids() {
        let customer =
            |value| from_value::<Thing>(json!({ "customer": value })).map(|thing| thing.customer);
        let known = CustomerId::parse("cus_1").ok();
        assert_eq!(customer(json!("cus_1")).expect("a thing"), known);
        assert_eq!(
            customer(json!({ "id": "cus_1", "object": "customer" })).expect("a thing"),
            known
        );
        assert_eq!(customer(json!(null)).expect("a thing"), None);
        for odd in [json!("sub_1"), json!({}), json!(7)] {
            assert!(customer(odd).is_err());
        }
    }

    #[test]
    fn absent_fields_are_nothing() {
        let thing: Thing = from_value(json!({})).expect("a thing");
        assert!(thing.at.is_none() && thing.amount.is_none() && !thing.pause);
        let thing: Thing =
            from_value(json!({ "at": 7, "amount": "0.15", "pause": {} })).expect("a thing");
        assert_eq!(
            (thing.at, thing.amount.as_deref()),
            (Some(Timestamp::from_seconds(7)), Some("0.15"))
        );
        assert!(thing.pause);
    }

    open_words! {
        Color { /// Red.
            Red = "red", }
    }

    #[test]
    fn new_words_are_kept() {
        let read = |word: &str| from_value::<Color>(json!(word)).expect("a word");
        assert_eq!(
            (read("red"), read("teal")),
            (Color::Red, Color::Other("teal".to_owned()))
        );
        assert_eq!(read("teal").as_str(), "teal");
        assert_eq!(read("red").as_str(), "red");
    }
}
