//! Names of interfaces, by the kernel's rules.

/// The longest name (linux/if.h: IFNAMSIZ, less the final zero).
const LONGEST: usize = 15;

/// Whether the kernel takes it as a new interface's name (net/core/dev.c: `dev_valid_name`).
pub fn is_interface_name(name: &str) -> bool {
    let is_allowed = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '/' | ':' | '%');
    !name.is_empty() && name.len() <= LONGEST && !matches!(name, "." | "..") && name.chars().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_the_kernel_takes() {
        for good in ["eth0", "br-web", "a", "fifteen-letters"] {
            assert!(is_interface_name(good), "{good}");
        }
        for bad in ["", ".", "..", "a b", "a/b", "eth0:1", "eth%d", "sixteen-letters-"] {
            assert!(!is_interface_name(bad), "{bad}");
        }
    }
}
