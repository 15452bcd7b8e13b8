//! Saves the state of the stand-ins next to the tables, so that a restart finds the same GitHub,
//! Stripe and mailbox.

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

/// Loads the saved state, if there is any.
pub fn load(options: &Options, vendors: &Vendors) -> anyhow::Result<()> {
    let Some(folder) = &options.data else {
        return Ok(());
    };
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot create the folder {}", folder.display()))?;
    let file = file(folder);
    let Ok(text) = std::fs::read_to_string(&file) else {
        return Ok(());
    };
    let unreadable = || {
        format!(
            "cannot read {}; delete it to start with fresh stand-ins",
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
    // Files of older versions have no mail.
    if let mail @ Value::Object(_) = kept["mail"].take() {
        vendors.mail.import(mail).with_context(unreadable)?;
    }
    Ok(())
}

/// Saves the state every second and at the end.
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

/// Writes a new file and renames it, so the old file stays intact until the rename.
fn write(folder: &Path, kept: &Value) -> anyhow::Result<()> {
    let fresh = folder.join("stand-ins.json.new");
    std::fs::write(&fresh, kept.to_string())
        .with_context(|| format!("cannot write {}", fresh.display()))?;
    std::fs::rename(&fresh, file(folder))
        .with_context(|| format!("cannot write {}", file(folder).display()))
}

/// The task that saves.
pub struct Keeper(Option<(oneshot::Sender<()>, JoinHandle<anyhow::Result<()>>)>);

impl Keeper {
    /// Saves once more and stops.
    pub async fn stop(self) -> anyhow::Result<()> {
        let Some((stop, task)) = self.0 else {
            return Ok(());
        };
        let _ = stop.send(());
        task.await
            .context("the task that saves the stand-ins failed")?
    }
}
