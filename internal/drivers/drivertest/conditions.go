package drivertest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/registryd/registryd/internal/drivers"
)

var conditionTests = []test{
	{"IfAbsent creates once", func(k *kit) {
		ifAbsent := drivers.Cond{IfAbsent: true}
		first, err := k.tryPut("a/b", "first", ifAbsent)
		k.must(err)
		_, err = k.tryPut("a/b", "second", ifAbsent)
		k.wantErr("put", err, drivers.ErrPrecondition)
		k.same("open", k.want("a/b", "first"), first)
		k.must(k.d.Delete(k.Context(), "a/b"))
		_, err = k.tryPut("a/b", "third", ifAbsent)
		k.must(err)
		k.want("a/b", "third")
	}},
	{"IfAbsent finds an empty object", func(k *kit) {
		k.put("key", "")
		_, err := k.tryPut("key", "second", drivers.Cond{IfAbsent: true})
		k.wantErr("put", err, drivers.ErrPrecondition)
		k.want("key", "")
	}},
	{"IfMatch replaces what it names", func(k *kit) {
		v1 := k.put("key", "one")
		v2, err := k.tryPut("key", "two", drivers.Cond{IfMatch: v1.ETag})
		k.must(err)
		k.same("open", k.want("key", "two"), v2)
		_, err = k.tryPut("key", "three", drivers.Cond{IfMatch: v1.ETag})
		k.wantErr("put with an old ETag", err, drivers.ErrPrecondition)
		stat, err := k.d.Stat(k.Context(), "key")
		k.must(err)
		_, err = k.tryPut("key", "", drivers.Cond{IfMatch: stat.ETag})
		k.must(err)
		k.want("key", "")
		page, err := k.d.List(k.Context(), drivers.ListOptions{Prefix: "key"})
		k.must(err)
		_, err = k.tryPut("key", "five", drivers.Cond{IfMatch: page.Objects[0].ETag})
		k.must(err)
		k.want("key", "five")
	}},
	{"IfMatch fails where nothing is", func(k *kit) {
		v := k.put("key", "one")
		_, err := k.tryPut("other", "two", drivers.Cond{IfMatch: v.ETag})
		k.wantErr("put", err, drivers.ErrPrecondition)
		k.wantAbsent("other")
		k.must(k.d.Delete(k.Context(), "key"))
		_, err = k.tryPut("key", "two", drivers.Cond{IfMatch: v.ETag})
		k.wantErr("put", err, drivers.ErrPrecondition)
		k.wantAbsent("key")
	}},
	{"an ETag outlives its process", func(k *kit) {
		v := k.put("key", "one")
		k.reopen()
		_, err := k.tryPut("key", "two", drivers.Cond{IfMatch: v.ETag})
		k.must(err)
		k.want("key", "two")
	}},
	{"both conditions at once are refused", func(k *kit) {
		v := k.put("key", "one")
		if _, err := k.tryPut("key", "two", drivers.Cond{IfAbsent: true, IfMatch: v.ETag}); err == nil {
			k.Fatal("no error")
		}
		k.want("key", "one")
	}},
	{"of 16 that create at once one wins", func(k *kit) {
		for round := range 5 {
			key := fmt.Sprintf("race/%d/key", round)
			var winner atomic.Int64
			k.together(16, func(i int) error {
				_, err := k.tryPut(key, fmt.Sprintf("racer %d", i), drivers.Cond{IfAbsent: true})
				if err == nil && !winner.CompareAndSwap(0, int64(i)+1) {
					return errors.New("a second winner")
				}
				if errors.Is(err, drivers.ErrPrecondition) {
					return nil
				}
				return err
			})
			if winner.Load() == 0 {
				k.Fatal("nobody won")
			}
			k.want(key, fmt.Sprintf("racer %d", winner.Load()-1))
		}
	}},
	{"no update is lost", func(k *kit) {
		const writers, times = 8, 6
		k.put("counter", "0 start")
		k.together(writers, func(i int) error {
			for n := range times {
				if err := k.increment("counter", fmt.Sprintf("%d.%d", i, n)); err != nil {
					return err
				}
			}
			return nil
		})
		if got, _ := k.read("counter"); !strings.HasPrefix(got, fmt.Sprintf("%d ", writers*times)) {
			k.Fatalf("after %d increments the counter is %q", writers*times, got)
		}
	}},
	{"writers and removers of one folder do not meet", func(k *kit) {
		k.together(8, func(i int) error {
			key := fmt.Sprintf("some/deep/folder/%d", i)
			for range 10 {
				if err := k.createAmongRemovers(key); err != nil {
					return err
				}
				if err := k.d.Delete(k.Context(), key); err != nil {
					return err
				}
			}
			return nil
		})
	}},
	{"readers see old or new", func(k *kit) {
		bodies := [2]string{strings.Repeat("a", 100_000), strings.Repeat("b", 200_000)}
		k.put("key", bodies[0])
		k.together(4, func(i int) error {
			for n := range 15 {
				if i == 0 {
					if _, err := k.tryPut("key", bodies[n%2], drivers.Cond{}); err != nil {
						return err
					}
					continue
				}
				body, info, err := readAll(k.Context(), k.d, "key")
				if err != nil {
					return err
				}
				if body != bodies[0] && body != bodies[1] || info.Size != int64(len(body)) {
					return fmt.Errorf("read %d bytes of an object of %d", len(body), info.Size)
				}
			}
			return nil
		})
	}},
}

// createAmongRemovers creates an object in a folder that others empty. A store over a network may be an object store on folders itself, and stumble there:
// MinIO denies access, seldom, to a folder that it is just removing. It is asked again, a few times. Nobody else creates at this key.
func (k *kit) createAmongRemovers(key string) error {
	for attempt := 1; ; attempt++ {
		_, err := k.tryPut(key, "x", drivers.Cond{IfAbsent: true})
		if attempt > 1 && errors.Is(err, drivers.ErrPrecondition) {
			return nil // it was done
		}
		if !k.h.Direct || attempt == 10 || !errors.Is(err, drivers.ErrUnavailable) {
			return err
		}
	}
}

// increment adds one to the counter at key by compare-and-swap. The nonce makes each version other content.
func (k *kit) increment(key, nonce string) error {
	for {
		body, info, err := readAll(k.Context(), k.d, key)
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(strings.Fields(body)[0])
		if err != nil {
			return err
		}
		_, err = k.tryPut(key, fmt.Sprintf("%d %s", n+1, nonce), drivers.Cond{IfMatch: info.ETag})
		if !errors.Is(err, drivers.ErrPrecondition) {
			return err
		}
	}
}

// together runs fn n times at once.
func (k *kit) together(n int, fn func(i int) error) {
	k.Helper()
	errs := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = fn(i)
		})
	}
	close(start)
	wg.Wait()
	k.must(errors.Join(errs...))
}
