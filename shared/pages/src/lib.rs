//! The parts of which pages are made: the frame, the stylesheet, one script, and the parts within a
//! page such as tables, forms and bars.
//!
//! Pages are whole and work without a script. The parts escape every text, calculate with integers
//! only, and need no inline style, so that the content security policy can forbid those. This crate
//! does no IO.

mod assets;
mod explanation;
mod page;
mod parts;
mod text;

pub use assets::asset;
pub use explanation::{Around, explanation, usage_progress};

pub use page::{Forms, Frame, NavItem, Page, fragment, with_balance};
pub use parts::{
    Bar, Tone, badge, bar, chart, copyable, csrf, definitions, empty, field, notice, once, pager,
    post, steps, table, tabs,
};
pub use text::{credits, grouped, moment, money};
