//! `cargo run`: all of Tallyhook on this machine.

use anyhow::{Context, bail};
use boot::{Env, LevelFilter, Outside, Trust};
use clap::Parser;
use local_stack::cli::{Cli, Command, Options};
use local_stack::demo_sign_in::{self, Link};
use local_stack::ledger::LedgerTables;
use local_stack::skips::Skips;
use local_stack::stack::{Parts, Stack, TABLES_FILE};
use local_stack::world::Vendors;
use local_stack::{apps, catalogue, demo, server, shop, vendors_file};
use stand_in_aws::iam::Roles;
use stand_in_shared::faults::Faults;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

/// Without optimization, the futures of whole functions need more than a thread's usual 2 MiB.
const STACK_BYTES: usize = 8 << 20;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(run(cli)),
        Err(error) => Err(error.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tallyhook: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<()> {
    let env = Env::of_process();
    boot::log_at(&env, LevelFilter::OFF);
    if let Some(Command::Catalogue(command)) = &cli.command {
        return catalogue::run(command, &cli.options, &env, &mut say).await;
    }
    if let Some(Command::App(command)) = &cli.command {
        return apps::run(command, &cli.options, &env, &mut say).await;
    }
    if let Some(Command::Ledger(command)) = &cli.command {
        return LedgerTables::open(&cli.options, env)?
            .run(command, &mut say, &progress)
            .await;
    }
    let settings = cli.options.settings(&env)?;
    let listener = server::listen(cli.options.port).await?;
    let base = format!("http://{}", listener.local_addr()?);
    let skips = Skips::default();
    let real = Outside::real(Trust::Public).map_err(|error| anyhow::anyhow!(error))?;
    let real = Outside {
        clock: skips.over(real.clock),
        ..real
    };
    let skips = cli.options.may_skip_time().then_some(&skips);
    let token = env
        .find("OPERATOR_TOKEN")
        .map_or_else(|| fresh_token(&real), |list| first_token(&list));
    let link = fresh_token(&real);
    let stack = Arc::new(start(&cli.options, &base, real, settings, &token).await?);
    let server = server::Server::start(
        Arc::clone(&stack),
        listener,
        Link::new(link.clone()),
        cli.options.recover_every,
    );
    let demo = cli
        .options
        .has_stand_in_github()
        .then(|| format!("{base}{}/{link}", demo_sign_in::PATH));
    let kept = vendors_file::keep(&cli.options, &stack.vendors);
    let outcome = tokio::select! {
        outcome = act(&cli, &stack, (&base, demo.as_deref()), &token, skips) => outcome,
        signal = tokio::signal::ctrl_c() => signal.context("cannot wait for Ctrl-C"),
    };
    server.stop().await;
    kept.stop().await?;
    outcome
}

async fn start(
    options: &Options,
    base: &str,
    real: Outside,
    mut settings: std::collections::BTreeMap<String, String>,
    token: &str,
) -> anyhow::Result<Stack> {
    let clock = Arc::clone(&real.clock);
    let vendors = Vendors::new(
        &format!("{base}/stand-ins/github"),
        base,
        Arc::new(move || clock().millis()),
    );
    vendors_file::load(options, &vendors)?;
    vendors.furnish();
    vendors.add_prospect();
    settings
        .entry("PUBLIC_URL".to_owned())
        .or_insert_with(|| base.to_owned());
    settings
        .entry("DASHBOARD_URL".to_owned())
        .or_insert_with(|| format!("{base}/billing"));
    if options.has_stand_in_github() {
        // Browsers open these pages, so they need the address of this server.
        let pages = format!("{base}/stand-ins/github");
        let app = format!("{pages}/apps/tallyhook");
        settings.insert("GITHUB_WEB_URL".to_owned(), pages);
        settings.insert("GITHUB_APP_URL".to_owned(), app);
    }
    settings
        .entry("OPERATOR_TOKEN".to_owned())
        .or_insert_with(|| format!("local:{token}"));
    let parts = Parts {
        vendors,
        faults: Faults::none(),
        clock: real.clock,
        random: real.random,
        tables_file: options.data.as_ref().map(|folder| folder.join(TABLES_FILE)),
        real_web: Some(real.web),
        settings,
        roles: Roles::new(),
    };
    let catalogue = catalogue::read(None, &Env::of(parts.settings.clone()))?;
    let stack = Stack::start(parts).await?;
    if options.has_stand_in_stripe() {
        shop::open(&stack, &catalogue, base).await?;
    }
    if options.has_stand_in_github() {
        let sold = options.has_stand_in_stripe().then_some(&catalogue);
        demo::provision(&stack, token, sold).await?;
    }
    if let Some(file) = &options.accounts {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        let wanted: Vec<serde_json::Value> = serde_json::from_str(&text)
            .with_context(|| format!("{} is not a JSON list of accounts", file.display()))?;
        for account in &wanted {
            demo::provision_one(&stack, token, account).await?;
        }
    }
    Ok(stack)
}

async fn act(
    cli: &Cli,
    stack: &Stack,
    (base, demo): (&str, Option<&str>),
    token: &str,
    skips: Option<&Skips>,
) -> anyhow::Result<()> {
    if matches!(cli.command, Some(Command::Demo { .. })) && !cli.options.has_stand_in_github() {
        bail!(
            "the demo needs the stand-in GitHub; run it without --github-url, or use `cargo run -- serve`"
        );
    }
    match &cli.command {
        Some(Command::Demo { json: true }) => say(&demo::play(stack, base, skips, |_| {})
            .await?
            .json()
            .to_string()),
        Some(Command::Demo { json: false }) => show(stack, base, skips).await?,
        Some(Command::Serve) => serve(base, demo, token).await,
        // Handled in `run`, before anything started.
        Some(Command::App(_) | Command::Catalogue(_) | Command::Ledger(_)) => {}
        None => {
            if cli.options.has_stand_in_github() {
                show(stack, base, skips).await?;
            }
            serve(base, demo, token).await;
        }
    }
    Ok(())
}

async fn show(stack: &Stack, base: &str, skips: Option<&Skips>) -> anyhow::Result<()> {
    say(match skips {
        Some(_) => {
            "A signed GitHub webhook arrives. Tallyhook opens a pull request, repairs it after a check failed, and reports one \
             charge to Stripe. The minutes until the checks complete are skipped.\n"
        }
        None => {
            "A signed GitHub webhook arrives; Tallyhook opens a pull request and reports one charge to Stripe.\n"
        }
    });
    let summary = demo::play(stack, base, skips, |line| say(&format!("  {line}"))).await?;
    say(&format!("\n{summary}"));
    Ok(())
}

async fn serve(base: &str, demo: Option<&str>, token: &str) {
    let dashboard = demo.map_or_else(String::new, |link| {
        format!("dashboard     {link}  (signed in as the demo's owner, once)\n  ")
    });
    say(&format!(
        "\nServing until Ctrl-C:\n\n  \
         overview      {base}\n  {dashboard}\
         GitHub        {base}/stand-ins/github\n  \
         Stripe        {base}/stand-ins/stripe\n  \
         mailbox       {base}/stand-ins/mail\n  \
         buy credits   {base}/billing/top-up\n  \
         API           {base}/api/v1/docs\n  \
         operators     {base}/admin\n\n\
         Next: open the overview and follow the steps there, from a sign-up to a pull request of your own.\n\
         Operator token (for /admin and /api/v1/admin/…): {token}"
    ));
    std::future::pending().await
}

/// Prints a line. A closed pipe, as after `| head`, is not an error.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Prints progress to standard error.
fn progress(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// An operator token that is valid until this process ends.
fn fresh_token(outside: &Outside) -> String {
    (0..4)
        .map(|_| format!("{:016x}", (outside.random)()))
        .collect()
}

fn first_token(list: &str) -> String {
    let first = list.split(',').next().unwrap_or_default().trim();
    first
        .split_once(':')
        .map_or(first, |(_, token)| token)
        .to_owned()
}
