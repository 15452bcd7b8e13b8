//! Sessions of operators in browsers, found by the digests of their cookies.

use crate::db::error::StoreError;
use crate::db::item::{Item, number, text, time};
use crate::db::keys;
use crate::db::table::Updated;
use crate::{Finished, Store};
use domain::time::Timestamp;

/// An operator who signed in with a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorSession {
    pub name: String,
    /// The digest of the token. The session ends when the token is no longer listed.
    pub token_digest: String,
    pub expires_at: Timestamp,
}

impl Store {
    /// Stores a new session under the digest of its text.
    pub async fn operator_session_create(
        &self,
        session: &OperatorSession,
        digest: &str,
    ) -> Result<(), StoreError> {
        let mut row = keys::operator_session(digest).attributes();
        let fields = [
            ("name", text(&session.name)),
            ("token", text(&session.token_digest)),
            ("expires_at", time(session.expires_at)),
            ("ttl", number(session.expires_at.seconds())),
        ];
        row.extend(fields.map(|(name, value)| (name.to_owned(), value)));
        // An existing row is this session, written by a call whose response was lost.
        match self
            .table
            .put_new("keep an operator's session", row)
            .await?
        {
            Updated::Done(()) | Updated::Refused(_) => Ok(()),
        }
    }

    /// Finds the session with this digest, valid or not.
    pub async fn operator_session_find(
        &self,
        digest: &str,
    ) -> Result<Option<OperatorSession>, StoreError> {
        const FIND: &str = "find an operator's session";
        let found = self
            .table
            .get(FIND, &keys::operator_session(digest))
            .await?;
        let read = |attributes| -> Result<OperatorSession, StoreError> {
            let item = Item::new(attributes, FIND);
            Ok(OperatorSession {
                name: item.text("name")?.to_owned(),
                token_digest: item.text("token")?.to_owned(),
                expires_at: item.time("expires_at")?,
            })
        };
        found.as_ref().map(read).transpose()
    }

    /// Ends a session. It grants no access from then on.
    pub async fn operator_session_end(&self, digest: &str) -> Result<Finished, StoreError> {
        let key = keys::operator_session(digest);
        let ended = self
            .table
            .delete_existing("end an operator's session", &key);
        Ok(match ended.await? {
            Updated::Done(()) => Finished::Now,
            Updated::Refused(_) => Finished::Already,
        })
    }
}
