//! Attacks of people who may do no more than open issues and comment, and of a function that they
//! have taken over. Each ends refused, cheap and visible: no model is asked, nothing is pushed, and
//! nobody pays.

mod caps;
mod compromised_function;
pub mod model_text;
mod sign_ins;
pub mod who_may_ask;
