//! Being begun by another program: under the name of a CNI plugin or of Podman's network back end, as a plugin of that back
//! end, or as `netctl cni` and `netctl netavark`. Not what is answered.

use std::{
    env,
    ffi::OsString,
    io::{IsTerminal, Write, stdin},
    path::Path,
    process::ExitCode,
};

use netctl::{
    engine::{Dirs, dirs},
    engines::{
        cni::{self, Plugin},
        netavark,
    },
};

use super::dispatch::start_log;

/// Tells that a container runtime calls.
const CALLED: &str = "CNI_COMMAND";

/// What netavark calls its plugins for; no verb of ours is called so.
const NETAVARK_VERBS: [&str; 4] = ["create", "setup", "teardown", "info"];

/// Answers another program that has begun us under a name that it knows; `None` where somebody types words of ours.
pub fn answer_as_plugin() -> Option<ExitCode> {
    answer_podman().or_else(answer_runtime)
}

/// Answers Podman, or a netavark that has us for a plugin.
fn answer_podman() -> Option<ExitCode> {
    let words: Vec<OsString> = env::args_os().collect();
    let name = Path::new(words.first()?).file_name()?;
    let verb = words.get(1).and_then(|word| word.to_str()).unwrap_or_default();
    if name == "netavark" {
        return Some(on_host(|dirs| netavark::call(&dirs, words.iter().cloned())));
    }
    // Whoever types it at a terminal is told our own verbs.
    if NETAVARK_VERBS.contains(&verb) && !stdin().is_terminal() {
        return Some(on_host(|dirs| netavark::call_plugin(&dirs, words.get(1..).unwrap_or_default())));
    }
    None
}

fn on_host(call: impl FnOnce(Dirs) -> u8) -> ExitCode {
    start_log(&env::var("RUST_LOG").unwrap_or_else(|_| "error".to_owned()));
    ExitCode::from(Dirs::of_environment().map_or_else(netavark::fail, call))
}

/// Answers a container runtime.
fn answer_runtime() -> Option<ExitCode> {
    let mut words = env::args_os();
    let plugin = Plugin::of_program(&words.next()?)?;
    if words.next().is_some() {
        return None;
    }
    if env::var_os(CALLED).is_none() {
        return if plugin == Plugin::Netctl { None } else { Some(introduce(plugin)) };
    }
    start_log("warn");
    Some(ExitCode::from(cni::answer(plugin, &Dirs::of_environment)))
}

/// As the stock plugins do where nobody asks them anything.
fn introduce(plugin: Plugin) -> ExitCode {
    let (name, version, known) = (plugin.name(), env!("CARGO_PKG_VERSION"), cni::known_versions().join(", "));
    let text = format!("CNI {name} plugin of netctl {version}\nCNI protocol versions supported: {known}\n");
    let _ = std::io::stderr().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

/// `netctl cni`: our own plugin.
pub fn cni(given: &Dirs) -> u8 {
    cni::answer(Plugin::Netctl, &|| place(given))
}

/// `netctl netavark`, with the words that follow.
pub fn netavark(given: &Dirs, words: Vec<OsString>) -> u8 {
    let name = std::iter::once("netavark".into());
    place(given).map_or_else(netavark::fail, |dirs| netavark::call(&dirs, name.chain(words)))
}

/// Without options or variables the engine is the host's own.
fn place(given: &Dirs) -> netctl::engine::Result<Dirs> {
    let usual = [dirs::DEFAULT_STATE, dirs::DEFAULT_RUN, dirs::DEFAULT_BPFFS];
    let is_usual = [&given.state, &given.run, &given.bpffs].into_iter().zip(usual).all(|(path, usual)| path == usual);
    if is_usual {
        return Ok(Dirs { resolv_conf: given.resolv_conf.clone(), ..Dirs::of_environment()? });
    }
    Ok(given.clone())
}
