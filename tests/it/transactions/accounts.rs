//! Accounts, sign-ups, members, sessions and keys.

use super::{customer, new_account, on_both, opened};
use crate::ledger::{NOW, account, gift};
use domain::accounts::api_keys::{ApiKey, Role};
use domain::accounts::members::User;
use domain::accounts::sessions::{Session, VisibleInstallation};
use domain::accounts::signups::{Applicant, SignUp, SignUpSource, SignUpState};
use domain::billing::plans::Limit;
use domain::ids::{AccountId, InstallationId, KeyId, OwnerId, SessionId, UserId};
use domain::notices::{Notice, Topic};
use domain::time::Timestamp;
use std::collections::BTreeSet;
use std::time::Duration;
use store::{
    AccountCreated, Finished, KeyCreated, LetIn, Linked, Move, OwnerMoved, Proof, Provisioned,
    Refreshed, RoleSet, Store, TakenOut,
};

#[tokio::test]
async fn an_account_is_made_once() {
    on_both(async |_, store, on| {
        let create = async |new| store.account_create(&new).await.expect("an answer");
        assert_eq!(create(new_account(1)).await, AccountCreated::New, "{on}");
        // The installation is also linked by now, but the customer decides.
        let existing = AccountCreated::Existing(account(1));
        assert_eq!(create(new_account(1)).await, existing, "{on}");
        let mut second = new_account(2);
        second.installation = new_account(1).installation;
        let taken = AccountCreated::Taken(account(1));
        assert_eq!(create(second).await, taken, "{on}");
        opened(store, 3).await;
        let mut first = new_account(1);
        first.owner = new_account(3).owner;
        let taken = AccountCreated::Taken(account(3));
        assert_eq!(create(first).await, taken, "{on}");
    })
    .await;
}

fn sign_up(n: u8) -> SignUp {
    SignUp {
        applicant: Applicant::Owner(OwnerId::new(n.into())),
        account: account(n),
        way: SignUpSource::Installation,
        plan: "payg".to_owned(),
        wish: None,
        email: None,
        name: None,
        installation: Some(InstallationId::new(n.into())),
        at: NOW,
    }
}

#[tokio::test]
async fn a_sign_up_gets_one_account() {
    on_both(async |_, store, on| {
        let welcome = Notice::new(Topic::Welcome, String::new(), NOW);
        let provision = async |n: u8, of: u8| {
            let sign_up = sign_up(n);
            store
                .signup_owe(&sign_up, SignUpState::Owed, NOW)
                .await
                .expect("an answer");
            let provisioned = store.signup_provision(&sign_up, customer(of), &welcome, None, NOW);
            provisioned.await.expect("an answer")
        };
        assert_eq!(provision(1, 1).await, Provisioned::Now, "{on}");
        // The customer also has an account by now, but the sign-up decides.
        assert_eq!(provision(1, 1).await, Provisioned::Already, "{on}");
        let taken = Provisioned::Taken(account(1));
        assert_eq!(provision(2, 1).await, taken, "{on}");
    })
    .await;
}

fn user(n: u64) -> User {
    User {
        id: UserId::new(n),
        login: format!("user-{n}"),
    }
}

async fn joins(store: &Store, id: &AccountId, n: u64, role: Role) {
    let place = (id, "acme", Limit::Unlimited);
    let joined = store.member_refresh(place, &user(n), role, NOW).await;
    assert_eq!(joined.expect("an answer"), Refreshed::Now(role));
}

fn key(id: &AccountId, n: u8) -> ApiKey {
    ApiKey {
        id: KeyId::mint(NOW, [n; 10]),
        account: id.clone(),
        name: "ci".to_owned(),
        scopes: BTreeSet::new(),
        hint: "th_".to_owned(),
        created_at: NOW,
        expires_at: None,
        revoked_at: None,
        last_used_on: None,
    }
}

#[tokio::test]
async fn an_account_keeps_an_admin_and_lets_in_by_a_good_key() {
    on_both(async |_, store, on| {
        let id = opened(store, 1).await;
        joins(store, &id, 1, Role::Admin).await;
        let demote = store.member_role_set(&id, UserId::new(1), Role::Viewer);
        assert_eq!(demote.await.expect("an answer"), RoleSet::LastAdmin, "{on}");
        let out = store.member_take_out(&id, UserId::new(1));
        assert_eq!(out.await.expect("an answer"), TakenOut::LastAdmin, "{on}");

        let create = async |digest: &str| {
            let created = store.api_key_create(&key(&id, 1), digest).await;
            created.expect("an answer")
        };
        assert_eq!(create("one").await, KeyCreated::New, "{on}");
        let existing = KeyCreated::Existing(Box::new(key(&id, 1)));
        assert_eq!(create("other").await, existing, "{on}");

        let let_in = async |n, digest: &str| {
            let member = user(n);
            let place = (&id, "acme", Limit::Of(2));
            let topic = Topic::AdminJoined(member.id, NOW);
            let notice = Notice::new(topic, "words".to_owned(), NOW);
            let let_in = store.member_let_in(place, &member, digest, &notice);
            let_in.await.expect("an answer")
        };
        assert_eq!(let_in(2, "one").await, LetIn::Now, "{on}");
        assert_eq!(let_in(3, "other").await, LetIn::Ended, "{on}");
        assert_eq!(let_in(3, "one").await, LetIn::Full, "{on}");
        store.api_key_revoke("one", NOW).await.expect("an answer");
        assert_eq!(let_in(4, "one").await, LetIn::Ended, "{on}");

        // Two admins demote each other concurrently: one stays.
        let (one, other) = tokio::join!(
            store.member_role_set(&id, UserId::new(1), Role::Viewer),
            store.member_role_set(&id, UserId::new(2), Role::Viewer)
        );
        let (one, other) = (one.expect("an answer"), other.expect("an answer"));
        assert!(matches!(one, RoleSet::Now(_)), "{on}: {one:?}");
        assert_eq!(other, RoleSet::LastAdmin, "{on}");
    })
    .await;
}

fn session(shown: &[u64]) -> Session {
    let shown = shown.iter().map(|n| VisibleInstallation {
        installation: InstallationId::new(*n),
        owner: OwnerId::new(*n),
        login: "acme".to_owned(),
        role: Role::Admin,
    });
    Session {
        id: SessionId::mint(NOW, [1; 10]),
        user: user(1),
        account: None,
        shown: shown.collect(),
        full: Vec::new(),
        browser: String::new(),
        began_at: Timestamp::default(),
        expires_at: NOW.plus(Duration::from_secs(60)),
    }
}

#[tokio::test]
async fn a_session_is_replaced_once_and_its_proof_is_spent_once() {
    on_both(async |_, store, on| {
        let (first, third) = (opened(store, 1).await, opened(store, 3).await);
        let shown = session(&[1, 5]);
        store
            .session_create(&shown, "old")
            .await
            .expect("an answer");
        let after = Session {
            id: SessionId::mint(NOW, [2; 10]),
            ..shown.clone()
        };
        let replace = async || {
            let replaced = store.session_replace((&shown, "old"), &after, "new").await;
            replaced.expect("an answer")
        };
        assert_eq!(replace().await, Finished::Now, "{on}");
        assert_eq!(replace().await, Finished::Already, "{on}");

        let link = async |digest: &str, shown: &VisibleInstallation, to: &AccountId| {
            let linked = store.owner_link(digest, shown, to).await;
            linked.expect("an answer")
        };
        let [of_first, free] = [&shown.shown[0], &shown.shown[1]];
        // A refused link does not spend the proof.
        assert_eq!(link("new", of_first, &third).await, Linked::Taken, "{on}");
        let nobody = account(9);
        assert_eq!(link("new", free, &nobody).await, Linked::Closed, "{on}");
        assert_eq!(link("old", free, &first).await, Linked::Spent, "{on}");
        assert_eq!(link("new", free, &first).await, Linked::Now, "{on}");
        // This same link spent it; its answer may have been lost.
        assert_eq!(link("new", free, &first).await, Linked::Now, "{on}");
        assert_eq!(link("new", free, &third).await, Linked::Taken, "{on}");
    })
    .await;
}

#[tokio::test]
async fn an_owner_moves_once_and_only_from_an_unused_account() {
    on_both(async |_, store, on| {
        let (from, to) = (opened(store, 1).await, opened(store, 2).await);
        let wish = Move {
            owner: OwnerId::new(1),
            installation: InstallationId::new(1),
            from: from.clone(),
            to: to.clone(),
            user: UserId::new(1),
            proof: Proof::Admin,
        };
        let moved = async |wish: &Move| store.owner_move(wish, NOW).await.expect("an answer");
        assert_eq!(moved(&wish).await, OwnerMoved::Unproved, "{on}");
        joins(store, &from, 1, Role::Admin).await;
        joins(store, &to, 1, Role::Admin).await;
        let taken = Move {
            owner: OwnerId::new(2),
            ..wish.clone()
        };
        assert_eq!(moved(&taken).await, OwnerMoved::Taken, "{on}");
        let spent = Move {
            proof: Proof::Session("no session".to_owned()),
            ..wish.clone()
        };
        assert_eq!(moved(&spent).await, OwnerMoved::Unproved, "{on}");
        assert_eq!(moved(&wish).await, OwnerMoved::Now, "{on}");
        // The owner has also moved by now, but the account that they left decides.
        assert_eq!(moved(&wish).await, OwnerMoved::Now, "{on}");
        let elsewhere = Move {
            to: account(9),
            ..wish
        };
        assert_eq!(moved(&elsewhere).await, OwnerMoved::Stays, "{on}");

        let paid = Move {
            owner: OwnerId::new(2),
            installation: InstallationId::new(2),
            from: to,
            to: opened(store, 3).await,
            user: UserId::new(1),
            proof: Proof::Admin,
        };
        store
            .ledger_post(&[gift(&paid.from, 1, 1)])
            .await
            .expect("an answer");
        // The person is not an admin of the target account either, but the balance decides.
        assert_eq!(moved(&paid).await, OwnerMoved::Stays, "{on}");
    })
    .await;
}
