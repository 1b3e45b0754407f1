package drivertest

import (
	"errors"
	"io"

	"github.com/registryd/registryd/internal/drivers"
)

var uploadFaults = []test{
	{"the start of an upload", func(k *kit) {
		k.eachFault(func(f *trial) {
			var s drivers.Session
			err := f.during(func() (err error) {
				s, err = k.d.Append(k.Context(), s, k.fresh(), &stream{id: 1, to: 600_000}, nil)
				return err
			})
			if err != nil {
				f.restart()
				s = k.append(drivers.Session{}, k.fresh(), 1, 600_000)
			}
			k.commit(s, content(1, 600_000))
			k.nothingBut(s.Key)
		})
	}},
	{"append", func(k *kit) {
		k.eachFault(func(f *trial) {
			start := k.append(drivers.Session{}, k.fresh(), 1, 1000)
			s := start
			err := f.during(func() (err error) {
				s, err = k.d.Append(k.Context(), start, k.fresh(), &stream{id: 1, from: 1000, to: 600_000}, nil)
				return err
			})
			if err != nil {
				k.isAt(s, 1, 1000) // it says where to go on
				f.restart()
				other := k.appendAs(start, k.fresh(), 2, 700)
				s = k.append(start, k.fresh(), 1, 600_000)
				k.commitForks(branch{s, func() io.Reader { return content(1, 600_000) }}, branch{other, forked(1000, 2, 700)})
				k.must(k.d.Delete(k.Context(), other.Key))
			} else {
				k.commit(s, content(1, 600_000))
			}
			k.nothingBut(s.Key)
		})
	}},
	{"an append to an older session", func(k *kit) {
		k.eachFault(func(f *trial) {
			older := k.append(drivers.Session{}, k.fresh(), 1, 1000)
			newer := k.append(older, k.fresh(), 1, 2000)
			add := func() (s drivers.Session, err error) {
				return k.d.Append(k.Context(), older, k.fresh(), &stream{id: 2, to: 300_000}, nil)
			}
			var s drivers.Session
			if f.during(func() (err error) { s, err = add(); return err }) != nil {
				f.restart()
				var err error
				s, err = add()
				k.must(err)
			}
			k.commitForks(branch{newer, func() io.Reader { return content(1, 2000) }}, branch{s, forked(1000, 2, 300_000)})
			k.must(k.d.Delete(k.Context(), s.Key))
			k.nothingBut(newer.Key)
		})
	}},
	{"an append whose source fails", func(k *kit) {
		for _, cause := range []error{errSource, drivers.ErrDiscard} {
			k.eachFault(func(f *trial) {
				start := k.append(drivers.Session{}, k.fresh(), 1, 1000)
				s := start
				_ = f.during(func() (err error) {
					s, err = k.d.Append(k.Context(), start, k.fresh(), &stream{id: 1, from: 1000, to: 300_000, err: cause}, nil)
					if errors.Is(err, cause) {
						return nil
					}
					return err
				})
				k.isAt(s, 1, s.Offset)
				f.restart()
				s = k.append(s, k.fresh(), 1, 400_000)
				k.commit(s, content(1, 400_000))
				k.nothingBut(s.Key)
			})
		}
	}},
	{"commit", func(k *kit) {
		k.eachFault(func(f *trial) {
			s := k.append(drivers.Session{}, f.id+"/deep/key", 1, 1000)
			commit := func() error { _, err := k.d.Commit(k.Context(), s); return err }
			if f.during(commit) != nil {
				if all := k.keys(drivers.ListOptions{Prefix: s.Key}); len(all) > 0 {
					k.holds(s.Key, content(1, 1000))
				} else {
					k.wantAbsent(s.Key)
				}
				f.restart()
				k.must(commit())
			}
			k.holds(s.Key, content(1, 1000))
			k.must(commit())
			k.must(k.d.Delete(k.Context(), s.Key))
			f.restart()
			if err := commit(); !k.h.Direct {
				k.wantErr("commit of what was deleted", err, drivers.ErrNotFound)
			}
			k.nothingBut()
		})
	}},
	{"abort", func(k *kit) {
		k.eachFault(func(f *trial) {
			s := k.append(drivers.Session{}, k.fresh(), 1, 1000)
			again := func() error { return k.d.Abort(k.Context(), s) }
			if f.during(again) != nil {
				f.restart()
				k.must(again())
			}
			k.gone(s)
			k.nothingBut()
		})
	}},
}
