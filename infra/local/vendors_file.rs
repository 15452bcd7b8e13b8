//! What the stand-ins remember, kept beside the tables so that a restart finds the same GitHub, Stripe
//! and mailboxes.

use crate::cli::Options;
use crate::world::Vendors;
use anyhow::Context;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const WRITE_EVERY: Duration = Duration::from_secs(1);

fn file(folder: &Path) -> PathBuf {
    folder.join("stand-ins.json")
}

/// Lets the stand-ins remember what was kept, if something was.
pub fn load(options: &Options, vendors: &Vendors) -> anyhow::Result<()> {
    let Some(folder) = &options.data else {
        return Ok(());
    };
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let file = file(folder);
    let Ok(text) = std::fs::read_to_string(&file) else {
        return Ok(());
    };
    let unreadable = || {
        format!(
            "{} cannot be read; move it away to begin with fresh stand-ins",
            file.display()
        )
    };
    let mut kept: Value = serde_json::from_str(&text).with_context(unreadable)?;
    vendors
        .github
        .import(kept["github"].take())
        .with_context(unreadable)?;
    vendors
        .stripe
        .import(kept["stripe"].take())
        .with_context(unreadable)?;
    // Files from before there was mail have none.
    if let mail @ Value::Object(_) = kept["mail"].take() {
        vendors.mail.import(mail).with_context(unreadable)?;
    }
    Ok(())
}

/// Writes what the stand-ins remember every second, and once more at the end.
pub fn keep(options: &Options, vendors: &Vendors) -> Keeper {
    let Some(folder) = options.data.clone() else {
        return Keeper(None);
    };
    let vendors = vendors.clone();
    let (stop, mut stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(async move {
        let mut last = Value::Null;
        loop {
            let over = tokio::time::timeout(WRITE_EVERY, &mut stopped)
                .await
                .is_ok();
            let (github, stripe, mail) = (
                vendors.github.export(),
                vendors.stripe.export(),
                vendors.mail.export(),
            );
            let now = json!({ "github": github, "stripe": stripe, "mail": mail });
            if now != last {
                write(&folder, &now)?;
                last = now;
            }
            if over {
                return Ok(());
            }
        }
    });
    Keeper(Some((stop, task)))
}

/// Whole or not at all: a new file takes the old one's place.
fn write(folder: &Path, kept: &Value) -> anyhow::Result<()> {
    let fresh = folder.join("stand-ins.json.new");
    std::fs::write(&fresh, kept.to_string())
        .with_context(|| format!("cannot write {}", fresh.display()))?;
    std::fs::rename(&fresh, file(folder))
        .with_context(|| format!("cannot write {}", file(folder).display()))
}

/// The writer; it ends when it is told to.
pub struct Keeper(Option<(oneshot::Sender<()>, JoinHandle<anyhow::Result<()>>)>);

impl Keeper {
    /// Writes once more and ends.
    pub async fn stop(self) -> anyhow::Result<()> {
        let Some((stop, task)) = self.0 else {
            return Ok(());
        };
        let _ = stop.send(());
        task.await.context("the stand-ins' keeper died")?
    }
}
