//! What scenarios share: the contestants that stand already, the time each scenario gets, and where progress is told.

use std::{collections::HashMap, rc::Rc, time::Duration};

use crate::bench::{
    Pinning, Result,
    contestants::{Entry, Site},
};

/// A run's common ground.
pub struct Ground<'a> {
    /// How long a scenario may measure.
    pub budget: Duration,
    /// Both ends on one CPU.
    pub one_cpu: Pinning,
    /// One end a CPU, where there are two.
    pub two_cpus: Option<Pinning>,
    sites: HashMap<&'static str, Rc<dyn Site>>,
    progress: Box<dyn FnMut(&str) + 'a>,
}

impl<'a> Ground<'a> {
    /// Nothing stands yet.
    pub fn new(budget: Duration, progress: impl FnMut(&str) + 'a) -> Result<Self> {
        let (one_cpu, two_cpus) = Pinning::choices()?;
        Ok(Self { budget, one_cpu, two_cpus, sites: HashMap::new(), progress: Box::new(progress) })
    }

    /// Tells what is being done.
    pub fn say(&mut self, text: &str) {
        (self.progress)(text);
    }

    /// A contestant, built now if it does not stand yet.
    pub fn site(&mut self, entry: &Entry) -> Result<Rc<dyn Site>> {
        if let Some(site) = self.sites.get(entry.name) {
            return Ok(Rc::clone(site));
        }
        self.say(&format!("building {}", entry.name));
        let site: Rc<dyn Site> = Rc::from((entry.build)().map_err(|error| error.of(entry.name))?);
        self.sites.insert(entry.name, Rc::clone(&site));
        Ok(site)
    }

    /// Takes down what no further scenario needs.
    pub fn keep_only(&mut self, needed: impl Fn(&str) -> bool) {
        self.sites.retain(|name, _| needed(name));
    }
}
