//! Tells the linker to expand copies and fills of known size in place; left alone it makes calls of memcpy and memset of
//! them, a byte at a time.

fn main() {
    println!("cargo:rustc-link-arg=--disable-expand-memcpy-in-order");
    println!("cargo:rerun-if-changed=build.rs");
}
