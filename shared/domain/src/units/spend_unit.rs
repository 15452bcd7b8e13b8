//! The two units in which spending is counted.

use crate::text::words;

words! {
    /// The unit of spending. Sums are in millionths: of a minor unit or of a credit.
    SpendUnit {
        Money = "money",
        Credits = "credits",
    }
}
