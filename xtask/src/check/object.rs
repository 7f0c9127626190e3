//! Reads which function of an eBPF object calls which: the ELF symbol table, the relocations, and the call instructions
//! in the code. It knows 64-bit little-endian objects, and of instructions only what it takes to find calls.

use anyhow::{Context as _, bail};

/// One function's call of another.
pub struct Call {
    pub caller: String,
    pub callee: String,
}

impl Call {
    /// Whether it copies or fills memory, or can only end in a panic. What the compiler's own copies of these functions
    /// call does not count, for every object carries them, called or not.
    pub fn is_unwanted(&self) -> bool {
        is_unwanted(&self.callee) && !is_unwanted(&self.caller)
    }
}

fn is_unwanted(function: &str) -> bool {
    ["memset", "memmove", "memcpy", "memcmp"].contains(&function) || function.contains("panic")
}

/// `sh_type` and `sh_flags`, `st_info` types and relocation types of the ELF and BPF specifications.
const SECTION_SYMBOLS: u32 = 2;
const SECTION_RELOCATIONS: u32 = 9;
const FLAG_EXECUTABLE: u64 = 4;
const SYMBOL_FUNCTION: u8 = 2;
const SYMBOL_SECTION: u8 = 3;
/// `R_BPF_64_32`, which call instructions have.
const RELOCATION_CALL: u64 = 10;

/// The calls between functions of the object; calls of the kernel's helpers are not among them.
///
/// # Errors
/// If `elf` is not a 64-bit little-endian ELF file with a symbol table.
pub fn calls(elf: &[u8]) -> anyhow::Result<Vec<Call>> {
    if elf.get(..6) != Some(b"\x7fELF\x02\x01") {
        bail!("not a 64-bit little-endian ELF file");
    }
    let object = Object::read(elf).context("a table of the ELF file is cut short")?;
    let mut calls = Vec::new();
    for (index, section) in object.sections.iter().enumerate() {
        if section.flags & FLAG_EXECUTABLE == 0 {
            continue;
        }
        let code = section.content(elf).context("a section is cut short")?;
        for (at, immediate) in call_instructions(code) {
            let caller = object.function_at(index, at);
            calls.push(Call { caller, callee: object.callee(index, at, immediate) });
        }
    }
    Ok(calls)
}

/// Offset and immediate of each call of a function: opcode 0x85 with a source register of 1 (`BPF_PSEUDO_CALL`).
fn call_instructions(code: &[u8]) -> Vec<(u64, i32)> {
    let (instructions, _) = code.as_chunks::<8>();
    let mut calls = Vec::new();
    let mut is_second_half = false;
    for (at, &[opcode, registers, _, _, immediate @ ..]) in (0..).step_by(8).zip(instructions) {
        if !is_second_half && opcode == 0x85 && registers >> 4 == 1 {
            calls.push((at, i32::from_le_bytes(immediate)));
        }
        // A load of 64 bits takes two instructions' room.
        is_second_half = !is_second_half && opcode == 0x18;
    }
    calls
}

struct Object {
    sections: Vec<Section>,
    symbols: Vec<Symbol>,
    /// Section, offset and symbol of each relocated call.
    relocations: Vec<(usize, u64, usize)>,
}

struct Section {
    kind: u32,
    flags: u64,
    offset: u64,
    size: u64,
    link: u32,
    info: u32,
}

struct Symbol {
    name: String,
    kind: u8,
    section: usize,
    value: u64,
    size: u64,
}

impl Object {
    fn read(elf: &[u8]) -> Option<Self> {
        let header = number::<8>(elf, 0x28)?;
        let entry = number::<2>(elf, 0x3a)?;
        let count = number::<2>(elf, 0x3c)?;
        let sections =
            (0..count).map(|index| Section::read(elf, header + index * entry)).collect::<Option<Vec<_>>>()?;
        let table = sections.iter().find(|section| section.kind == SECTION_SYMBOLS)?;
        let names = sections.get(table.link as usize)?.content(elf)?;
        let symbols = table.content(elf)?.as_chunks::<24>().0.iter();
        let symbols = symbols.map(|bytes| Symbol::read(bytes, names)).collect::<Option<Vec<_>>>()?;
        let mut relocations = Vec::new();
        for section in sections.iter().filter(|section| section.kind == SECTION_RELOCATIONS) {
            for bytes in section.content(elf)?.as_chunks::<16>().0 {
                let info = number::<8>(bytes, 8)?;
                if info & 0xffff_ffff == RELOCATION_CALL {
                    relocations.push((
                        section.info as usize,
                        number::<8>(bytes, 0)?,
                        usize::try_from(info >> 32).ok()?,
                    ));
                }
            }
        }
        Some(Self { sections, symbols, relocations })
    }

    /// The immediate counts instructions, from the one after the call, or from the relocation's symbol.
    fn callee(&self, section: usize, at: u64, immediate: i32) -> String {
        let distance = (i64::from(immediate) + 1) * 8;
        let relocation = self.relocations.iter().find(|&&(of, offset, _)| (of, offset) == (section, at));
        let symbol = relocation.and_then(|&(_, _, symbol)| self.symbols.get(symbol));
        match symbol {
            None => self.function_at(section, at.wrapping_add_signed(distance)),
            Some(symbol) if symbol.kind == SYMBOL_SECTION || !symbol.name.is_empty() && symbol.section != 0 => {
                self.function_at(symbol.section, symbol.value.wrapping_add_signed(distance))
            }
            Some(undefined) => undefined.name.clone(),
        }
    }

    fn function_at(&self, section: usize, offset: u64) -> String {
        let mut functions = self.symbols.iter().filter(|symbol| symbol.kind == SYMBOL_FUNCTION);
        let found = functions
            .find(|symbol| symbol.section == section && (symbol.value..symbol.value + symbol.size).contains(&offset));
        found.map_or_else(|| format!("section {section} at {offset:#x}"), |symbol| symbol.name.clone())
    }
}

impl Section {
    fn read(elf: &[u8], at: u64) -> Option<Self> {
        let at = usize::try_from(at).ok()?;
        Some(Self {
            kind: u32::try_from(number::<4>(elf, at + 4)?).ok()?,
            flags: number::<8>(elf, at + 8)?,
            offset: number::<8>(elf, at + 24)?,
            size: number::<8>(elf, at + 32)?,
            link: u32::try_from(number::<4>(elf, at + 40)?).ok()?,
            info: u32::try_from(number::<4>(elf, at + 44)?).ok()?,
        })
    }

    fn content<'a>(&self, elf: &'a [u8]) -> Option<&'a [u8]> {
        let start = usize::try_from(self.offset).ok()?;
        elf.get(start..start.checked_add(usize::try_from(self.size).ok()?)?)
    }
}

impl Symbol {
    fn read(bytes: &[u8], names: &[u8]) -> Option<Self> {
        let name = names.get(usize::try_from(number::<4>(bytes, 0)?).ok()?..)?;
        let name = name.split(|&byte| byte == 0).next()?;
        Some(Self {
            name: String::from_utf8_lossy(name).into_owned(),
            kind: bytes.get(4)? & 0xf,
            section: usize::try_from(number::<2>(bytes, 6)?).ok()?,
            value: number::<8>(bytes, 8)?,
            size: number::<8>(bytes, 16)?,
        })
    }
}

/// The little-endian number of `SIZE` bytes at `at`.
fn number<const SIZE: usize>(bytes: &[u8], at: impl TryInto<usize>) -> Option<u64> {
    let at = at.try_into().ok()?;
    let bytes = bytes.get(at..)?.first_chunk::<SIZE>()?;
    Some(bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(caller: &str, callee: &str) -> Call {
        Call { caller: caller.to_owned(), callee: callee.to_owned() }
    }

    #[test]
    fn calls_of_functions_are_told_from_those_of_helpers_and_from_constants() {
        let code = [
            [0x85, 0x10, 0, 0, 0xff, 0xff, 0xff, 0xff],
            [0x85, 0x00, 0, 0, 0x01, 0, 0, 0],
            [0x18, 0x01, 0, 0, 0, 0, 0, 0],
            [0x85, 0x10, 0, 0, 0, 0, 0, 0],
            [0x85, 0x10, 0, 0, 0x02, 0, 0, 0],
        ];
        assert_eq!(call_instructions(code.as_flattened()), [(0, -1), (32, 2)]);
    }

    #[test]
    fn the_compilers_own_functions_may_call_each_other() {
        assert!(call("container_egress", "memcpy").is_unwanted());
        assert!(call("container_egress", "_RNvNtCs_4core9panicking5panic").is_unwanted());
        assert!(!call("memmove", "memcpy").is_unwanted());
        assert!(!call("container_egress", "ipv4").is_unwanted());
    }

    #[test]
    fn a_file_that_is_cut_short_is_an_error() {
        assert!(calls(b"#!/bin/sh").is_err());
        assert!(calls(b"\x7fELF\x02\x01\x01").is_err());
    }
}
