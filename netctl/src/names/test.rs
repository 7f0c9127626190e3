//! Names over real sockets on loopback, asked with dig. Not the meaning of names: see `zone`.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use hickory_server::net::xfer::Protocol;
use hickory_server::proto::op::{Message, Query, ResponseCode};
use hickory_server::proto::rr::{Name, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use super::connections::TCP_TIMEOUT;
use super::fixture::{
    ConfFile, FakeUpstream, NETWORK, Served, any_sockets, member, network, nowhere, reply, sockets, text_record,
    with_address,
};
use super::server::MAX_FORWARDED;
use super::{Member, Network, Upstreams, Zones};

fn web() -> Zones {
    let ipv6 = Some("fd00:2::2".parse().expect("an address"));
    Zones::new(vec![network()], vec![Member { ipv6, ..member(2, &["web", "www"]) }, member(3, &["db", "www"])])
}

/// A resolver whose one upstream is `fake`.
async fn behind(zones: Zones, fake: &FakeUpstream) -> (Served, ConfFile) {
    let conf = ConfFile::new(&format!("nameserver {}\n", fake.address.ip()));
    let upstreams = Upstreams::on_port(conf.0.clone(), fake.address.port());
    (Served::new(zones, upstreams).await, conf)
}

#[tokio::test]
async fn members_are_answered_authoritatively_with_ttl_zero_over_udp_and_tcp() {
    let served = Served::new(web(), nowhere()).await;
    for protocol in ["+notcp", "+tcp"] {
        let answer = served.dig(&format!("{protocol} WEB A")).await;
        assert!(answer.contains("status: NOERROR") && answer.contains("flags: qr aa rd ra;"), "{answer}");
        assert!(answer.contains("WEB.\t\t\t0\tIN\tA\t172.18.0.2"), "{answer}");
        assert!(answer.contains("EDNS: version: 0, flags:; udp: 1232"), "{answer}");
    }
    assert_eq!(served.dig("+short web AAAA").await, "fd00:2::2");
    assert_eq!(served.dig("+short -x 172.18.0.2").await, "web.front.");
    assert_eq!(served.dig("+short -x fd00:2::2").await, "web.front.");
    assert_eq!(served.dig("+short web.front").await, "172.18.0.2");
}

#[tokio::test]
async fn a_known_name_of_another_type_is_empty_and_an_unknown_address_of_ours_does_not_exist() {
    let served = Served::new(web(), nowhere()).await;
    for (question, status) in [("db AAAA", "NOERROR"), ("web MX", "NOERROR"), ("-x 172.18.9.9", "NXDOMAIN")] {
        let answer = served.dig(question).await;
        assert!(answer.contains(&format!("status: {status}")) && answer.contains("ANSWER: 0,"), "{answer}");
    }
}

#[tokio::test]
async fn a_shared_alias_gives_every_address_and_each_has_its_turn_first() {
    let served = Served::new(web(), nowhere()).await;
    let first = served.dig("+short www A").await;
    let second = served.dig("+short www A").await;
    assert_eq!((first.as_str(), second.as_str()), ("172.18.0.2\n172.18.0.3", "172.18.0.3\n172.18.0.2"));
}

#[tokio::test]
async fn what_does_not_fit_a_datagram_is_flagged_and_whole_over_tcp() {
    let members: Vec<Member> = (1..=200).map(|number| member(number, &["many"])).collect();
    let served = Served::new(Zones::new(vec![network()], members), nowhere()).await;
    for (options, least, most) in
        [("+noedns", 20, 30), ("+bufsize=1", 20, 30), ("+bufsize=1232", 70, 76), ("+bufsize=4096", 70, 76)]
    {
        let answer = served.dig(&format!("+ignore {options} many A")).await;
        let count = answer.matches("\tIN\tA\t").count();
        assert!(answer.contains("flags: qr aa tc rd ra;") && (least..=most).contains(&count), "{answer}");
    }
    assert_eq!(served.dig("+short many A").await.lines().count(), 200);
}

#[tokio::test]
async fn new_zones_are_seen_by_the_next_query() {
    let served = Served::new(web(), nowhere()).await;
    served.names.set_zones(Zones::new(vec![network()], vec![member(9, &["web"])]));
    assert_eq!(served.dig("+short web A").await, "172.18.0.9");
    served.names.set_zones(Zones::default());
    assert!(served.dig("web A").await.contains("status: SERVFAIL"));
}

#[tokio::test]
async fn a_container_on_two_networks_is_told_the_names_of_both() {
    let other = Network { id: NETWORK + 1, name: "back".to_owned(), subnets: Vec::new(), ..network() };
    let cache = Member { network: other.id, ..member(4, &["cache"]) };
    let asker = |container: &str| {
        let here = Member { ipv4: Some(Ipv4Addr::LOCALHOST), container: "asker".to_owned(), ..member(0, &["asker"]) };
        let there = Member { network: NETWORK + 1, container: container.to_owned(), ..member(5, &["asker"]) };
        Zones::new(vec![network(), other.clone()], vec![here, there, cache.clone()])
    };
    let served = Served::new(asker("asker"), nowhere()).await;
    assert_eq!(served.dig("+short cache A").await, "172.18.0.4");
    served.names.set_zones(asker("somebody else"));
    assert!(served.dig("cache A").await.contains("status: SERVFAIL"));
}

#[tokio::test]
async fn malformed_and_unknown_requests_are_refused_by_their_proper_codes() {
    let served = Served::new(web(), nowhere()).await;
    assert!(served.dig("+opcode=STATUS web A").await.contains("status: NOTIMP"));
    assert!(served.dig("+edns=1 +noednsnegotiation web A").await.contains("status: BADVERS"));

    let two_questions = b"\x12\x34\x01\0\0\x02\0\0\0\0\0\0\x03web\0\0\x01\0\x01\x02db\0\0\x01\0\x01";
    let half_a_question = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03we";
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket");
    for message in [two_questions.as_slice(), half_a_question] {
        socket.send_to(message, served.address).await.expect("the query is sent");
        let mut buffer = [0; 512];
        let length = socket.recv(&mut buffer).await.expect("an answer");
        let answer = Message::from_vec(&buffer[..length]).expect("a message");
        assert_eq!((answer.metadata.id, answer.metadata.response_code), (0x1234, ResponseCode::FormErr));
    }
}

#[tokio::test]
async fn a_client_that_stops_mid_query_delays_nobody_and_is_cut_off() {
    let served = Served::new(web(), nowhere()).await;
    let begun = Instant::now();
    let mut slow = TcpStream::connect(served.address).await.expect("a connection");
    slow.write_all(b"\0").await.expect("half a length is sent");
    assert_eq!(served.dig("+tcp +short web A").await, "172.18.0.2");
    assert_eq!(served.dig("+short web A").await, "172.18.0.2");
    assert!(begun.elapsed() < TCP_TIMEOUT);
    let end = tokio::time::timeout(TCP_TIMEOUT * 2, slow.read_u8()).await.expect("the connection ends in time");
    assert!(end.is_err() && begun.elapsed() >= TCP_TIMEOUT);
}

#[tokio::test]
async fn closing_frees_the_addresses_at_once() {
    let served = Served::new(web(), nowhere()).await;
    assert_eq!(served.dig("+short web A").await, "172.18.0.2");
    served.names.close(NETWORK).await;
    assert!(sockets(Ipv4Addr::LOCALHOST, served.address.port()).await.is_some());
    served.names.close(NETWORK).await;
}

#[tokio::test]
async fn other_names_are_forwarded_and_every_section_comes_back() {
    let fake = FakeUpstream::new(|query, _| {
        let mut answer = reply(query, ResponseCode::NXDomain);
        answer.metadata.authentic_data = true;
        answer.add_answer(text_record("Alias.example.", "an answer"));
        answer.add_authority(text_record("example.", "an authority"));
        answer.add_additional(text_record("more.example.", "an additional"));
        Some(answer)
    })
    .await;
    let (served, _conf) = behind(web(), &fake).await;
    let answer = served.dig("+noedns gone.Example TXT").await;
    assert!(answer.contains("status: NXDOMAIN") && answer.contains("flags: qr rd ra ad;"), "{answer}");
    for expected in
        [";gone.Example.", "Alias.example.", "\"an answer\"", "\"an authority\"", "\"an additional\"", "\t300\t"]
    {
        assert!(answer.contains(expected), "{expected} in {answer}");
    }
    assert!(served.dig("unknown-single-label A").await.contains("status: NXDOMAIN"));
    assert!(served.dig("unknown CH TXT").await.contains("status: NXDOMAIN"), "another class is forwarded");
    assert!(served.dig("web CH TXT").await.contains("status: NOERROR"), "but a name of ours is ours in each");
}

#[tokio::test]
async fn an_internal_network_asks_nobody_and_the_default_bridge_only_forwards() {
    let mut fake = FakeUpstream::new(|query, _| Some(with_address(query, [192, 0, 2, 1]))).await;
    let internal = Network { internal: true, ..network() };
    let (served, _conf) = behind(Zones::new(vec![internal], vec![member(2, &["web"])]), &fake).await;
    assert!(served.dig("example.com A").await.contains("status: SERVFAIL"));
    assert_eq!(served.dig("+short web A").await, "172.18.0.2");
    assert!(fake.asked.try_recv().is_err());

    let bridge = Network { names_enabled: false, ..network() };
    served.names.set_zones(Zones::new(vec![bridge], vec![member(2, &["web"])]));
    assert_eq!(served.dig("+short web A").await, "192.0.2.1");
    assert!(fake.asked.try_recv().is_ok());
}

#[tokio::test]
async fn an_answer_cut_short_is_fetched_again_over_tcp() {
    let mut fake = FakeUpstream::new(|query, protocol| {
        let mut answer = with_address(query, if protocol == Protocol::Tcp { [192, 0, 2, 2] } else { [192, 0, 2, 1] });
        answer.metadata.truncation = protocol == Protocol::Udp;
        Some(answer)
    })
    .await;
    let (served, _conf) = behind(web(), &fake).await;
    assert_eq!(served.dig("+short +ignore example.com A").await, "192.0.2.2");
    assert_eq!((fake.asked.try_recv(), fake.asked.try_recv()), (Ok(Protocol::Udp), Ok(Protocol::Tcp)));
}

#[tokio::test]
async fn a_large_answer_from_outside_is_cut_for_udp_and_whole_over_tcp() {
    let fake = FakeUpstream::new(|query, _| {
        let mut answer = reply(query, ResponseCode::NoError);
        answer.add_answers((0..20).map(|_| text_record("big.example.", &"x".repeat(150))));
        Some(answer)
    })
    .await;
    let (served, _conf) = behind(web(), &fake).await;
    assert!(served.dig("+ignore big.example TXT").await.contains("flags: qr tc rd ra;"));
    assert_eq!(served.dig("+short big.example TXT").await.lines().count(), 20);
}

#[tokio::test]
async fn a_silent_a_dead_and_a_failing_server_are_passed_over_for_the_next() {
    let (silent, answering) = loop {
        let silent = any_sockets(Ipv4Addr::new(127, 0, 0, 2)).await;
        let port = silent.0.local_addr().expect("the socket is bound").port();
        if let Some(pair) = sockets(Ipv4Addr::new(127, 0, 0, 4), port).await {
            break (FakeUpstream::on(silent, |_, _| None), pair);
        }
    };
    let _answering = FakeUpstream::on(answering, |query, _| Some(with_address(query, [192, 0, 2, 4])));
    let port = silent.address.port();
    let conf = ConfFile::new("options timeout:1\nnameserver 127.0.0.2\nnameserver 127.0.0.3\nnameserver 127.0.0.4\n");
    let served = Served::new(web(), Upstreams::on_port(conf.0.clone(), port)).await;
    let begun = Instant::now();
    assert_eq!(served.dig("+short example.com A").await, "192.0.2.4");
    assert!(begun.elapsed() >= Duration::from_secs(1));

    let failing = sockets(Ipv4Addr::new(127, 0, 0, 3), port).await.expect("the port is free on the third address");
    let _failing = FakeUpstream::on(failing, |query, _| Some(reply(query, ResponseCode::Refused)));
    conf.replace("nameserver 127.0.0.3\nnameserver 127.0.0.4\n");
    assert_eq!(served.dig("+short example.com A").await, "192.0.2.4");
    conf.replace("options timeout:1 attempts:1\nnameserver 127.0.0.3\nnameserver 127.0.0.2\n");
    assert!(served.dig("example.com A").await.contains("status: REFUSED"), "the best answer anybody had");
    conf.replace("options timeout:1 attempts:1\nnameserver 127.0.0.2\n");
    assert!(served.dig("example.com A").await.contains("status: SERVFAIL"));
}

#[tokio::test]
async fn a_flood_of_forwarded_queries_is_bounded_and_leaves_our_own_names_alone() {
    let mut fake = FakeUpstream::new(|_, _| None).await;
    let (served, conf) = behind(web(), &fake).await;
    conf.replace("options timeout:5 attempts:1\nnameserver 127.0.0.1\n");
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket");
    for _ in 0..MAX_FORWARDED {
        let query = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x07example\0\0\x01\0\x01";
        socket.send_to(query, served.address).await.expect("the query is sent");
        fake.asked.recv().await.expect("the query is forwarded");
    }
    assert!(served.dig("example.com A").await.contains("status: REFUSED"));
    assert_eq!(served.dig("+short web A").await, "172.18.0.2");
}

#[tokio::test]
async fn forged_datagrams_do_not_end_the_wait_for_the_real_answer() {
    let outside = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket");
    let upstream = outside.local_addr().expect("the socket is bound");
    let conf = ConfFile::new("nameserver 127.0.0.1\n");
    let served = Served::new(web(), Upstreams::on_port(conf.0.clone(), upstream.port())).await;
    let answering = async {
        let mut buffer = [0; 512];
        let (length, asker) = outside.recv_from(&mut buffer).await.expect("a query");
        let query = Message::from_vec(&buffer[..length]).expect("a query");
        let mut other_id = with_address(&query, [192, 0, 2, 66]);
        other_id.metadata.id = query.metadata.id.wrapping_add(1);
        let mut other_name = with_address(&query, [192, 0, 2, 66]);
        other_name.queries = vec![Query::query(Name::from_ascii("other.example.").expect("a name"), RecordType::A)];
        for message in [other_id, other_name, query.clone(), with_address(&query, [192, 0, 2, 1])] {
            outside.send_to(&message.to_vec().expect("a message"), asker).await.expect("it is sent");
        }
    };
    let (answer, ()) = tokio::join!(served.dig("+short example.com A"), answering);
    assert_eq!(answer, "192.0.2.1");
}

#[tokio::test]
async fn a_resolv_conf_without_servers_or_not_there_is_servfail_until_it_changes() {
    let fake = FakeUpstream::new(|query, _| Some(with_address(query, [192, 0, 2, 1]))).await;
    let conf = ConfFile::new("search lan\n");
    let served = Served::new(web(), Upstreams::on_port(conf.0.clone(), fake.address.port())).await;
    assert!(served.dig("example.com A").await.contains("status: SERVFAIL"));
    conf.replace("nameserver 127.0.0.1\n");
    assert_eq!(served.dig("+short example.com A").await, "192.0.2.1");
    std::fs::write(&conf.0, "# none\n").expect("the file is rewritten in place");
    assert!(served.dig("example.com A").await.contains("status: SERVFAIL"));
    std::fs::remove_file(&conf.0).expect("the file is removed");
    assert!(served.dig("example.com A").await.contains("status: SERVFAIL"));
}
