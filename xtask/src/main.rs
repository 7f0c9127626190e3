//! The project's automation, run as `cargo xtask`, a command a file. It calls others' programs and holds nothing of
//! netctl, on which it does not depend.

mod bench;
mod check;
mod demo;
mod dist;
mod programs;
mod project;
mod setup;
mod test;
mod tidy;
mod verified;
mod vm;
mod vm_run;
mod vm_test;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "xtask", bin_name = "cargo xtask", about = "The project's automation")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install what the other commands need and is missing
    Setup,
    /// Check formatting, lints, documentation and the eBPF object
    Check,
    /// Check what no compiler does: file lengths, links in documents, words that must not be there
    Tidy,
    /// Run every test, the privileged ones included, and look for what they left behind
    Test,
    /// Load the data plane under each kernel that can be had
    VmTest(vm_test::Options),
    /// Run a command in a throwaway virtual machine
    Vm(vm_run::Options),
    /// Build netctl and show it at work
    Demo,
    /// Measure everything, and write docs/benchmarks.md
    Bench(bench::Options),
    /// Make a package for Debian
    Dist(dist::Options),
}

fn main() -> ExitCode {
    run(Arguments::parse().command).unwrap_or_else(|error| {
        eprintln!("xtask: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    let root = project::root();
    std::env::set_current_dir(&root).with_context(|| format!("entering {}", root.display()))?;
    match command {
        Command::Setup => setup::run()?,
        Command::Check => check::run()?,
        Command::Tidy => tidy::run()?,
        Command::Test => return test::run(),
        Command::VmTest(options) => return vm_test::run(&options),
        Command::Vm(options) => return vm_run::run(&options),
        Command::Demo => return demo::run(),
        Command::Bench(options) => bench::run(&options)?,
        Command::Dist(options) => dist::run(&options)?,
    }
    Ok(ExitCode::SUCCESS)
}
