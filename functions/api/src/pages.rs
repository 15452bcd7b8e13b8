//! Small pages for people on their way in: a heading, some sentences, perhaps a form. Whatever comes from outside is
//! escaped; nothing is loaded, no script runs, and nobody may put them into a frame.

use axum::response::{Html, IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

const POLICY: &str = "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A page that is being written.
pub struct Page {
    status: StatusCode,
    html: String,
}

impl Page {
    /// A page with a heading.
    pub fn new(status: StatusCode, heading: &str) -> Self {
        let heading = escaped(heading);
        let html = format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
            <meta name=\"viewport\" content=\"width=device-width\"><title>{heading}</title><h1>{heading}</h1>"
        );
        Self { status, html }
    }

    /// A paragraph.
    pub fn says(mut self, text: &str) -> Self {
        self.html.push_str(&format!("<p>{}</p>", escaped(text)));
        self
    }

    /// A link to a place of our own.
    pub fn leads(mut self, path: &str, label: &str) -> Self {
        self.html.push_str(&format!("<p><a href=\"{}\">{}</a></p>", escaped(path), escaped(label)));
        self
    }

    /// A button that sends these fields to a place of our own.
    pub fn offers(mut self, path: &str, fields: &[(&str, &str)], label: &str) -> Self {
        self.html.push_str(&format!("<form method=\"post\" action=\"{}\">", escaped(path)));
        for (name, value) in fields {
            self.html.push_str(&format!(
                "<input type=\"hidden\" name=\"{}\" value=\"{}\">",
                escaped(name),
                escaped(value)
            ));
        }
        self.html.push_str(&format!("<button>{}</button></form>", escaped(label)));
        self
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let mut response = (self.status, Html(self.html)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        response
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_becomes_html() {
        let bad = "\"><script>'&";
        let page = Page::new(StatusCode::OK, bad).says(bad).leads(bad, bad).offers(bad, &[(bad, bad)], bad);
        assert!(!page.html.contains("<script") && !page.html.contains("\">'"), "{}", page.html);
        assert_eq!(page.html.matches("&quot;&gt;&lt;script&gt;&#39;&amp;").count(), 9);
    }
}
