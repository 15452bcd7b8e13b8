//! Owners without an account: installing the App is enough to get one, with a trial.
//!
//! GitHub's events come in any order, so whichever of a new owner's comes first signs him up, and what asks for a job waits
//! until there is somebody to pay for it. Signing up is one conditional write; the door `provisioning` does the rest.

use crate::Ctx;
use domain::accounts::Payer;
use domain::events::Origin;
use domain::ids::{AccountId, InstallationId, OwnerId};
use domain::retry::{Done, Failure};
use domain::signups::{Newcomer, SignUp, State, Way, begins, trial};
use domain::time::Timestamp;
use domain::triggers::Switch;
use queues::Message;
use std::time::Duration;
use store::SignUpOwed;

/// An event of an owner whose account is being made comes again after so long at first, and later ever more seldom.
const WAIT_MIN: Duration = Duration::from_secs(5);
const WAIT_MAX: Duration = Duration::from_secs(900);

/// Signs an owner up who has no account.
pub async fn welcome(ctx: &Ctx, owner: OwnerId, installation: InstallationId, now: Timestamp) -> Result<(), Failure> {
    if ctx.store.payer_find(owner, installation).await? == Payer::Unknown {
        sign_up(ctx, owner, installation, now).await?;
    }
    Ok(())
}

/// What asks for a job before its owner has an account waits for that, if there will be one.
pub async fn postpone(ctx: &Ctx, origin: &Origin, now: Timestamp) -> Result<Done, Failure> {
    let (state, since) = match sign_up(ctx, origin.owner, origin.installation, now).await? {
        SignUpOwed::Now => (begins(auto_provision(ctx, now).await), now),
        SignUpOwed::Already(row) => (row.state, row.sign_up.at),
    };
    match state {
        // Done since we looked for somebody who pays.
        State::Owed | State::Done => {
            let wait = now.since(since).clamp(WAIT_MIN, WAIT_MAX);
            Err(Failure::after(wait, "the owner's account is being made"))
        }
        State::WaitingForApproval => Ok(Done::Ignored("nobody pays for this owner: its sign-up waits for approval")),
        State::Refused => Ok(Done::Ignored("nobody pays for this owner: its sign-up was refused")),
    }
}

/// As an operator says; where none has said anything, as the settings do.
async fn auto_provision(ctx: &Ctx, now: Timestamp) -> Switch {
    ctx.switches.switch_now(now, |switches| switches.auto_provision(ctx.auto_provision)).await
}

async fn sign_up(
    ctx: &Ctx,
    owner: OwnerId,
    installation: InstallationId,
    now: Timestamp,
) -> Result<SignUpOwed, Failure> {
    let plan = trial(&ctx.catalogue).map_or(&ctx.catalogue.default_plan, |plan| &plan.id);
    let sign_up = SignUp {
        newcomer: Newcomer::Owner(owner),
        account: AccountId::mint(now, ctx.outside.id_bytes()),
        way: Way::Installation,
        plan: plan.to_string(),
        wish: None,
        email: None,
        name: None,
        installation: Some(installation),
        at: now,
    };
    let owed = ctx.store.signup_owe(&sign_up, begins(auto_provision(ctx, now).await), now).await?;
    if owed == SignUpOwed::Now {
        tracing::info!(account.id = %sign_up.account, owner.id = %owner, "an owner signed up");
        ctx.queues.send(&Message::SignUp(sign_up.newcomer), None).await?;
    }
    Ok(owed)
}
