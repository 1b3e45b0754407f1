package drivertest

import (
	"context"
	"strings"

	"github.com/registryd/registryd/internal/drivers"
)

var cancelTests = []test{
	{"a canceled context ends every call and changes nothing", func(k *kit) {
		k.put("key", "old")
		s := k.append(drivers.Session{}, "up1", 1, 100)
		ctx, cancel := context.WithCancel(k.Context())
		cancel()
		calls := map[string]func() error{
			"stat":   func() error { _, err := k.d.Stat(ctx, "key"); return err },
			"open":   func() error { _, _, err := k.d.Open(ctx, "key", 0, -1); return err },
			"put":    func() error { _, err := k.d.Put(ctx, "key", strings.NewReader("new"), drivers.Cond{}); return err },
			"delete": func() error { return k.d.Delete(ctx, "key") },
			"list":   func() error { _, err := k.d.List(ctx, drivers.ListOptions{}); return err },
			"append": func() error {
				_, err := k.d.Append(ctx, s, "up2", &stream{id: 1, from: 100, to: 200}, nil)
				return err
			},
			"commit": func() error { _, err := k.d.Commit(ctx, s); return err },
			"abort":  func() error { return k.d.Abort(ctx, s) },
			"ping":   func() error { return k.d.Ping(ctx) },
		}
		for name, call := range calls {
			k.wantErr(name, call(), context.Canceled)
		}
		k.want("key", "old")
		k.commit(s, content(1, 100))
	}},
	{"an append whose context is canceled leaves its session usable", func(k *kit) {
		s := k.append(drivers.Session{}, "up1", 1, 1000)
		for _, after := range []int64{1000, 3 << 20} {
			ctx, cancel := context.WithCancel(k.Context())
			src := &canceling{stream: stream{id: 1, from: 1000, to: 1 << 50}, cancel: cancel, after: after}
			last, err := k.d.Append(ctx, s, k.fresh(), src, nil)
			k.wantErr("append", err, context.Canceled)
			k.isAt(last, 1, 1000)
		}
		s = k.append(s, "up3", 1, 2000)
		k.commit(s, content(1, 2000))
	}},
}
