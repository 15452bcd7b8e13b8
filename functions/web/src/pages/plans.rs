//! What a plan costs and includes, in words, for everybody who compares plans.

use crate::Ctx;
use catalogue::offers::rate_text;
use domain::billing::plans::{Availability, Limit, MeterKind, OverQuota, Pays, Plan, Renewal};
use domain::billing::usage::Meter;
use maud::{Markup, html};
use pages::{grouped, money};

/// Shows a plan's price, its description and what it includes.
pub fn terms(ctx: &Ctx, plan: &Plan) -> Markup {
    html! {
        p {
            @match (plan.sold, plan.price) {
                (Availability::ByAgreement, _) => { strong { "By agreement" } }
                (Availability::Public, Some(price)) => { strong { (money(price.amount)) } " a " (price.every.as_str()) }
                (Availability::Public, None) if plan.charges.is_empty() => { strong { "No fee" } }
                (Availability::Public, None) => { strong { "No fixed fee" } }
            }
        }
        p { (plan.description) }
        ul.quiet { @for text in included(ctx, plan) { li { (text) } } }
    }
}

/// Returns what a plan includes, in words.
fn included(ctx: &Ctx, plan: &Plan) -> Vec<String> {
    let name = |meter: &Meter| {
        let info = ctx.catalogue.meters.get(meter);
        info.map_or_else(|| meter.to_string(), |info| within(&info.name))
    };
    let mut lines = Vec::new();
    for charge in &plan.charges {
        let rate = rate_text(&charge.rate, ctx.catalogue.currency);
        lines.push(format!("{}: {rate}", capital(&name(&charge.meter))));
    }
    for (meter, quota) in &plan.quotas {
        let is_level =
            matches!(ctx.catalogue.meters.get(meter), Some(info) if info.kind == MeterKind::Level);
        let every = match quota.renews {
            _ if is_level => "",
            Renewal::Never => " in all",
            Renewal::Month | Renewal::Subscription => " a month",
        };
        let beyond = match quota.beyond {
            OverQuota::Charge => ", and more at the price above",
            OverQuota::Refuse => "",
        };
        lines.push(match quota.limit {
            Limit::Unlimited => format!("Unlimited {}", name(meter)),
            Limit::Of(limit) => {
                let limit = grouped(&limit.to_string());
                format!("{limit} {}{every}{beyond}", name(meter))
            }
        });
    }
    if plan.pays == Pays::Credits {
        lines.push("Fixes are paid from credits".to_owned());
    }
    if plan.trial_days > 0 {
        let end = if plan.trial_days == 1 { "" } else { "s" };
        lines.push(format!("{} day{end} free", plan.trial_days));
    }
    lines
}

/// Returns a name as it is written within a sentence: `API calls` stays, `Tokens` does not.
fn within(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|first| first.to_lowercase().to_string());
    match letters.as_str().chars().next() {
        Some(second) if second.is_uppercase() => name.to_owned(),
        _ => first.unwrap_or_default() + letters.as_str(),
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}
