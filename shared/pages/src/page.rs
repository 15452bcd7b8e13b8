//! A whole page: its head, its frame and the headers that protect it.

use crate::assets::{script_path, style_path};
use crate::parts::{Tone, notice};
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use maud::{DOCTYPE, Markup, html};
use sha2::{Digest, Sha256};

const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E\
    %3Crect width='16' height='16' rx='3' fill='%231a6d3c'/%3E%3Cpath d='M4 4v8M7 4v8M10 4v8M2 10l12-4' stroke='%23fff'/%3E%3C/svg%3E";

/// Where the forms of a page may lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forms {
    /// The page has no form.
    Nowhere,
    /// To our own site.
    Ours,
    /// To our own site, which may redirect to Stripe's Checkout and customer portal. Browsers apply
    /// the policy to the redirect after a form, too.
    Stripe,
}

/// An entry of the navigation.
#[derive(Debug, Clone, Copy)]
pub struct NavItem {
    pub path: &'static str,
    pub label: &'static str,
}

/// What surrounds the content of a page: who is signed in, and where they can go.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Where the name of the product leads.
    pub home: &'static str,
    /// The balance, with its unit.
    pub balance: Option<String>,
    /// Who is signed in.
    pub who: Option<String>,
    /// Where the button that signs out sends its form, and the form's CSRF token.
    pub sign_out: Option<(&'static str, String)>,
    pub nav: &'static [NavItem],
    /// The path of the entry to mark as current.
    pub current: &'static str,
    /// What the reader should know on every page.
    pub warnings: Vec<(Tone, String)>,
}

/// A page under construction.
#[derive(Debug, Clone)]
pub struct Page {
    status: StatusCode,
    title: String,
    forms: Forms,
    is_live: bool,
    is_secret: bool,
    is_unfinished: bool,
    frame: Option<Frame>,
    body: String,
}

impl Page {
    /// Starts a page with a heading. It has no forms and no script.
    pub fn new(status: StatusCode, heading: &str) -> Self {
        Self {
            status,
            title: heading.to_owned(),
            forms: Forms::Nowhere,
            is_live: false,
            is_secret: false,
            is_unfinished: false,
            frame: None,
            body: String::new(),
        }
    }

    /// Starts a page within a frame. It may have forms to our own site, and it has the script.
    pub fn framed(heading: &str, frame: Frame) -> Self {
        Self {
            forms: Forms::Ours,
            is_live: true,
            frame: Some(frame),
            ..Self::new(StatusCode::OK, heading)
        }
    }

    /// Sets the status.
    #[must_use]
    pub const fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Keeps the page's address out of every `Referer` header, because the address is a secret. Its
    /// forms then carry no usable `Origin`.
    #[must_use]
    pub const fn secret(mut self) -> Self {
        self.is_secret = true;
        self
    }

    /// Makes a browser without the script load the page again, because something on it is about to
    /// change.
    #[must_use]
    pub const fn unfinished(mut self) -> Self {
        self.is_unfinished = true;
        self
    }

    /// Lets the page have forms.
    #[must_use]
    pub const fn forms(mut self, forms: Forms) -> Self {
        self.forms = forms;
        self
    }

    /// Adds content.
    #[must_use]
    pub fn with(mut self, content: &Markup) -> Self {
        self.body.push_str(&content.0);
        self
    }

    /// Adds a paragraph.
    #[must_use]
    pub fn paragraph(self, text: &str) -> Self {
        self.with(&html! { p { (text) } })
    }

    /// Adds a paragraph that is a link.
    #[must_use]
    pub fn link(self, path: &str, label: &str) -> Self {
        self.with(&html! { p { a href=(path) { (label) } } })
    }

    fn document(&self) -> Markup {
        let content = maud::PreEscaped(self.body.as_str());
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (self.title) " · Tallyhook" }
                    link rel="icon" href=(ICON);
                    link rel="stylesheet" href=(style_path());
                    @if self.is_live { script src=(script_path()) defer {} }
                    @if self.is_unfinished { noscript { meta http-equiv="refresh" content="5"; } }
                }
                body {
                    a.skip href="#content" { "Skip to content" }
                    @if let Some(frame) = &self.frame { (header(frame)) }
                    main #content .narrow[self.frame.is_none()] {
                        @for (tone, text) in self.frame.iter().flat_map(|frame| &frame.warnings) {
                            (notice(*tone, &html! { (text) }))
                        }
                        h1 { (self.title) }
                        (content)
                        @if self.is_live { p.quiet #live-status role="status" {} }
                    }
                    footer.foot {
                        a href="/" { "Tallyhook" }
                        a href="/api/v1/docs" { "API" }
                    }
                }
            }
        }
    }
}

fn header(frame: &Frame) -> Markup {
    html! {
        header {
            div.top {
                a.brand href=(frame.home) { "Tallyhook" }
                a #balance href="/billing" { (frame.balance.as_deref().unwrap_or_default()) }
                @if let Some(who) = &frame.who { span.who { (who) } }
                @if let Some((path, token)) = &frame.sign_out {
                    form method="post" action=(path) {
                        input type="hidden" name="csrf_token" value=(token);
                        button { "Sign out" }
                    }
                }
            }
            div.navs {
                nav.nav aria-label="Main" {
                    ul {
                        @for item in frame.nav {
                            li {
                                a href=(item.path) aria-current=[(item.path == frame.current).then_some("page")] {
                                    (item.label)
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let html = self.document().into_string();
        let mut response = (self.status, Html(html)).into_response();
        let headers = response.headers_mut();
        let policy = policy(self.forms, self.is_live);
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        // With `no-referrer`, browsers send `Origin: null` with our own forms, which the CSRF check
        // refuses.
        let referrer = if self.is_secret {
            "no-referrer"
        } else {
            "same-origin"
        };
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static(referrer));
        response
    }
}

fn policy(forms: Forms, is_live: bool) -> HeaderValue {
    let scripts = if is_live {
        " script-src 'self'; connect-src 'self';"
    } else {
        ""
    };
    let to = match forms {
        Forms::Nowhere => "'none'",
        Forms::Ours => "'self'",
        Forms::Stripe => "'self' https://checkout.stripe.com https://billing.stripe.com",
    };
    let text = format!(
        "default-src 'none'; style-src 'self'; img-src 'self' data:;{scripts} base-uri 'none'; form-action {to}; \
         frame-ancestors 'none'"
    );
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

/// Returns a part of a page that the script fetches, or only a status if it has not changed. `done`
/// tells the script that it will not change any more; only then may the part have a control that can
/// have the focus.
pub fn fragment(content: &Markup, known: Option<&str>, done: bool) -> Response {
    let digest = hex::encode(Sha256::digest(&content.0));
    let tag = format!("\"{}\"", digest.get(..16).unwrap_or(&digest));
    let mut response = if known == Some(tag.as_str()) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Html(content.0.clone()).into_response()
    };
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    if done {
        headers.insert("x-live", HeaderValue::from_static("done"));
    }
    response
}

/// Adds the balance to a part of a page, for the page's head.
#[must_use]
pub fn with_balance(mut response: Response, balance: &str) -> Response {
    if let Ok(balance) = HeaderValue::from_str(balance) {
        response.headers_mut().insert("x-balance", balance);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_runs_only_what_it_needs() {
        let of = |page: Page| {
            let response = page.into_response();
            let policy = &response.headers()[header::CONTENT_SECURITY_POLICY];
            policy.to_str().expect("a text").to_owned()
        };
        let plain = of(Page::new(StatusCode::OK, "A"));
        assert!(plain.contains("form-action 'none'") && !plain.contains("script-src"));
        let billing = of(Page::new(StatusCode::OK, "A").forms(Forms::Stripe));
        assert!(billing.contains(
            "form-action 'self' https://checkout.stripe.com https://billing.stripe.com;"
        ));
        for policy in [plain, billing] {
            assert!(!policy.contains("unsafe"), "{policy}");
            assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        }
    }

    #[test]
    fn a_text_from_outside_stays_a_text() {
        let bad = "\"><script>'&";
        let page = Page::new(StatusCode::OK, bad).paragraph(bad).link(bad, bad);
        let html = page.document().into_string();
        assert!(!html.contains("<script"), "{html}");
        assert_eq!(html.matches("&lt;script&gt;").count(), 5, "{html}");
    }

    #[test]
    fn a_part_that_has_not_changed_is_not_sent_again() {
        let first = fragment(&html! { p { "1" } }, None, false);
        let tag = first.headers()[header::ETAG].to_str().expect("a text");
        let again = fragment(&html! { p { "1" } }, Some(tag), true);
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(again.headers()["x-live"], "done");
        let other = fragment(&html! { p { "2" } }, Some(tag), false);
        assert_eq!(other.status(), StatusCode::OK);
    }
}
