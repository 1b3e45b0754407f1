package manifest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	mathrand "math/rand/v2"
	"strings"
	"testing"

	"github.com/docker/libtrust"
)

func TestSign(t *testing.T) {
	t.Parallel()
	for name, payload := range payloads {
		content := []byte(payload)
		for i, key := range keyNames {
			var err error
			if content, err = Sign(content, privateKey(t, key)); err != nil {
				t.Fatal(err)
			}
			if v := vectorOf(t, content); len(v.Keys) != i+1 { // libtrust agrees
				t.Errorf("%s: libtrust finds the keys %v", name, v.Keys)
			}
			got, signatures, err := Verify(content, i+1)
			if err != nil || string(got) != payload || len(signatures) != i+1 {
				t.Errorf("%s: Verify gives %d signatures of %s, %v", name, len(signatures), got, err)
			}
		}
	}
}

func TestSignRefuses(t *testing.T) {
	t.Parallel()
	weak, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := privateKey(t, "es256")
	changed := strings.Replace(string(goldenFile(t, "docker.es384.jws")), "amd64", "arm64", 1)
	for name, tc := range map[string]struct {
		content string
		key     any
	}{
		"curve P-224": {schema1Text, weak}, "no key": {schema1Text, nil}, "public key": {schema1Text, &weak.PublicKey},
		"empty": {"", good}, "empty object": {"{}", good}, "list": {"[]", good}, "null": {"null", good}, "not JSON": {schema1Text[1:], good},
		"signatures that do not verify": {changed, good},
	} {
		if content, err := Sign([]byte(tc.content), tc.key); err == nil {
			t.Errorf("%s: signed as %s", name, content)
		}
	}
}

func TestAssembleInAnyOrder(t *testing.T) {
	t.Parallel()
	want := goldenFile(t, "docker.all.jws")
	payload, signatures, err := Verify(want, DefaultSigners)
	if err != nil {
		t.Fatal(err)
	}
	random := mathrand.New(mathrand.NewPCG(1, 2))
	for range 10 {
		random.Shuffle(len(signatures), func(i, j int) { signatures[i], signatures[j] = signatures[j], signatures[i] })
		got, err := Assemble(payload, signatures)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("Assemble gives %s, %v", got, err)
		}
	}
}

func TestAssembleRefuses(t *testing.T) {
	t.Parallel()
	payload, signatures, err := Verify(goldenFile(t, "docker.all.jws"), DefaultSigners)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Assemble(payload, nil); err == nil {
		t.Error("no signature is enough")
	}
	damaged := Signature{JSON: bytes.Replace(signatures[1].JSON, []byte(`"alg":"`), []byte(`"alg":"X`), 1)}
	_, err = Assemble(payload, []Signature{{}, signatures[0], damaged})
	checkProblems(t, err, []Error{{CodeInvalid, "signature 1: the signature is not"}, {CodeUnverified, "signature 3: its algorithm is"}})
	if _, err = Assemble([]byte(compact(schema1Text)), signatures); len(Problems(err)) != len(signatures) {
		t.Errorf("with another payload: %v", err)
	}
}

func TestKeySet(t *testing.T) {
	t.Parallel()
	_, signatures, err := Verify(goldenFile(t, "docker.all.jws"), DefaultSigners)
	if err != nil {
		t.Fatal(err)
	}
	of := func(names ...string) string {
		var keys []string
		for _, name := range names {
			jwk, err := goldenKey(t, name).PublicKey().MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, string(jwk))
		}
		return `{"keys":[` + strings.Join(keys, ",") + `]}`
	}
	single := map[string][]Signature{}
	for _, name := range keyNames {
		for _, s := range signatures {
			if s.KeyID == goldenKey(t, name).KeyID() {
				single[name] = []Signature{s}
			}
		}
	}
	stranger, err := libtrust.GenerateECP256PrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		set        []string
		signatures []Signature
		want       bool
	}{
		{keyNames, signatures, true}, {keyNames[:1], signatures, true}, {keyNames, nil, false}, {keyNames[:1], single["es384"], false},
		{keyNames[:2], single["es384"], true}, {keyNames, []Signature{{KeyID: stranger.KeyID()}}, false}, {keyNames, []Signature{{}}, false},
	} {
		set, err := ParseKeySet([]byte(of(tc.set...)))
		if err != nil || set.Trusted(tc.signatures) != tc.want {
			t.Errorf("the set of %v: %v, want %v", tc.set, err, tc.want)
		}
	}
	if (*KeySet)(nil).Trusted(signatures) {
		t.Error("no set trusts")
	}
	private := string(goldenFile(t, "key-es256.json"))
	for _, content := range []string{
		"", "{}", "[]", `{"keys":null}`, `{"keys":{}}`, `{"keys":[]}`, `{"keys":[1]}`, `{"Keys":[]}`, `{"keys":[{"kty":"oct","k":"AA"}]}`,
		`{"keys":[` + private + `]}`, of("es256") + of("es256"), strings.Replace(of("es256"), `"crv":"P-256"`, `"crv":"P-224"`, 1),
		strings.Replace(of("rs256"), `"AQAB"`, `"AQAAAAE"`, 1), strings.Replace(of("rs256"), `"AQAB"`, `"AA"`, 1),
	} {
		if _, err := ParseKeySet([]byte(content)); err == nil || len(err.Error()) > 300 {
			t.Errorf("ParseKeySet(%s): %v", content, err)
		}
	}
}

// BenchmarkAssemble tells what each signer costs whoever serves a manifest.
func BenchmarkAssemble(b *testing.B) {
	for _, key := range keyNames {
		b.Run(key, func(b *testing.B) {
			payload, signatures, err := Verify(goldenFile(b, "docker."+key+".jws"), 1)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := Assemble(payload, signatures); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
