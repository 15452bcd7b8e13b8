//! From a sign-up to an account.

use crate::{Ctx, customer};
use domain::accounts::api_keys::{REVEALED_FOR, Reveal, RevealToken};
use domain::accounts::signups::{Applicant, SignUp, SignUpState};
use domain::notices::{Notice, Topic};
use domain::retry::{Done, Failure};
use domain::time::Timestamp;
use queues::Message;
use store::{Provisioned, reveal_digest};

/// Gives the newcomer the account that his sign-up owes.
pub async fn handle(ctx: &Ctx, newcomer: &Applicant) -> Result<Done, Failure> {
    let Some(row) = ctx.store.signup_find(newcomer).await? else {
        return Ok(Done::Ignored("no such sign-up"));
    };
    match row.state {
        SignUpState::Owed => {}
        SignUpState::Done => {
            carry(ctx, &row.sign_up).await?;
            return Ok(Done::Duplicate);
        }
        SignUpState::WaitingForApproval => {
            return Ok(Done::Ignored("an operator looks at it first"));
        }
        SignUpState::Refused => return Ok(Done::Ignored("it was refused")),
    }
    let now = ctx.outside.now();
    // Perhaps an operator was faster.
    if let Some(owner) = row.sign_up.owner()
        && let Some(account) = ctx.store.owner_find(owner).await?
    {
        ctx.store.signup_joined(newcomer, &account, now).await?;
        return Ok(Done::Applied(format!(
            "account {account} pays for this owner"
        )));
    }
    let billing = ctx
        .switches
        .switch_now(now, |switches| switches.billing(ctx.billing))
        .await;
    let Some(stripe) = ctx.stripe.as_ref().filter(|_| billing.is_on()) else {
        // The row stays due, so the sweeper keeps asking, and the account is made once billing is on.
        ctx.store.signup_waits(newcomer, "billing is off").await?;
        return Ok(Done::Waiting("billing is off; the sign-up is kept"));
    };
    let stripe = stripe.client().await?;
    let Some(customer) = customer::ensure(ctx, &stripe, &row.sign_up, now).await? else {
        return Ok(Done::Duplicate);
    };
    let link = row
        .sign_up
        .email
        .as_ref()
        .map(|_| Link::mint(ctx, &row.sign_up, now));
    let welcome = welcome(ctx, &row.sign_up, link.as_ref(), now);
    let reveal = link
        .as_ref()
        .map(|link| (link.digest.as_str(), &link.reveal));
    match ctx
        .store
        .signup_provision(&row.sign_up, customer, &welcome, reveal, now)
        .await?
    {
        Provisioned::Now => {
            let account = &row.sign_up.account;
            tracing::info!(account.id = %account, signup.way = row.sign_up.way.as_str(), audit = true, "provisioned an account");
            ctx.queues
                .send(&Message::Notice(welcome.key(account)), Some(account))
                .await?;
            carry(ctx, &row.sign_up).await?;
            Ok(Done::Applied(format!("account {account}")))
        }
        Provisioned::Already => Ok(Done::Duplicate),
        Provisioned::Taken(account) => {
            ctx.store.signup_joined(newcomer, &account, now).await?;
            Ok(Done::Applied(format!("account {account} was there before")))
        }
    }
}

/// What the owner bought before there was an account. Where that is lost, the first job carries it.
async fn carry(ctx: &Ctx, sign_up: &SignUp) -> Result<(), Failure> {
    if let Some(owner) = sign_up.owner() {
        ctx.store.marketplace_carry(owner).await?;
    }
    Ok(())
}

/// What can never be provisioned is not tried for ever: a person has to look.
pub async fn refuse(ctx: &Ctx, newcomer: &Applicant, failure: &Failure) -> Result<(), Failure> {
    ctx.store
        .signup_refuse(newcomer, &failure.source.to_string(), ctx.outside.now())
        .await?;
    Ok(())
}

/// The link that shows the first key. Its token is random: of several that were minted for one sign-up, because a process
/// died or two were at it, one comes through the transaction, and the others open nothing.
struct Link {
    token: RevealToken,
    digest: String,
    reveal: Reveal,
}

impl Link {
    fn mint(ctx: &Ctx, sign_up: &SignUp, now: Timestamp) -> Self {
        let token = RevealToken::mint(ctx.outside.random_bytes());
        let reveal = Reveal {
            account: sign_up.account.clone(),
            salt: ctx.outside.random_bytes(),
            until: now.plus(REVEALED_FOR),
        };
        Self {
            digest: reveal_digest(&token),
            token,
            reveal,
        }
    }
}

/// In words without addresses or links; the link stands beside them until it is told.
fn welcome(ctx: &Ctx, sign_up: &SignUp, link: Option<&Link>, now: Timestamp) -> Notice {
    let mut words = format!(
        "Your account is ready. It begins with the plan {}.",
        sign_up.plan
    );
    if let Some(wish) = &sign_up.wish {
        words = format!("{words} Once you leave a way to pay, it goes on with the plan {wish}.");
    }
    let notice = Notice::new(Topic::Welcome, words, now);
    match link {
        Some(link) => notice.with_link(format!(
            "{}/welcome/{}",
            ctx.public_url,
            link.token.expose()
        )),
        None => notice,
    }
}
