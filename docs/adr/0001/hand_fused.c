// The established IPv4 paths of container_egress and uplink_ingress, fused by hand: what the pure core is measured against
// (ADR 0001). Not part of the product: it begins no flow, translates no ICMP, answers no neighbour. It shares the pinned
// maps of a loaded data plane, so that both find the same flows.
//
//   clang -O2 -g -target bpf -mcpu=v3 -I/usr/include/$(uname -m)-linux-gnu -c hand_fused.c -o hand_fused.o

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define OUTSIDE 0xffffffffU
#define NEXT -1

enum { LIVE = 1, PUBLISHED = 2, INTERNAL = 4, ISOLATED = 8, RESOLVER = 16 };
enum { R_NOT_OURS = 34, R_MALFORMED = 64, R_ETHERTYPE = 65, R_MAC = 66, R_SOURCE = 67, R_MULTICAST = 72, R_NOBODY = 73,
       R_ICC = 74, R_NO_FLOW = 83, R_NO_ENDPOINT = 90, R_CANNOT = 91, R_REWRITE = 93 };

struct endpoint {
	__u64 address6[2], gateway6[2], link_local[2], mask6[2];
	__u64 mac, gateway_mac;
	__u32 address4, gateway4, mask4, network, ifindex, anchor, generation, flags;
};
struct address_key { __u32 address, network, reserved; };
struct flow_key { __u32 saddr, daddr; __u16 sport, dport; __u32 scope; };
struct reference { __u32 index_and_direction, version; };
struct end { __u32 slot, generation; };
struct flow {
	__u64 claim;
	__u32 version, seen[2], tcp, route_checked, route_ifindex, route_mtu, reserved;
	__u32 next_hop;
	struct flow_key original, translated;
	struct end initiator, responder;
};
struct counter { __u64 packets, bytes; };
struct traffic { struct counter sent, received; __u64 connections; };
struct counter_key { __u32 slot; __u16 reason, direction; };

#define MAP(name, kind, key_type, value_type, entries, how)            \
	struct {                                                       \
		__uint(type, kind);                                    \
		__type(key, key_type);                                 \
		__type(value, value_type);                             \
		__uint(max_entries, entries);                          \
		__uint(map_flags, how);                                \
		__uint(pinning, LIBBPF_PIN_BY_NAME);                   \
	} name SEC(".maps")

MAP(ENDPOINTS, BPF_MAP_TYPE_ARRAY, __u32, struct endpoint, 8192, 0);
MAP(INTERFACES, BPF_MAP_TYPE_HASH, __u32, __u32, 16384, BPF_F_NO_PREALLOC);
MAP(ADDRESSES4, BPF_MAP_TYPE_HASH, struct address_key, __u32, 8192, BPF_F_NO_PREALLOC);
MAP(FLOW_KEYS4, BPF_MAP_TYPE_HASH, struct flow_key, struct reference, 512, BPF_F_NO_PREALLOC);
MAP(FLOWS4, BPF_MAP_TYPE_ARRAY, __u32, struct flow, 256, 0);
MAP(VERDICTS, BPF_MAP_TYPE_PERCPU_HASH, struct counter_key, struct counter, 65536, BPF_F_NO_PREALLOC);
MAP(TRAFFIC, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, struct traffic, 8192, 0);

#define INLINE static __attribute__((always_inline))

struct packet {
	__u32 saddr, daddr;
	__u16 sport, dport;
	__u8 protocol, ttl, flags, is_fragment, dont_fragment;
	__u32 transport, header_length;
};

INLINE int count(__u32 slot, __u16 reason, __u16 direction, __u32 length, int value)
{
	struct counter_key key = { slot, reason, direction };
	struct counter *counter = bpf_map_lookup_elem(&VERDICTS, &key);
	if (counter) {
		counter->packets++;
		counter->bytes += length;
	} else {
		struct counter first = { 1, length };
		bpf_map_update_elem(&VERDICTS, &key, &first, 0);
	}
	return value;
}

INLINE void sent(__u32 slot, __u32 length)
{
	struct traffic *traffic = bpf_map_lookup_elem(&TRAFFIC, &slot);
	if (traffic) {
		traffic->sent.packets++;
		traffic->sent.bytes += length;
	}
}

INLINE void received(__u32 slot, __u32 length)
{
	struct traffic *traffic = bpf_map_lookup_elem(&TRAFFIC, &slot);
	if (traffic) {
		traffic->received.packets++;
		traffic->received.bytes += length;
	}
}

// Whether the packet is sound; the headers of TCP and UDP behind IPv4 with options.
INLINE int parse(struct __sk_buff *skb, struct packet *packet)
{
	void *data = (void *)(long)skb->data, *data_end = (void *)(long)skb->data_end;
	struct iphdr *ip = data + ETH_HLEN;
	if ((void *)(ip + 1) > data_end || ip->version != 4 || ip->ihl < 5)
		return 0;
	packet->saddr = ip->saddr;
	packet->daddr = ip->daddr;
	packet->protocol = ip->protocol;
	packet->ttl = ip->ttl;
	packet->is_fragment = (ip->frag_off & bpf_htons(0x3fff)) != 0;
	packet->dont_fragment = (ip->frag_off & bpf_htons(0x4000)) != 0;
	packet->sport = packet->dport = packet->flags = 0;
	packet->header_length = 8;
	packet->transport = ETH_HLEN + ip->ihl * 4;
	if (ip->frag_off & bpf_htons(0x1fff))
		return 1;
	if (ip->protocol == IPPROTO_TCP) {
		struct tcphdr *tcp = data + packet->transport;
		if ((void *)(tcp + 1) > data_end)
			return 0;
		packet->sport = tcp->source;
		packet->dport = tcp->dest;
		packet->flags = ((__u8 *)tcp)[13];
		packet->header_length = tcp->doff * 4;
	} else if (ip->protocol == IPPROTO_UDP) {
		struct udphdr *udp = data + packet->transport;
		if ((void *)(udp + 1) > data_end)
			return 0;
		packet->sport = udp->source;
		packet->dport = udp->dest;
	}
	return 1;
}

INLINE __u32 now(void)
{
	return bpf_ktime_get_coarse_ns() / 1000000000 + 1;
}

INLINE __u32 lifetime(__u8 protocol, __u32 tcp, __u32 answered)
{
	if (protocol == IPPROTO_TCP)
		return tcp & 8 ? 10 : tcp & 6 ? 120 : tcp & 1 ? 432000 : answered ? 60 : 120;
	return protocol == IPPROTO_UDP && answered ? 120 : 30;
}

INLINE int is_present(struct end *end)
{
	if (end->slot == OUTSIDE)
		return 1;
	__u32 slot = end->slot;
	struct endpoint *endpoint = bpf_map_lookup_elem(&ENDPOINTS, &slot);
	return endpoint && endpoint->generation == end->generation;
}

INLINE struct flow *find(struct packet *packet, __u32 scope, __u32 clock, int *is_reply)
{
	struct flow_key key = { packet->saddr, packet->daddr, packet->sport, packet->dport, scope };
	struct reference *reference = bpf_map_lookup_elem(&FLOW_KEYS4, &key);
	if (!reference)
		return 0;
	__u32 index = reference->index_and_direction >> 1;
	*is_reply = reference->index_and_direction & 1;
	struct flow *flow = bpf_map_lookup_elem(&FLOWS4, &index);
	if (!flow || flow->version != reference->version)
		return 0;
	if ((*is_reply ? flow->seen[1] : flow->seen[0]) != clock) {
		__u32 last = (__s32)(flow->seen[0] - flow->seen[1]) > 0 ? flow->seen[0] : flow->seen[1];
		__u32 silent = clock - last;
		if ((__s32)silent > 0 && silent > lifetime(packet->protocol, flow->tcp, flow->seen[1]))
			return 0;
	}
	return is_present(&flow->initiator) && is_present(&flow->responder) ? flow : 0;
}

INLINE void refresh(struct flow *flow, int is_reply, __u8 flags, __u32 clock)
{
	volatile __u32 *seen = is_reply ? &flow->seen[1] : &flow->seen[0];
	if (*seen != clock)
		*seen = clock;
	if (!flags)
		return;
	__u32 known = flow->tcp, bits = known;
	if ((flags & 0x12) == 2 && !is_reply && (known & 8 || (known & 6) == 6))
		bits = 0;
	if (flags & 4)
		bits |= 8;
	if (flags & 1)
		bits |= is_reply ? 4 : 2;
	if ((flags & 0x12) == 0x10 && !is_reply && flow->seen[1])
		bits |= 1;
	if (bits != known)
		flow->tcp = bits;
}

INLINE __u32 add(__u32 a, __u32 b)
{
	__u64 sum = (__u64)a + b;
	return (__u32)sum + (__u32)(sum >> 32);
}

// Rewrites addresses, ports and hops in place, then both checksums by their helpers.
INLINE int rewrite(struct __sk_buff *skb, struct packet *packet, struct flow *flow, int is_reply, __u8 ttl)
{
	void *data = (void *)(long)skb->data, *data_end = (void *)(long)skb->data_end;
	struct flow_key *to = is_reply ? &flow->original : &flow->translated;
	__u32 saddr = is_reply ? to->daddr : to->saddr, daddr = is_reply ? to->saddr : to->daddr;
	__u16 sport = is_reply ? to->dport : to->sport, dport = is_reply ? to->sport : to->dport;
	struct iphdr *ip = data + ETH_HLEN;
	__u16 *ports = data + (packet->transport & 127);
	if ((void *)(ip + 1) > data_end || (void *)(ports + 2) > data_end)
		return 0;
	__u32 addresses = add(add(~packet->saddr, saddr), add(~packet->daddr, daddr));
	__u32 words = (__u16)~packet->sport + sport + (__u16)~packet->dport + dport;
	__u32 header = add(add(addresses, (__u16)~(packet->ttl | packet->protocol << 8)), ttl | packet->protocol << 8);
	header = add((__u16)~ip->check, header);
	header = (header & 0xffff) + (header >> 16);
	ip->check = ~((header & 0xffff) + (header >> 16));
	ip->saddr = saddr;
	ip->daddr = daddr;
	ip->ttl = ttl;
	ports[0] = sport;
	ports[1] = dport;
	int is_udp = packet->protocol == IPPROTO_UDP;
	__u32 offset = (packet->transport & 127) + (is_udp ? 6 : 16);
	__u64 flags = is_udp ? BPF_F_MARK_MANGLED_0 : 0;
	return !bpf_l4_csum_replace(skb, offset, 0, addresses, flags | BPF_F_PSEUDO_HDR) &&
	       !bpf_l4_csum_replace(skb, offset, 0, words, flags);
}

INLINE int write_macs(struct __sk_buff *skb, __u64 to, __u64 from)
{
	void *data = (void *)(long)skb->data, *data_end = (void *)(long)skb->data_end;
	__u16 *words = data;
	if (data + ETH_HLEN > data_end)
		return 0;
	words[0] = to;
	words[1] = to >> 16;
	words[2] = to >> 32;
	words[3] = from;
	words[4] = from >> 16;
	words[5] = from >> 32;
	return 1;
}

INLINE int deliver(struct __sk_buff *skb, __u32 from, __u32 slot, struct endpoint *to)
{
	if (skb->pkt_type)
		bpf_skb_change_type(skb, 0);
	if (from != OUTSIDE)
		sent(from, skb->len);
	received(slot, skb->len);
	return bpf_redirect_peer(to->ifindex, 0);
}

INLINE int follow_inwards(struct __sk_buff *skb, struct packet *packet, struct flow *flow, int is_reply, __u32 clock,
			  __u32 from, __u16 direction)
{
	struct end *end = is_reply ? &flow->initiator : &flow->responder;
	__u32 slot = end->slot;
	struct endpoint *to = bpf_map_lookup_elem(&ENDPOINTS, &slot);
	if (!to || to->generation != end->generation)
		return count(from, R_NO_FLOW, direction, skb->len, TC_ACT_SHOT);
	refresh(flow, is_reply, packet->flags, clock);
	if (!write_macs(skb, to->mac, to->gateway_mac) || !rewrite(skb, packet, flow, is_reply, packet->ttl))
		return count(from, R_REWRITE, direction, skb->len, TC_ACT_SHOT);
	return deliver(skb, from, slot, to);
}

INLINE int deliver_locally(struct __sk_buff *skb, struct packet *packet, __u32 slot, struct endpoint *sender)
{
	struct address_key key = { packet->daddr, sender->network, 0 };
	__u32 *found = bpf_map_lookup_elem(&ADDRESSES4, &key);
	if (!found)
		return count(slot, R_NOBODY, 0, skb->len, TC_ACT_SHOT);
	__u32 receiver = *found;
	struct endpoint *to = bpf_map_lookup_elem(&ENDPOINTS, &receiver);
	if (!to || !(to->flags & LIVE) || to->network != sender->network)
		return count(slot, R_NOBODY, 0, skb->len, TC_ACT_SHOT);
	if (sender->flags & ISOLATED)
		return count(slot, R_ICC, 0, skb->len, TC_ACT_SHOT);
	if (!write_macs(skb, to->mac, sender->mac))
		return count(slot, R_REWRITE, 0, skb->len, TC_ACT_SHOT);
	return deliver(skb, slot, receiver, to);
}

INLINE int look_up_route(struct __sk_buff *skb, struct packet *packet, struct flow *flow, int is_reply, __u32 anchor,
			 __u32 clock)
{
	struct bpf_fib_lookup query = { .family = 2, .l4_protocol = packet->protocol, .tot_len = 1, .ifindex = anchor };
	query.ipv4_src = is_reply ? flow->original.daddr : flow->translated.saddr;
	query.ipv4_dst = is_reply ? flow->original.saddr : flow->translated.daddr;
	// BPF_FIB_LOOKUP_SKIP_NEIGH (Linux 6.3)
	if (bpf_fib_lookup(skb, &query, sizeof(query), 1 << 2))
		return 0;
	flow->next_hop = query.ipv4_dst;
	flow->route_ifindex = query.ifindex;
	flow->route_mtu = query.mtu_result;
	flow->route_checked = clock;
	return 1;
}

INLINE int send_out(struct __sk_buff *skb, struct packet *packet, __u32 slot, __u32 anchor, struct flow *flow,
		    int is_reply, __u32 clock)
{
	if (clock - flow->route_checked > 1 && !look_up_route(skb, packet, flow, is_reply, anchor, clock))
		return count(slot, R_CANNOT, 0, skb->len, TC_ACT_SHOT);
	__u8 ttl = is_reply ? packet->ttl : packet->ttl - 1;
	__u32 length = skb->gso_size ? skb->gso_size + packet->transport - ETH_HLEN + packet->header_length
				     : skb->len - ETH_HLEN;
	// The product lets the host answer, which does not belong to the path that is measured.
	if (!packet->ttl || !ttl || length > flow->route_mtu)
		return count(slot, R_CANNOT, 0, skb->len, TC_ACT_SHOT);
	refresh(flow, is_reply, packet->flags, clock);
	struct bpf_redir_neigh next = { .nh_family = 2, .ipv4_nh = flow->next_hop };
	__u32 ifindex = flow->route_ifindex;
	if (!rewrite(skb, packet, flow, is_reply, ttl))
		return count(slot, R_REWRITE, 0, skb->len, TC_ACT_SHOT);
	sent(slot, skb->len);
	return bpf_redirect_neigh(ifindex, &next, sizeof(next), 0);
}

SEC("classifier")
int hand_container(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex;
	__u32 *found = bpf_map_lookup_elem(&INTERFACES, &ifindex);
	__u32 slot = found ? *found : OUTSIDE;
	struct endpoint *sender = bpf_map_lookup_elem(&ENDPOINTS, &slot);
	if (!sender || !(sender->flags & LIVE) || sender->ifindex != ifindex)
		return count(slot, R_NO_ENDPOINT, 0, skb->len, TC_ACT_SHOT);
	if (skb->data + 74 > skb->data_end && skb->len > 74)
		bpf_skb_pull_data(skb, skb->len < 192 ? skb->len : 192);
	void *data = (void *)(long)skb->data, *data_end = (void *)(long)skb->data_end;
	__u16 *ether = data;
	if (data + ETH_HLEN > data_end)
		return count(slot, R_MALFORMED, 0, skb->len, TC_ACT_SHOT);
	if (ether[6] != bpf_htons(ETH_P_IP))
		return count(slot, R_ETHERTYPE, 0, skb->len, TC_ACT_SHOT);
	if (((__u64)ether[3] | (__u64)ether[4] << 16 | (__u64)ether[5] << 32) != sender->mac)
		return count(slot, R_MAC, 0, skb->len, TC_ACT_SHOT);
	struct packet packet;
	if (!parse(skb, &packet))
		return count(slot, R_MALFORMED, 0, skb->len, TC_ACT_SHOT);
	__u32 host = ~sender->mask4, first = packet.daddr & 0xff;
	int to_network = !((packet.daddr ^ sender->gateway4) & sender->mask4);
	if (first >= 224 || !first || (to_network && host && (packet.daddr & host) == host))
		return count(slot, R_MULTICAST, 0, skb->len, TC_ACT_SHOT);
	if (packet.saddr != sender->address4 || !packet.saddr)
		return count(slot, R_SOURCE, 0, skb->len, TC_ACT_SHOT);
	int to_neighbour = to_network && packet.daddr != sender->gateway4;
	if (to_neighbour && !(sender->flags & PUBLISHED))
		return deliver_locally(skb, &packet, slot, sender);
	int is_reply = 0;
	__u32 clock = now();
	struct flow *flow = 0;
	if (!packet.is_fragment)
		flow = find(&packet, sender->network << 8 | packet.protocol, clock, &is_reply);
	if (!flow)
		return to_neighbour ? deliver_locally(skb, &packet, slot, sender)
				    : count(slot, R_NO_FLOW, 0, skb->len, TC_ACT_SHOT);
	if ((is_reply ? flow->initiator.slot : flow->responder.slot) != OUTSIDE)
		return follow_inwards(skb, &packet, flow, is_reply, clock, slot, 0);
	return send_out(skb, &packet, slot, sender->anchor, flow, is_reply, clock);
}

SEC("classifier")
int hand_uplink(struct __sk_buff *skb)
{
	if (skb->data + 74 > skb->data_end && skb->len > 74)
		bpf_skb_pull_data(skb, skb->len < 192 ? skb->len : 192);
	void *data = (void *)(long)skb->data, *data_end = (void *)(long)skb->data_end;
	__u16 *ether = data;
	if (data + ETH_HLEN > data_end || ether[6] != bpf_htons(ETH_P_IP))
		return count(OUTSIDE, R_NOT_OURS, 1, skb->len, NEXT);
	struct packet packet;
	if (!parse(skb, &packet) || packet.is_fragment || (packet.daddr & 0xff) == 127)
		return count(OUTSIDE, R_NOT_OURS, 1, skb->len, NEXT);
	int is_reply = 0;
	__u32 clock = now();
	struct flow *flow = find(&packet, packet.protocol, clock, &is_reply);
	if (!flow)
		return count(OUTSIDE, R_NOT_OURS, 1, skb->len, NEXT);
	return follow_inwards(skb, &packet, flow, is_reply, clock, OUTSIDE, 1);
}

SEC("classifier")
int empty(struct __sk_buff *skb)
{
	return TC_ACT_OK;
}

char _license[] SEC("license") = "GPL";
