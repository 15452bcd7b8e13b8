//! Billing: what is for sale, how accounts pay for it, and what they use and may spend in a period.

pub mod auto_top_up;
pub mod checkout;
pub mod customer;
pub mod payment_methods;
pub mod period;
pub mod plans;
pub mod portal;
pub mod spend_limit;
pub mod subscription;
pub mod usage;
