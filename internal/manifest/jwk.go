package manifest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"math/big"

	"github.com/docker/libtrust"
)

// Bounds for RSA keys. Below, a signature says little; above, checking one is work that a client should not be able to ask for.
const (
	minModulus  = 2048 // bits
	maxModulus  = 8192
	minExponent = 65537
)

// curve is one that may be signed with, and the algorithm that goes with it (RFC 7518, section 3.1).
type curve struct {
	elliptic.Curve
	algorithm string
}

var curves = map[string]curve{
	"P-256": {elliptic.P256(), "ES256"}, "P-384": {elliptic.P384(), "ES384"}, "P-521": {elliptic.P521(), "ES512"},
}

const algorithmRSA = "RS256"

// Members of a JSON Web Key (RFC 7517 and 7518), and those among them that only a private key has.
var (
	privateKeys = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
	jwkKeys     = append([]string{"kty", "kid", "crv", "x", "y", "n", "e"}, privateKeys...)
)

// key is a public key that may sign, with the one algorithm that it may sign by.
type key struct {
	libtrust.PublicKey
	algorithm     string
	signatureSize int // in bytes
}

// readKey reads a JSON Web Key, a valid JSON value. libtrust gets to see only what is known to be well-formed: it panics on an exponent of no bytes or
// of more than four, and would take a point that is not on its curve.
func readKey(value json.RawMessage) (key, error) {
	o := object{}
	if err := o.read(value, label("its key"), jwkKeys); err != nil {
		return key{}, err
	}
	for _, name := range privateKeys {
		if o.has(name) {
			return key{}, invalid("its key is a private one: take it for known to others, make a new one, and sign with the public half in the header")
		}
	}
	kind, err := o.text("kty")
	if err != nil {
		return key{}, invalid("its key has no type: add it, as kty")
	}
	var k key
	switch kind {
	case "EC":
		k, err = readEC(o)
	case "RSA":
		k, err = readRSA(o)
	default:
		err = unverified("its key is of the type %s, which is not accepted: sign with an EC or an RSA key", quote(kind))
	}
	if err != nil {
		return key{}, err
	}
	if id, err := o.text("kid"); err != nil || id != "" && id != k.KeyID() {
		return key{}, unverified("its key has the id of another key: sign anew")
	}
	return k, nil
}

func readEC(o object) (key, error) {
	name, err := o.text("crv")
	c, known := curves[name]
	if err != nil || !known {
		return key{}, unverified("its key is on the curve %s, which is not accepted: use P-256, P-384 or P-521", quote(name))
	}
	size := (c.Params().BitSize + 7) / 8
	point := []byte{4} // uncompressed (SEC 1, section 2.3.3)
	for _, name := range []string{"x", "y"} {
		coordinate, err := number(o, name)
		if err != nil || len(coordinate) != size {
			return key{}, invalid("its key has no coordinate %s of %d bytes: sign anew", name, size)
		}
		point = append(point, coordinate...)
	}
	public, err := ecdsa.ParseUncompressedPublicKey(c.Curve, point)
	if err != nil {
		return key{}, unverified("its key is not on the curve %s: sign with another key", name)
	}
	return newKey(public, c.algorithm, 2*size)
}

func readRSA(o object) (key, error) {
	modulus, err := number(o, "n")
	if err != nil {
		return key{}, invalid("its key has no modulus: add it, as n")
	}
	exponent, err := number(o, "e")
	if err != nil {
		return key{}, invalid("its key has no exponent: add it, as e")
	}
	n, e := new(big.Int).SetBytes(modulus), new(big.Int).SetBytes(exponent)
	if n.BitLen() < minModulus || n.BitLen() > maxModulus || n.Bit(0) == 0 {
		return key{}, unverified("its key is an RSA key of %d bits, or none: sign with one of %d to %d bits", n.BitLen(), minModulus, maxModulus)
	}
	if e.BitLen() > 31 || e.Int64() < minExponent || e.Bit(0) == 0 {
		return key{}, unverified("its key is an RSA key with an exponent that is not accepted: sign with one that has %d", minExponent)
	}
	return newKey(&rsa.PublicKey{N: n, E: int(e.Int64())}, algorithmRSA, (n.BitLen()+7)/8)
}

// newKey hands a key that was checked to libtrust.
func newKey(public crypto.PublicKey, algorithm string, signatureSize int) (key, error) {
	k, err := libtrust.FromCryptoPublicKey(public)
	if err != nil {
		return key{}, unverified("its key is not accepted (%s): sign with another key", err)
	}
	return key{PublicKey: k, algorithm: algorithm, signatureSize: signatureSize}, nil
}

// number reads the bytes of a number.
func number(o object, name string) ([]byte, error) {
	s, err := o.text(name)
	if err != nil || s == "" {
		return nil, invalid("%s is missing", name)
	}
	return decode(s)
}
