//! Attacks of people who may do no more than open issues and comment. Each ends refused, cheap and
//! visible: no model is asked, nothing is pushed, and nobody pays.

pub mod model_text;
pub mod who_may_ask;
