//! How much of something that is scarce one asker, and all of them, may have at once.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::connections::Asker;

pub(super) struct Quota {
    of_one: usize,
    of_all: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    by_asker: HashMap<Asker, usize>,
    all: usize,
}

/// A share, until it is dropped.
pub(super) struct Share<'a> {
    quota: &'a Quota,
    asker: Asker,
}

impl Quota {
    pub fn new(of_one: usize, of_all: usize) -> Self {
        Self { of_one, of_all, taken: Mutex::default() }
    }

    /// Nothing if the asker, or all together, have as much as they may.
    pub fn take(&self, asker: Asker) -> Option<Share<'_>> {
        let mut taken = self.lock();
        let own = taken.by_asker.get(&asker).copied().unwrap_or(0);
        if own >= self.of_one || taken.all >= self.of_all {
            return None;
        }
        taken.by_asker.insert(asker, own + 1);
        taken.all += 1;
        Some(Share { quota: self, asker })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        let mut taken = self.quota.lock();
        taken.all -= 1;
        match taken.by_asker.get_mut(&self.asker) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(taken.by_asker.remove(&self.asker)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_has_more_than_a_share_and_what_is_given_back_is_there_again() {
        let quota = Quota::new(2, 3);
        let asker = |number: u8| (1, std::net::IpAddr::from([10, 0, 0, number]));
        let first = quota.take(asker(1));
        let second = quota.take(asker(1));
        assert!(first.is_some() && second.is_some() && quota.take(asker(1)).is_none());
        let _third = quota.take(asker(2)).unwrap();
        assert!(quota.take(asker(3)).is_none(), "all are given away");
        drop(first);
        assert!(quota.take(asker(3)).is_some());
        drop(second);
        assert_eq!(quota.lock().by_asker.len(), 1, "nobody is remembered for nothing");
    }
}
