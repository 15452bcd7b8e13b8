//! Links that reveal an account's first API key. A link is found by the digest of its token, and
//! the token is not stored.

use crate::Store;
use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, bytes, number, text, time};
use crate::db::{digests, keys};
use domain::accounts::api_keys::{Reveal, RevealToken};
use domain::ids::AccountId;
use domain::inbox::events::StripeMode;

const LIVE: &str = "live";
const TEST: &str = "test";

/// Returns the digest that identifies a token.
pub fn reveal_digest(token: &RevealToken) -> String {
    digests::of(token.expose())
}

impl Store {
    /// Finds the link with this digest, valid or not. Returns `None` if it expired long ago or
    /// never existed.
    pub async fn reveal_find(&self, digest: &str) -> Result<Option<Reveal>, StoreError> {
        const FIND: &str = "find a link to a key";
        let found = self.table.get(FIND, &keys::reveal(digest)).await?;
        let Some(attributes) = found else {
            return Ok(None);
        };
        let item = Item::new(&attributes, FIND);
        Ok(Some(Reveal {
            account: item.parsed("account", AccountId::parse)?,
            salt: item
                .bytes("salt")?
                .try_into()
                .map_err(|_| item.bad("salt"))?,
            until: item.time("until")?,
            mode: match item.text("mode")? {
                LIVE => StripeMode::Live,
                TEST => StripeMode::Test,
                _ => return Err(item.bad("mode")),
            },
        }))
    }
}

/// Builds the item of a new link.
pub(crate) fn reveal_attributes(digest: &str, reveal: &Reveal) -> Attributes {
    let mut item = keys::reveal(digest).attributes();
    let more = [
        ("account", text(reveal.account.as_str())),
        ("salt", bytes(reveal.salt)),
        ("until", time(reveal.until)),
        (
            "mode",
            text(match reveal.mode {
                StripeMode::Live => LIVE,
                StripeMode::Test => TEST,
            }),
        ),
        // A visitor who comes some days late still learns that the link has expired, not that it
        // never existed.
        ("ttl", number(reveal.until.plus(KEPT_FOR).seconds())),
    ];
    item.extend(more.map(|(name, value)| (name.to_owned(), value)));
    item
}

const KEPT_FOR: std::time::Duration = std::time::Duration::from_secs(30 * 86_400);
