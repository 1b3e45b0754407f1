package events

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"syscall"
)

// ErrAddress: the endpoint is at an address that events must not be sent to.
var ErrAddress = errors.New("events are not sent to this address")

// privateRanges are open to endpoints with AllowPrivate.
var privateRanges = prefixes(
	"127.0.0.0/8", "::1/128", // loopback
	"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", // RFC 1918
	"100.64.0.0/10",         // shared by carriers, RFC 6598
	"198.18.0.0/15",         // benchmarks, RFC 2544
	"fc00::/7", "fec0::/10", // unique local, RFC 4193, and what came before it
	"64:ff9b:1::/48", // NAT64 within an organization, RFC 8215
)

// closedRanges are open to nobody. Of those inside private ones, cloud metadata services hand out credentials to whoever asks from a node.
var closedRanges = prefixes(
	"0.0.0.0/8", "::/128", // unspecified: the node itself, on Linux
	"169.254.0.0/16", "fe80::/10", // link-local, with most metadata services
	"100.100.100.200/32", "168.63.129.16/32", "192.0.0.0/24", // metadata of Alibaba; of Azure; of Oracle, and other IETF assignments
	"fd00:ec2::/32", "fd00:c1::/32", "fd20:ce::254/128", "fd00:42::42/128", // metadata of AWS (and its pods' credentials), Oracle, Google, Scaleway
	"2001::/32",               // Teredo: it leads to an address of IPv4 that is written down in a scrambled form
	"224.0.0.0/4", "ff00::/8", // multicast
	"240.0.0.0/4", // reserved, and the broadcast address
)

// embeddings are ranges whose addresses hold one of IPv4, at the byte given: a gateway may send on to that.
var embeddings = []struct {
	prefix netip.Prefix
	at     int
}{
	{netip.MustParsePrefix("64:ff9b::/96"), 12},    // NAT64, RFC 6052
	{netip.MustParsePrefix("64:ff9b:1::/48"), 12},  // as it is mostly used
	{netip.MustParsePrefix("::/96"), 12},           // IPv4-compatible, long deprecated
	{netip.MustParsePrefix("::ffff:0:0:0/96"), 12}, // IPv4-translated, RFC 2765
	{netip.MustParsePrefix("2002::/16"), 2},        // 6to4, RFC 3056
}

// isatap says whether an address ends in one of IPv4 in the way of RFC 5214, whatever its prefix.
func isatap(b [16]byte) bool {
	return (b[8] == 0 || b[8] == 2) && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe
}

func prefixes(list ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(list))
	for i, s := range list {
		all[i] = netip.MustParsePrefix(s)
	}
	return all
}

// checkAddress says whether events may be sent to an address. Its errors wrap ErrAddress.
func checkAddress(addr netip.Addr, allowPrivate bool) error {
	addr = addr.Unmap().WithZone("") // a prefix contains neither IPv4 in IPv6 nor zones
	private := within(addr, privateRanges)
	if within(addr, closedRanges) {
		return fmt.Errorf("%w: %s is link-local, multicast, reserved, or serves cloud metadata; move the endpoint", ErrAddress, addr)
	}
	if private && !allowPrivate {
		return fmt.Errorf("%w: %s is private; set allowprivate for this endpoint if it is meant", ErrAddress, addr)
	}
	if addr.IsLoopback() { // ::1 looks IPv4-compatible
		return nil
	}
	b := addr.As16()
	for _, e := range embeddings {
		if e.prefix.Contains(addr) || addr.Is6() && e.at == 12 && isatap(b) {
			if err := checkAddress(netip.AddrFrom4([4]byte(b[e.at:e.at+4])), allowPrivate); err != nil {
				return fmt.Errorf("%s leads to another address: %w", addr, err)
			}
		}
	}
	return nil
}

func within(addr netip.Addr, ranges []netip.Prefix) bool {
	for _, p := range ranges {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// dialControl is a net.Dialer's ControlContext. It is called for each address that a name was resolved to, with the very one that is then connected to:
// a name that resolves to something else the second time gains nothing.
func dialControl(allowPrivate bool) func(context.Context, string, string, syscall.RawConn) error {
	return func(_ context.Context, _, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("%w: %q is no address", ErrAddress, address)
		}
		return checkAddress(to.Addr(), allowPrivate)
	}
}
