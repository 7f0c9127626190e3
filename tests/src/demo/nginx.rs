//! A real nginx with directories of its own, to be run in a container or on a host of a test.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

/// Files for one nginx; the process belongs to whoever runs [`Nginx::command`].
#[derive(Debug)]
pub struct Nginx {
    directory: TempDir,
}

impl Nginx {
    /// Makes configuration and a page.
    ///
    /// # Errors
    /// When files cannot be written.
    pub fn new() -> Result<Self> {
        let directory = tempfile::tempdir().context("a directory for nginx")?;
        let path = directory.path();
        fs::create_dir(path.join("html"))?;
        fs::write(path.join("html/index.html"), "<h1>served by a container</h1>\n")?;
        let here = path.display();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|kind| format!("    {kind}_temp_path {here}/{kind};\n"))
            .collect();
        let configuration = format!(
            "user root;\nworker_processes 1;\npid {here}/pid;\nerror_log {here}/error.log;\nevents {{}}\nhttp {{\n    \
             access_log {here}/access.log;\n{temporary}    sendfile on;\n    server {{\n        listen 80;\n        \
             listen [::]:80;\n        root {here}/html;\n    }}\n}}\n"
        );
        fs::write(path.join("nginx.conf"), configuration)?;
        Ok(Self { directory })
    }

    /// The command that runs it in the foreground.
    #[must_use]
    pub fn command(&self) -> Vec<String> {
        let configuration = self.directory.path().join("nginx.conf");
        ["nginx", "-c", &configuration.to_string_lossy(), "-g", "daemon off;"].map(str::to_owned).to_vec()
    }

    /// Where a file to serve has to be.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join("html").join(name)
    }

    /// What has been asked for, a line a request.
    ///
    /// # Errors
    /// When there is no log yet.
    pub fn access_log(&self) -> Result<String> {
        fs::read_to_string(self.directory.path().join("access.log")).context("reading nginx's log")
    }
}
