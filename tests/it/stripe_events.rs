//! What Stripe tells us, in whatever order it tells it: purchases and what is taken back of them, subscriptions, invoices,
//! usage it could not count.

mod attribution;
mod conversion;
mod entitlements;
mod invoices;
mod purchases;
mod reversals;
mod samples;
pub mod shop;
mod uncounted;
