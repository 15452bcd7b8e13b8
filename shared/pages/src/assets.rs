//! The stylesheet and the script, under addresses that contain their digest.
//!
//! A page that was rendered before a deployment asks for the old address. It gets the present file,
//! which no browser may keep, rather than no style at all.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

pub const STYLE: &str = include_str!("../assets/style.css");
pub const SCRIPT: &str = include_str!("../assets/live.js");

static STYLE_PATH: LazyLock<String> = LazyLock::new(|| path(STYLE, "style.css"));
static SCRIPT_PATH: LazyLock<String> = LazyLock::new(|| path(SCRIPT, "live.js"));

pub fn style_path() -> &'static str {
    &STYLE_PATH
}

pub fn script_path() -> &'static str {
    &SCRIPT_PATH
}

fn path(content: &str, name: &str) -> String {
    let digest = hex::encode(Sha256::digest(content));
    format!("/assets/{}/{name}", &digest[..12])
}

/// Returns the file at `/assets/{digest}/{name}`, or `None` if there is no file of this name.
pub fn asset(digest: &str, name: &str) -> Option<Response> {
    let (content, kind, path) = match name {
        "style.css" => (STYLE, "text/css; charset=utf-8", style_path()),
        "live.js" => (SCRIPT, "text/javascript; charset=utf-8", script_path()),
        _ => return None,
    };
    let keep = if path == format!("/assets/{digest}/{name}") {
        "public, max-age=31536000, immutable"
    } else {
        "no-store"
    };
    let mut response = content.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_small() {
        assert!(STYLE.len() <= 8 * 1024, "style.css: {}", STYLE.len());
        assert!(SCRIPT.len() <= 2 * 1024, "live.js: {}", SCRIPT.len());
    }

    #[test]
    fn only_the_present_digest_is_kept_by_browsers() {
        let kept = |path: &str| {
            let mut parts = path.trim_start_matches("/assets/").split('/');
            let (digest, name) = (parts.next()?, parts.next()?);
            let response = asset(digest, name)?;
            Some(response.headers()[header::CACHE_CONTROL].clone())
        };
        for path in [style_path(), script_path()] {
            let forever = kept(path).expect("it exists");
            assert!(
                forever
                    .to_str()
                    .is_ok_and(|text| text.contains("immutable"))
            );
        }
        assert_eq!(
            kept("/assets/000000000000/style.css"),
            Some(HeaderValue::from_static("no-store"))
        );
        assert_eq!(kept("/assets/000000000000/other.css"), None);
    }
}
