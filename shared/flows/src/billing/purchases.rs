//! What customers buy through Checkout: packs of credits, plans, and a payment method that is saved
//! for later.
//!
//! A purchase grants nothing; Stripe's events about its payment do. Safe to run twice: an act stores
//! its intent before it calls Stripe, and a repeat gets the same session.

use crate::billing::checkout_sessions::{Mode, Order, options, session};
use crate::billing::subscription_lock::locked;
use crate::billing::subscriptions::{already_subscribed, live, refuse_second};
use crate::billing::{Shop, intents, prices};
use domain::accounts::Account;
use domain::billing::pack_terms::PackTerms;
use domain::billing::plans::{Catalogue, CreditPack, Plan};
use domain::billing::subscriptions::Contracts;
use domain::ids::{AccountId, ActionId};
use domain::refusal::{FlowError, Refusal};
use std::collections::BTreeMap;
use store::Store;
use stripe_api::CheckoutSession;

/// The most packs of one purchase.
pub const QUANTITY_MAX: u64 = 1_000;

/// What a Checkout is for.
#[derive(Clone, Copy)]
pub enum Wish<'a> {
    Pack(&'a CreditPack, u64),
    Plan(&'a Plan),
    /// A payment method. Nothing is charged.
    Method,
}

impl<'a> Wish<'a> {
    /// This many packs of credits.
    pub fn packs(catalogue: &'a Catalogue, pack: &str, quantity: u64) -> Result<Self, Refusal> {
        if quantity == 0 || quantity > QUANTITY_MAX {
            return Err(Refusal::invalid(
                "bad_quantity",
                format!("`quantity` must be 1 to {QUANTITY_MAX}."),
            ));
        }
        Ok(Self::Pack(prices::pack(catalogue, pack)?, quantity))
    }

    /// A plan.
    pub fn plan(catalogue: &'a Catalogue, plan: &str) -> Result<Self, Refusal> {
        prices::plan(catalogue, plan).map(Self::Plan)
    }

    /// What distinguishes this purchase from others.
    fn what(self, embedded: bool) -> String {
        match self {
            Self::Pack(pack, quantity) => format!("pack {} {quantity} {embedded}", pack.id),
            Self::Plan(plan) => format!("plan {} {embedded}", plan.id),
            Self::Method => format!("setup {embedded}"),
        }
    }
}

/// Where a Checkout is shown, and where it sends the browser afterwards.
pub struct ReturnTo {
    /// Whether a page shows it instead of Stripe.
    pub embedded: bool,
    pub success_url: String,
    pub cancel_url: String,
}

/// Returns the Checkout session of an act, and creates it if it does not exist.
pub async fn purchase(
    shop: &Shop<'_>,
    account: &AccountId,
    act: &ActionId,
    wish: Wish<'_>,
    back: ReturnTo,
) -> Result<CheckoutSession, FlowError> {
    let (account, contracts) = whole(shop.store, account).await?;
    let what = wish.what(back.embedded);
    let work = async {
        let intent = match intents::begun(shop.store, &account.id, act, &what).await? {
            Some(intent) => intent,
            None => {
                let order = order(shop, &account, &contracts, wish, back).await?;
                intents::new(what.clone(), &order, shop.now)
            }
        };
        session(shop, &account, act, intent).await
    };
    match wish {
        Wish::Pack(..) | Wish::Method => work.await,
        Wish::Plan(_) => locked(shop, &account.id, act, work).await,
    }
}

/// Finds an account with its contracts.
pub(crate) async fn whole(
    store: &Store,
    account: &AccountId,
) -> Result<(Account, Contracts), FlowError> {
    let found = store.account_find_whole(account).await?;
    found.ok_or_else(|| Refusal::not_found("The account does not exist any more.").into())
}

async fn order(
    shop: &Shop<'_>,
    account: &Account,
    contracts: &Contracts,
    wish: Wish<'_>,
    back: ReturnTo,
) -> Result<Order, FlowError> {
    let known = &contracts.subscriptions;
    let mut terms = BTreeMap::new();
    let (mode, prices, trial_days) = match wish {
        Wish::Pack(pack, quantity) => {
            let prices = prices::pack_price(shop, pack, quantity).await?;
            terms = PackTerms::of(pack, &shop.catalogue.version).metadata();
            (Mode::Payment, prices, 0)
        }
        Wish::Plan(plan) => {
            if let Some(live) = live(shop.catalogue, known) {
                return Err(already_subscribed(live).into());
            }
            // A subscription of a moment ago may not be recorded yet.
            refuse_second(shop, account).await?;
            let trial_days = if known.is_empty() { plan.trial_days } else { 0 };
            let prices = prices::plan_prices(shop, plan).await?;
            (Mode::Subscription, prices, trial_days)
        }
        Wish::Method => (Mode::Setup, Vec::new(), 0),
    };
    Ok(Order {
        customer: account.customer.to_string(),
        mode,
        prices: intents::frozen(&prices),
        trial_days,
        currency: shop.catalogue.currency.to_string(),
        embedded: back.embedded,
        success_url: back.success_url,
        cancel_url: back.cancel_url,
        terms,
        options: match wish {
            Wish::Pack(..) | Wish::Plan(_) => options(shop.catalogue),
            Wish::Method => Vec::new(),
        },
        text: shop.catalogue.texts.checkout.clone(),
    })
}
