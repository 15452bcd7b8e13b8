//! Concurrent postings on real threads.

use super::{account, books, gift, hold, micros};
use domain::units::Credits;
use store::{Post, Store};

/// Posts everything on the runtime's threads. A conflict that outlasts the store's retries is
/// posted again, as a message would be.
async fn crowd(store: &Store, postings: Vec<domain::ledger::Posting>) -> Vec<Post> {
    let tasks: Vec<_> = postings
        .into_iter()
        .map(|posting| {
            let store = store.clone();
            tokio::spawn(async move {
                loop {
                    if let Ok(post) = store.ledger_post(std::slice::from_ref(&posting)).await {
                        return post;
                    }
                }
            })
        })
        .collect();
    let mut posts = Vec::new();
    for task in tasks {
        posts.push(task.await.expect("no thread panics"));
    }
    posts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_holds_as_many_win_as_there_is_money_for() {
    for (crowd_of, balance, each) in [(2, 10, 7), (10, 35, 10), (100, 1_000, 11), (1_000, 700, 7)] {
        let store = books(crowd_of).await;
        let id = account(1);
        store
            .ledger_post(&[gift(&id, 1, balance)])
            .await
            .expect("an answer");
        let posts = crowd(&store, (0..crowd_of).map(|n| hold(&id, n, each)).collect()).await;
        let won = posts.iter().filter(|post| **post == Post::Posted).count();
        assert_eq!(
            u64::try_from(won).expect("few"),
            (balance / each).min(crowd_of),
            "{crowd_of} holds of {each} on {balance}"
        );
        assert!(
            posts
                .iter()
                .all(|post| matches!(post, Post::Posted | Post::Insufficient(_))),
            "contention is not poverty"
        );
        let left = store.balance_find(&id).await.expect("a balance");
        let held = each * u64::try_from(won).expect("few");
        assert_eq!(
            (left.available, left.held, left.debt),
            (micros(balance - held), micros(held), Credits::ZERO)
        );
        assert_eq!(
            store.ledger_audit().await.expect("an audit").faults,
            Vec::<String>::new()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_writers_on_one_account_lose_nothing() {
    const WRITERS: u64 = 64;
    const EACH: u64 = 10;
    let store = books(64).await;
    let id = account(1);
    let postings = (0..WRITERS)
        .flat_map(|writer| (0..EACH).map(move |n| writer * EACH + n))
        .map(|n| gift(&id, n, n + 1));
    let posts = crowd(&store, postings.collect()).await;
    assert!(posts.iter().all(|post| *post == Post::Posted), "{posts:?}");
    let all = WRITERS * EACH;
    let balance = store.balance_find(&id).await.expect("a balance");
    assert_eq!(balance.available, micros(all * (all + 1) / 2));
    let audit = store.ledger_audit().await.expect("an audit");
    assert_eq!((audit.entries, audit.faults), (all, Vec::new()));
}
