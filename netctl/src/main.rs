//! trial
use aya::{EbpfLoader, programs::SchedClassifier};
fn main() {
    let p = std::env::args().nth(1).unwrap();
    let _ = std::fs::create_dir_all("/sys/fs/bpf/trial");
    let mut l = EbpfLoader::new();
    l.default_map_pin_directory("/sys/fs/bpf/trial");
    let mut o = l.load_file(p).unwrap();
    let names: Vec<String> = o.programs().map(|(n, _)| n.to_owned()).collect();
    for n in names {
        let t = std::time::Instant::now();
        let prog: &mut SchedClassifier = o.program_mut(&n).unwrap().try_into().unwrap();
        match prog.load() {
            Ok(()) => println!(
                "{n}: ok {:?} verified {:?} jited {:?}",
                t.elapsed(),
                prog.info().unwrap().verified_instruction_count(),
                prog.info().unwrap().size_translated()
            ),
            Err(e) => {
                let s = format!("{e:?}");
                let i = s.find("verification time").unwrap_or(0);
                println!("{n}: FAIL {}", &s[i.saturating_sub(300)..].chars().take(800).collect::<String>());
            }
        }
    }
}
