//! The role of a person in a repository.

use crate::call::Call;
use crate::route::Route;
use crate::{GithubError, Repository};
use domain::jobs::permissions::Role;
use serde::Deserialize;

#[derive(Deserialize)]
struct Permission {
    /// The base role. GitHub shows `maintain` as `write` here and `triage` as `read`.
    permission: String,
    /// The assigned role, which may be a custom one.
    role_name: Option<String>,
}

impl Repository {
    /// Returns a person's role, which is none if GitHub knows no such person, or `None` if the server
    /// cannot be asked for roles. A custom role counts as the base role that it is built on.
    ///
    /// GitHub requires the permission to read metadata, which every token has
    /// (docs.github.com, "Get repository permissions for a user"). Its 404 about a person names the
    /// page about collaborators; that of a server without this request does not.
    pub async fn role_find(&self, login: &str) -> Result<Option<Role>, GithubError> {
        let route = Route::new("/collaborators/")
            .segment(login)
            .fixed("/permission");
        let answer = match self.send(Call::get("read a person's role", route)).await {
            Ok(answer) => answer,
            Err(GithubError::NotThere { page, .. }) => {
                let of_people = page.is_some_and(|page| page.contains("/collaborators"));
                return Ok(of_people.then_some(Role::None));
            }
            Err(error) => return Err(error),
        };
        let Permission {
            permission,
            role_name,
        } = answer.read()?;
        let named = role_name.as_deref().and_then(Role::parse);
        let role = named.or_else(|| Role::parse(&permission));
        Ok(Some(role.unwrap_or(Role::None)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Peer, Reply, found, repository};
    use serde_json::json;

    const GET: &str = "GET /repos/octo/hello/collaborators/ada%5Bbot%5D/permission";

    #[tokio::test]
    async fn a_role_is_the_assigned_one_or_its_base() {
        for (answer, role) in [
            (
                json!({ "permission": "write", "role_name": "maintain" }),
                Role::Maintain,
            ),
            (
                json!({ "permission": "read", "role_name": "triage" }),
                Role::Triage,
            ),
            (
                json!({ "permission": "write", "role_name": "release manager" }),
                Role::Write,
            ),
            (json!({ "permission": "admin" }), Role::Admin),
            (json!({ "permission": "none", "role_name": "" }), Role::None),
            (json!({ "permission": "all" }), Role::None),
        ] {
            let peer = Peer::script([found(GET, answer)]);
            let told = repository(&peer).await.role_find("ada[bot]").await;
            assert_eq!(told.expect("an answer"), Some(role));
        }
    }

    #[tokio::test]
    async fn nobody_is_not_an_error_and_an_outage_is() {
        let page = "https://docs.github.com/rest/collaborators/collaborators#get-repository-permissions-for-a-user";
        for (page, role) in [
            (page, Some(Role::None)),
            ("https://docs.github.com/rest", None),
        ] {
            let answer = json!({ "message": "Not Found", "documentation_url": page });
            let peer = Peer::script([(GET, Reply::json(404, answer))]);
            let told = repository(&peer).await.role_find("ada[bot]").await;
            assert_eq!(told.expect("an answer"), role, "{page}");
        }
        let peer = Peer::script([(GET, Reply::json(502, json!({})))]);
        let told = repository(&peer).await.role_find("ada[bot]").await;
        assert!(matches!(told, Err(GithubError::Unavailable { .. })));
    }
}
