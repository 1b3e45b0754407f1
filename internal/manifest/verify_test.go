package manifest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

// edited gives a signed document with its first signature changed by edit, and re-encoded.
func edited(t *testing.T, content []byte, edit func(block, header, jwk, protected map[string]any)) []byte {
	t.Helper()
	comma, err := cutBefore(content)
	if err != nil {
		t.Fatal(err)
	}
	var document struct{ Signatures []map[string]any }
	if err := json.Unmarshal(content, &document); err != nil {
		t.Fatal(err)
	}
	block := document.Signatures[0]
	header := block["header"].(map[string]any)
	before, err := decode(block["protected"].(string))
	if err != nil {
		t.Fatal(err)
	}
	var protected map[string]any
	if err := json.Unmarshal(before, &protected); err != nil {
		t.Fatal(err)
	}
	edit(block, header, header["jwk"].(map[string]any), protected)
	if after, _ := json.Marshal(protected); !bytes.Equal(before, after) {
		block["protected"] = base64.RawURLEncoding.EncodeToString(after)
	}
	signatures, err := json.Marshal(document.Signatures)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Appendf(bytes.Clone(content[:comma]), `,"signatures":%s}`, signatures)
}

type fields = map[string]any

func TestVerifyRefusesBlocks(t *testing.T) {
	t.Parallel()
	flip := func(s any) string {
		b, err := decode(s.(string))
		if err != nil {
			t.Fatal(err)
		}
		b[len(b)/2] ^= 1
		return base64.RawURLEncoding.EncodeToString(b)
	}
	encode := base64.RawURLEncoding.EncodeToString
	for _, tc := range []struct {
		name, key string
		edit      func(block, header, jwk, protected fields)
		code      Code
		reason    string
	}{
		{"signature flipped", "es256", func(b, _, _, _ fields) { b["signature"] = flip(b["signature"]) }, CodeUnverified, "does not verify"},
		{"RSA signature flipped", "rs256", func(b, _, _, _ fields) { b["signature"] = flip(b["signature"]) }, CodeUnverified, "does not verify"},
		{"signature cut off", "es512", func(b, _, _, _ fields) { b["signature"] = b["signature"].(string)[:40] }, CodeUnverified, "has 30 bytes and not the 132 of ES512"},
		{"RSA signature cut off", "rs256", func(b, _, _, _ fields) { b["signature"] = b["signature"].(string)[:40] }, CodeUnverified, "not the 256 of RS256"},
		{"signature of zeros", "es256", func(b, _, _, _ fields) { b["signature"] = encode(make([]byte, 64)) }, CodeUnverified, "does not verify"},
		{"signature padded", "es256", func(b, _, _, _ fields) { b["signature"] = b["signature"].(string) + "==" }, CodeInvalid, "its signature is not base64url"},
		{"signature broken up", "es256", func(b, _, _, _ fields) { b["signature"] = "\n" + b["signature"].(string) }, CodeInvalid, "its signature is not base64url"},
		{"signature with bits left over", "es256", func(b, _, _, _ fields) {
			s := b["signature"].(string)
			b["signature"] = s[:len(s)-1] + string(s[len(s)-1]+1)
		}, CodeInvalid, "its signature is not base64url"},
		{"no signature", "es256", func(b, _, _, _ fields) { delete(b, "signature") }, CodeInvalid, "no signature"},
		{"signature in other case", "es256", func(b, _, _, _ fields) { b["Signature"] = "" }, CodeInvalid, `"Signature"`},
		{"no protected header", "es256", func(b, _, _, _ fields) { delete(b, "protected") }, CodeInvalid, "no protected header"},
		{"no header", "es256", func(b, _, _, _ fields) { b["header"] = nil }, CodeInvalid, "no header"},
		{"no key", "es256", func(_, h, _, _ fields) { delete(h, "jwk") }, CodeUnverified, "no key"},
		{"chain", "es256", func(_, h, _, _ fields) { h["x5c"] = []string{"AAAA"} }, CodeUnverified, "chain of certificates"},
		{"chain in place of the key", "es256", func(_, h, _, _ fields) { delete(h, "jwk"); h["x5c"] = []string{} }, CodeUnverified, "chain of certificates"},

		{"no algorithm", "es256", func(_, h, _, _ fields) { delete(h, "alg") }, CodeUnverified, "names no algorithm"},
		{"algorithm none", "es256", func(b, h, _, _ fields) { h["alg"] = "none"; b["signature"] = "AA" }, CodeUnverified, `its algorithm is "none"`},
		{"algorithm HS256", "es256", func(_, h, _, _ fields) { h["alg"] = "HS256" }, CodeUnverified, `its algorithm is "HS256"`},
		{"algorithm of another curve", "es256", func(_, h, _, _ fields) { h["alg"] = "ES384" }, CodeUnverified, "must be ES256"},
		{"algorithm RS512", "rs256", func(_, h, _, _ fields) { h["alg"] = "RS512" }, CodeUnverified, "must be RS256"},
		{"algorithm RS256 with an EC key", "es256", func(_, h, _, _ fields) { h["alg"] = "RS256" }, CodeUnverified, "must be ES256"},

		{"formatLength below zero", "es256", func(_, _, _, p fields) { p["formatLength"] = -1 }, CodeInvalid, "no formatLength"},
		{"formatLength a string", "es256", func(_, _, _, p fields) { p["formatLength"] = "7" }, CodeInvalid, "no formatLength"},
		{"formatLength a fraction", "es256", func(_, _, _, p fields) { p["formatLength"] = 7.5 }, CodeInvalid, "no formatLength"},
		{"formatLength huge", "es256", func(_, _, _, p fields) { p["formatLength"] = 1e30 }, CodeInvalid, "no formatLength"},
		{"formatLength beyond the end", "es256", func(_, _, _, p fields) { p["formatLength"] = 1 << 40 }, CodeUnverified, "changed, or indented anew"},
		{"formatLength within the payload", "es256", func(_, _, _, p fields) { p["formatLength"] = 10 }, CodeUnverified, "it covers 10 bytes"},
		{"formatLength zero", "es256", func(_, _, _, p fields) { p["formatLength"] = 0 }, CodeUnverified, "it covers 0 bytes"},
		{"no formatTail", "es256", func(_, _, _, p fields) { delete(p, "formatTail") }, CodeInvalid, "no formatTail"},
		{"formatTail not base64", "es256", func(_, _, _, p fields) { p["formatTail"] = "%" }, CodeInvalid, "its formatTail is not base64url"},
		{"formatTail with more in it", "es256", func(_, _, _, p fields) { p["formatTail"] = encode([]byte(`,"tag":"x"}`)) }, CodeUnverified, "its formatTail is not the end"},
		{"formatTail too long", "es256", func(_, _, _, p fields) {
			p["formatTail"] = encode([]byte(strings.Repeat("\n", 300) + "}"))
		}, CodeInvalid, "more than 256 bytes of space"},
		{"formatTail of another spelling", "es256", func(_, _, _, p fields) { p["formatTail"] = encode([]byte("\n\n}")) }, CodeUnverified, "does not verify"},
		{"time changed", "es256", func(_, _, _, p fields) { p["time"] = "2000-01-01T00:00:00Z" }, CodeUnverified, "does not verify"},
		{"crit", "es256", func(_, _, _, p fields) { p["crit"] = []string{"b64"} }, CodeInvalid, `a member "crit"`},
		{"protected algorithm", "es256", func(_, _, _, p fields) { p["alg"] = "ES256" }, CodeInvalid, `a member "alg"`},
		{"protected header too long", "es256", func(_, _, _, p fields) { p["time"] = strings.Repeat("0", 1024) }, CodeInvalid, "more than 1024 bytes"},
		{"protected header not JSON", "es256", func(b, _, _, p fields) {
			clear(p)
			p["formatLength"] = 0
			b["protected"] = "AAAA"
		}, CodeInvalid, "no formatTail"},

		{"key not an object", "es256", func(_, h, _, _ fields) { h["jwk"] = "key" }, CodeInvalid, "its key is not a JSON object"},
		{"symmetric key", "es256", func(_, h, _, _ fields) { h["jwk"] = fields{"kty": "oct"} }, CodeUnverified, `of the type "oct"`},
		{"private key", "es256", func(_, _, k, _ fields) { k["d"] = k["x"] }, CodeInvalid, "its key is a private one"},
		{"curve P-224", "es256", func(_, _, k, _ fields) { k["crv"] = "P-224" }, CodeUnverified, `on the curve "P-224"`},
		{"another curve", "es256", func(_, _, k, _ fields) { k["crv"] = "P-384" }, CodeInvalid, "no coordinate x of 48 bytes"},
		{"point off the curve", "es256", func(_, _, k, _ fields) { k["x"] = k["y"] }, CodeUnverified, "not on the curve P-256"},
		{"point at infinity", "es256", func(_, _, k, _ fields) { k["x"] = encode(make([]byte, 32)); k["y"] = k["x"] }, CodeUnverified, "not on the curve"},
		{"coordinate missing", "es256", func(_, _, k, _ fields) { delete(k, "y") }, CodeInvalid, "no coordinate y"},
		{"coordinate with zeros in front", "es256", func(_, _, k, _ fields) { k["x"] = "AAAA" + k["x"].(string) }, CodeInvalid, "no coordinate x"},
		{"id of another key", "es256", func(_, _, k, _ fields) { k["kid"] = "AAAA" }, CodeUnverified, "the id of another key"},
		{"RSA of 1024 bits", "rs256", func(_, _, k, _ fields) { k["n"] = encode(bytes.Repeat([]byte{255}, 128)) }, CodeUnverified, "sign with one of 2048 to 8192"},
		{"RSA too long", "rs256", func(_, _, k, _ fields) { k["n"] = encode(bytes.Repeat([]byte{255}, 1025)) }, CodeUnverified, "sign with one of 2048 to 8192"},
		{"RSA without modulus", "rs256", func(_, _, k, _ fields) { k["n"] = "" }, CodeInvalid, "no modulus"},
		{"RSA exponent 3", "rs256", func(_, _, k, _ fields) { k["e"] = "Aw" }, CodeUnverified, "exponent that is not accepted"},
		{"RSA exponent 0", "rs256", func(_, _, k, _ fields) { k["e"] = "AA" }, CodeUnverified, "exponent that is not accepted"},
		{"RSA exponent even", "rs256", func(_, _, k, _ fields) { k["e"] = "AQAC" }, CodeUnverified, "exponent that is not accepted"},
		{"RSA exponent of five bytes", "rs256", func(_, _, k, _ fields) { k["e"] = "AQAAAAE" }, CodeUnverified, "exponent that is not accepted"},
		{"RSA exponent empty", "rs256", func(_, _, k, _ fields) { k["e"] = "" }, CodeInvalid, "no exponent"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			for _, shape := range []string{"docker.", "compact."} {
				content := edited(t, goldenFile(t, shape+tc.key+".jws"), tc.edit)
				_, _, err := Verify(content, DefaultSigners)
				checkProblems(t, err, []Error{{tc.code, "signature 1: "}})
				checkProblems(t, err, []Error{{tc.code, tc.reason}})
				if _, err = (Rules{Schema1: true}).Parse(MediaTypeSchema1, content); err == nil {
					t.Error("Parse accepts it")
				}
			}
		})
	}
}

func TestVerifyRefusesDocuments(t *testing.T) {
	t.Parallel()
	for _, shape := range []string{"docker", "compact", "tabs", "escaped"} {
		content := goldenFile(t, shape+".all.jws")
		text := payloads[shape]
		other := byLibtrust(t, strings.Replace(text, "amd64", "arm64", 1), goldenKey(t, "es256"))
		_, signatures, err := Verify(content, DefaultSigners)
		if err != nil {
			t.Fatal(err)
		}
		listed := func(blocks ...string) string {
			comma, err := cutBefore(content)
			if err != nil {
				t.Fatal(err)
			}
			return string(content[:comma]) + `,"signatures":[` + strings.Join(blocks, ",") + `]}`
		}
		one, two := string(signatures[0].JSON), string(signatures[1].JSON)
		_, others, err := Verify(pretty(t, other), 1)
		if err != nil {
			t.Fatal(err)
		}
		foreign := string(others[0].JSON)
		all := len(signatures)
		changed := make([]Error, all)
		for i := range changed {
			changed[i] = Error{CodeUnverified, fmt.Sprintf("signature %d: it", i+1)}
		}
		for _, tc := range []struct {
			name, content string
			limit         int
			want          []Error
		}{
			{"not signed", text, 9, []Error{{CodeUnverified, "is not signed"}}},
			{"null signatures", strings.TrimRight(strings.TrimSpace(text), "}") + `,"signatures":null}`, 9, []Error{{CodeUnverified, "is not signed"}}},
			{"no signatures", listed(), 9, []Error{{CodeUnverified, "empty list of signatures"}}},
			{"signatures an object", strings.TrimRight(strings.TrimSpace(text), "}") + `,"signatures":{}}`, 9, []Error{{CodeInvalid, "is not a list"}}},
			{"signature a number", listed("1"), 9, []Error{{CodeInvalid, "signature 1: it is not a JSON object"}}},
			{"duplicate", listed(one, two, one), 9, []Error{{CodeInvalid, "signature 3: it is signature 1 once more"}}},
			{"duplicate in other words", listed(one, strings.Replace(one, `{`, `{"more": 7, `, 1)), 9, []Error{{CodeInvalid, "it is signature 1 once more"}}},
			{"too many", string(content), all - 1, []Error{{CodeInvalid, fmt.Sprintf("more than %d signatures", all-1)}}},
			{"too many, whatever they are", listed("1", "2", "3"), 2, []Error{{CodeInvalid, "more than 2 signatures"}}},
			{"one of another payload", listed(one, foreign), 9, []Error{{CodeUnverified, "signature 2: it does not verify"}}},
			{"cut off", string(content[:len(content)-2]), 9, []Error{{CodeInvalid, "not valid JSON"}}},
			{"cut in half", string(content[:len(content)/2]), 9, []Error{{CodeInvalid, "not valid JSON"}}},
			{"empty", "", 9, []Error{{CodeInvalid, "is empty"}}},
			{"bit flipped", strings.Replace(string(content), "hello", "hellm", 1), 9, changed},
			{"indented anew", indented(t, string(content)), 9, changed},
			{"space in front", " " + string(content), 9, changed},
			{"space before the signatures", strings.Replace(listed(one), `,"signatures"`, ` ,"signatures"`, 1), 9, []Error{{CodeUnverified, "signature 1: it covers"}}},
			{"member added in front", strings.Replace(string(content), `{`, `{"x":1,`, 1), 9, changed},
			{"member added behind", strings.Replace(listed(one), `,"signatures"`, `,"x":1,"signatures"`, 1), 9, []Error{{CodeUnverified, "signature 1: it covers"}}},
			{"member behind the signatures", strings.TrimSuffix(listed(one), "}") + `,"x":1}`, 9, []Error{{CodeInvalid, "not the last member"}}},
			{"two lists of signatures", strings.TrimSuffix(listed(one), "}") + `,"signatures":[]}`, 9, []Error{{CodeInvalid, `two members "signatures"`}}},
			{"signatures escaped", strings.Replace(listed(one), `,"signatures"`, `,"\u0073ignatures"`, 1), 9, []Error{{CodeInvalid, "not the last member"}}},
			{"only signatures", `{"signatures":[` + one + `]}`, 9, []Error{{CodeInvalid, "not the last member"}}},
		} {
			t.Run(shape+" "+tc.name, func(t *testing.T) {
				t.Parallel()
				payload, found, err := Verify([]byte(tc.content), tc.limit)
				checkProblems(t, err, tc.want)
				if payload != nil || found != nil {
					t.Error("there is a payload all the same")
				}
				m, err := Rules{Schema1: true, Signers: tc.limit}.Parse(MediaTypeSchema1Signed, []byte(tc.content))
				if err == nil || m != nil && m.Schema1.Signatures != nil {
					t.Errorf("Parse gives %+v, %v", m, err)
				}
			})
		}
	}
}

// indented puts other space into a document.
func indented(t *testing.T, content string) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, []byte(content), "", "     "); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestVerifyEveryBit flips each bit of the payload: none may go unnoticed.
func TestVerifyEveryBit(t *testing.T) {
	t.Parallel()
	content := goldenFile(t, "docker.es256.jws")
	comma, err := cutBefore(content)
	if err != nil {
		t.Fatal(err)
	}
	for i := range comma * 8 {
		changed := bytes.Clone(content)
		changed[i/8] ^= 1 << (i % 8)
		if payload, _, err := Verify(changed, 1); err == nil {
			t.Fatalf("bit %d of %s goes unnoticed", i, payload)
		}
	}
}

func TestReadSignature(t *testing.T) {
	t.Parallel()
	payload, signatures, err := Verify(goldenFile(t, "docker.all.jws"), DefaultSigners)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range signatures {
		got, err := ReadSignature(payload, want.JSON)
		if err != nil || got.Digest != want.Digest || got.KeyID != want.KeyID || got.Digest != digest.FromBytes(got.JSON) {
			t.Errorf("ReadSignature gives %+v, %v", got, err)
		}
	}
	block := string(signatures[0].JSON)
	for _, tc := range []struct {
		name, payload, block string
		code                 Code
		reason               string
	}{
		{"other payload of the same length", strings.Replace(schema1Text, "amd64", "arm64", 1), block, CodeUnverified, "does not verify"},
		{"other payload", compact(schema1Text), block, CodeUnverified, "signs another payload"},
		{"other end", schema1Text + "\n", block, CodeUnverified, "signs another payload"},
		{"no payload", "", block, CodeInvalid, "is empty"},
		{"payload a number", "1", block, CodeInvalid, "not a JSON object"},
		{"payload a string", `"}"`, block, CodeInvalid, "not a JSON object"},
		{"payload empty", "{ }", block, CodeInvalid, "an empty object"},
		{"signed payload", string(goldenFile(t, "docker.all.jws")), block, CodeInvalid, "has signatures in it"},
		{"payload with a huge number", `{"a":1e999}`, block, CodeInvalid, "too many digits"},
		{"payload indented too far", "{\n" + strings.Repeat(" ", 100) + `"a":1}`, block, CodeInvalid, "indented by more than"},
		{"no block", schema1Text, "", CodeInvalid, "not a JSON object"},
		{"list of blocks", schema1Text, "[" + block + "]", CodeInvalid, "not a JSON object"},
		{"two blocks", schema1Text, block + block, CodeInvalid, "not a JSON object"},
	} {
		if _, err := ReadSignature([]byte(tc.payload), []byte(tc.block)); err == nil {
			t.Errorf("%s: accepted", tc.name)
		} else {
			checkProblems(t, err, []Error{{tc.code, tc.reason}})
		}
	}
}
