//! A price that is bought or subscribed to, with its quantity.

use domain::ids::PriceId;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceChoice {
    pub price: PriceId,
    /// Absent for metered prices; Stripe requires that.
    pub quantity: Option<u64>,
}
