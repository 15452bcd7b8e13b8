//! JWTs and installation tokens.

use serde_json::{Value, json};

use super::*;

const TOKENS: &str = "/app/installations/99/access_tokens";

#[tokio::test]
async fn a_jwt_is_judged_by_its_claims() {
    let scene = scene();
    assert_eq!(
        scene.get("/app", &scene.jwt(APP, 540)).await.expect(200)["slug"],
        "tallyhook"
    );
    scene
        .get("/app", "")
        .await
        .refuse(401, "Requires authentication");
    scene
        .get("/app", "ghs_something")
        .await
        .refuse(401, "A JSON web token could not be decoded");
    scene
        .get("/app", &scene.jwt(1, 540))
        .await
        .refuse(404, "Integration not found");
    let far = scene.get("/app", &scene.jwt(APP, 700)).await;
    far.refuse(
        401,
        "'Expiration time' claim ('exp') is too far in the future",
    );
    assert_eq!(scene.get("/app", &scene.jwt(APP, 0)).await.status, 401);
    assert_eq!(
        scene
            .get("/app/installations/99", &scene.jwt(APP, 540))
            .await
            .expect(200)["account"]["login"],
        "acme"
    );
}

/// The public half of a pair whose private key was discarded.
const PUBLIC_KEY: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAkF9Y+hZnlWp3IY6HgvTQ
ij4gXbpF7bzkT1utrWYc427E+C5J+b1bh72i2vga8iqFUVWAOZPnS1bR03Q7r6lc
S3rvY0ISwoEqVw0YFTg05c1Y4J8v3NhJQucs8PRbKPTvmeNLx0gpT6o8R+rTj2/Y
ImdblBzAZzt4qNLrzhbOldluXTTt3Lp8B8/bpfjDSNZYSbzGnV/hTqYp9sInB69p
Tg6jW03AgbPRClCFKX0UF9Z7/xXtr+0WtLRjFdVI8av/+J0Hnl2poxPbCUiPC2gz
NFb8tViMlHPUEk4PyDrSoof9Cycwx9Zv5UGIHC9AFv/2q9GmdQXqt1d2G68NmT6n
CwIDAQAB
-----END PUBLIC KEY-----";
const SIGNATURE: &str = "cBQXxb-_4CKPv4iFVfZAq3LrgUq5LEJgQhFyEGC-v8D6VfCAD7C90wekRnuvcVKSkDZehk21qfAV1iYgN_1nAVWS9q-2wohamrWTWTYxO4lIm_MfUAMIayAT8OLKqQoWwf2UMiF_6lGqQk2SG_lBjNCX3VjfoBUM1eRXNOwmKBXP-G4FLmm7gwYzP5VeHlEw6MmHMS31hzlYPvU4EIkTJoerWNdMS7JpsL_1wCJZMGHqSuoXUpun40AQVDb582dWo8mGTnnBxMUqCq9rM6LdXHLJCZKYmJjaDZNhSoHiOT2f8sNsqXc38wYKdZbU9qVbvFlD1bJ67c0C7Bez35F_GQ";

#[tokio::test]
async fn with_a_trusted_key_only_its_signatures_count() {
    let scene = scene();
    scene.github.trust_key(PUBLIC_KEY).expect("a public key");
    let jwt = unsigned(r#"{"iat":1795168740,"exp":1795169340,"iss":"4711"}"#);
    scene
        .get("/app", &jwt)
        .await
        .refuse(401, "A JSON web token could not be decoded");
    let signed = format!(
        "{}.{SIGNATURE}",
        jwt.rsplit_once('.').expect("three parts").0
    );
    scene.get("/app", &signed).await.expect(200);
    assert!(scene.github.trust_key("not a key").is_err());
}

#[tokio::test]
async fn a_token_reaches_only_the_repositories_asked_for() {
    let scene = scene();
    for asked in [
        json!({"repositories": ["widget"]}),
        json!({"repository_ids": [WIDGET]}),
    ] {
        let token = scene.token(asked).await;
        assert!(token.starts_with("ghs_") && token.len() > 40);
        scene.get("/repos/acme/widget", &token).await.expect(200);
        scene.get("/repositories/7", &token).await.expect(200);
        scene
            .get("/repos/acme/gadget", &token)
            .await
            .refuse(404, "Not Found");
        scene
            .get("/repositories/8", &token)
            .await
            .refuse(404, "Not Found");
    }
    let jwt = scene.jwt(APP, 540);
    let foreign = scene
        .post(TOKENS, &jwt, json!({"repositories": ["elsewhere"]}))
        .await;
    assert_eq!(foreign.status, 422);
    let asked: Vec<Vec<u64>> = scene
        .github
        .token_requests()
        .into_iter()
        .map(|asked| asked.repository_ids)
        .collect();
    assert_eq!(asked, [vec![], vec![WIDGET], vec![]]);
}

#[tokio::test]
async fn a_token_allows_only_the_permissions_asked_for() {
    let scene = scene();
    let reader = scene
        .token(json!({"permissions": {"contents": "read"}}))
        .await;
    let new = json!({"ref": "refs/heads/x", "sha": scene.head("main")});
    scene
        .get("/repos/acme/widget/git/ref/heads/main", &reader)
        .await
        .expect(200);
    let refused = "Resource not accessible by integration";
    scene
        .post("/repos/acme/widget/git/refs", &reader, new)
        .await
        .refuse(403, refused);
    scene
        .get("/repos/acme/widget/pulls", &reader)
        .await
        .refuse(403, refused);
    scene
        .post(
            "/repos/acme/widget/issues/3/comments",
            &reader,
            json!({"body": "hello"}),
        )
        .await
        .refuse(403, refused);

    let puller = scene
        .token(json!({"permissions": {"pull_requests": "write"}}))
        .await;
    scene
        .get("/repos/acme/widget/pulls", &puller)
        .await
        .expect(200);
    scene
        .get("/repos/acme/widget/issues/3", &puller)
        .await
        .refuse(403, refused);

    let more = json!({"permissions": {"administration": "write"}});
    let answer = scene.post(TOKENS, &scene.jwt(APP, 540), more).await;
    answer.refuse(
        422,
        "The permissions requested are not granted to this installation.",
    );
}

#[tokio::test]
async fn a_new_token_may_be_refused_for_seconds() {
    let scene = scene();
    scene.github.set_token_lag(4);
    let token = scene.token(json!({})).await;
    scene
        .get("/repos/acme/widget", &token)
        .await
        .refuse(401, "Bad credentials");
    scene.pass_seconds(4);
    scene.get("/repos/acme/widget", &token).await.expect(200);
}

#[tokio::test]
async fn a_former_name_redirects_to_the_number() {
    let scene = scene();
    let token = scene.token(json!({})).await;
    scene.github.rename_owner("acme", "apex");
    let answer = scene
        .get("/repos/acme/widget/pulls?state=all", &token)
        .await;
    let to = "http://github.test/api/v3/repositories/7/pulls?state=all";
    assert_eq!(
        (answer.status.as_u16(), answer.header("location")),
        (301, to)
    );
    let new = json!({"body": "hello"});
    let answer = scene
        .post("/repos/acme/widget/issues/3/comments", &token, new)
        .await;
    assert_eq!(answer.status, 307, "nothing was done");
    assert_eq!(scene.github.comments("apex", "widget", 3), []);
    let jwt = scene.jwt(APP, 540);
    let answer = scene.get("/repos/acme/widget/installation", &jwt).await;
    assert_eq!(answer.status, 301);
    let found = scene.get("/repositories/7/installation", &jwt).await;
    assert_eq!(found.expect(200)["id"], INSTALLATION);
    let renamed = scene.get("/repos/apex/widget", &token).await.expect(200);
    assert_eq!(renamed["owner"]["login"], "apex");
}

#[tokio::test]
async fn workflow_files_need_their_own_permission() {
    let scene = scene();
    let file = json!({"path": ".github/workflows/ci.yml", "mode": "100644", "type": "blob", "content": "on: push"});
    let tree = json!({"tree": [file]});
    let token = scene.token(json!({})).await;
    let answer = scene
        .post("/repos/acme/widget/git/trees", &token, tree.clone())
        .await;
    answer.refuse(403, "Resource not accessible by integration");
    scene.github.set_permissions(
        INSTALLATION,
        &[
            ("contents", "write"),
            ("workflows", "write"),
            ("metadata", "read"),
        ],
    );
    let token = scene.token(json!({})).await;
    scene
        .post("/repos/acme/widget/git/trees", &token, tree)
        .await
        .expect(201);
}

#[tokio::test]
async fn tokens_end_with_their_hour_and_their_installation() {
    let scene = scene();
    let token = scene.token(json!({})).await;
    scene.pass_seconds(3599);
    scene.get("/repos/acme/widget", &token).await.expect(200);
    scene.pass_seconds(1);
    scene
        .get("/repos/acme/widget", &token)
        .await
        .refuse(401, "Bad credentials");

    let token = scene.token(json!({})).await;
    let jwt = scene.jwt(APP, 540);
    scene.github.suspend_installation(INSTALLATION);
    scene
        .get("/repos/acme/widget", &token)
        .await
        .refuse(403, "This installation has been suspended");
    scene
        .post(TOKENS, &jwt, Value::Null)
        .await
        .refuse(403, "This installation has been suspended");
    scene.github.resume_installation(INSTALLATION);
    scene.get("/repos/acme/widget", &token).await.expect(200);
    scene.github.remove_installation(INSTALLATION);
    scene
        .get("/repos/acme/widget", &token)
        .await
        .refuse(401, "Bad credentials");
    scene
        .post(TOKENS, &jwt, Value::Null)
        .await
        .refuse(404, "Not Found");
}
