//! The two units in which spending is counted.

use crate::text::words;

words! {
    /// What spending is counted in. Sums of either are in millionths: of a minor unit, of a credit.
    SpendUnit {
        /// What Stripe invoices.
        Money = "money",
        /// What comes off the balance.
        Credits = "credits",
    }
}
