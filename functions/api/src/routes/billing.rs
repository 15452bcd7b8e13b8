//! Billing: what is sold, how it is paid for, what a period has used and may spend.

pub mod checkout;
pub mod payment_methods;
pub mod period;
pub mod plans;
pub mod portal;
pub mod spend_limit;
pub mod subscription;
pub mod usage;
