fn main() {
    let p = netctl::kernel::bpf::DataPlane::at(std::path::Path::new("/sys/fs/bpf/trial"));
    let t = std::time::Instant::now();
    match p.load(Default::default()) {
        Ok(f) => println!("ok {f:#x} {:?}", t.elapsed()),
        Err(e) => {
            let s = format!("{e:?}");
            println!("{}", &s[s.len().saturating_sub(3000)..])
        }
    };
    p.unload().unwrap();
}
