//go:build stores

package integration_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestBudgetSchema1: a push of Docker schema 1 costs as much as that of any other manifest, and one request for each signature that was not there yet. The
// listing that tells which ones are there is made only where the payload was here before; it finds the marks too, which need not be written then.
func TestBudgetSchema1(t *testing.T) {
	t.Parallel()
	m := newMetered(t)
	keys := signingKeys()
	for _, c := range []int{1, 6} {
		name := fmt.Sprintf("repo%d", c)
		pusher := m.node(schema1)
		var layers []string
		for i := range c {
			layers = append(layers, pusher.pushLayer(name, fmt.Sprintf("layer %d of %d", i, c)))
		}
		first, payload := payloadOf(name, "first", layers...), payloadOf(name, "v1", layers...)
		d := sha256(payload).String()
		three := pusher.sign(payload, keys[:3]...)
		node := m.node(schema1)
		push := func(what string, atMost int, ref string, content []byte) {
			m.costs(fmt.Sprintf("%s, %d layers", what, c), atMost+2*c, func() { node.putSigned(name, ref, content).want(http.StatusCreated) })
		}
		push("the first of a repository, one signature", 7+1, "first", pusher.sign(first, keys[0]))
		push("three signatures", 6+3, "v1", three)
		push("the same once more", 6, "v1", three)
		push("a signature of another host", 6+1, "v1", pusher.sign(payload, keys[3]))
		push("merged with those that are there", 6+1, "v1", pusher.sign(three, keys[4]))
		push("by digest", 6+1, d, pusher.sign(payload, keys[5]))
		node = m.node(schema1, remember)
		push("through another node, its first to this repository", 7+1, "v1", pusher.sign(payload, keys[6]))

		for _, ref := range []string{"v1", d} {
			node := m.node(remember)
			m.costs("GET, cold", 2+1+7, func() { node.allSigned(name, ref, payload, 7) })
			m.costs("GET, warm", 2, func() { node.allSigned(name, ref, payload, 7) })
			m.costs("HEAD, warm", 2, func() { node.do(http.MethodHead, "/v2/"+name+"/manifests/"+ref).want(http.StatusOK) })
		}
	}
}

// TestBudgetSchema1Again: what was deleted and pushed again takes one read more for each GET and HEAD, and two requests more for each push: which of the
// signatures that are listed count is for the link to say. The first push finds tombstones where it would create, and looks again.
func TestBudgetSchema1Again(t *testing.T) {
	t.Parallel()
	m := newMetered(t)
	keys := signingKeys()
	node := m.node(schema1)
	payload := payloadOf("a", "v1", node.pushLayer("a", "layer"))
	d := sha256(payload).String()
	two := node.sign(payload, keys[:2]...)
	node.putSigned("a", "v1", two).want(http.StatusCreated)
	node.do(http.MethodDelete, "/v2/a/manifests/"+d).want(http.StatusAccepted)
	push := func(what string, atMost int, content []byte) {
		m.costs(what, atMost+2, func() { node.putSigned("a", "v1", content).want(http.StatusCreated) })
	}
	push("the first after the deletion, two signatures", 6+5+2, two)
	push("the same once more", 6+2, two)
	push("a signature of another host", 6+2+1, node.sign(payload, keys[3]))
	for _, ref := range []string{"v1", d} {
		node := m.node(remember)
		m.costs("GET, cold", 2+2+3, func() { node.allSigned("a", ref, payload, 3) })
		m.costs("GET, warm", 3, func() { node.allSigned("a", ref, payload, 3) })
		m.costs("HEAD, warm", 3, func() { node.do(http.MethodHead, "/v2/a/manifests/"+ref).want(http.StatusOK) })
	}
}

// TestBudgetTarSum: verifying reads the bytes back once, and the name is one more write.
func TestBudgetTarSum(t *testing.T) {
	t.Parallel()
	m := newMetered(t)
	node := m.node(tarSums)
	content := archiveOf(1024*kib, 1)
	sum := tarSumOf(t, "tarsum.v1+sha256", content)
	got := m.costs("POST, PATCH, PUT of 1 MiB by a TarSum", 3+2, func() { ways[2].push(node, "a", sum, content).want(http.StatusCreated) })
	if got.dataReads != 1 {
		t.Errorf("the data was read %d times", got.dataReads)
	}
	m.costs("GET by a TarSum", 3+1, func() {
		m.node(tarSums).do(http.MethodGet, "/v2/a/blobs/"+strings.ReplaceAll(sum, "+", "%2B")).want(http.StatusOK).is(content)
	})
}
