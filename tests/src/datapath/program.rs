//! One pinned program, run on single packets by BPF_PROG_TEST_RUN.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use aya::TestRun as _;
use aya::programs::{SchedClassifier, TestRunOptions};
use netctl_common::datapath::action;
use netctl_common::testkit::Hook;

/// The program at the host end of a container's interface.
pub const CONTAINER_EGRESS: &str = "container_egress";
/// The program at an uplink.
pub const UPLINK_INGRESS: &str = "uplink_ingress";

/// Return values (linux/pkt_cls.h), and TCX_NEXT (linux/bpf.h).
const TC_ACT_OK: u32 = 0;
const TC_ACT_SHOT: u32 = 2;
/// What a program returns whose packet goes on to another interface.
pub const TC_ACT_REDIRECT: u32 = 7;
const TCX_NEXT: u32 = u32::MAX;

/// The longest frame that a run may give back.
const FRAME_MAX: usize = 2048;

/// A loaded program.
#[derive(Debug)]
pub struct Program {
    name: &'static str,
    classifier: SchedClassifier,
}

/// What a run gave.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// The program's return value.
    pub value: u32,
    /// The frame afterwards.
    pub frame: Vec<u8>,
}

/// How big a program is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Size {
    /// How many instructions the verifier went through, every path of them.
    pub verified: u32,
    /// Instructions after the verifier's own rewriting, subprograms included.
    pub translated: u32,
    /// Bytes of machine code, subprograms included.
    pub machine_code: u32,
}

/// What a program returns for an action, at a hook.
///
/// # Panics
/// If the action is a stage.
#[must_use]
pub fn returned(hook: Hook, decided: u32) -> u32 {
    match (decided, hook) {
        (action::DROP, _) => TC_ACT_SHOT,
        (action::PASS, Hook::Container(_)) => TC_ACT_OK,
        (action::PASS, Hook::Uplink) => TCX_NEXT,
        (
            action::DELIVER
            | action::FORWARD
            | action::SPREAD
            | action::ASK_FIREWALL
            | action::ANSWER_ARP
            | action::ANSWER_NEIGHBOUR
            | action::ANSWER_ERROR,
            _,
        ) => TC_ACT_REDIRECT,
        (stage, _) => panic!("{stage} is not the last action"),
    }
}

impl Program {
    /// Opens a pinned program.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn open(directory: &Path, name: &'static str) -> Result<Self> {
        let path = directory.join(name);
        let classifier = SchedClassifier::from_pin(&path).with_context(|| format!("opening {}", path.display()))?;
        Ok(Self { name, classifier })
    }

    /// Runs it once on a frame that comes in by an interface of the calling thread's namespace.
    ///
    /// # Errors
    /// If the kernel refuses the frame: it takes none that is shorter than an Ethernet header.
    pub fn run(&self, ifindex: u32, frame: &[u8]) -> Result<Outcome> {
        let mut output = vec![0; FRAME_MAX];
        let context = context(ifindex);
        let options = TestRunOptions {
            data_in: Some(frame),
            data_out: Some(&mut output),
            ctx_in: Some(&context),
            ..TestRunOptions::new()
        };
        let result = self.classifier.test_run(options).with_context(|| format!("running {}", self.name))?;
        let length = result.data_size_out as usize;
        ensure!(length <= FRAME_MAX, "{} made a frame of {length} bytes", self.name);
        output.truncate(length);
        Ok(Outcome { value: result.return_value, frame: output })
    }

    /// Nanoseconds a run, over `repeat` runs on what the run before made of the frame.
    ///
    /// # Errors
    /// If the kernel refuses the frame.
    pub fn time(&self, ifindex: u32, frame: &[u8], repeat: u32) -> Result<u64> {
        let context = context(ifindex);
        let options = TestRunOptions { data_in: Some(frame), ctx_in: Some(&context), repeat, ..TestRunOptions::new() };
        let result = self.classifier.test_run(options).with_context(|| format!("running {}", self.name))?;
        Ok(u64::try_from(result.duration.as_nanos())?)
    }

    /// How big it is.
    ///
    /// # Errors
    /// If the kernel does not tell (before Linux 5.16).
    pub fn size(&self) -> Result<Size> {
        let info = self.classifier.info().with_context(|| format!("asking for {}", self.name))?;
        Ok(Size {
            verified: info.verified_instruction_count().context("the kernel tells no verified instructions")?,
            translated: info.size_translated().context("the kernel tells no translated size")? / 8,
            machine_code: info.size_jitted(),
        })
    }
}

/// The beginning of a `__sk_buff` (linux/bpf.h) of a packet that came in by an interface. Of these fields the kernel takes
/// only `mark`, `priority`, `ingress_ifindex` and `ifindex` from a test; what follows is zero.
fn context(ifindex: u32) -> [u8; 44] {
    let mut words = [0_u32; 11];
    words[9] = ifindex;
    words[10] = ifindex;
    let mut bytes = [0; 44];
    for (place, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(words) {
        *place = word.to_ne_bytes();
    }
    bytes
}
