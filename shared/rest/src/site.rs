//! The address of our own site: the setting, or the address at which a request arrived.
//!
//! The gateway routes by the `Host` header, so a request that arrives names one of our own domains.

use http::{HeaderMap, header};

const DASHBOARD: &str = "/billing";

/// Returns the address of the dashboard, or its path if no setting names the address.
pub fn dashboard(setting: Option<&str>) -> &str {
    setting.unwrap_or(DASHBOARD)
}

/// Returns the URL of a page of our site. The setting may end with the dashboard's path.
pub fn page(setting: Option<&str>, headers: &HeaderMap, path: &str) -> String {
    match setting {
        Some(url) => format!("{}{path}", url.strip_suffix(DASHBOARD).unwrap_or(url)),
        None => {
            host(headers).map_or_else(|| path.to_owned(), |host| format!("https://{host}{path}"))
        }
    }
}

/// Returns the host of a request.
pub fn host(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::HOST)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_page_is_on_the_site_of_the_setting_or_of_the_request() {
        let mut headers = HeaderMap::new();
        assert_eq!(page(None, &headers, "/billing"), "/billing");
        headers.insert(header::HOST, HeaderValue::from_static("a.test"));
        for (setting, expected) in [
            (None, "https://a.test/billing/top-up"),
            (
                Some("https://b.test/billing"),
                "https://b.test/billing/top-up",
            ),
            (Some("https://b.test"), "https://b.test/billing/top-up"),
        ] {
            assert_eq!(page(setting, &headers, "/billing/top-up"), expected);
        }
        assert_eq!(dashboard(None), "/billing");
    }
}
