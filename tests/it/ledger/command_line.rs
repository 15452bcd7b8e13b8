//! The ledger's commands on the tables of a stack that is not running.

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use boot::{Aws, AwsSettings, Outside, Trust};
use domain::ids::{AccountId, ActionId};
use domain::ledger::{AdjustmentSide, Cause, EntryDetails, Posting};
use domain::time::Timestamp;
use domain::units::Credits;
use local_stack::stack::{LEDGER_TABLE, LOCAL_LEDGER_KEY, MAIN_TABLE, TABLES_FILE, ledger_keys};
use serde_json::{Value, json};
use stand_in_aws::EmbeddedAws;
use stand_in_shared::faults::Faults;
use std::path::PathBuf;
use std::process::Command;
use store::Connection;
use store::schema;

const NOW: Timestamp = Timestamp::from_millis(crate::world::BIRTH);

/// A data folder of a stopped stack, deleted on drop.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Folder {
    /// A folder with this number of entries for each account, with the previous day sealed.
    async fn with(name: &str, accounts: &[u8], entries: u64) -> Self {
        let folder =
            Self(std::env::temp_dir().join(format!("tallyhook-{}-{name}", std::process::id())));
        std::fs::create_dir_all(&folder.0).expect("a folder");
        let real = Outside::real(Trust::Public).expect("an outside");
        let outside = Outside {
            aws: SharedHttpClient::new(folder.tables()),
            ..real
        };
        let connection = Connection::new(&Aws::new(AwsSettings::embedded(), &outside).sdk, None);
        connection
            .table_ensure(&schema::MAIN, MAIN_TABLE)
            .await
            .expect("a table");
        connection
            .table_ensure(&schema::LEDGER, LEDGER_TABLE)
            .await
            .expect("a table");
        let keys = ledger_keys(LOCAL_LEDGER_KEY.to_owned());
        let store = connection
            .store(MAIN_TABLE, outside.random)
            .with_ledger(LEDGER_TABLE, keys.clone());
        for account in accounts {
            let id = AccountId::mint(NOW, [*account; 10]);
            for n in 0..entries {
                let mut digest = [*account; 16];
                digest[8..].copy_from_slice(&n.to_be_bytes());
                let amount = (
                    Credits::from_micros(1_000_000).expect("an amount"),
                    AdjustmentSide::Credit,
                );
                let posting = Posting::adjustment(
                    &id,
                    ActionId::of_digest(digest),
                    amount,
                    EntryDetails::default(),
                    NOW,
                );
                store.ledger_post(&[posting]).await.expect("an answer");
            }
        }
        let yesterday = Timestamp::from_millis(NOW.day_start().millis() - 1);
        connection
            .seals(LEDGER_TABLE, keys)
            .day_seal(yesterday, None)
            .await
            .expect("an answer");
        folder
    }

    fn tables(&self) -> EmbeddedAws {
        EmbeddedAws::open(self.0.join(TABLES_FILE).to_str(), Faults::none()).expect("tables")
    }

    /// Falsifies one balance.
    fn falsify(&self, attribute: &str, value: &str) {
        let tables = self.tables();
        let mut rows = tables.rows(MAIN_TABLE);
        rows.retain(|row| row.get("digest_sum").is_some());
        rows.sort_by_key(|row| row["pk"].to_string());
        let mut row: Value = rows.swap_remove(0);
        row[attribute] = json!({ "N": value });
        tables.row_put(MAIN_TABLE, &row);
    }

    /// Runs the program. Returns its exit code, standard output and standard error.
    fn says(&self, words: &[&str]) -> (Option<i32>, String, String) {
        let mut program = Command::new(env!("CARGO_BIN_EXE_local"));
        let done = program
            .env_clear()
            .arg("ledger")
            .args(words)
            .arg("--data")
            .arg(&self.0)
            .output()
            .expect("it runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (done.status.code(), text(&done.stdout), text(&done.stderr))
    }
}

#[tokio::test]
async fn a_correct_ledger_is_one_sentence() {
    let folder = Folder::with("agree", &[1, 2, 3], 4).await;
    let sentence = "12 entries of 3 accounts agree with their balances; 1 day is sealed, 12 entries wait for their seal.\n";
    assert_eq!(
        folder.says(&["verify"]),
        (Some(0), sentence.to_owned(), String::new())
    );
    let (code, said, _) = folder.says(&["rebuild", "--check"]);
    assert_eq!(
        (code, said.contains("nothing to rebuild")),
        (Some(0), true),
        "{said}"
    );
    let (code, said, _) = folder.says(&["rebuild"]);
    assert_eq!(
        (code, said.as_str()),
        (Some(0), "No balance was rebuilt.\n")
    );
}

#[tokio::test]
async fn an_amount_is_explained_by_its_cause() {
    let folder = Folder::with("explain", &[1, 2], 1).await;
    let mut digest = [1; 16];
    digest[8..].copy_from_slice(&0_u64.to_be_bytes());
    let cause = Cause::Adjustment(ActionId::of_digest(digest)).to_string();
    let (code, said, complaint) = folder.says(&["explain", &cause]);
    assert_eq!(code, Some(0), "{complaint}");
    let account = AccountId::mint(NOW, [1; 10]);
    assert!(said.contains(&format!("{cause} of {account}")), "{said}");
    assert!(said.contains("nothing to compute"), "{said}");
    let nobody = ActionId::of_digest([9; 16]);
    let nobody = Cause::Debit(nobody).to_string();
    for absent in [nobody.as_str(), "use_1-tokens", "everything"] {
        let (code, said, complaint) = folder.says(&["explain", absent]);
        assert_eq!((code, said.as_str()), (Some(1), ""), "{absent}");
        assert_eq!(complaint.lines().count(), 1, "{complaint}");
    }
}

#[tokio::test]
async fn a_wrong_balance_is_named_and_rewritten() {
    let folder = Folder::with("wrong", &[1, 2], 3).await;
    folder.falsify("free", "999");
    let wrong = "is 999 free and 0 held by 3 entries";
    for words in [&["verify"][..], &["rebuild", "--check"]] {
        let (code, said, complaint) = folder.says(words);
        assert_eq!(code, Some(1), "{said}");
        assert!(
            said.contains(wrong) && said.contains("add up to 3000000 free"),
            "{said}"
        );
        assert!(
            complaint.contains("tallyhook: ") && complaint.lines().count() == 1,
            "{complaint}"
        );
    }
    let (code, said, _) = folder.says(&["rebuild"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains(wrong) && said.contains("1 balance was rebuilt."),
        "{said}"
    );
    assert_eq!(folder.says(&["verify"]).0, Some(0));
}

#[tokio::test]
async fn what_cannot_be_repaired_stays_and_is_reported() {
    let folder = Folder::with("missing", &[1, 2], 3).await;
    folder.falsify("entries", "4");
    let (code, said, complaint) = folder.says(&["rebuild"]);
    assert_eq!(code, Some(1));
    assert!(
        said.contains("it counts entries that are missing in the ledger"),
        "{said}"
    );
    assert!(
        complaint.contains("1 fault is left that a rebuild cannot repair"),
        "{complaint}"
    );
    assert_eq!(folder.says(&["verify"]).0, Some(1), "nothing was written");
}

#[tokio::test]
async fn many_faults_are_listed_in_part_and_counted() {
    let folder = Folder::with("many", &[1], 30).await;
    let tables = folder.tables();
    let mut rows = tables.rows(LEDGER_TABLE);
    rows.retain(|row| row.get("kind").is_some());
    for mut row in rows {
        row["amount"] = json!({ "N": "5" });
        tables.row_put(LEDGER_TABLE, &row);
    }
    let (code, said, complaint) = folder.says(&["verify"]);
    assert_eq!((code, said.lines().count()), (Some(1), 21), "{said}");
    assert!(
        said.lines()
            .next()
            .is_some_and(|line| line.starts_with("entry ADJUSTMENT#")),
        "{said}"
    );
    assert!(
        said.ends_with("and 10 more\n") && complaint.contains("30 faults"),
        "{said} {complaint}"
    );
}

#[tokio::test]
async fn tables_that_are_not_there_are_asked_for() {
    let folder =
        Folder(std::env::temp_dir().join(format!("tallyhook-{}-none", std::process::id())));
    let (code, said, complaint) = folder.says(&["verify"]);
    assert_eq!((code, said.as_str()), (Some(1), ""));
    assert!(complaint.contains("has no tables.db"), "{complaint}");
    assert!(!folder.0.exists(), "looking makes nothing");
    let done = Command::new(env!("CARGO_BIN_EXE_local"))
        .env_clear()
        .args(["ledger", "verify"])
        .output();
    let complaint = String::from_utf8_lossy(&done.expect("it runs").stderr).into_owned();
    for name in [
        "--data DIR",
        "MAIN_TABLE",
        "LEDGER_TABLE",
        "LEDGER_KEY",
        "AWS_REGION",
    ] {
        assert!(complaint.contains(name), "{name}: {complaint}");
    }
}
