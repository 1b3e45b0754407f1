package events

import (
	"errors"
	"net/netip"
	"testing"
)

func TestAddresses(t *testing.T) {
	t.Parallel()
	const open, private, closed = "open", "private", "closed"
	for want, list := range map[string][]string{
		open: {
			"192.0.2.1", "8.8.8.8", "172.15.255.255", "172.32.0.1", "100.63.255.255", "100.128.0.0", "11.0.0.0", "169.253.0.1", "2001:db8::1", "2600::1",
			"::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1", "198.20.0.1", "223.255.255.255",
		},
		private: {
			"127.0.0.1", "127.255.255.254", "::1", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "100.127.255.255", "fc00::1",
			"fd12:3456::1", "fec0::1", "198.18.0.1", "::ffff:127.0.0.1", "::ffff:10.1.2.3", "64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1",
			"2002:7f00:1::1", "2002:c0a8:101::", "64:ff9b:1::8.8.8.8", "::127.0.0.1", "::10.0.0.1",
		},
		closed: {
			"0.0.0.0", "0.1.2.3", "::", "169.254.169.254", "169.254.0.1", "fe80::1", "fe80::1%eth0", "febf::1", "224.0.0.1", "239.255.255.255", "ff02::1",
			"240.0.0.1", "255.255.255.255", "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd00:ec2::23", "fd00:c1::a9fe:a9fe", "2001:0:1::1", "::ffff:0:169.254.169.254", "2001:db8::5efe:a9fe:a9fe", "fd20:ce::254", "fd00:42::42",
			"::ffff:169.254.169.254", "::ffff:0.0.0.0", "::ffff:100.100.100.200", "64:ff9b::169.254.169.254", "64:ff9b:1::169.254.169.254", "64:ff9b::",
			"2002:a9fe:a9fe::", "::169.254.169.254", "::224.0.0.1",
		},
	} {
		for _, s := range list {
			addr := netip.MustParseAddr(s)
			got := open
			if err := checkAddress(addr, true); err != nil {
				got = closed
			} else if err := checkAddress(addr, false); err != nil {
				got = private
			}
			if got != want {
				t.Errorf("%s is %s, want %s", s, got, want)
			}
			dialled := dialControl(true)(t.Context(), "tcp", netip.AddrPortFrom(addr, 443).String(), nil)
			if (dialled != nil) != (want == closed) || dialled != nil && !errors.Is(dialled, ErrAddress) {
				t.Errorf("dialling %s: %v", s, dialled)
			}
		}
	}
	if err := dialControl(true)(t.Context(), "unix", "/run/socket", nil); !errors.Is(err, ErrAddress) {
		t.Errorf("dialling what is no address: %v", err)
	}
}
