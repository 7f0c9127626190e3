//! Being begun by another program: under the name of a CNI plugin, or as `netctl cni`. Not what is answered.

use std::{env, io::Write, process::ExitCode};

use netctl::{
    engine::{Dirs, dirs},
    engines::cni::{self, Plugin},
};

use super::dispatch::start_log;

/// Tells that a container runtime calls.
const CALLED: &str = "CNI_COMMAND";

/// Answers a container runtime that has begun us under a plugin's name; `None` where somebody types words of ours.
pub fn answer_as_plugin() -> Option<ExitCode> {
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

/// `netctl cni`: our own plugin. Without options or variables the engine is the host's own.
pub fn cni(given: &Dirs) -> u8 {
    let usual = [dirs::DEFAULT_STATE, dirs::DEFAULT_RUN, dirs::DEFAULT_BPFFS];
    let is_usual = [&given.state, &given.run, &given.bpffs].into_iter().zip(usual).all(|(path, usual)| path == usual);
    if is_usual {
        let place = || Ok(Dirs { resolv_conf: given.resolv_conf.clone(), ..Dirs::of_environment()? });
        return cni::answer(Plugin::Netctl, &place);
    }
    cni::answer(Plugin::Netctl, &|| Ok(given.clone()))
}
