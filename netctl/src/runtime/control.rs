//! What `run` and the monitor tell each other, a line at a time over a socket pair.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
};

/// The descriptor at which the monitor finds its end.
pub const MONITOR_END: i32 = 3;

/// One end of the conversation.
#[derive(Debug)]
pub struct Control {
    reader: BufReader<UnixStream>,
    writer: UnixStream,
}

/// What is said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Message {
    /// Monitor: the container's process waits, under this pid.
    Waiting(u32),
    /// `run`: its network is there; let it go on.
    Go,
    /// Monitor: the command runs.
    Started,
    /// Monitor: the command could not be begun; a shell's exit code, and why.
    Failed(u8, String),
    /// Monitor: the command has ended, with a shell's exit code.
    Exited(u8),
}

impl Control {
    /// Takes one end.
    pub fn new(stream: UnixStream) -> std::io::Result<Self> {
        Ok(Self { reader: BufReader::new(stream.try_clone()?), writer: stream })
    }

    /// Says something. An end that nobody listens at is no error: the monitor outlives `run`.
    pub fn tell(&mut self, message: &Message) {
        let line = match message {
            Message::Waiting(pid) => format!("waiting {pid}\n"),
            Message::Go => "go\n".to_owned(),
            Message::Started => "started\n".to_owned(),
            Message::Failed(code, why) => format!("failed {code} {}\n", why.replace('\n', " ")),
            Message::Exited(code) => format!("exited {code}\n"),
        };
        let _ = self.writer.write_all(line.as_bytes());
    }

    /// Waits for the next word; `None` when the other end has gone.
    pub fn hear(&mut self) -> Option<Message> {
        let mut line = String::new();
        if self.reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let (word, rest) = line.trim_end().split_once(' ').unwrap_or((line.trim_end(), ""));
        match word {
            "waiting" => rest.parse().ok().map(Message::Waiting),
            "go" => Some(Message::Go),
            "started" => Some(Message::Started),
            "failed" => {
                let (code, why) = rest.split_once(' ')?;
                Some(Message::Failed(code.parse().ok()?, why.to_owned()))
            }
            "exited" => rest.parse().ok().map(Message::Exited),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_heard_until_the_other_end_goes() {
        let (a, b) = UnixStream::pair().unwrap();
        let (mut a, mut b) = (Control::new(a).unwrap(), Control::new(b).unwrap());
        let said = [
            Message::Waiting(7),
            Message::Go,
            Message::Started,
            Message::Failed(127, "no such\nfile".to_owned()),
            Message::Exited(3),
        ];
        for message in &said {
            a.tell(message);
        }
        for message in &said[..3] {
            assert_eq!(b.hear().as_ref(), Some(message));
        }
        assert_eq!(b.hear(), Some(Message::Failed(127, "no such file".to_owned())));
        assert_eq!(b.hear(), Some(Message::Exited(3)));
        drop(a);
        assert_eq!(b.hear(), None);
    }
}
