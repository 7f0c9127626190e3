//! Calls in the order and number in which dockerd makes them, and in others: repeated, out of order, many at once.

use std::{collections::BTreeSet, thread};

use anyhow::{Result, anyhow, ensure};
use netctl_tests::harness::Host;
use serde_json::{Value, json};

use super::{
    doors::end_of,
    plugin::{Plugin, id, network},
};

#[test]
fn a_call_that_is_repeated_is_answered_as_the_first_time_and_a_different_one_is_refused() -> Result<()> {
    let host = Host::new()?;
    let plugin = Plugin::start(&host)?;
    let (web, end) = (id('a', 1), id('e', 1));
    let of = |more: Value| {
        let mut call = json!({"NetworkID": web, "EndpointID": end});
        if let (Some(call), Some(more)) = (call.as_object_mut(), more.as_object()) {
            call.extend(more.clone());
        }
        call
    };
    let twice = |method: &str, body: &Value| -> Result<Value> {
        let first = plugin.ok(method, body)?;
        ensure!(plugin.ok(method, body)? == first, "{method}");
        Ok(first)
    };
    twice("NetworkDriver.CreateNetwork", &network(&web, "10.9.0.0/24"))?;
    plugin.refused("NetworkDriver.CreateNetwork", &network(&web, "10.8.0.0/24"), "already exists")?;
    plugin.refused("NetworkDriver.CreateNetwork", &network(&id('a', 2), "10.9.0.0/16"), "Pool overlaps")?;

    let interface = |address: &str| of(json!({"Interface": {"Address": address, "AddressIPv6": "", "MacAddress": ""}}));
    let made = twice("NetworkDriver.CreateEndpoint", &interface("10.9.0.9/24"))?;
    ensure!(made["Interface"]["Address"] == "" && made["Interface"]["AddressIPv6"] == "", "only what is open: {made}");
    ensure!(made["Interface"]["MacAddress"].as_str().is_some_and(|mac| mac.len() == 17), "{made}");
    plugin.refused("NetworkDriver.CreateEndpoint", &interface("10.9.0.10/24"), "already exists")?;
    let other = json!({"NetworkID": web, "EndpointID": id('e', 2), "Interface": {"Address": "10.9.0.9/24"}});
    plugin.refused("NetworkDriver.CreateEndpoint", &other, "Address already in use: 10.9.0.9")?;
    let outside = json!({"NetworkID": web, "EndpointID": id('e', 2), "Interface": {"Address": "10.7.0.9/24"}});
    plugin.refused("NetworkDriver.CreateEndpoint", &outside, "out of range")?;
    let nowhere = json!({"NetworkID": id('a', 7), "EndpointID": id('e', 2)});
    plugin.refused("NetworkDriver.CreateEndpoint", &nowhere, "network a00000000007 not found")?;

    let ports = json!({"com.docker.network.portmap": [{"Proto": "tcp", "Port": 80, "HostPort": 8080}]});
    plugin.refused("NetworkDriver.ProgramExternalConnectivity", &of(json!({"Options": ports})), "is in no sandbox")?;
    let joined = twice("NetworkDriver.Join", &of(json!({"SandboxKey": "/run/docker/netns/one", "Options": null})))?;
    ensure!(joined["Gateway"] == "10.9.0.1" && joined["InterfaceName"]["DstPrefix"] == "eth", "{joined}");
    let waiting = joined["InterfaceName"]["SrcName"].as_str().unwrap_or_default();
    ensure!(host.host.sh(&format!("ip -o link show dev {waiting}"))?.contains(waiting));
    let elsewhere = of(json!({"SandboxKey": "/run/docker/netns/two"}));
    plugin.refused("NetworkDriver.Join", &elsewhere, "is in the sandbox /run/docker/netns/one already")?;
    twice("NetworkDriver.ProgramExternalConnectivity", &of(json!({"Options": ports})))?;
    let told = twice("NetworkDriver.EndpointOperInfo", &of(json!({})))?;
    ensure!(told["Value"]["com.docker.network.portmap"].as_array().is_some_and(|all| all.len() == 1), "{told}");
    twice("NetworkDriver.RevokeExternalConnectivity", &of(json!({})))?;
    twice("NetworkDriver.Leave", &of(json!({})))?;
    ensure!(host.ok(&["ps", "-aq"])?.is_empty());
    plugin.refused("NetworkDriver.CreateEndpoint", &other, "Address already in use")?;
    twice("NetworkDriver.DeleteEndpoint", &of(json!({})))?;
    plugin.ok("NetworkDriver.CreateEndpoint", &other)?;
    // A network goes with what dockerd has forgotten on it.
    twice("NetworkDriver.DeleteNetwork", &json!({"NetworkID": web}))?;
    ensure!(!host.ok(&["network", "ls"])?.contains("docker-"));
    end_of(plugin, host)
}

#[test]
fn pools_and_addresses_are_nobodys_twice_and_come_back() -> Result<()> {
    let host = Host::new()?;
    let plugin = Plugin::start(&host)?;
    let asked =
        json!({"AddressSpace": "netctl-local", "Pool": "10.9.0.0/29", "SubPool": "", "Options": null, "V6": false});
    plugin.ok("IpamDriver.RequestPool", &asked)?;
    // As after an answer that was lost; once it is used it is somebody's.
    let pool = plugin.ok("IpamDriver.RequestPool", &asked)?;
    host.netctl(&["network", "create", "--subnet", "10.9.0.0/28", "web"])?.refused(4, "set aside for a network")?;
    let of = |more: Value| {
        let mut call = json!({"PoolID": pool["PoolID"]});
        if let (Some(call), Some(more)) = (call.as_object_mut(), more.as_object()) {
            call.extend(more.clone());
        }
        call
    };
    let gateway = json!({"Address": "", "Options": {"RequestAddressType": "com.docker.network.gateway"}});
    let given = plugin.ok("IpamDriver.RequestAddress", &of(gateway.clone()))?;
    ensure!(given["Address"] == "10.9.0.1/29", "{given}");
    ensure!(plugin.ok("IpamDriver.RequestAddress", &of(gateway))? == given);
    plugin.refused("IpamDriver.RequestPool", &asked, "Pool overlaps with other one on this address space")?;
    plugin.refused("IpamDriver.RequestAddress", &of(json!({"Address": "10.9.0.1"})), "Address already in use")?;
    let made = json!({"NetworkID": id('a', 1), "IPv4Data": [{"Pool": "10.9.0.0/29", "Gateway": "10.9.0.1/29"}]});
    plugin.ok("NetworkDriver.CreateNetwork", &made)?;
    let take = || -> Result<String> {
        let answer = plugin.ok("IpamDriver.RequestAddress", &of(json!({"Address": ""})))?;
        Ok(answer["Address"].as_str().unwrap_or_default().to_owned())
    };
    let all: BTreeSet<String> = (0..5).map(|_| take()).collect::<Result<_>>()?;
    ensure!(all.len() == 5, "{all:?}");
    plugin.refused("IpamDriver.RequestAddress", &of(json!({})), "No available addresses")?;
    // As after an answer that was lost; an endpoint makes it somebody's.
    let third = of(json!({"Address": "10.9.0.3"}));
    plugin.ok("IpamDriver.RequestAddress", &third)?;
    let with = |number: u32| json!({"NetworkID": id('a', 1), "EndpointID": id('e', number), "Interface": {"Address": "10.9.0.3/29"}});
    plugin.ok("NetworkDriver.CreateEndpoint", &with(1))?;
    plugin.refused("NetworkDriver.CreateEndpoint", &with(2), "Address already in use: 10.9.0.3")?;
    plugin.refused("IpamDriver.RequestAddress", &third, "Address already in use: 10.9.0.3")?;
    plugin.ok("NetworkDriver.DeleteEndpoint", &with(1))?;
    plugin.refused("IpamDriver.RequestAddress", &of(json!({"Address": "10.7.0.3"})), "out of range")?;
    host.netctl(&["run", "-d", "--network", &id('a', 1), "--", "true"])?.refused(4, "no free address")?;
    plugin.ok("IpamDriver.ReleaseAddress", &of(json!({"Address": "10.9.0.3"})))?;
    plugin.ok("IpamDriver.ReleaseAddress", &of(json!({"Address": "10.9.0.3"})))?;
    ensure!(take()? == "10.9.0.3/29");
    plugin.ok("NetworkDriver.DeleteNetwork", &json!({"NetworkID": id('a', 1)}))?;
    plugin.ok("IpamDriver.ReleasePool", &of(json!({})))?;
    plugin.ok("IpamDriver.ReleasePool", &of(json!({})))?;
    // What was set aside alone comes back, too.
    let any = plugin.ok("IpamDriver.RequestPool", &json!({"V6": true}))?;
    ensure!(any["Pool"].as_str().is_some_and(|pool| pool.starts_with("fd") && pool.ends_with("/64")), "{any}");
    plugin.ok("IpamDriver.ReleasePool", &json!({"PoolID": any["PoolID"]}))?;
    host.ok(&["network", "create", "--subnet", "10.9.0.0/28", "web"])?;
    end_of(plugin, host)
}

#[test]
fn two_hundred_endpoints_at_once_come_and_go() -> Result<()> {
    let host = Host::new()?;
    let plugin = Plugin::start(&host)?;
    let web = id('a', 1);
    plugin.ok("NetworkDriver.CreateNetwork", &network(&web, "10.9.0.0/16"))?;
    let all = |work: &(dyn Fn(u32) -> Result<()> + Sync)| -> Result<()> {
        thread::scope(|scope| {
            let threads: Vec<_> = (0..200).map(|number| scope.spawn(move || work(number))).collect();
            threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow!("a call panicked"))?)
        })
    };
    let call = |number: u32, more: Value| {
        let mut call = json!({"NetworkID": web, "EndpointID": id('e', number)});
        if let (Some(call), Some(more)) = (call.as_object_mut(), more.as_object()) {
            call.extend(more.clone());
        }
        call
    };
    all(&|number| {
        let address = format!("10.9.{}.{}/16", 1 + number / 100, 1 + number % 100);
        plugin.ok("NetworkDriver.CreateEndpoint", &call(number, json!({"Interface": {"Address": address}})))?;
        plugin.ok("NetworkDriver.Join", &call(number, json!({"SandboxKey": format!("/run/docker/netns/{number}")})))?;
        let port = json!([{"Proto": 6, "Port": 80, "HostPort": 20_000 + number}]);
        let options = json!({"Options": {"com.docker.network.portmap": port}});
        plugin.ok("NetworkDriver.ProgramExternalConnectivity", &call(number, options)).map(drop)
    })?;
    ensure!(host.ok(&["ps", "-q"])?.lines().count() == 200);
    ensure!(host.host.sh("ip -o link")?.matches(" ncp").count() == 200);
    // Joins and leaves of one endpoint from many sides at once end in one of both.
    all(&|number| {
        let key = json!({"SandboxKey": format!("/run/docker/netns/{}", number % 10)});
        let method = if number % 3 == 0 { "NetworkDriver.Join" } else { "NetworkDriver.Leave" };
        plugin.call(method, &call(number % 10, key)).map(drop)
    })?;
    all(&|number| {
        plugin.ok("NetworkDriver.RevokeExternalConnectivity", &call(number, json!({})))?;
        plugin.ok("NetworkDriver.Leave", &call(number, json!({})))?;
        plugin.ok("NetworkDriver.DeleteEndpoint", &call(number, json!({}))).map(drop)
    })?;
    ensure!(host.ok(&["ps", "-aq"])?.is_empty());
    plugin.ok("NetworkDriver.DeleteNetwork", &json!({"NetworkID": web}))?;
    end_of(plugin, host)
}

#[test]
fn a_network_without_ipv4_and_one_without_a_way_out_have_no_bridge_of_dockers() -> Result<()> {
    let host = Host::new()?;
    let plugin = Plugin::start(&host)?;
    // As Docker 28 calls with `--ipv4=false --ipv6`, and with `--internal`.
    let six = json!({
        "NetworkID": id('a', 1),
        "Options": {"com.docker.network.enable_ipv4": false, "com.docker.network.enable_ipv6": true},
        "IPv4Data": [],
        "IPv6Data": [{"AddressSpace": "", "Pool": "fd00:9::/64", "Gateway": "fd00:9::1/64", "AuxAddresses": {}}],
    });
    let inner = json!({
        "NetworkID": id('a', 2),
        "Options": {"com.docker.network.internal": true, "com.docker.network.generic": null},
        "IPv4Data": [{"Pool": "10.9.0.0/24", "Gateway": "10.9.0.1/24", "AuxAddresses": {"printer": "10.9.0.5/24"}}],
    });
    for (number, network, interface, gateway) in [
        (1, &six, json!({"AddressIPv6": "fd00:9::9/64"}), "fd00:9::1"),
        (2, &inner, json!({"Address": "10.9.0.9/24", "MacAddress": "02:42:00:00:00:09"}), ""),
    ] {
        let place = json!({"NetworkID": id('a', number), "EndpointID": id('e', number)});
        let with = |key: &str, value: Value| {
            let mut call = place.clone();
            call.as_object_mut().map(|call| call.insert(key.to_owned(), value));
            call
        };
        plugin.ok("NetworkDriver.CreateNetwork", network)?;
        let made = plugin.ok("NetworkDriver.CreateEndpoint", &with("Interface", interface))?;
        ensure!((made["Interface"]["MacAddress"] == "") == (number == 2), "{made}");
        let joined =
            plugin.ok("NetworkDriver.Join", &with("SandboxKey", json!(format!("/run/docker/netns/{number}"))))?;
        ensure!(joined["Gateway"] == "" && joined["GatewayIPv6"] == gateway, "{joined}");
        ensure!(joined["DisableGatewayService"] == true, "dockerd would connect it to a bridge of its own: {joined}");
        plugin.ok("NetworkDriver.DeleteEndpoint", &place)?;
        plugin.ok("NetworkDriver.DeleteNetwork", &place)?;
    }
    for method in ["AllocateNetwork", "FreeNetwork", "DiscoverNew", "DiscoverDelete", "GetCapabilities", "GwAllocCheck"]
    {
        plugin.ok(&format!("NetworkDriver.{method}"), &json!({"NetworkID": "x", "DiscoveryType": 1}))?;
    }
    plugin.ok("IpamDriver.GetCapabilities", &Value::Null)?;
    end_of(plugin, host)
}
