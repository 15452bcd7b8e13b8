//! `/settings/notices`: which mails the account receives, and below which balance it is warned.

use super::{Done, flash, read_only, tab};
use crate::members::Member;
use crate::{ApiError, Ctx};
use axum::extract::State;
use axum::response::Response;
use domain::notices::NoticeKind;
use domain::switches::Switch;
use flows::accounts::mailing;
use http::HeaderMap;
use maud::html;
use pages::{Page, Tone, field, notice, post};
use rest::browsers::see_other;
use rest::{Form, Params};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Shows the kinds of notice.
pub async fn show(
    member: Member,
    State(ctx): State<Arc<Ctx>>,
    Params(done): Params<Done>,
) -> Result<Page, ApiError> {
    let standing = member.standing(&ctx).await?;
    let mailing = ctx.store.account_mail_find(&member.account).await?;
    let usual = ctx.catalogue.low_balance;
    let low = ctx.store.low_balance_find(&member.account, usual).await?;
    let may_change = member.may_bill();
    let content = html! {
        (flash(&done))
        @if !may_change { (read_only()) }
        @if mailing.address.is_none() {
            (notice(Tone::Warn, &html! { "This account has no mail address, so it receives none of these. Contact support to set one." }))
        }
        (post("/settings/notices", &member.csrf(), &html! {
            fieldset disabled[!may_change] {
                legend { "Mails" }
                @for kind in NoticeKind::ALL {
                    label.check {
                        input type="checkbox" name=(kind.as_str()) value="on"
                            checked[mailing.switch(kind).is_on()] disabled[kind.is_always_sent()];
                        (words(kind))
                    }
                }
                div.fields {
                    (field("threshold", "Warn when fewer credits than", "text", &low.to_string()))
                    @if may_change { button.primary { "Save" } }
                }
            }
        }))
    };
    Ok(tab(&member, &standing, "Notices", "/settings/notices").with(&content))
}

const fn words(kind: NoticeKind) -> &'static str {
    match kind {
        NoticeKind::Welcome => "Welcome, with the account's first key",
        NoticeKind::PaymentFailed => "A payment failed",
        NoticeKind::ActionRequired => "A payment needs you to confirm it",
        NoticeKind::TrialEnding => "A trial is about to end",
        NoticeKind::ServiceEnding => "The service is about to end",
        NoticeKind::ServiceStopped => "The service has ended",
        NoticeKind::QuotaNearlyUsed => "A quota is nearly used",
        NoticeKind::QuotaUsed => "A quota is used up",
        NoticeKind::LowBalance => "The balance is low",
        NoticeKind::TopUpNeeded => "Work was refused for lack of credits",
        NoticeKind::TopUpCharged => "Automatic top-up has charged your card",
        NoticeKind::TopUpConfirm => "Automatic top-up needs you to confirm a payment",
        NoticeKind::TopUpOff => "Automatic top-up was switched off",
        NoticeKind::SpendLimitNear => "The spend limit is near",
        NoticeKind::SpendLimitReached => "The spend limit is reached",
        NoticeKind::JobFinished => "A job is finished",
        NoticeKind::AdminJoined => "Somebody became an admin with an API key (always sent)",
    }
}

/// Saves all kinds: a box that is not checked is not sent.
pub async fn set(
    member: Member,
    State(ctx): State<Arc<Ctx>>,
    headers: HeaderMap,
    Form(form): Form<BTreeMap<String, String>>,
) -> Result<Response, ApiError> {
    let token = form.get("csrf_token").map_or("", String::as_str);
    member.bills(&ctx, &headers, token)?;
    let switches = NoticeKind::ALL.map(|kind| {
        // A browser does not send a box that cannot be changed.
        let is_on = kind.is_always_sent() || form.contains_key(kind.as_str());
        (kind, Switch::from(is_on))
    });
    let low = form.get("threshold").map(|text| text.trim());
    let threshold = low.map(|text| Some(text).filter(|text| !text.is_empty()));
    let by = member.by();
    mailing::change(&ctx.store, (&member.account, &by), switches, threshold).await?;
    Ok(see_other("/settings/notices?done=saved"))
}
