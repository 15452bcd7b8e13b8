//! Parameters as Stripe accepts them: form-encoded in a body or in the query of a GET, nested
//! with brackets (`payload[value]=1`). An unknown parameter is refused, so a typo cannot pass for a
//! default.

use axum::extract::{Form, FromRequest, Query, Request};
use axum::http::{HeaderValue, Method, header};

use super::error::ApiError;

const FORM: &str = "application/x-www-form-urlencoded";

/// The fields of maps that mean the same in every call.
const MAPS: [(&str, &[&str]); 9] = [
    ("billing_mode", &["flexible", "type"]),
    ("cancellation_details", &["comment", "feedback"]),
    ("customer_mapping", &["event_payload_key", "type"]),
    ("default_aggregation", &["formula"]),
    ("end_behavior", &["missing_payment_method"]),
    (
        "payment_settings",
        &[
            "payment_method_options",
            "payment_method_types",
            "save_default_payment_method",
        ],
    ),
    (
        "recurring",
        &[
            "interval",
            "interval_count",
            "meter",
            "trial_period_days",
            "usage_type",
        ],
    ),
    ("trial_settings", &["end_behavior"]),
    ("value_settings", &["event_payload_key"]),
];

pub(super) struct Params(Vec<(String, String)>);

impl<S: Send + Sync> FromRequest<S> for Params {
    type Rejection = ApiError;

    async fn from_request(mut request: Request, state: &S) -> Result<Self, ApiError> {
        // A POST without parameters may omit its content type.
        request
            .headers_mut()
            .entry(header::CONTENT_TYPE)
            .or_insert(HeaderValue::from_static(FORM));
        let unread = |_| {
            ApiError::invalid(
                "Invalid request (check that your POST content type is application/x-www-form-urlencoded). If you \
                 have any questions, we can help at https://support.stripe.com/.",
            )
        };
        // A deletion may carry its parameters in the query, as Stripe's libraries send them, or in the
        // body.
        let uri = request.uri().clone();
        let in_query = (*request.method() == Method::DELETE)
            .then(|| Query::<Vec<(String, String)>>::try_from_uri(&uri).ok())
            .flatten();
        let form = Form::<Vec<(String, String)>>::from_request(request, state).await;
        let Form(mut pairs) = form.map_err(unread)?;
        pairs.extend(in_query.into_iter().flat_map(|Query(pairs)| pairs));
        Ok(Self(pairs))
    }
}

/// A call that takes no parameters. `expand` is allowed, as everywhere.
pub(super) struct NoParams;

impl<S: Send + Sync> FromRequest<S> for NoParams {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        Params::from_request(request, state).await?.only(&[])?;
        Ok(Self)
    }
}

impl Params {
    /// Refuses any parameter whose outermost name is not in the list, or which has a field that its
    /// map does not have. `expand` is always allowed.
    pub fn only(&self, known: &[&str]) -> Result<(), ApiError> {
        let is_unknown = |name: &str| {
            let (outer, inner) = name.split_once('[').unwrap_or((name, ""));
            let field = inner.split(']').next().unwrap_or_default();
            let fields = MAPS.iter().find(|(map, _)| *map == outer);
            outer != "expand"
                && (!known.contains(&outer)
                    || fields
                        .is_some_and(|(_, fields)| !field.is_empty() && !fields.contains(&field)))
        };
        match self.0.iter().find(|(name, _)| is_unknown(name)) {
            None => Ok(()),
            Some((name, _)) => Err(ApiError::parameter(
                name,
                "parameter_unknown",
                format!("Received unknown parameter: {name}"),
            )),
        }
    }

    /// A canonical text: the same for the same parameters in any order.
    pub fn canonical(&self) -> String {
        let mut pairs: Vec<_> = self.0.iter().collect();
        pairs.sort();
        format!("{pairs:?}")
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .rev()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    pub fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.get(name)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| ApiError::missing_parameter(name))
    }

    pub fn integer(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let parse = |value: &str| {
            let message = format!("Invalid integer: {value}");
            value
                .parse()
                .map_err(|_| ApiError::parameter(name, "parameter_invalid_integer", message))
        };
        self.get(name).map(parse).transpose()
    }

    pub fn boolean(&self, name: &str) -> Result<Option<bool>, ApiError> {
        let parse = |value: &str| {
            let message = format!("Invalid boolean: {value}");
            value
                .parse()
                .map_err(|_| ApiError::invalid(message).about(name))
        };
        self.get(name).map(parse).transpose()
    }

    /// A parameter that must be one of these words, if it is present.
    pub fn word<'a>(&'a self, name: &str, words: &[&str]) -> Result<Option<&'a str>, ApiError> {
        match self.get(name) {
            Some(value) if !words.contains(&value) => Err(ApiError::invalid(format!(
                "Invalid {name}: must be one of {}",
                words.join(", ")
            ))
            .about(name)),
            value => Ok(value),
        }
    }

    /// Whether a parameter with this outermost name is present.
    pub fn mentions(&self, name: &str) -> bool {
        self.0
            .iter()
            .any(|(known, _)| known.split('[').next() == Some(name))
    }

    /// The parameters nested under a name: `recurring[interval]=day` under `recurring` becomes
    /// `interval=day`.
    pub fn inside(&self, name: &str) -> Self {
        let strip = |(known, value): &(String, String)| {
            let (first, rest) = known
                .strip_prefix(name)?
                .strip_prefix('[')?
                .split_once(']')?;
            Some((format!("{first}{rest}"), value.clone()))
        };
        Self(self.0.iter().filter_map(strip).collect())
    }

    /// The rows of a list of maps, ordered by index: `items[0][price]=p` becomes `price=p`.
    pub fn rows(&self, name: &str) -> Vec<Self> {
        let inside = self.inside(name);
        let number = |known: &str| {
            known
                .split('[')
                .next()
                .and_then(|number| number.parse::<usize>().ok())
        };
        let mut numbers: Vec<usize> = inside
            .0
            .iter()
            .filter_map(|(known, _)| number(known))
            .collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
            .into_iter()
            .map(|number| inside.inside(&number.to_string()))
            .collect()
    }

    /// The pairs of a map: `metadata[job]=7` becomes `("job", "7")`.
    pub fn map<'a>(&'a self, name: &str) -> Vec<(&'a str, &'a str)> {
        let pair = |(key, value): &'a (String, String)| {
            Some((
                key.strip_prefix(name)?
                    .strip_prefix('[')?
                    .strip_suffix(']')?,
                value.as_str(),
            ))
        };
        self.0.iter().filter_map(pair).collect()
    }

    /// The values of a list: `types[]=a`, `types[0]=a`.
    pub fn list<'a>(&'a self, name: &str) -> Vec<&'a str> {
        self.map(name).into_iter().map(|(_, value)| value).collect()
    }
}
