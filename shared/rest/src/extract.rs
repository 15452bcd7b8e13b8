//! Extractors whose rejections are JSON problems: bodies, forms, query parameters and path
//! segments.
//!
//! The extractors of axum reject malformed input with `text/plain`, which a client of a JSON API
//! cannot parse.

use crate::ApiError;
use axum::Json;
use axum::extract::rejection::{FormRejection, JsonRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use http::request::Parts;
use serde::de::DeserializeOwned;

/// A JSON body.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let body = Json::from_request(request, state).await;
        let Json(body) = body.map_err(|error: JsonRejection| bad_body(&error.body_text()))?;
        Ok(Self(body))
    }
}

/// A form body from a browser.
#[derive(Debug)]
pub struct Form<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Form<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let form = axum::Form::from_request(request, state).await;
        // The reason could repeat a secret field.
        let axum::Form(form) =
            form.map_err(|_: FormRejection| bad_body("Send the form exactly as the page has it."))?;
        Ok(Self(form))
    }
}

/// Query parameters.
#[derive(Debug)]
pub struct Params<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query = Query::from_request_parts(parts, state).await;
        let Query(query) = query.map_err(|error: QueryRejection| {
            ApiError::bad_request("bad_query", error.body_text())
        })?;
        Ok(Self(query))
    }
}

/// The variable segments of a path. A segment that cannot be decoded is answered as not found.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = axum::extract::Path::from_request_parts(parts, state).await;
        let axum::extract::Path(path) = path.map_err(|_| {
            ApiError::not_found("Nothing exists at this path; check its percent-encoding.")
        })?;
        Ok(Self(path))
    }
}

fn bad_body(detail: &str) -> ApiError {
    ApiError::bad_request("bad_body", detail)
}
