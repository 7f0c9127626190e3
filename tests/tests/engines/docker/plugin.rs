//! netctl's plugin socket without a dockerd: calls as anybody may write them.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use netctl_tests::harness::{Child, Host, wait};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::DEADLINE;

/// A `netctl serve` that answers on a socket of the test's own.
pub struct Plugin {
    pub serve: Child,
    pub socket: PathBuf,
    _directory: TempDir,
}

impl Plugin {
    /// Begins it, and waits until it answers.
    pub fn start(host: &Host) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let socket = directory.path().join("plugins/netctl.sock");
        let mut plugin = Self { serve: begin(host, &socket)?, socket, _directory: directory };
        plugin.await_answer()?;
        Ok(plugin)
    }

    pub fn await_answer(&mut self) -> Result<()> {
        wait::until(DEADLINE, "the plugin", || {
            ensure!(self.serve.is_running()?, "netctl serve: {}", self.serve.stderr()?);
            Ok(self.call("Plugin.Activate", &json!({})).is_ok())
        })
    }

    pub fn connect(&self) -> Result<UnixStream> {
        let stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        Ok(stream)
    }

    /// Calls a method: HTTP status and body.
    pub fn call(&self, method: &str, body: &Value) -> Result<(u16, Value)> {
        self.post(method, body.to_string().as_bytes())
    }

    /// Calls a method that has to succeed.
    pub fn ok(&self, method: &str, body: &Value) -> Result<Value> {
        let (status, answer) = self.call(method, body)?;
        ensure!(status == 200 && answer.get("Err").is_none(), "{method} {body}: {status} {answer}");
        Ok(answer)
    }

    /// Calls a method that has to be refused with these words.
    pub fn refused(&self, method: &str, body: &Value, words: &str) -> Result<()> {
        let (status, answer) = self.call(method, body)?;
        let told = answer.get("Err").and_then(Value::as_str).unwrap_or_default();
        ensure!(told.contains(words), "{method} {body}: {status} {answer}, wanted {words:?}");
        Ok(())
    }

    /// Sends a body of any bytes.
    pub fn post(&self, method: &str, body: &[u8]) -> Result<(u16, Value)> {
        let head = format!(
            "POST /{method} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        self.send(&[head.as_bytes(), body].concat())
    }

    /// Sends any bytes, which may be more than anybody reads.
    pub fn send(&self, bytes: &[u8]) -> Result<(u16, Value)> {
        let mut stream = self.connect()?;
        // Whoever answers early closes before all is sent.
        let _ = stream.write_all(bytes);
        answer(&mut stream)
    }
}

/// Reads an answer: HTTP status and body.
pub fn answer(stream: &mut UnixStream) -> Result<(u16, Value)> {
    let mut text = Vec::new();
    // One that is cut off behind its answer has been answered.
    let _ = stream.read_to_end(&mut text);
    let text = String::from_utf8_lossy(&text);
    let status = text.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.with_context(|| format!("no answer: {text:?}"))?;
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok((status, serde_json::from_str(body).unwrap_or(Value::Null)))
}

/// Begins `netctl serve` at a socket.
pub fn begin(host: &Host, socket: &Path) -> Result<Child> {
    begin_with(host, socket, &[])
}

/// The same, with settings of the environment.
pub fn begin_with(host: &Host, socket: &Path, environment: &[(&str, &str)]) -> Result<Child> {
    let path = socket.to_string_lossy();
    let words = ["serve", "--docker-plugin", &path, "--docker-host", "unix:///nowhere"];
    Child::spawn(host.command(&words)?.envs(environment.iter().copied()))
}

/// An identifier that begins with a number of its own, as links are named by that.
pub fn id(kind: char, number: u32) -> String {
    format!("{kind}{number:011x}{:052}", 0)
}

/// What makes a network.
pub fn network(id: &str, subnet: &str) -> Value {
    json!({"NetworkID": id, "Options": {"com.docker.network.generic": {}}, "IPv4Data": [{"Pool": subnet}]})
}

/// How long a call may take beside ones that never end.
pub const PROMPT: Duration = Duration::from_secs(3);
