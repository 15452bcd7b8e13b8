//! `/signup`: the form with which a company signs up by mail. It posts to `api`, which records
//! sign-ups; this function has no right to.

use crate::Ctx;
use crate::pages::landing::legal;
use axum::extract::State;
use domain::accounts::signups::{is_open, trial};
use domain::billing::plans::Plan;
use http::StatusCode;
use maud::{Markup, html};
use pages::{Forms, Page, Tone, notice};
use rest::Params;
use serde::Deserialize;
use std::sync::Arc;

/// What the page begins with, and what became of the form.
#[derive(Deserialize)]
pub struct Query {
    plan: Option<String>,
    done: Option<String>,
    problem: Option<String>,
}

/// Shows the form.
pub async fn show(State(ctx): State<Arc<Ctx>>, Params(query): Params<Query>) -> Page {
    let page = Page::new(StatusCode::OK, "Sign up");
    match query.done.as_deref() {
        Some("mail") => page.with(&sent(
            "We will send a mail to your address unless it already has an account.",
        )),
        Some("review") => page.with(&sent(
            "We review the sign-up first. Then we send a mail to your address unless it already has an account.",
        )),
        _ => page.forms(Forms::Ours).with(&form(&ctx, &query)),
    }
}

fn sent(what: &str) -> Markup {
    html! {
        (notice(Tone::Good, &html! { (what) }))
        p { "The link in the mail shows your first API key once. With the key you continue here:" }
        ol {
            li { "Sign in with GitHub and enter the key, so that the account is yours." }
            li { "Install the App on GitHub and choose the account that pays." }
            li { "Label an issue, or start a job on the page Jobs." }
        }
        p { a.button href="/setup" { "Continue with a key" } }
    }
}

fn form(ctx: &Ctx, query: &Query) -> Markup {
    let open: Vec<&Plan> = ctx
        .catalogue
        .plans
        .iter()
        .filter(|plan| is_open(plan))
        .collect();
    let named = query.plan.as_deref();
    let wanted = open.iter().find(|plan| Some(plan.id.as_str()) == named);
    let chosen = wanted.copied().or_else(|| trial(&ctx.catalogue));
    html! {
        @if let Some(problem) = &query.problem { (notice(Tone::Bad, &html! { (words(problem)) })) }
        form.fields method="post" action="/api/v1/pages/signup" {
            label {
                "Mail address"
                input type="email" name="email" required maxlength="254" autocomplete="email" autofocus;
            }
            label {
                "Name on invoices"
                input type="text" name="name" required maxlength="100" autocomplete="organization";
            }
            label {
                "Plan"
                select name="plan" {
                    @for plan in open {
                        option value=(plan.id.as_str()) selected[chosen.is_some_and(|chosen| chosen.id == plan.id)] { (plan.name) }
                    }
                }
            }
            button.primary { "Sign up" }
        }
        p.quiet {
            "A paid plan begins with a trial, and continues once you have added a way to pay. " a href="/" { "What the plans include" }
        }
        (legal(&ctx.catalogue.texts))
    }
}

fn words(problem: &str) -> &'static str {
    match problem {
        "bad_email" => "This is not a valid mail address. Enter one such as ann@acme.example.",
        "bad_name" => "The name must have 1 to 100 characters.",
        "bad_plan" => "This plan is not on offer. Choose another one.",
        "too_many_requests" => "Your network has sent too many requests. Try again in a minute.",
        _ => "The sign-up was not recorded. Try again.",
    }
}
