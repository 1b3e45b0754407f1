//go:build stores

package uploadtoken

import (
	"context"
	"crypto/rand"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/registryd/registryd/internal/redisconn"
	"github.com/registryd/registryd/internal/teststore"
)

const (
	soon  = 30 * time.Second // for what comes by itself, and for calls: it ends a test that would hang
	stale = 2 * soon         // of a claim in most tests: it is not for a busy machine to say that its request is dead
)

// node is a Redis provider whose way to Redis can be cut. Its calls are not hurried, lest a busy machine looks like a broken Redis.
type node struct {
	*Redis
	client *redis.Client
	cut    atomic.Bool
}

func (n *node) Do(ctx context.Context, _ time.Duration, fn func(context.Context, redis.UniversalClient) error) error {
	if n.cut.Load() {
		return redisconn.ErrAway
	}
	ctx, cancel := context.WithTimeout(ctx, soon)
	defer cancel()
	return fn(ctx, n.client)
}

// nodes are a cluster on one Redis, under a namespace of its own.
func nodes(t *testing.T, addr string, n int) []*node {
	t.Helper()
	namespace := rand.Text()
	all := make([]*node, n)
	for i := range all {
		client := redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true, ReadTimeout: soon, WriteTimeout: soon})
		t.Cleanup(func() { _ = client.Close() })
		h, err := NewHMAC([]Key{KeyFromSecret("secret")}, nil)
		if err != nil {
			t.Fatal(err)
		}
		all[i] = &node{client: client}
		all[i].Redis = NewRedis(h, all[i], RedisOptions{Namespace: namespace, Instance: "node"})
		all[i].times.staleAfter = stale
	}
	return all
}

func pair(t *testing.T) (a, b *node) {
	t.Helper()
	all := nodes(t, teststore.Redis(t), 2)
	return all[0], all[1]
}

// begun is an upload that has come to a point.
func begun(seq uint64, offset int64) Upload {
	now := time.Now().UTC().Truncate(time.Second)
	return Upload{
		Repository: "library/busybox", ID: rand.Text(), Seq: seq, Offset: offset,
		Started: now, Expires: now.Add(time.Hour), State: []byte("state"),
	}
}

// at is another point of the same upload.
func (u Upload) at(seq uint64, offset int64) Upload {
	u.Seq, u.Offset = seq, offset
	return u
}

func (n *node) token(t *testing.T, up Upload) string {
	t.Helper()
	return issue(t, n.HMAC, up)
}

// claims takes the claim, and gives it back when the test is over.
func (n *node) claims(t *testing.T, up Upload) Claim {
	t.Helper()
	c, err := n.Claim(t.Context(), up.Repository, n.token(t, up), false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Release(context.Background(), up, false) })
	return c
}

// opens fails unless a token of up opens to want.
func (n *node) opens(t *testing.T, up, want Upload, current, abandoned bool) {
	t.Helper()
	want.Current, want.Abandoned = current, abandoned
	got, err := n.Open(t.Context(), up.Repository, n.token(t, up))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Open gives %+v, %v; want %+v", got, err, want)
	}
}

func (n *node) unknown(t *testing.T, up Upload) {
	t.Helper()
	if got, err := n.Open(t.Context(), up.Repository, n.token(t, up)); err != ErrUnknown {
		t.Errorf("Open gives %+v, %v; want ErrUnknown", got, err)
	}
	if _, err := n.Claim(t.Context(), up.Repository, n.token(t, up), false); err != ErrUnknown {
		t.Errorf("Claim gives %v; want ErrUnknown", err)
	}
}

// eventually waits for something that comes by itself.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline, tick := time.NewTimer(soon), time.NewTicker(5*time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("not within %s: %s", soon, what)
		}
	}
}

func isLost(c Claim) func() bool {
	return func() bool {
		select {
		case <-c.Lost():
			return true
		default:
			return false
		}
	}
}

// promptly fails if something takes as long as it does to wait for a claim that is stale.
func promptly(t *testing.T, what string, do func()) {
	t.Helper()
	start := time.Now()
	do()
	if took := time.Since(start); took > soon {
		t.Errorf("%s took %s", what, took)
	}
}

func TestClaimIsExclusive(t *testing.T) {
	t.Parallel()
	all, up := nodes(t, teststore.Redis(t), 4), begun(0, 0)
	var mu sync.Mutex
	var won []Claim
	var group sync.WaitGroup
	for i := range 12 {
		group.Go(func() {
			start := time.Now()
			c, err := all[i%4].Claim(t.Context(), up.Repository, all[0].token(t, up), i%2 == 0)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				won = append(won, c)
			case err != ErrBusy || !c.Newest().same(up):
				t.Errorf("Claim gives %v, %v", c, err)
			case time.Since(start) > soon:
				t.Errorf("it took %s to say so", time.Since(start))
			}
		})
	}
	group.Wait()
	if len(won) != 1 {
		t.Fatalf("%d have the claim", len(won))
	}
	won[0].Reached(up.at(0, 5))
	won[0].Release(t.Context(), up.at(0, 10), false)
	all[3].claims(t, up.at(0, 10))
}

// A claim that ends while another waits is not waited for.
func TestClaimAfterRelease(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	a.times.renewEvery = time.Hour // a renewal would say that it does not end
	up := begun(0, 0)
	first := a.claims(t, up)
	go first.Release(t.Context(), up.at(0, 10), false)
	promptly(t, "the second claim", func() {
		second := b.claims(t, up)
		if !second.Newest().same(up.at(0, 10)) && !second.Newest().same(up) || !second.Point().same(up) {
			t.Errorf("newest is %+v", second.Newest())
		}
	})
}

func TestDeadHolderIsTakenOver(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	b.times = usualTimes
	up := begun(0, 0)
	first := a.claims(t, up)
	first.Reached(up.at(1, 64))
	eventually(t, "b sees the point", func() bool {
		got, err := b.Open(t.Context(), up.Repository, b.token(t, up))
		return err == nil && got.same(up.at(1, 64)) && got.Current && !got.Abandoned
	})
	a.cut.Store(true)
	var second Claim
	eventually(t, "it is taken over", func() (taken bool) { // not at once, if a renewal was still under way
		c, err := b.Claim(t.Context(), up.Repository, b.token(t, up), false)
		if second = c; err == nil {
			t.Cleanup(func() { c.Release(context.Background(), up, false) })
		}
		return err == nil
	})
	if n := second.Newest(); !n.same(up.at(1, 64)) || !n.Abandoned {
		t.Errorf("newest is %+v", n)
	}

	// The first one wakes up.
	if !first.Held(t.Context()) {
		t.Error("a claim is lost without anybody saying so")
	}
	first.Reached(up.at(7, 700))
	a.cut.Store(false)
	if first.Held(t.Context()) {
		t.Error("a claim that was taken over is held")
	}
	eventually(t, "the first one is told", isLost(first))
	first.Reached(up.at(8, 800))
	second.Reached(up.at(2, 128))
	first.Release(t.Context(), up.at(9, 900), true)
	if !second.Held(t.Context()) {
		t.Error("the second claim is lost")
	}
	second.Release(t.Context(), up.at(2, 130), false)
	a.opens(t, up, up.at(2, 130), true, false)
}

// Whoever asks for the status while nobody renews the claim is sent to the store.
func TestAbandoned(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	b.times = usualTimes
	up := begun(0, 0)
	first := a.claims(t, up)
	first.Reached(up.at(1, 64))
	eventually(t, "the point is there", func() bool {
		got, _ := b.Open(t.Context(), up.Repository, b.token(t, up))
		return got.same(up.at(1, 64))
	})
	a.cut.Store(true)
	eventually(t, "b takes it for dead", func() bool {
		got, _ := b.Open(t.Context(), up.Repository, b.token(t, up))
		return got.Abandoned && !got.Current && got.same(up.at(1, 64))
	})
}

func TestCancelIsSeen(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	up := begun(0, 0)
	held := a.claims(t, up)
	b.Cancel(t.Context(), up)
	eventually(t, "the holder stops", isLost(held))
	if held.Held(t.Context()) {
		t.Error("a cancelled upload is held")
	}
	held.Release(t.Context(), up.at(0, 10), false)
	for _, n := range []*node{a, b} {
		n.unknown(t, up)
		n.unknown(t, up.at(0, 10))
	}
}

func TestClosed(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	up := begun(0, 10)
	for _, n := range []*node{a, b} { // the closing request may be repeated
		c, err := n.Claim(t.Context(), up.Repository, n.token(t, up), true)
		if err != nil {
			t.Fatal(err)
		}
		c.Release(t.Context(), up, true)
	}
	b.unknown(t, up)
	c, err := a.Claim(t.Context(), up.Repository, a.token(t, up), true)
	if err != nil {
		t.Fatal(err)
	}
	c.Release(t.Context(), up, false)
	a.unknown(t, up)
}

// TestPoints follows where Redis says that an upload stands.
func TestPoints(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	up := begun(0, 0)
	large := up.at(3, 300)
	large.State = make([]byte, MaxPoint)
	tooLarge := up.at(4, 400)
	tooLarge.State = make([]byte, MaxPoint+1)

	b.opens(t, up, up, false, false) // nobody has told anything yet
	step := func(from Upload, reached []Upload, end Upload) {
		t.Helper()
		c := a.claims(t, from)
		for _, p := range reached {
			c.Reached(p)
		}
		c.Release(t.Context(), end, false)
	}
	step(up, nil, up)
	b.opens(t, up, up, false, false) // nor has one who did nothing
	step(up, nil, up.at(0, 100))
	b.opens(t, up, up.at(0, 100), true, false)
	b.opens(t, up.at(0, 100), up.at(0, 100), true, false)
	b.opens(t, up.at(0, 101), up.at(0, 101), false, false) // of another provider
	step(up.at(0, 100), []Upload{up.at(0, 150)}, up.at(0, 100))
	b.opens(t, up, up.at(0, 100), true, false) // what was dropped is not told of any more
	step(up, nil, up.at(0, 50))
	b.opens(t, up, up.at(0, 50), true, false) // who comes last forks
	step(up.at(0, 50), nil, large)
	b.opens(t, up, large, true, false)
	step(up, nil, up.at(0, 70))
	b.opens(t, up, large, true, false) // but not off from before a checkpoint
	step(up.at(3, 300), []Upload{tooLarge}, up.at(3, 300))
	b.opens(t, up, large, true, false)

	if c := b.claims(t, up.at(3, 300)); !reflect.DeepEqual(c.Newest(), large) {
		t.Errorf("newest is at %d of %d bytes of state", c.Newest().Offset, len(c.Newest().State))
	}
}

// What Redis keeps of an upload opens for that upload alone, and is no token.
func TestPointsAreSealed(t *testing.T) {
	t.Parallel()
	a, _ := pair(t)
	up, other := begun(0, 0), begun(0, 0)
	c := a.claims(t, up)
	c.Release(t.Context(), up.at(0, 10), false)
	client, key := a.client, func(up Upload) string { return a.opts.Namespace + ":upload:" + up.ID }
	sealed, err := client.HGet(t.Context(), key(up), "point").Result()
	if err != nil {
		t.Fatal(err)
	}
	checkUnknown(t, a.HMAC, up.Repository, encoding.EncodeToString([]byte(sealed)))
	for name, foreign := range map[string]string{"of another upload": sealed, "forged": sealed[:len(sealed)-1] + "x", "empty": ""} {
		if err := client.HSet(t.Context(), key(other), "point", foreign, "claim", "").Err(); err != nil {
			t.Fatal(err)
		}
		t.Log(name)
		a.opens(t, other, other, false, false)
	}
	if ttl, err := client.PTTL(t.Context(), key(up)).Result(); err != nil || ttl <= 50*time.Minute || ttl > time.Hour {
		t.Errorf("the record lives for %s, %v", ttl, err)
	}
}

func TestFlush(t *testing.T) {
	t.Parallel()
	p, err := teststore.StartRedis()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	all := nodes(t, p.Addr, 2)
	a, b, up := all[0], all[1], begun(0, 0)
	flush := func() {
		t.Helper()
		if err := a.client.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
	}
	held := a.claims(t, up)
	flush()
	held.Reached(up.at(1, 64))
	told := func() bool {
		got, err := b.Open(t.Context(), up.Repository, b.token(t, up))
		return err == nil && got.same(up.at(1, 64)) && got.Current
	}
	eventually(t, "the point is told", told)
	flush()
	eventually(t, "the point is told again", told)
	if _, err := b.Claim(t.Context(), up.Repository, b.token(t, up), false); err != ErrBusy {
		t.Errorf("Claim gives %v", err)
	}
	flush()
	held.Release(t.Context(), up.at(1, 70), false)
	b.opens(t, up, up.at(1, 70), true, false)
	flush()
	b.opens(t, up, up, false, false)
	if isLost(held)() {
		t.Error("the claim was lost")
	}
}

// A claim that Redis never heard of is told as soon as that can be, and one whose end it did not hear does not stay.
func TestClaimWhileAway(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	up := begun(0, 0)
	a.cut.Store(true)
	held := a.claims(t, up)
	if !held.Held(t.Context()) || !held.Newest().same(held.Point()) {
		t.Errorf("newest is %+v", held.Newest())
	}
	a.opens(t, up, up, false, false)
	a.cut.Store(false)
	eventually(t, "the claim is told", func() bool {
		c := held.(*claim)
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.mine
	})
	if _, err := b.Claim(t.Context(), up.Repository, b.token(t, up), false); err != ErrBusy {
		t.Errorf("Claim gives %v", err)
	}
	a.cut.Store(true)
	held.Release(t.Context(), up.at(0, 10), false)
	a.cut.Store(false)
	promptly(t, "the next claim", func() { b.claims(t, up.at(0, 10)) })
}

// No call takes longer than its budget while Redis hangs, and a little: what a goroutine may wait for its turn on a busy machine. It may wait longer, but not
// time and again.
func TestHungRedis(t *testing.T) {
	t.Parallel()
	p, err := teststore.StartRedis()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	up := begun(0, 0)
	const slack = 150 * time.Millisecond
	for name, do := range map[string]func(n *node, c Claim){
		"Open": func(n *node, _ Claim) { n.opens(t, up, up, false, false) },
		"Claim": func(n *node, _ Claim) {
			c, err := n.Claim(t.Context(), up.Repository, n.token(t, up), false)
			if err != nil {
				t.Errorf("Claim gives %v", err)
				return
			}
			go c.Release(t.Context(), up, false)
		},
		"Cancel":  func(n *node, _ Claim) { n.Cancel(t.Context(), up) },
		"Reached": func(_ *node, c Claim) { c.Reached(up.at(1, 64)) },
		"Held": func(_ *node, c Claim) {
			if !c.Held(t.Context()) {
				t.Error("a claim is lost because Redis hangs")
			}
		},
		"Release": func(_ *node, c Claim) { c.Release(t.Context(), up.at(1, 64), false) },
	} {
		eventually(t, name+" is in time", func() bool {
			n := nodes(t, p.Addr, 1)[0] // none is warned by the one before
			conn, err := redisconn.Open(redisconn.Config{Addrs: []string{p.Addr}}, redisconn.Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.Close() })
			n.Redis.conn = conn
			c := n.claims(t, up)
			if err := p.Pause(); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			do(n, c)
			took := time.Since(start)
			if err := p.Resume(); err != nil {
				t.Fatal(err)
			}
			if name != "Cancel" && isLost(c)() {
				t.Errorf("%s: the claim is lost", name)
			}
			if took > askBudget+slack {
				t.Logf("%s took %s", name, took)
			}
			return took <= askBudget+slack
		})
	}
}

// Claims leave nothing behind.
func TestClaimGoroutineEnds(t *testing.T) {
	t.Parallel()
	a, _ := pair(t)
	up := begun(0, 0)
	c := a.claims(t, up).(*claim)
	c.Reached(up.at(0, 5))
	c.Release(t.Context(), up.at(0, 10), false)
	c.Release(t.Context(), up.at(0, 20), true) // only the first counts
	a.opens(t, up, up.at(0, 10), true, false)
	select {
	case <-c.kept:
	case <-time.After(soon):
		t.Error("the claim is still kept")
	}
}
