//! The welcome mail and its link to the first API key.

use boot::Outside;
use domain::accounts::api_keys::{REVEALED_FOR, Reveal, RevealToken};
use domain::accounts::signups::SignUp;
use domain::inbox::events::StripeMode;
use domain::notices::{Notice, Topic};
use store::reveal_digest;

/// A welcome notice, with a link if the applicant has an address.
///
/// The token of the link is random. Several welcomes may be created for one sign-up, because a
/// process died or two worked at the same time. Only one of them passes the transaction, and the
/// links of the others open nothing.
pub struct Welcome {
    pub notice: Notice,
    reveal: Option<(String, Reveal)>,
}

impl Welcome {
    pub fn new(sign_up: &SignUp, mode: StripeMode, public_url: &str, outside: &Outside) -> Self {
        let now = outside.now();
        // The text contains no address and no link: the link is stored separately and removed once
        // the mail is sent.
        let notice = Notice::new(Topic::Welcome, text(sign_up), now);
        if sign_up.email.is_none() {
            return Self {
                notice,
                reveal: None,
            };
        }
        let token = RevealToken::mint(outside.random_bytes());
        let reveal = Reveal {
            account: sign_up.account.clone(),
            salt: outside.random_bytes(),
            until: now.plus(REVEALED_FOR),
            mode,
        };
        let link = format!("{public_url}/welcome/{}", token.expose());
        Self {
            notice: notice.with_link(link),
            reveal: Some((reveal_digest(&token), reveal)),
        }
    }

    /// Returns what the link reveals, with the digest of its token.
    pub fn reveal(&self) -> Option<(&str, &Reveal)> {
        self.reveal
            .as_ref()
            .map(|(digest, reveal)| (digest.as_str(), reveal))
    }
}

fn text(sign_up: &SignUp) -> String {
    let mut text = format!(
        "Your account is ready. It begins with the plan {}.",
        sign_up.plan
    );
    if let Some(wish) = &sign_up.wish {
        text = format!("{text} Once you add a payment method, it continues with the plan {wish}.");
    }
    text
}
