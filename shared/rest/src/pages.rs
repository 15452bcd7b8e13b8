//! Pages for people: a heading, sentences and optional forms. Every text from outside is escaped.
//!
//! A page loads nothing and runs no script. A page without a form cannot submit one. No other site
//! may embed a page in a frame, and no page sends a referrer.

use axum::response::{Html, IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, StatusCode, header};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

const STYLE: &str = ":root{color-scheme:light dark;--line:#d8dee4;--soft:#f6f8fa;--quiet:#59636e;--link:#0550ae;--deep:#1f6f43}\
    body{font:16px/1.6 system-ui,sans-serif;max-width:44em;margin:3em auto;padding:0 1.2em}\
    h1{font-size:1.8em;line-height:1.25;margin:0 0 1em}h2{margin-top:2.2em;border-bottom:1px solid var(--line)}h3{margin-top:2em}\
    pre{background:var(--soft);border:1px solid var(--line);border-radius:6px;padding:.8em 1em;overflow-x:auto}\
    code{font-family:ui-monospace,monospace}a{color:var(--link)}small{color:var(--quiet)}form{margin:1.2em 0}\
    input{font:inherit;padding:.4em .6em;border:1px solid var(--line);border-radius:6px}\
    button{font:inherit;font-weight:600;padding:.45em 1.1em;border:0;border-radius:6px;background:var(--deep);color:#fff;cursor:pointer}\
    @media(prefers-color-scheme:dark){:root{--line:#3d444d;--soft:#161b22;--quiet:#9198a1;--link:#79c0ff;--deep:#238636}\
    body{background:#0d1117;color:#e6edf3}}";

/// Where a page may send its form.
#[derive(Clone, Copy)]
enum Forms {
    Nowhere,
    ToUs,
}

/// A page under construction.
#[derive(Clone)]
pub struct Page {
    status: StatusCode,
    forms: Forms,
    html: String,
}

impl Page {
    /// Starts a page with a heading.
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

    /// Adds a paragraph.
    pub fn paragraph(mut self, text: &str) -> Self {
        self.html.push_str(&format!("<p>{}</p>", escaped(text)));
        self
    }

    /// Adds a text for people to copy.
    pub fn copyable(mut self, text: &str) -> Self {
        self.html.push_str(&format!("<pre>{}</pre>", escaped(text)));
        self
    }

    /// Adds a part that is already HTML. The caller has escaped its texts from outside.
    pub fn markup(mut self, html: &str) -> Self {
        self.html.push_str(html);
        self
    }

    /// Adds a link within our site.
    pub fn link(mut self, path: &str, label: &str) -> Self {
        self.html.push_str(&format!(
            "<p><a href=\"{}\">{}</a></p>",
            escaped(path),
            escaped(label)
        ));
        self
    }

    /// Adds a button that submits these fields to a path of our site.
    pub fn button_to(self, path: &str, fields: &[(&str, &str)], label: &str) -> Self {
        let form = format!("<form method=\"post\" action=\"{}\">", escaped(path));
        self.button(&form, fields, label)
    }

    /// Adds the same button with a field for a secret, which browsers neither show nor store.
    pub fn secret_form(
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

    /// Adds a button that submits these fields to the page's own path.
    pub fn button_here(self, fields: &[(&str, &str)], label: &str) -> Self {
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

/// Escapes a text for HTML.
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
            .paragraph(bad)
            .copyable(bad)
            .link(bad, bad);
        let page = page
            .button_to(bad, &[(bad, bad)], bad)
            .button_here(&[], bad)
            .secret_form(bad, &[], (bad, bad), bad);
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
