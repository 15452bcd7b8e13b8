//! `/admin/catalogue`: what is sold, as this deployment reads it.

use crate::Ctx;
use crate::session::SignedIn;
use ::pages::{Page, grouped, money, table};
use axum::extract::State;
use domain::billing::plans::{Availability, Limit, Plan};
use maud::{Markup, html};
use std::sync::Arc;

/// Shows plans, packs and models with their prices.
pub async fn show(signed_in: SignedIn, State(ctx): State<Arc<Ctx>>) -> Page {
    let catalogue = &ctx.catalogue;
    let plans: Vec<_> = catalogue.plans.iter().map(plan).collect();
    let packs: Vec<_> = catalogue
        .packs
        .iter()
        .map(|pack| {
            vec![
                html! { (pack.name) br; span.quiet { (pack.id) } },
                ::pages::credits(pack.credits),
                money(pack.price),
            ]
        })
        .collect();
    let meters: Vec<_> = catalogue
        .meters
        .iter()
        .map(|(meter, info)| vec![html! { (meter.as_str()) }, html! { (info.name) }])
        .collect();
    let content = html! {
        p { "Version " code { (catalogue.version) } ". " code { "cargo run -- catalogue push --dry-run" } " shows what Stripe lacks of it." }
        section { (table("Plans", &["Plan", "Price", "Paid by", "Limits", "Falls back to"], &plans)) }
        section { (table("Packs of credits", &["Pack", "#Credits", "#Price"], &packs)) }
        section { (table("Meters", &["Meter", "Name"], &meters)) }
    };
    signed_in
        .page("Catalogue", "/admin/catalogue")
        .with(&content)
}

fn plan(plan: &Plan) -> Vec<Markup> {
    vec![
        html! { (plan.name) br; span.quiet { (plan.id) } },
        html! {
            @match (&plan.price, plan.sold) {
                (Some(price), _) => { (money(price.amount)) " a " (price.every.as_str()) }
                (None, Availability::ByAgreement) => "by agreement",
                (None, Availability::Public) => "no flat price",
            }
        },
        html! { (plan.pays.as_str()) },
        html! {
            @if plan.quotas.is_empty() { "none" }
            @for (meter, quota) in &plan.quotas {
                div {
                    @match quota.limit {
                        Limit::Of(most) => (grouped(&most.to_string())),
                        Limit::Unlimited => "unlimited",
                    }
                    " " (meter.as_str())
                }
            }
        },
        html! { @match &plan.fallback { Some(id) => (id), None => "–" } },
    ]
}
