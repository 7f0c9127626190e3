//! One call of a plugin: the environment and the configuration, checked as far as all plugins have them.

use serde_json::Value;

use super::{
    Error, Result,
    environment::{Command, Environment, is_name},
    wire::{AddedResult, Config, ValidAttachment, Version, read, read_result, shape},
};

/// Where a runtime lists the attachments that GC leaves.
const VALID: [&str; 2] = ["cni.dev/valid-attachments", "cni.dev/attachments"];

/// What is asked, of which network, in which words.
#[derive(Clone, Debug)]
pub struct Call {
    /// The environment.
    pub environment: Environment,
    /// The configuration as it came, for plugins that we call.
    pub text: Vec<u8>,
    /// The configuration as JSON.
    pub whole: Value,
    /// What all configurations have.
    pub config: Config,
    /// The network's name.
    pub name: String,
    /// The version of the configuration.
    pub version: Version,
}

impl Call {
    /// Takes environment and configuration together. The order of the checks is the stock plugins'.
    ///
    /// # Errors
    /// Where one of them is wrong, or the version of the configuration has no such command.
    pub fn new(environment: Environment, text: Vec<u8>) -> Result<Self> {
        let whole = read(&text)?;
        let name = match whole.get("name") {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(name)) => name.clone(),
            Some(_) => return Err(Error::Json("name: it is not a string".to_owned())),
        };
        if name.is_empty() {
            return Err(Error::NoName);
        }
        if !is_name(&name) {
            return Err(Error::NetworkName(name));
        }
        environment.check()?;
        let version = match whole.get("cniVersion") {
            None | Some(Value::Null) => Version::of("")?,
            Some(Value::String(text)) => Version::of(text)?,
            Some(_) => return Err(Error::Json("cniVersion: it is not a string".to_owned())),
        };
        match environment.command {
            Command::Check if version < Version::V040 => return Err(Error::TooOldFor("CHECK")),
            Command::Gc if version < Version::V110 => return Err(Error::TooOldFor("GC")),
            Command::Status if version < Version::V110 => return Err(Error::TooOldFor("STATUS")),
            _ => {}
        }
        let config: Config = shape(Some(&whole))?;
        Ok(Self { environment, text, whole, config, name, version })
    }

    /// What the plugins before have made, if the runtime has told it.
    ///
    /// # Errors
    /// Where it is no result.
    pub fn previous(&self) -> Result<Option<AddedResult>> {
        self.config.previous.as_ref().map(read_result).transpose()
    }

    /// The attachments that GC leaves, under the specification's key or the one that it had by mistake before; `None` where
    /// nothing is said, and so nothing is known to be too much.
    ///
    /// # Errors
    /// Where it is no list of attachments.
    pub fn valid_attachments(&self) -> Result<Option<Vec<ValidAttachment>>> {
        let Some((key, list)) = VALID.iter().find_map(|key| Some((*key, self.whole.get(*key)?))) else {
            return Ok(None);
        };
        let read: Option<Vec<ValidAttachment>> =
            serde_json::from_value(list.clone()).map_err(|error| Error::Shape(format!("{key}: {error}")))?;
        Ok(Some(read.unwrap_or_default()))
    }

    /// The same call with another command, for a plugin that we call.
    pub fn with_command(&self, command: Command) -> Self {
        let environment = Environment { command, ..self.environment.clone() };
        Self { environment, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engines::cni::arguments::Arguments;

    fn call(command: Command, text: &str) -> Result<Call> {
        let environment = Environment {
            command,
            container: "a".to_owned(),
            netns: None,
            interface: "eth0".to_owned(),
            arguments: Arguments::default(),
            path: Default::default(),
        };
        Call::new(environment, text.as_bytes().to_vec())
    }

    #[test]
    fn what_is_no_configuration_is_refused_as_the_stock_plugins_refuse_it() {
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        for (text, code, sentence) in [
            ("", 6, "error unmarshall network config: unexpected end of JSON input"),
            ("{\"name\":", 6, "error unmarshall network config: unexpected end of JSON input"),
            ("[]", 6, "error unmarshall network config: it is not a JSON object"),
            (&deep, 6, "recursion limit exceeded"),
            ("{\"name\":7}", 6, "name: it is not a string"),
            ("{}", 7, "missing network name"),
            ("{\"name\":null,\"cniVersion\":\"9.0\"}", 7, "missing network name"),
            ("{\"name\":\"x y/z\"}", 7, "invalid characters found in network name"),
            ("{\"name\":\"x\",\"cniVersion\":\"9.0\"}", 1, "incompatible CNI versions"),
            ("{\"name\":\"x\",\"cniVersion\":\"1.0.0\",\"dns\":7}", 7, "failed to load netconf: dns: "),
            (
                "{\"name\":\"x\",\"runtimeConfig\":{\"portMappings\":[{\"hostPort\":\"x\"}]}}",
                7,
                "portMappings[0].hostPort",
            ),
        ] {
            let error = call(Command::Add, text).unwrap_err();
            assert_eq!(error.code(), code, "{sentence}");
            assert!(error.to_string().contains(sentence), "{error}: {sentence}");
        }
    }

    #[test]
    fn a_command_is_refused_where_the_version_has_it_not() {
        let told = |command, version: &str| {
            let text = format!("{{\"name\":\"x\",\"cniVersion\":\"{version}\"}}");
            call(command, &text).map(drop).map_err(|error| (error.code(), error.to_string()))
        };
        for (command, old, new) in
            [(Command::Check, "0.3.1", "0.4.0"), (Command::Gc, "1.0.0", "1.1.0"), (Command::Status, "1.0.0", "1.1.0")]
        {
            let sentence = format!("config version does not allow {}", command.name());
            assert_eq!(told(command, old), Err((1, sentence)));
            assert_eq!(told(command, new), Ok(()));
        }
    }
}
