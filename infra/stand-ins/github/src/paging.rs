//! Pages of a list: `per_page`, `page` and the `Link` header. Links are paths without a host,
//! because octocrab sends its token only to the host it was built for, and adds that host itself.

use axum::Json;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::GitHub;
use super::refusal::Refusal;

const PER_PAGE_MAX: usize = 100;

/// The path of a request before nested routers strip it.
#[derive(Clone)]
pub(super) struct Asked(pub String);

pub(super) struct Paging {
    path: String,
    other: Vec<(String, String)>,
    per_page: usize,
    page: usize,
}

impl FromRequestParts<GitHub> for Paging {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, github: &GitHub) -> Result<Self, Refusal> {
        let unread = |_| Refusal::bad_request("Problems parsing the query");
        let Query(query) = Query::<Vec<(String, String)>>::from_request_parts(parts, github)
            .await
            .map_err(unread)?;
        let (paging, other): (Vec<_>, Vec<_>) = query
            .into_iter()
            .partition(|(key, _)| key == "page" || key == "per_page");
        let number = |name| {
            paging
                .iter()
                .find(|(key, _)| key == name)
                .and_then(|(_, value)| value.parse().ok())
        };
        let path = parts
            .extensions
            .get::<Asked>()
            .map_or_else(String::new, |asked| asked.0.clone());
        Ok(Self {
            path,
            other,
            per_page: number("per_page").unwrap_or(30).clamp(1, PER_PAGE_MAX),
            page: number("page").unwrap_or(1).max(1),
        })
    }
}

impl Paging {
    /// A query parameter that is unrelated to paging.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.other
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub fn respond(&self, items: Vec<Value>) -> Response {
        self.respond_in(items, |page| page)
    }

    /// Answers with one page inside another shape.
    pub fn respond_in(&self, items: Vec<Value>, shape: impl FnOnce(Value) -> Value) -> Response {
        let last = items.len().div_ceil(self.per_page).max(1);
        let start = (self.page - 1).saturating_mul(self.per_page);
        let page: Vec<Value> = items.into_iter().skip(start).take(self.per_page).collect();
        let mut response = Json(shape(Value::Array(page))).into_response();
        if let Ok(link) = HeaderValue::from_str(&self.links(last))
            && !link.is_empty()
        {
            response.headers_mut().insert(header::LINK, link);
        }
        response
    }

    fn links(&self, last: usize) -> String {
        let mut links = Vec::new();
        if self.page > 1 {
            links.push(self.link(self.page - 1, "prev"));
            links.push(self.link(1, "first"));
        }
        if self.page < last {
            links.push(self.link(self.page + 1, "next"));
            links.push(self.link(last, "last"));
        }
        links.join(", ")
    }

    fn link(&self, page: usize, rel: &str) -> String {
        let other: String = self
            .other
            .iter()
            .map(|(key, value)| format!("{key}={}&", encoded(value)))
            .collect();
        format!(
            "<{}?{other}per_page={}&page={page}>; rel=\"{rel}\"",
            self.path, self.per_page
        )
    }
}

pub(super) fn encoded(value: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    value
        .bytes()
        .map(|b| {
            if plain(b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
}
