//! A contestant that carries very many flows besides the one that is measured, and tells how many of them it has lost.

use super::{Place, Route, Site, Way, topology::many_outside};
use crate::bench::{Error, Result, generators::Crowd};

/// So many flows.
pub const CROWD: u32 = 256_000;

/// A site, and flows from its containers to outside.
pub struct Crowded {
    name: &'static str,
    // Dropped before the site that carries them.
    crowd: Crowd,
    site: Box<dyn Site>,
}

impl Crowded {
    /// Makes so many flows through a site that stands.
    pub fn new(name: &'static str, site: Box<dyn Site>, flows: u32) -> Result<Self> {
        let missing = || Error::Wrong {
            what: format!("the way out of {name}"),
            wanted: "a route".to_owned(),
            found: "none".to_owned(),
        };
        let route = site.route(Way::Outbound).ok_or_else(missing)?;
        let further = site.route(Way::Local).map(|local| local.client);
        let containers: Vec<Place> = [route.client].into_iter().chain(further).collect();
        for address in many_outside() {
            route.server.add_address("eth0", address, 24)?;
        }
        let crowd = Crowd::make(&containers, &route.server, flows as usize)?;
        Ok(Self { name, crowd, site })
    }
}

impl Site for Crowded {
    fn route(&self, way: Way) -> Option<Route> {
        self.site.route(way)
    }

    fn check(&self, way: Way, packets: u64) -> Result<()> {
        self.site.check(way, packets)
    }

    fn refusals(&self) -> Option<String> {
        self.site.refusals()
    }

    fn notes(&self) -> Vec<String> {
        let ((made, wanted), lost) = (self.crowd.size(), self.crowd.lost());
        let name = self.name;
        let refused = (made < wanted).then(|| format!("{name}: there was room for {made} flows of {wanted}"));
        let lost = match lost {
            0 => format!("{name}: none of {made} live flows was lost"),
            lost => format!("{name}: LOST at least {lost} of {made} live flows"),
        };
        refused.into_iter().chain([lost]).collect()
    }
}
