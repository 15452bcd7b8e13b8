//! Pages for people: a heading, some sentences, perhaps a form. Whatever comes from outside is escaped; nothing is loaded,
//! no script runs, a page without a form can send none, nobody may put one into a frame, and none says where it came from.

use axum::response::{Html, IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, StatusCode, header};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:44em;margin:3em auto;padding:0 1em}\
    pre{background:#f4f4f4;padding:.8em;overflow-x:auto}code{font-family:ui-monospace,monospace}h3{margin-top:2em}\
    button{font:inherit;padding:.4em 1em}small{color:#666}\
    @media(prefers-color-scheme:dark){body{background:#111;color:#ddd}pre{background:#222}a{color:#8cf}small{color:#999}}";

/// Where a page may send what is filled in.
#[derive(Clone, Copy)]
enum Forms {
    Nowhere,
    ToUs,
}

/// A page that is being written.
#[derive(Clone)]
pub struct Page {
    status: StatusCode,
    forms: Forms,
    html: String,
}

impl Page {
    /// A page with a heading.
    pub fn new(status: StatusCode, heading: &str) -> Self {
        let heading = escaped(heading);
        let html = format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
            <meta name=\"viewport\" content=\"width=device-width\"><title>{heading} · Tallyhook</title>\
            <style>{STYLE}</style><h1>{heading}</h1>"
        );
        Self {
            status,
            forms: Forms::Nowhere,
            html,
        }
    }

    /// A paragraph.
    pub fn says(mut self, text: &str) -> Self {
        self.html.push_str(&format!("<p>{}</p>", escaped(text)));
        self
    }

    /// A text to be copied as it is.
    pub fn shows(mut self, text: &str) -> Self {
        self.html.push_str(&format!("<pre>{}</pre>", escaped(text)));
        self
    }

    /// A part that is HTML already, whatever came from outside escaped.
    pub fn contains(mut self, html: &str) -> Self {
        self.html.push_str(html);
        self
    }

    /// A link to a place of our own.
    pub fn leads(mut self, path: &str, label: &str) -> Self {
        self.html.push_str(&format!(
            "<p><a href=\"{}\">{}</a></p>",
            escaped(path),
            escaped(label)
        ));
        self
    }

    /// A button that sends these fields to a place of our own.
    pub fn offers(self, path: &str, fields: &[(&str, &str)], label: &str) -> Self {
        let form = format!("<form method=\"post\" action=\"{}\">", escaped(path));
        self.button(&form, fields, label)
    }

    /// The same with a secret that somebody fills in, which no browser shows or keeps.
    pub fn takes(
        self,
        path: &str,
        fields: &[(&str, &str)],
        (name, what): (&str, &str),
        label: &str,
    ) -> Self {
        let (path, name, what) = (escaped(path), escaped(name), escaped(what));
        let form = format!(
            "<form method=\"post\" action=\"{path}\"><label>{what} \
            <input type=\"password\" name=\"{name}\" autocomplete=\"off\" required></label> "
        );
        self.button(&form, fields, label)
    }

    /// A button that sends these fields to where the page itself is.
    pub fn asks(self, fields: &[(&str, &str)], label: &str) -> Self {
        self.button("<form method=\"post\">", fields, label)
    }

    fn button(mut self, form: &str, fields: &[(&str, &str)], label: &str) -> Self {
        self.forms = Forms::ToUs;
        self.html.push_str(form);
        for (name, value) in fields {
            self.html.push_str(&format!(
                "<input type=\"hidden\" name=\"{}\" value=\"{}\">",
                escaped(name),
                escaped(value)
            ));
        }
        self.html
            .push_str(&format!("<button>{}</button></form>", escaped(label)));
        self
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let mut response = (self.status, Html(self.html)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, policy(self.forms));
        headers.insert(
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        );
        response
    }
}

fn policy(forms: Forms) -> HeaderValue {
    static HASH: LazyLock<String> = LazyLock::new(|| STANDARD.encode(Sha256::digest(STYLE)));
    let to = match forms {
        Forms::Nowhere => "'none'",
        Forms::ToUs => "'self'",
    };
    let style = HASH.as_str();
    let text = format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action {to}; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

/// A text as HTML shows it.
pub fn escaped(text: &str) -> String {
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
        let page = Page::new(StatusCode::OK, bad)
            .says(bad)
            .shows(bad)
            .leads(bad, bad);
        let page =
            page.offers(bad, &[(bad, bad)], bad)
                .asks(&[], bad)
                .takes(bad, &[], (bad, bad), bad);
        assert!(
            !page.html.contains("<script") && !page.html.contains("\">'"),
            "{}",
            page.html
        );
        assert_eq!(
            page.html
                .matches("&quot;&gt;&lt;script&gt;&#39;&amp;")
                .count(),
            15
        );
    }
}
