//! The options of netavark's bridge driver: each works, or is refused by name.

use std::{collections::BTreeMap, fmt::Display, str::FromStr};

use super::failure::Failure;

/// The label, or the option, that names a network of netctl's to join.
pub const JOINED: &str = "netctl.network";

/// netavark's default for the metric of default routes.
const METRIC: u32 = 100;

/// What a network's options come to.
#[derive(Debug)]
pub struct DriverOptions {
    /// Docker's options of the same meaning.
    pub network: BTreeMap<String, String>,
    /// The metric of the default route.
    pub metric: u32,
    /// Whether there is a default route.
    pub has_default_route: bool,
    /// The network of netctl's to join.
    pub joined: Option<String>,
}

impl DriverOptions {
    /// Reads them.
    ///
    /// # Errors
    /// Where one is not known, cannot be had, or has a value that it cannot have.
    pub fn read(given: &BTreeMap<String, String>) -> Result<Self, Failure> {
        let mut options = Self { network: BTreeMap::new(), metric: METRIC, has_default_route: true, joined: None };
        for (name, value) in given {
            options.take(name, value)?;
        }
        Ok(options)
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), Failure> {
        match name {
            "mtu" => {
                let mtu: u32 = parse("mtu", value)?;
                self.network.insert("com.docker.network.driver.mtu".to_owned(), mtu.to_string());
            }
            // Our networks are always apart from one another.
            "isolate" if value == "strict" => {}
            "isolate" => drop(parse::<bool>("isolate", value)?),
            "metric" => self.metric = parse("metric", value)?,
            "no_default_route" => self.has_default_route = !parse("no_default_route", value)?,
            "mode" if matches!(value, "" | "managed") => {}
            "mode" => return Err(Failure::Mode(value.to_owned())),
            "outbound_addr4" => drop(self.network.insert("com.docker.network.host_ipv4".to_owned(), value.to_owned())),
            "outbound_addr6" => drop(self.network.insert("com.docker.network.host_ipv6".to_owned(), value.to_owned())),
            JOINED => self.joined = Some(value.to_owned()),
            // Docker's own options of a bridge mean the same here; the engine knows which there are.
            _ if name.starts_with("com.docker.network.") => {
                drop(self.network.insert(name.to_owned(), value.to_owned()));
            }
            _ => return Err(Failure::Option(name.to_owned())),
        }
        Ok(())
    }
}

fn parse<T: FromStr<Err: Display>>(name: &'static str, value: &str) -> Result<T, Failure> {
    value.parse().map_err(|error: T::Err| Failure::OptionValue { name, why: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, value: &str) -> Result<DriverOptions, String> {
        DriverOptions::read(&BTreeMap::from([(name.to_owned(), value.to_owned())])).map_err(|error| error.to_string())
    }

    #[test]
    fn each_option_works_or_is_refused_by_name() {
        assert_eq!(read("mtu", "9000").unwrap().network["com.docker.network.driver.mtu"], "9000");
        assert_eq!(read("metric", "200").unwrap().metric, 200);
        assert!(!read("no_default_route", "true").unwrap().has_default_route);
        for (name, value) in [("isolate", "true"), ("isolate", "strict"), ("mode", "managed"), ("mode", "")] {
            assert!(read(name, value).is_ok(), "{name}={value}");
        }
        for (name, value, told) in [
            ("mtu", "x", "unable to parse \"mtu\": invalid digit found in string"),
            ("metric", "-1", "unable to parse \"metric\": invalid digit found in string"),
            ("isolate", "x", "unable to parse \"isolate\": provided string was not `true` or `false`"),
            ("mode", "unmanaged", "bridge mode \"unmanaged\" is not supported"),
            ("vlan", "5", "the network option vlan is not supported; leave it out"),
            ("vrf", "red", "the network option vrf is not supported; leave it out"),
            ("colour", "red", "the network option colour is not supported; leave it out"),
        ] {
            let refused = read(name, value).unwrap_err();
            assert!(refused.starts_with(told), "{name}={value}: {refused}");
        }
    }
}
