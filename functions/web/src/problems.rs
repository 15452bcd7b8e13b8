//! Errors as pages, for browsers: the same sentence and the same request id as the JSON problem.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use maud::html;
use pages::Page;
use serde::Deserialize;

/// More than any problem needs.
const PROBLEM_BYTES_MAX: usize = 64 * 1024;

#[derive(Deserialize)]
struct Problem {
    code: String,
    detail: String,
    #[serde(default)]
    request_id: String,
}

/// Turns a problem into a page if the browser asks for pages. It is outside the layer that adds
/// request ids.
pub async fn as_pages(request: Request, next: Next) -> Response {
    let wants_page = wants_page(request.headers());
    let response = next.run(request).await;
    let kind = response.headers().get(header::CONTENT_TYPE);
    if !wants_page || kind.is_none_or(|kind| kind.as_bytes() != b"application/problem+json") {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, PROBLEM_BYTES_MAX).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let Ok(problem) = serde_json::from_slice::<Problem>(&bytes) else {
        return Response::from_parts(head, Body::from(bytes));
    };
    let mut response = page(head.status, &problem).into_response();
    head.headers.remove(header::CONTENT_TYPE);
    head.headers.remove(header::CONTENT_LENGTH);
    for (name, value) in &head.headers {
        response.headers_mut().insert(name, value.clone());
    }
    response
}

fn wants_page(headers: &HeaderMap) -> bool {
    let accepts = headers.get(header::ACCEPT);
    accepts.is_some_and(|accepts| {
        accepts
            .to_str()
            .is_ok_and(|accepts| accepts.contains("text/html"))
    })
}

fn page(status: StatusCode, problem: &Problem) -> Page {
    let heading = match status {
        StatusCode::NOT_FOUND => "Not found",
        StatusCode::FORBIDDEN => "You may not do this",
        StatusCode::PAYMENT_REQUIRED => "The payment did not succeed",
        StatusCode::TOO_MANY_REQUESTS => "Too many requests",
        status if status.is_server_error() => "Something went wrong",
        _ => "This was not done",
    };
    let text = on_a_page(&problem.code).unwrap_or(&problem.detail);
    Page::new(status, heading).paragraph(text).with(&html! {
        p { a href="/billing" { "Back to your account" } }
        p.quiet { "Request " code { (problem.request_id) } }
    })
}

/// What people do on pages where programs call the API.
fn on_a_page(code: &str) -> Option<&'static str> {
    Some(match code {
        "already_subscribed" => {
            "The account has a subscription already. Change its plan under Billing, Plan."
        }
        "bad_csrf_token" => {
            "This form is from another session. Go back, reload the page and send the form again."
        }
        "checkout_complete" => {
            "This purchase is complete. To buy again, go back and reload the page first."
        }
        "checkout_expired" => {
            "This checkout has expired and nothing was paid. Go back, reload the page and try again."
        }
        "idempotency_key_reused" => {
            "This form was sent with other values before. Go back, reload the page and send it again."
        }
        "no_default_payment_method" => {
            "There is no payment method to charge. Add one under Billing, Top up, then switch automatic top-up on."
        }
        "not_found" => "There is no such page, or it belongs to another account.",
        "top_up_in_progress" => {
            "A top-up is in progress on the terms of before. Switch automatic top-up off, or try again when it is paid."
        }
        _ => return None,
    })
}
