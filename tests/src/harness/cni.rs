//! A container runtime that speaks CNI, as small as can be: it calls the plugins of a list in order, each with the result of
//! the one before, and in reverse to take a container off. Ours and the stock plugins are called alike.

use std::{
    ffi::OsString,
    io::Write,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::{Host, Namespace, program};

/// Debian's place for the stock plugins.
pub const STOCK: &str = "/usr/lib/cni";

/// The names that we answer to.
const NAMES: [&str; 9] =
    ["netctl", "bridge", "portmap", "firewall", "tuning", "host-local", "static", "loopback", "dnsname"];

/// Plugins, and the host that they are called on.
#[derive(Debug)]
pub struct Cni<'a> {
    host: &'a Host,
    plugins: PathBuf,
    directory: TempDir,
}

/// One interface of one container.
#[derive(Clone, Debug)]
pub struct Attached {
    /// The container.
    pub id: String,
    /// The file of its namespace, empty where there is none.
    pub netns: PathBuf,
    /// The interface.
    pub interface: String,
    /// `CNI_ARGS`.
    pub arguments: String,
}

/// What a plugin has answered.
#[derive(Debug)]
pub struct Answer {
    /// Its exit code, 128 and the signal where one killed it.
    pub code: i32,
    /// What it printed, null where that was nothing.
    pub value: Value,
    /// What it complained.
    pub stderr: String,
}

impl Attached {
    /// A container's first interface.
    #[must_use]
    pub fn new(id: &str, netns: &Namespace) -> Self {
        Self { id: id.to_owned(), netns: netns.path(), interface: "eth0".to_owned(), arguments: String::new() }
    }

    /// Another interface of it.
    #[must_use]
    pub fn by(&self, interface: &str) -> Self {
        Self { interface: interface.to_owned(), ..self.clone() }
    }

    /// The same with `CNI_ARGS`.
    #[must_use]
    pub fn with(&self, arguments: &str) -> Self {
        Self { arguments: arguments.to_owned(), ..self.clone() }
    }

    /// The same once the namespace has gone.
    #[must_use]
    pub fn without_netns(&self) -> Self {
        Self { netns: PathBuf::new(), ..self.clone() }
    }
}

impl<'a> Cni<'a> {
    /// Our plugins, under all their names.
    ///
    /// # Errors
    /// When netctl is not built.
    pub fn new(host: &'a Host) -> Result<Self> {
        let directory = tempfile::tempdir().context("a directory for plugins")?;
        let plugins = directory.path().join("bin");
        install(&plugins)?;
        Ok(Self { host, plugins, directory })
    }

    /// The stock plugins.
    ///
    /// # Errors
    /// When they are not installed.
    pub fn stock(host: &'a Host) -> Result<Self> {
        ensure!(Path::new(STOCK).join("bridge").exists(), "apt-get install containernetworking-plugins");
        Ok(Self { host, plugins: STOCK.into(), directory: tempfile::tempdir()? })
    }

    /// Ours for some names, and the stock ones for the others.
    ///
    /// # Errors
    /// When netctl is not built, or the stock plugins are not installed.
    pub fn mixed(host: &'a Host, stock: &[&str]) -> Result<Self> {
        let mixed = Self::new(host)?;
        for name in stock {
            // It may be one that we have not.
            let _ = std::fs::remove_file(mixed.plugins.join(name));
            symlink(Path::new(STOCK).join(name), mixed.plugins.join(name))?;
        }
        Ok(mixed)
    }

    /// The directory with the plugins.
    #[must_use]
    pub fn plugins(&self) -> &Path {
        &self.plugins
    }

    /// A directory that goes with it; `host-local` may keep its reservations there.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A plugin with its environment; the configuration is still to be given.
    ///
    /// # Errors
    /// When the host has gone.
    pub fn plugin(&self, name: &str, command: &str, attached: &Attached) -> Result<Command> {
        let mut plugin = self.host.host.command(&self.plugins.join(name).to_string_lossy())?;
        let mut path = OsString::from(&self.plugins);
        path.push(":/nowhere");
        plugin.envs(self.host.environment()).env("CNI_COMMAND", command).env("CNI_PATH", path);
        plugin.env("CNI_CONTAINERID", &attached.id).env("CNI_IFNAME", &attached.interface);
        plugin.env("CNI_NETNS", &attached.netns).env("CNI_ARGS", &attached.arguments);
        plugin.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(plugin)
    }

    /// Calls a plugin.
    ///
    /// # Errors
    /// When it cannot be started, or prints what is no JSON.
    pub fn call(&self, name: &str, command: &str, attached: &Attached, config: &Value) -> Result<Answer> {
        answer(&mut self.plugin(name, command, attached)?, config.to_string().as_bytes())
    }

    /// Puts a container on the network of a list; the last plugin's result.
    ///
    /// # Errors
    /// When a plugin fails: then all are called to undo what was done, as a runtime does.
    pub fn add(&self, list: &Value, attached: &Attached) -> Result<Value> {
        let mut result = Value::Null;
        for plugin in plugins(list)? {
            let answer = self.call(kind(&plugin)?, "ADD", attached, &given(list, &plugin, &result))?;
            if answer.code != 0 {
                self.delete(list, attached)?;
                bail!("ADD of {plugin}: {answer:?}");
            }
            result = answer.value;
        }
        Ok(result)
    }

    /// Takes a container off the network of a list.
    ///
    /// # Errors
    /// When a plugin fails.
    pub fn delete(&self, list: &Value, attached: &Attached) -> Result<()> {
        for plugin in plugins(list)?.into_iter().rev() {
            let answer = self.call(kind(&plugin)?, "DEL", attached, &given(list, &plugin, &Value::Null))?;
            ensure!(answer.code == 0 && answer.value.is_null(), "DEL of {plugin}: {answer:?}");
        }
        Ok(())
    }

    /// Calls the plugins of a list with another command; each has the result of ADD. The first that fails ends it.
    ///
    /// # Errors
    /// When a plugin cannot be called.
    pub fn all(&self, command: &str, list: &Value, attached: &Attached, result: &Value) -> Result<Answer> {
        let mut last = Answer { code: 0, value: Value::Null, stderr: String::new() };
        for plugin in plugins(list)? {
            last = self.call(kind(&plugin)?, command, attached, &given(list, &plugin, result))?;
            if last.code != 0 {
                break;
            }
        }
        Ok(last)
    }

    /// A list of one network with `bridge` of `host-local` first, and what else is given behind it.
    #[must_use]
    pub fn bridged(&self, name: &str, subnets: &[&str], others: &[Value]) -> Value {
        let ranges: Vec<_> = subnets.iter().map(|subnet| json!([{ "subnet": subnet }])).collect();
        let routes = [json!({ "dst": "0.0.0.0/0" }), json!({ "dst": "::/0" })];
        let families = [subnets.iter().any(|subnet| subnet.contains('.')), subnets.iter().any(|net| net.contains(':'))];
        let routes: Vec<_> = routes.into_iter().zip(families).filter(|(_, has)| *has).map(|(route, _)| route).collect();
        let ipam = json!({ "type": "host-local", "ranges": ranges, "routes": routes,
            "dataDir": self.directory.path().join("addresses") });
        let first = json!({ "type": "bridge", "bridge": "cni-test0", "isGateway": true, "ipMasq": true, "ipam": ipam });
        let all: Vec<_> = std::iter::once(first).chain(others.iter().cloned()).collect();
        json!({ "cniVersion": "1.0.0", "name": name, "plugins": all })
    }
}

/// Our plugins as links in a directory.
///
/// # Errors
/// When netctl is not built.
pub fn install(directory: &Path) -> Result<()> {
    std::fs::create_dir_all(directory)?;
    let program = program()?;
    NAMES.iter().try_for_each(|name| symlink(&program, directory.join(name))).context("links to netctl")
}

/// Runs a plugin with a configuration.
///
/// # Errors
/// When it cannot be started, or prints what is no JSON.
pub fn answer(plugin: &mut Command, config: &[u8]) -> Result<Answer> {
    use std::os::unix::process::ExitStatusExt;
    let mut child = plugin.spawn().context("starting a plugin")?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that refuses early does not read all.
        let _ = stdin.write_all(config);
    }
    let output = child.wait_with_output()?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let value = if printed.trim().is_empty() {
        Value::Null
    } else {
        serde_json::from_str(&printed).with_context(|| format!("a plugin printed {printed}"))?
    };
    Ok(Answer {
        code: output.status.code().unwrap_or_else(|| 128 + output.status.signal().unwrap_or(0)),
        value,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

impl Answer {
    /// Fails unless the plugin succeeded.
    ///
    /// # Errors
    /// With all that it answered.
    pub fn done(self) -> Result<Value> {
        ensure!(self.code == 0, "{self:?}");
        Ok(self.value)
    }

    /// Fails unless the plugin told an error of that code with such words.
    ///
    /// # Errors
    /// With all that it answered.
    pub fn refused(&self, code: u64, words: &str) -> Result<()> {
        let told = self.value.get("msg").and_then(Value::as_str).unwrap_or_default();
        let is_told = self.value.get("code").and_then(Value::as_u64) == Some(code) && told.contains(words);
        ensure!(self.code != 0 && is_told, "wanted code {code} and {words:?}, got {self:?}");
        Ok(())
    }
}

/// What a plugin of a list is given.
#[must_use]
pub fn given(list: &Value, plugin: &Value, result: &Value) -> Value {
    let mut fields = plugin.as_object().cloned().unwrap_or_else(Map::new);
    for key in ["name", "cniVersion"] {
        fields.insert(key.to_owned(), list.get(key).cloned().unwrap_or(Value::Null));
    }
    if !result.is_null() {
        fields.insert("prevResult".to_owned(), result.clone());
    }
    Value::Object(fields)
}

fn plugins(list: &Value) -> Result<Vec<Value>> {
    list.get("plugins").and_then(Value::as_array).cloned().context("a list of plugins")
}

fn kind(plugin: &Value) -> Result<&str> {
    plugin.get("type").and_then(Value::as_str).context("a plugin's type")
}
