//! Standard input: the configuration, read whole within bounds of size and time. Not what it says.

use std::{
    io::{ErrorKind, Read},
    os::fd::AsFd,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

use super::{Error, Result};

/// More than any network's configuration, in MiB.
const LARGEST: usize = 16;

/// How long a runtime may take to say it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Reads standard input to its end.
///
/// # Errors
/// Where it is too long, does not end, or cannot be read.
pub fn read() -> Result<Vec<u8>> {
    let stdin = std::io::stdin();
    read_within(stdin.lock(), PATIENCE)
}

fn read_within(mut source: impl Read + AsFd, patience: Duration) -> Result<Vec<u8>> {
    let deadline = Instant::now() + patience;
    let (mut text, mut part) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        wait(&source, deadline, patience)?;
        match source.read(&mut part) {
            Ok(0) => return Ok(text),
            Ok(length) => text.extend_from_slice(part.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::Stdin(error)),
        }
        if text.len() > LARGEST << 20 {
            return Err(Error::TooLong(LARGEST));
        }
    }
}

fn wait(source: &impl AsFd, deadline: Instant, patience: Duration) -> Result<()> {
    let left = deadline.saturating_duration_since(Instant::now());
    let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
    match poll(&mut [PollFd::new(source.as_fd(), PollFlags::POLLIN)], timeout) {
        Ok(0) => Err(Error::TooSlow(patience.as_secs())),
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(error) => Err(Error::Stdin(error.into())),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Write, pipe};

    use super::*;

    #[test]
    fn what_does_not_end_is_waited_for_until_the_deadline() {
        let (reader, mut writer) = pipe().unwrap();
        writer.write_all(b"{").unwrap();
        let told = read_within(reader, Duration::ZERO).unwrap_err();
        assert_eq!(told.code(), 5);
        let (reader, mut writer) = pipe().unwrap();
        writer.write_all(b"{}").unwrap();
        drop(writer);
        assert_eq!(read_within(reader, PATIENCE).unwrap(), b"{}");
    }

    #[test]
    fn what_is_too_long_is_refused_before_all_of_it_is_read() {
        let (reader, mut writer) = pipe().unwrap();
        let flood = std::thread::spawn(move || {
            let block = [b' '; 1 << 16];
            while writer.write_all(&block).is_ok() {}
        });
        assert_eq!(read_within(reader, PATIENCE).unwrap_err().code(), 6);
        flood.join().unwrap();
    }
}
