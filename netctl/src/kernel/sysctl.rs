//! Kernel settings under /proc/sys, those of the calling thread's network namespace.

use std::{fs, path::PathBuf};

use super::{KernelError, Netns, Result};

/// Writes a setting of one interface: `family` is `ipv4` or `ipv6`.
pub fn set_for_interface(family: &str, interface: &str, key: &str, value: &str) -> Result<()> {
    write(&format!("net/{family}/conf/{interface}/{key}"), value)
}

/// Writes a setting of one interface in another namespace.
pub fn set_inside(netns: &Netns, family: &str, interface: &str, key: &str, value: &str) -> Result<()> {
    netns.inside(|| set_for_interface(family, interface, key, value))?
}

/// Writes the setting at a path below /proc/sys.
pub fn write(key: &str, value: &str) -> Result<()> {
    let path = PathBuf::from("/proc/sys").join(key);
    fs::write(&path, value).map_err(KernelError::file("write", path))
}

/// Reads the setting at a path below /proc/sys, without the line end.
pub fn read(key: &str) -> Result<String> {
    let path = PathBuf::from("/proc/sys").join(key);
    let text = fs::read_to_string(&path).map_err(KernelError::file("read", path))?;
    Ok(text.trim_end().to_owned())
}

/// Ports that the kernel gives to nobody who does not ask for them: ranges, merged and sorted (ip-sysctl.rst,
/// ip_local_reserved_ports).
pub mod reserved_ports {
    use super::{Result, read, write};

    const KEY: &str = "net/ipv4/ip_local_reserved_ports";

    /// The ports from `first` to `last` that are not reserved yet.
    pub fn missing(first: u16, last: u16) -> Result<Vec<(u16, u16)>> {
        Ok(subtract((first, last), &parse(&read(KEY)?)))
    }

    /// Reserves ranges beside what is reserved already.
    pub fn add(ranges: &[(u16, u16)]) -> Result<()> {
        let before = parse(&read(KEY)?);
        let after = merge(before.iter().chain(ranges).copied());
        if after != before { write(KEY, &format(&after)) } else { Ok(()) }
    }

    /// Releases ranges that [`add`] has added.
    pub fn remove(ranges: &[(u16, u16)]) -> Result<()> {
        let before = parse(&read(KEY)?);
        let after: Vec<_> = before.iter().flat_map(|range| subtract(*range, ranges)).collect();
        if after != before { write(KEY, &format(&after)) } else { Ok(()) }
    }

    fn parse(text: &str) -> Vec<(u16, u16)> {
        text.split(',')
            .filter_map(|item| {
                let (first, last) = item.split_once('-').unwrap_or((item, item));
                Some((first.trim().parse().ok()?, last.trim().parse().ok()?))
            })
            .collect()
    }

    fn format(ranges: &[(u16, u16)]) -> String {
        let items: Vec<_> = ranges.iter().map(|(first, last)| format!("{first}-{last}")).collect();
        // The kernel takes an empty line for "none".
        if items.is_empty() { "\n".to_owned() } else { items.join(",") }
    }

    fn merge(ranges: impl Iterator<Item = (u16, u16)>) -> Vec<(u16, u16)> {
        let mut sorted: Vec<_> = ranges.collect();
        sorted.sort_unstable();
        let mut merged: Vec<(u16, u16)> = Vec::new();
        for (first, last) in sorted {
            match merged.last_mut() {
                Some(previous) if u32::from(first) <= u32::from(previous.1) + 1 => previous.1 = previous.1.max(last),
                _ => merged.push((first, last)),
            }
        }
        merged
    }

    fn subtract(range: (u16, u16), taken: &[(u16, u16)]) -> Vec<(u16, u16)> {
        let mut rest = vec![range];
        for (first, last) in taken {
            rest = rest.into_iter().flat_map(|piece| without(piece, (*first, *last))).collect();
        }
        rest
    }

    fn without((first, last): (u16, u16), (from, to): (u16, u16)) -> Vec<(u16, u16)> {
        if to < first || from > last {
            return vec![(first, last)];
        }
        let mut pieces = Vec::new();
        if from > first {
            pieces.push((first, from - 1));
        }
        if to < last {
            pieces.push((to + 1, last));
        }
        pieces
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn ranges_are_merged_and_taken_out_again() {
            let merged = merge(parse("80,100-200,201-300").into_iter().chain([(150, 250)]));
            assert_eq!(merged, [(80, 80), (100, 300)]);
            assert_eq!(subtract((100, 300), &[(150, 250)]), [(100, 149), (251, 300)]);
            assert_eq!(format(&merged), "80-80,100-300");
            assert_eq!(subtract((10, 20), &[(1, 65535)]), []);
        }
    }
}
