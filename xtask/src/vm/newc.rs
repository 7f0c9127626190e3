//! Writes a cpio archive in the "newc" format, the one an initramfs has (`Documentation/driver-api/early-userspace/
//! buffer-format.rst` in the kernel). It does not read archives, and knows no hard links, owners or times.

use std::io::{self, Read, Write};

const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const SYMLINK: u32 = 0o120_000;

/// The name of the entry that ends an archive.
const TRAILER: &str = "TRAILER!!!";

/// An archive being written. A directory has to be added before what is in it.
pub struct Archive<W: Write> {
    out: W,
    entries: u32,
}

impl<W: Write> Archive<W> {
    pub fn new(out: W) -> Self {
        Self { out, entries: 0 }
    }

    pub fn directory(&mut self, name: &str) -> io::Result<()> {
        self.entry(name, DIRECTORY | 0o755, 0, io::empty())
    }

    pub fn symlink(&mut self, name: &str, target: &str) -> io::Result<()> {
        self.entry(name, SYMLINK | 0o777, target.len() as u64, target.as_bytes())
    }

    /// `mode` holds permission bits alone; `content` is read for exactly `size` bytes.
    pub fn file(&mut self, name: &str, mode: u32, size: u64, content: impl Read) -> io::Result<()> {
        self.entry(name, REGULAR | (mode & 0o7777), size, content)
    }

    pub fn finish(mut self) -> io::Result<()> {
        self.entry(TRAILER, 0, 0, io::empty())
    }

    fn entry(&mut self, name: &str, mode: u32, size: u64, content: impl Read) -> io::Result<()> {
        let too_large = || io::Error::new(io::ErrorKind::FileTooLarge, name.to_owned());
        let size_field = u32::try_from(size).map_err(|_| too_large())?;
        let name_size = u32::try_from(name.len() + 1).map_err(|_| too_large())?;
        self.entries += 1;
        // inode, mode, uid, gid, links, mtime, size, device (2), device number (2), name size, checksum
        let fields = [self.entries, mode, 0, 0, 1, 0, size_field, 0, 0, 0, 0, name_size, 0];
        write!(self.out, "070701")?;
        for field in fields {
            write!(self.out, "{field:08x}")?;
        }
        write!(self.out, "{name}\0")?;
        self.pad(110 + u64::from(name_size))?;
        let written = io::copy(&mut content.take(size), &mut self.out)?;
        if written != size {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, name.to_owned()));
        }
        self.pad(size)
    }

    /// The name, which the 110 bytes of the header precede, and the content each end at a multiple of four bytes.
    fn pad(&mut self, length: u64) -> io::Result<()> {
        (length..length.next_multiple_of(4)).try_for_each(|_| self.out.write_all(&[0]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE_AND_TRAILER: &[u8] = b"\
        070701\
        00000001000081ed000000000000000000000001000000000000000500000000000000000000000000000000\
        0000000300000000\
        hi\0\0\0\0hello\0\0\0\
        070701\
        0000000200000000000000000000000000000001000000000000000000000000000000000000000000000000\
        0000000b00000000\
        TRAILER!!!\0\0\0\0";

    #[test]
    fn names_and_contents_are_padded_to_four_bytes() {
        let mut bytes = Vec::new();
        let mut archive = Archive::new(&mut bytes);
        archive.file("hi", 0o755, 5, &b"hello"[..]).unwrap();
        archive.finish().unwrap();
        assert_eq!(String::from_utf8_lossy(&bytes), String::from_utf8_lossy(FILE_AND_TRAILER));
    }

    #[test]
    fn a_file_that_shrank_while_it_was_read_is_an_error() {
        let mut archive = Archive::new(io::sink());
        let error = archive.file("short", 0o644, 6, &b"hello"[..]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
