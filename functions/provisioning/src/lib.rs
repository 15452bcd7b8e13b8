//! Provisioning: creates an account for every sign-up.
//!
//! Invoked by the queue `provisioning`, whose messages name an applicant. Creates the customer at
//! Stripe (`customer.rs`), then the account with its lookup rows and the welcome with the link to
//! the first key. Safe to run twice and to stop anywhere: there is one customer, and the rest is
//! one transaction that ends the sign-up, so there is either one account with one welcome and one
//! link, or none yet. This function creates no API key: opening the link proves that the address
//! belongs to the applicant.

mod config;
mod customer;
mod welcome;

pub use config::{Config, Ctx};

use domain::accounts::signups::{Applicant, SignUp, SignUpState};
use domain::inbox::events::StripeMode;
use domain::retry::{Done, Failure, MessageFate, Retry};
use domain::time::Timestamp;
use queues::{Message, SqsBatchResponse, SqsEvent, consume_with};
use store::{Provisioned, Store};
use welcome::Welcome;

/// Stripe accepts about twenty writes a second for a test account.
const CONCURRENCY: usize = 5;

/// Handles a batch of messages.
pub async fn handle(ctx: &Ctx, event: SqsEvent, _deadline: Timestamp) -> SqsBatchResponse {
    let handle = async |applicant: Applicant| on_sign_up(ctx, &applicant).await;
    let fail = async |applicant: Applicant, failure: Failure, receives: u32| {
        if failure.retry == Retry::Never {
            // An operator has to look at it, because retrying would not help.
            let reason = failure.source.to_string();
            let now = ctx.outside.now();
            ctx.store.signup_refuse(&applicant, &reason, now).await?;
        }
        let fate = MessageFate::of(failure.retry, receives, (ctx.outside.random)());
        Ok((fate, failure))
    };
    consume_with(&ctx.queues, event, CONCURRENCY, select, handle, fail).await
}

fn select(message: &Message) -> Option<Applicant> {
    match message {
        Message::SignUp(applicant) => Some(applicant.clone()),
        _ => None,
    }
}

async fn on_sign_up(ctx: &Ctx, applicant: &Applicant) -> Result<Done, Failure> {
    let Some(row) = ctx.store.signup_find(applicant).await? else {
        return Ok(Done::Ignored("no such sign-up"));
    };
    match row.state {
        SignUpState::Owed => {}
        SignUpState::Done => {
            carry_purchase(&ctx.store, &row.sign_up).await?;
            return Ok(Done::Duplicate);
        }
        SignUpState::WaitingForApproval => {
            return Ok(Done::Ignored("waits for an operator's approval"));
        }
        SignUpState::Refused => return Ok(Done::Ignored("it was refused")),
    }
    let now = ctx.outside.now();
    // An operator may have linked the owner to an account in the meantime.
    if let Some(owner) = row.sign_up.owner()
        && let Some(account) = ctx.store.owner_find(owner).await?
    {
        ctx.store.signup_joined(applicant, &account, now).await?;
        return Ok(Done::Applied(format!(
            "account {account} pays for this owner"
        )));
    }
    let billing = ctx
        .switches
        .switch_now(now, |switches| switches.billing(ctx.billing))
        .await;
    let Some(stripe) = ctx.stripe.as_ref().filter(|_| billing.is_on()) else {
        // The row stays due, so the sweeper queues it again, and the account is created once
        // billing is on.
        ctx.store.signup_waits(applicant, "billing is off").await?;
        return Ok(Done::Waiting("billing is off; the sign-up is kept"));
    };
    let stripe = stripe.client().await?;
    let Some(customer) = customer::ensure(&ctx.store, &stripe, &row.sign_up, now).await? else {
        return Ok(Done::Duplicate);
    };
    let welcome = Welcome::new(
        &row.sign_up,
        stripe.mode().unwrap_or(StripeMode::Test),
        &ctx.public_url,
        &ctx.outside,
    );
    let provisioned = ctx
        .store
        .signup_provision(
            &row.sign_up,
            customer,
            &welcome.notice,
            welcome.reveal(),
            now,
        )
        .await?;
    match provisioned {
        Provisioned::Now => {
            let account = &row.sign_up.account;
            tracing::info!(account.id = %account, signup.way = row.sign_up.way.as_str(), audit = true, "account provisioned");
            ctx.queues
                .send(&Message::Notice(welcome.notice.key(account)), Some(account))
                .await?;
            carry_purchase(&ctx.store, &row.sign_up).await?;
            Ok(Done::Applied(format!("account {account}")))
        }
        Provisioned::Already => Ok(Done::Duplicate),
        Provisioned::Taken(account) => {
            ctx.store.signup_joined(applicant, &account, now).await?;
            Ok(Done::Applied(format!("account {account} existed before")))
        }
    }
}

/// Copies what the owner bought before the account existed. If this write is lost, the owner's
/// first job does it.
async fn carry_purchase(store: &Store, sign_up: &SignUp) -> Result<(), Failure> {
    if let Some(owner) = sign_up.owner() {
        store.marketplace_carry(owner).await?;
    }
    Ok(())
}
