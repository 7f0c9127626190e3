//! A connection that carries data all the time, so that one that has died or been cut is seen.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use anyhow::{Result, anyhow};
use netctl_tests::harness::{Namespace, wait};

use super::DEADLINE;

/// Sends back what it gets.
pub const ECHO: [&str; 6] = ["nc", "-ll", "-p", "7", "-e", "/bin/cat"];

/// How many more round trips show that it goes on.
const MORE: u64 = 200;

/// A running transfer.
pub struct Transfer {
    rounds: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<std::io::Result<()>>,
}

impl Transfer {
    /// Connects, and sends and receives for ever.
    pub fn begin(from: &Namespace, address: &str, port: u16) -> Result<Self> {
        let mut stream = None;
        wait::until(DEADLINE, "the server", || {
            stream = from.inside(|| TcpStream::connect((address, port)).ok())?.filter(|stream| echo(stream, 1).is_ok());
            Ok(stream.is_some())
        })?;
        let stream = stream.ok_or_else(|| anyhow!("no connection"))?;
        let (rounds, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (counter, stopped) = (Arc::clone(&rounds), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                echo(&stream, 1400)?;
                counter.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        });
        Ok(Self { rounds, stop, thread })
    }

    /// Waits until much more has gone there and back.
    pub fn goes_on(&self) -> Result<()> {
        let before = self.rounds.load(Ordering::Relaxed);
        wait::until(DEADLINE, "the transfer to go on", || {
            Ok(self.rounds.load(Ordering::Relaxed) > before.saturating_add(MORE))
        })
    }

    /// Ends it; an error on the way is told.
    pub fn end(self) -> Result<()> {
        self.goes_on()?;
        self.stop.store(true, Ordering::Relaxed);
        Ok(self.thread.join().map_err(|_| anyhow!("the transfer panicked"))??)
    }
}

fn echo(mut stream: &TcpStream, length: usize) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(15)))?;
    let sent: Vec<u8> = (0..length).map(|place| u8::try_from(place % 251).unwrap_or(0)).collect();
    stream.write_all(&sent)?;
    let mut received = vec![0; length];
    stream.read_exact(&mut received)?;
    if received == sent { Ok(()) } else { Err(std::io::ErrorKind::InvalidData.into()) }
}
