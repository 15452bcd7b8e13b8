//! `/`: what Tallyhook does and what it costs. Everybody may read it.

use crate::Ctx;
use crate::pages::plans::terms;
use axum::extract::State;
use domain::accounts::signups::is_open;
use domain::billing::plans::Texts;
use http::StatusCode;
use maud::{Markup, html};
use pages::{Page, credits, money};
use std::sync::Arc;

/// Shows the page.
pub async fn show(State(ctx): State<Arc<Ctx>>) -> Page {
    let catalogue = &ctx.catalogue;
    let content = html! {
        p {
            "Label an issue on GitHub. Tallyhook plans the change, writes it, reviews it and opens a pull request. You are billed once for \
             each one, and pay nothing if none is opened."
        }
        p {
            a.button.primary href="/signup" { "Sign up" } " "
            a.button href="/signin?return_to=/billing" { "Sign in with GitHub" }
        }
        section {
            h2 { "Plans" }
            div.columns {
                @for plan in &catalogue.plans {
                    div.card {
                        h3 { (plan.name) }
                        (terms(&ctx, plan))
                        @if is_open(plan) { a.button href={ "/signup?plan=" (plan.id.as_str()) } { "Sign up for " (plan.name) } }
                    }
                }
            }
        }
        @if !catalogue.packs.is_empty() {
            section {
                h2 { "Credits" }
                ul { @for pack in &catalogue.packs { li { (credits(pack.credits)) " for " (money(pack.price)) } } }
            }
        }
        (legal(&catalogue.texts))
    };
    Page::new(StatusCode::OK, "From an issue to a pull request").with(&content)
}

/// Links to the operator's terms and privacy policy, if the catalogue has them.
pub fn legal(texts: &Texts) -> Markup {
    let links = [("Terms", &texts.terms_url), ("Privacy", &texts.privacy_url)];
    html! {
        p.quiet {
            @for (label, url) in links {
                @if let Some(url) = url { a href=(url) { (label) } " " }
            }
        }
    }
}
