//! What a runtime says in the environment: `CNI_COMMAND` and the variables that each command needs.

use std::{env, ffi::OsString, path::PathBuf};

use super::{Error, Result, arguments::Arguments};

/// What is asked of a plugin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command {
    /// Put a container on a network.
    Add,
    /// Take it off.
    Del,
    /// Look whether all is as it was made.
    Check,
    /// Take off all containers that the runtime does not know.
    Gc,
    /// Tell whether ADD could work.
    Status,
    /// Tell the versions that are known.
    Version,
}

impl Command {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Add => "ADD",
            Self::Del => "DEL",
            Self::Check => "CHECK",
            Self::Gc => "GC",
            Self::Status => "STATUS",
            Self::Version => "VERSION",
        }
    }

    fn of(text: &str) -> Result<Self> {
        let all = [Self::Add, Self::Del, Self::Check, Self::Gc, Self::Status, Self::Version];
        all.into_iter().find(|command| command.name() == text).ok_or_else(|| Error::Command(text.to_owned()))
    }

    /// Whether it is about one attachment.
    pub fn has_attachment(self) -> bool {
        matches!(self, Self::Add | Self::Del | Self::Check)
    }

    fn needs_netns(self) -> bool {
        matches!(self, Self::Add | Self::Check)
    }
}

/// What the environment says.
#[derive(Clone, Debug)]
pub struct Environment {
    /// `CNI_COMMAND`.
    pub command: Command,
    /// `CNI_CONTAINERID`.
    pub container: String,
    /// `CNI_NETNS`; `None` where it is empty.
    pub netns: Option<PathBuf>,
    /// `CNI_IFNAME`.
    pub interface: String,
    /// `CNI_ARGS`.
    pub arguments: Arguments,
    /// `CNI_PATH`.
    pub path: OsString,
}

impl Environment {
    /// Reads the variables of this process.
    ///
    /// # Errors
    /// Where the command is unknown or one that it needs is missing, by name.
    pub fn read() -> Result<Self> {
        Self::of(|name| env::var_os(name).filter(|value| !value.is_empty()))
    }

    fn of(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self> {
        let text = |name: &str| variable(name).map(|value| value.to_string_lossy().into_owned()).unwrap_or_default();
        let command = text("CNI_COMMAND");
        if command.is_empty() {
            return Err(Error::Unset(vec!["CNI_COMMAND"]));
        }
        let command = Command::of(&command)?;
        let needed = [
            ("CNI_CONTAINERID", command.has_attachment()),
            ("CNI_NETNS", command.needs_netns()),
            ("CNI_IFNAME", command.has_attachment()),
            ("CNI_PATH", matches!(command, Command::Gc | Command::Status)),
        ];
        let missing = needed.iter().filter(|(name, is_needed)| *is_needed && variable(name).is_none());
        let missing: Vec<_> = missing.map(|(name, _)| *name).collect();
        if !missing.is_empty() {
            return Err(Error::Unset(missing));
        }
        Ok(Self {
            command,
            container: text("CNI_CONTAINERID"),
            netns: variable("CNI_NETNS").map(PathBuf::from),
            interface: text("CNI_IFNAME"),
            arguments: Arguments::read(&text("CNI_ARGS"))?,
            path: variable("CNI_PATH").unwrap_or_default(),
        })
    }

    /// Refuses names that cannot be.
    pub fn check(&self) -> Result<()> {
        if !self.command.has_attachment() {
            return Ok(());
        }
        if !is_name(&self.container) {
            return Err(Error::ContainerId(self.container.clone()));
        }
        let name = &self.interface;
        let refused = |why| Err(Error::InterfaceName { name: name.clone(), why });
        if name.len() > LONGEST_INTERFACE {
            return refused("interface name is too long: interface name should be less than 16 characters");
        }
        if name == "." || name == ".." {
            return refused("interface name is . or ..");
        }
        if name.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '/' | ':' | '%')) {
            return refused("interface name contains / or : or whitespace characters");
        }
        Ok(())
    }

    /// `CNI_NETNS`.
    pub fn netns(&self) -> Result<&PathBuf> {
        self.netns.as_ref().ok_or_else(|| Error::Unset(vec!["CNI_NETNS"]))
    }
}

/// The longest name of an interface (linux/if.h: IFNAMSIZ, less the final zero).
const LONGEST_INTERFACE: usize = 15;

/// What containers and networks may be called.
pub fn is_name(text: &str) -> bool {
    let begins_well = text.chars().next().is_some_and(|first| first.is_ascii_alphanumeric());
    begins_well && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Result<Environment> {
        Environment::of(|name| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into()))
    }

    #[test]
    fn what_is_missing_is_told_by_name_and_all_of_it() {
        for (command, missing) in [
            (None, "CNI_COMMAND"),
            (Some("ADD"), "CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME"),
            (Some("CHECK"), "CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME"),
            (Some("DEL"), "CNI_CONTAINERID,CNI_IFNAME"),
            (Some("GC"), "CNI_PATH"),
            (Some("STATUS"), "CNI_PATH"),
        ] {
            let pairs: Vec<_> = command.map(|command| ("CNI_COMMAND", command)).into_iter().collect();
            let error = of(&pairs).unwrap_err();
            assert_eq!((error.code(), error.to_string()), (4, format!("required env variables [{missing}] missing")));
        }
        assert!(of(&[("CNI_COMMAND", "VERSION")]).is_ok());
        assert_eq!(of(&[("CNI_COMMAND", "add")]).unwrap_err().to_string(), "unknown CNI_COMMAND: add");
    }

    #[test]
    fn names_that_cannot_be_are_refused() {
        let check = |container, interface| {
            let pairs = [("CNI_COMMAND", "DEL"), ("CNI_CONTAINERID", container), ("CNI_IFNAME", interface)];
            of(&pairs).unwrap().check()
        };
        assert!(check("default-web_1.x", "eth0").is_ok());
        for container in ["a/b", "-a", "a b", "../x"] {
            assert_eq!(check(container, "eth0").unwrap_err().to_string(), "invalid characters in containerID");
        }
        for interface in ["a/b", "eth0:1", "eth 0", "sixteen-letters-", ".."] {
            assert_eq!(check("a", interface).unwrap_err().code(), 4, "{interface}");
        }
    }
}
