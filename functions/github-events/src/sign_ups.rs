//! Signs up owners without an account when they install the App or buy on the Marketplace. They
//! start with a trial.
//!
//! GitHub's events arrive in any order, so the first event of a new owner signs the owner up. An
//! event that requests a job waits until an account pays for the owner. A sign-up is one
//! conditional write; the function `provisioning` does the rest.

use crate::Ctx;
use domain::accounts::Payer;
use domain::accounts::signups::{Applicant, SignUp, SignUpSource, SignUpState, begins, trial};
use domain::billing::marketplace::ListedPrice;
use domain::ids::{AccountId, InstallationId, OwnerId};
use domain::inbox::events::{EventOrigin, MarketplaceEvent};
use domain::retry::{Done, Failure};
use domain::switches::Switch;
use domain::time::Timestamp;
use queues::Message;
use std::time::Duration;
use store::SignUpOwed;

/// How long an event waits while its owner's account is being created: a short time at first,
/// longer later.
const WAIT_MIN: Duration = Duration::from_secs(5);
const WAIT_MAX: Duration = Duration::from_secs(900);

/// Signs up an owner without an account.
pub async fn welcome(
    ctx: &Ctx,
    owner: OwnerId,
    installation: InstallationId,
    now: Timestamp,
) -> Result<(), Failure> {
    if ctx.store.payer_find(owner, installation).await? == Payer::Unknown {
        sign_up(ctx, owner, installation, now).await?;
    }
    Ok(())
}

/// Postpones an event until its owner's account has been provisioned. Ignores the event if the
/// sign-up waits for approval or was refused.
pub async fn postpone(ctx: &Ctx, origin: &EventOrigin, now: Timestamp) -> Result<Done, Failure> {
    let (state, since) = match sign_up(ctx, origin.owner, origin.installation, now).await? {
        SignUpOwed::Now => (begins(auto_provision(ctx, now).await), now),
        SignUpOwed::Already(row) => (row.state, row.sign_up.at),
    };
    match state {
        // The state is `Done` if the account was provisioned after the payer was looked up.
        SignUpState::Owed | SignUpState::Done => {
            let wait = now.since(since).clamp(WAIT_MIN, WAIT_MAX);
            Err(Failure::after(wait, "the owner's account is being created"))
        }
        SignUpState::WaitingForApproval => Ok(Done::Ignored(
            "nobody pays for this owner: its sign-up waits for approval",
        )),
        SignUpState::Refused => Ok(Done::Ignored(
            "nobody pays for this owner: its sign-up was refused",
        )),
    }
}

/// Returns the operator's switch, or the setting if no operator has set the switch.
async fn auto_provision(ctx: &Ctx, now: Timestamp) -> Switch {
    ctx.switches
        .switch_now(now, |switches| switches.auto_provision(ctx.auto_provision))
        .await
}

/// Signs up an owner who bought a plan on the Marketplace and has no account yet.
pub async fn bought(ctx: &Ctx, event: &MarketplaceEvent, now: Timestamp) -> Result<(), Failure> {
    let begun = applicant(ctx, event.owner, SignUpSource::Marketplace, now);
    // A free listing becomes the account's own plan. A paid listing overrides the account's own
    // plan while it is paid.
    let free = ctx
        .catalogue
        .plan_listed(&event.listed)
        .filter(|_| event.listed.price == ListedPrice::Free);
    let sign_up = SignUp {
        plan: free.map_or(begun.plan, |plan| plan.id.to_string()),
        email: event.mail.clone(),
        name: Some(event.owner_login.clone()),
        ..begun
    };
    owe(ctx, &sign_up, now).await?;
    Ok(())
}

async fn sign_up(
    ctx: &Ctx,
    owner: OwnerId,
    installation: InstallationId,
    now: Timestamp,
) -> Result<SignUpOwed, Failure> {
    let sign_up = SignUp {
        installation: Some(installation),
        ..applicant(ctx, owner, SignUpSource::Installation, now)
    };
    owe(ctx, &sign_up, now).await
}

/// Builds the sign-up of a new owner, with a trial.
fn applicant(ctx: &Ctx, owner: OwnerId, way: SignUpSource, now: Timestamp) -> SignUp {
    let plan = trial(&ctx.catalogue).map_or(&ctx.catalogue.default_plan, |plan| &plan.id);
    SignUp {
        applicant: Applicant::Owner(owner),
        account: AccountId::mint(now, ctx.outside.random_bytes()),
        way,
        plan: plan.to_string(),
        wish: None,
        email: None,
        name: None,
        installation: None,
        at: now,
    }
}

async fn owe(ctx: &Ctx, sign_up: &SignUp, now: Timestamp) -> Result<SignUpOwed, Failure> {
    let owed = ctx
        .store
        .signup_owe(sign_up, begins(auto_provision(ctx, now).await), now)
        .await?;
    if owed == SignUpOwed::Now {
        let way = sign_up.way.as_str();
        tracing::info!(account.id = %sign_up.account, applicant = sign_up.applicant.pointer(), way, "an owner signed up");
        ctx.queues
            .send(&Message::SignUp(sign_up.applicant.clone()), None)
            .await?;
    }
    Ok(owed)
}
