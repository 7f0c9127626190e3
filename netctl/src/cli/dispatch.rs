//! From arguments to verbs, and from their results to exit codes.

use std::{io::Write, process::ExitCode, time::Duration};

use clap::{CommandFactory, Parser};
use netctl::{
    engine::{Dirs, Engine, Error, Result},
    runtime,
    serve::{self, DockerSettings, Settings},
};

use super::{
    args::{Cli, Command, Dataplane, Global, Network},
    attach, bench, connect, data_plane, inspect, logs, manual, multi_call, network, network_inspect, network_list,
    network_removal, port, ps, run as run_verb, stats,
};

/// What a verb ends with: an exit code.
pub type Outcome = Result<u8>;

/// Reads the command line, runs the verb and tells its exit code.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // clap writes help to standard output and complaints to standard error.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    start_log(&cli.global.log_level);
    let is_run = matches!(cli.command, Command::Run(_));
    if !matches!(cli.command, Command::Run(_) | Command::Serve { .. } | Command::Monitor { .. }) {
        end_with_the_reader();
    }
    let dirs = dirs(&cli.global);
    match verb(&dirs, cli.command) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let sentences = error.to_string().replace('\n', "\nnetctl: ");
            let _ = writeln!(std::io::stderr(), "netctl: {sentences}");
            // `run` keeps the usual codes for the command itself.
            let code = error.exit_code();
            ExitCode::from(if is_run && code == 1 { 125 } else { code })
        }
    }
}

/// A list whose reader has seen enough ends quietly, as other tools do; Rust would have it fail to write.
fn end_with_the_reader() {
    use nix::sys::signal::{SigHandler, Signal, signal};
    // SAFETY: the default action is no handler of ours.
    let _ = unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) };
}

fn verb(dirs: &Dirs, command: Command) -> Outcome {
    match command {
        Command::Network(command) => network_verb(dirs, command),
        Command::Run(arguments) => run_verb::run(dirs, arguments),
        Command::Ps(arguments) => ps::ps(dirs, &arguments),
        Command::Inspect { format, names } => inspect::inspect(dirs, &names, &format),
        Command::Exec { name, command } => runtime::exec(dirs, &name, &command),
        Command::Port { name, port, format } => port::port(dirs, &name, port.as_deref(), &format),
        Command::Logs { follow, name } => logs::logs(dirs, &name, follow),
        Command::Start { echo, names } => echo.each(&names, |name| started(runtime::start(dirs, name)?)),
        Command::Stop { time, echo, names } => {
            echo.each(&names, |name| runtime::stop(dirs, name, Duration::from_secs(time)).map(|()| true))
        }
        Command::Restart { time, echo, names } => echo.each(&names, |name| {
            runtime::stop(dirs, name, Duration::from_secs(time))?;
            started(runtime::start(dirs, name)?)
        }),
        Command::Rm { force, echo, names } => {
            echo.each(&names, |name| runtime::remove(dirs, name, force).map(|()| true))
        }
        Command::Attach(arguments) => attach::attach(dirs, arguments),
        Command::Detach { echo, name } => attach::detach(dirs, &name, echo),
        Command::Dataplane(command) => data_plane_verb(dirs, command),
        Command::Stats { names, format } => stats::stats(dirs, &names, &format),
        Command::Bench(arguments) => bench::bench(&arguments),
        Command::Serve { docker_plugin, docker_host, automatic } => {
            let plugin = Some(docker_plugin).filter(|path| !automatic && path.as_os_str() != "none");
            serve::serve(dirs, &Settings { automatic, docker: DockerSettings { plugin, host: docker_host } })
                .map(|()| 0)
        }
        Command::Netavark { words } => Ok(multi_call::netavark(dirs, words)),
        Command::Cni => Ok(multi_call::cni(dirs)),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "netctl", &mut std::io::stdout());
            Ok(0)
        }
        Command::ManPages { directory } => manual::write(&directory),
        Command::Monitor { id } => runtime::monitor(dirs, &id).map(|()| 0),
    }
}

fn network_verb(dirs: &Dirs, command: Network) -> Outcome {
    match command {
        Network::Create(arguments) => network::create(dirs, arguments),
        Network::Ls(arguments) => network_list::ls(dirs, &arguments),
        Network::Inspect { format, names, .. } => network_inspect::inspect(dirs, &names, &format),
        Network::Connect(arguments) => connect::connect(dirs, arguments),
        Network::Disconnect(arguments) => connect::disconnect(dirs, &arguments),
        Network::Rm(arguments) => network_removal::rm(dirs, &arguments),
        Network::Prune(arguments) => network_removal::prune(dirs, &arguments),
    }
}

fn data_plane_verb(dirs: &Dirs, command: Dataplane) -> Outcome {
    match command {
        Dataplane::Load { dev, flows } => Engine::open(dirs)?.load_data_plane(&dev, flows).map(|()| 0),
        Dataplane::Unload => Engine::open(dirs)?.unload().map(|()| 0),
        Dataplane::Status { format } => data_plane::status(dirs, &format),
        Dataplane::Dump { table, format } => data_plane::dump(dirs, table, &format),
    }
}

fn started(code: u8) -> Result<bool> {
    if code == 0 { Ok(true) } else { Err(Error::Monitor(format!("its command ended with code {code}"))) }
}

fn dirs(global: &Global) -> Dirs {
    Dirs {
        state: global.state_dir.clone(),
        run: global.run_dir.clone(),
        bpffs: global.bpffs.clone(),
        resolv_conf: global.resolv_conf.clone(),
    }
}

pub(super) fn start_log(level: &str) {
    let filter = tracing_subscriber::EnvFilter::try_new(level).unwrap_or_default();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second initialisation cannot happen here; without one there are no messages.
    let _ = builder.with_ansi(false).without_time().try_init();
}
