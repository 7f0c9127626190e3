//! Ports that the kernel gives to nobody who does not ask for them, of the calling thread's network namespace
//! (ip-sysctl.rst, ip_local_reserved_ports). Not who they are reserved for.

use std::{
    fs::{File, OpenOptions},
    io::Read,
    os::unix::fs::FileExt,
};

use super::{KernelError, Result};

const PATH: &str = "/proc/sys/net/ipv4/ip_local_reserved_ports";

/// More than all ports take up as text, each by itself.
const LONGEST: usize = 65_536 * 6;

/// More than the list is on most hosts.
const USUAL: usize = 4096;

/// More than `65535-65535,` takes.
const LONGEST_ITEM: usize = 16;

/// The kernel takes less than a page with each write, and adds what a later write to the open file brings
/// (kernel/sysctl.c, proc_do_large_bitmap).
const CHUNK: usize = 4_000;

/// A range of ports, both ends included.
pub type Ports = (u16, u16);

/// Those of `wanted` that are not reserved yet, merged.
pub fn missing(wanted: &[Ports]) -> Result<Vec<Ports>> {
    Ok(without_all(&merge(wanted.iter().copied()), &read()?))
}

/// Reserves ranges beside what is reserved already.
pub fn add(ranges: &[Ports]) -> Result<()> {
    // What is written anywhere but at the beginning joins the list.
    write(ranges, 1)
}

/// Releases ranges that [`add`] has added.
pub fn remove(ranges: &[Ports]) -> Result<()> {
    let before = read()?;
    let after = without_all(&before, ranges);
    if after != before { write(&after, 0) } else { Ok(()) }
}

/// `ranges` less all of `taken`, merged.
pub fn without_all(ranges: &[Ports], taken: &[Ports]) -> Vec<Ports> {
    let holes = merge(taken.iter().copied());
    let mut rest = Vec::new();
    for (first, last) in merge(ranges.iter().copied()) {
        let mut from = u32::from(first);
        // The first hole that does not end before the range.
        let begin = holes.partition_point(|hole| hole.1 < first);
        for hole in holes.iter().skip(begin).take_while(|hole| hole.0 <= last) {
            if from < u32::from(hole.0) {
                rest.push((from as u16, hole.0 - 1));
            }
            from = u32::from(hole.1) + 1;
        }
        if from <= u32::from(last) {
            rest.push((from as u16, last));
        }
    }
    rest
}

/// Sorted, with ranges that touch made one.
pub fn merge(ranges: impl Iterator<Item = Ports>) -> Vec<Ports> {
    let mut sorted: Vec<_> = ranges.collect();
    sorted.sort_unstable();
    let mut merged: Vec<Ports> = Vec::new();
    for (first, last) in sorted {
        match merged.last_mut() {
            Some(previous) if u32::from(first) <= u32::from(previous.1) + 1 => previous.1 = previous.1.max(last),
            _ => merged.push((first, last)),
        }
    }
    merged
}

/// Ranges from the kernel's own form: `8080,16384-32767`.
pub fn parse(text: &str) -> Vec<Ports> {
    text.split(',')
        .filter_map(|item| {
            let (first, last) = item.split_once('-').unwrap_or((item, item));
            Some((first.trim().parse().ok()?, last.trim().parse().ok()?))
        })
        .collect()
}

/// Ranges in the kernel's own form.
pub fn format(ranges: &[Ports]) -> String {
    ranges.iter().map(|(first, last)| format!("{first}-{last}")).collect::<Vec<_>>().join(",")
}

/// The whole list in one read: the kernel gives what fits, and nothing more the next time.
fn read() -> Result<Vec<Ports>> {
    let mut room = USUAL;
    loop {
        let mut bytes = vec![0; room];
        let length =
            File::open(PATH).and_then(|mut file| file.read(&mut bytes)).map_err(KernelError::file("read", PATH))?;
        // One that ends close to the room's end may have been cut.
        if room == LONGEST || length + LONGEST_ITEM < room {
            return Ok(parse(&String::from_utf8_lossy(bytes.get(..length).unwrap_or_default())));
        }
        room = LONGEST;
    }
}

/// At the beginning the list is replaced, elsewhere it is added to.
fn write(ranges: &[Ports], at: u64) -> Result<()> {
    let file = OpenOptions::new().write(true).open(PATH).map_err(KernelError::file("open", PATH))?;
    let mut place = at;
    for chunk in chunks(ranges) {
        file.write_all_at(chunk.as_bytes(), place).map_err(KernelError::file("write", PATH))?;
        place += chunk.len() as u64;
    }
    Ok(())
}

/// The list as the kernel takes it, none of its numbers cut in two. An empty line is an empty list.
fn chunks(ranges: &[Ports]) -> Vec<String> {
    let mut chunks = vec![String::new()];
    for range in ranges {
        let item = format(&[*range]);
        match chunks.last_mut() {
            Some(last) if last.is_empty() => *last = item,
            Some(last) if last.len() + item.len() < CHUNK => {
                last.push(',');
                last.push_str(&item);
            }
            _ => chunks.push(item),
        }
    }
    chunks.into_iter().map(|chunk| chunk + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_merged_and_taken_out_again() {
        let merged = merge(parse("80,100-200,201-300\n").into_iter().chain([(150, 250)]));
        assert_eq!(merged, [(80, 80), (100, 300)]);
        assert_eq!(without_all(&[(100, 300)], &[(150, 250)]), [(100, 149), (251, 300)]);
        assert_eq!(without_all(&merged, &[(80, 80), (300, 400)]), [(100, 299)]);
        assert_eq!(format(&merged), "80-80,100-300");
        assert_eq!(without_all(&[(10, 20)], &[(1, 65535)]), []);
    }

    #[test]
    fn a_long_list_is_written_in_pieces_that_cut_no_number() {
        let many: Vec<Ports> = (1..2_000).map(|port| (port * 3, port * 3)).collect();
        let chunks = chunks(&many);
        assert!(chunks.len() > 1 && chunks.iter().all(|chunk| chunk.len() <= CHUNK));
        let read: Vec<Ports> = chunks.iter().flat_map(|chunk| parse(chunk)).collect();
        assert_eq!(read, many);
        assert_eq!(super::chunks(&[]), ["\n"]);
    }
}
