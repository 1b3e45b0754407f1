package manifest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
)

// A signed manifest is a "pretty JWS" as libtrust makes it. The payload is a JSON object. Cut off behind its last member, it is followed by one more
// member, "signatures", and a brace:
//
//	{ <members> } <space>                                the payload
//	{ <members> , "signatures": [ <blocks> ] }           the document
//
// A block is {"header": {"jwk": <key>, "alg": <algorithm>}, "signature": <base64url>, "protected": <base64url>}. What is signed is the protected
// header, a dot, and the payload, both in base64url (RFC 7515). The protected header is {"formatLength", "formatTail", "time"}: how many bytes of the
// document begin the payload, and what ends it. The key is not protected, and vouches for itself only.
//
// libtrust reads this trustingly: it cuts wherever formatLength says, panics on numbers below zero and on odd keys, lets the document hold what nobody
// signed, and takes base64 in several spellings. So all is checked here before libtrust sees it, and a document has one reading.

const (
	signatureKey = "signatures"
	maxProtected = 1024 // bytes of a protected header; libtrust's have some 130
	maxTail      = 256  // bytes behind the last member of a payload
	maxIndent    = 64   // bytes in front of the first; Docker's have four
)

var (
	blockKeys     = []string{"header", "signature", "protected"}
	headerKeys    = []string{"jwk", "alg", "x5c"}
	protectedKeys = []string{"formatLength", "formatTail", "time"}
)

// block is one signature as it stands in a document.
type block struct {
	jwk                  json.RawMessage
	algorithm            string
	signature, protected string // base64url; the signature is known to be well-formed
	decoded              []byte // the signature
	formatLength         int
	formatTail           []byte
}

// readBlock reads a valid JSON value, and does not look yet whether it signs anything.
func readBlock(value json.RawMessage) (b block, err error) {
	o := object{}
	if err = o.read(value, label("it"), blockKeys); err != nil {
		return b, err
	}
	if b.signature, err = o.text("signature"); err != nil || b.signature == "" {
		return b, invalid("it has no signature: add it, as a string")
	}
	if b.decoded, err = decode(b.signature); err != nil {
		return b, invalid("its signature is %s", err)
	}
	if b.protected, err = o.text("protected"); err != nil || b.protected == "" {
		return b, invalid("it has no protected header: add it, as a string")
	}
	if o.null("header") {
		return b, invalid("it has no header: add it, with the key")
	}
	header := object{}
	if err = header.read(o["header"], label("its header"), headerKeys); err != nil {
		return b, err
	}
	if header.has("x5c") {
		return b, unverified("it has a chain of certificates, which is not accepted: sign with a plain key")
	}
	if header.null("jwk") {
		return b, unverified("it has no key: add it to the header, as jwk")
	}
	b.jwk = header["jwk"]
	if b.algorithm, err = header.text("alg"); err != nil || b.algorithm == "" {
		return b, unverified("it names no algorithm: add it to the header, as alg")
	}
	return b, b.readProtected()
}

func (b *block) readProtected() error {
	if len(b.protected) > maxProtected {
		return invalid("its protected header has more than %d bytes: sign with nothing but the format in it", maxProtected)
	}
	content, err := decode(b.protected)
	if err != nil {
		return invalid("its protected header is %s", err)
	}
	value, err := outermost(content)
	if err != nil {
		return invalid("its protected header is not a JSON object: sign anew")
	}
	o := object{}
	if err := o.read(value, label("its protected header"), protectedKeys); err != nil {
		return err
	}
	for name := range members(value) {
		if _, known := o[name]; !known { // such as crit or alg, which others would heed
			return invalid("its protected header has a member %s, which is not accepted: sign without it", quote(name))
		}
	}
	if b.formatLength, err = strconv.Atoi(string(o["formatLength"])); err != nil || b.formatLength < 0 {
		return invalid("its protected header has no formatLength that is a number of bytes: sign anew")
	}
	tail, err := o.text("formatTail")
	if err != nil || tail == "" {
		return invalid("its protected header has no formatTail: sign anew")
	}
	if b.formatTail, err = decode(tail); err != nil {
		return invalid("its formatTail is %s", err)
	}
	return nil
}

// label names an object in an error.
type label string

func (l label) String() string { return string(l) }

// decode reads base64url in its one spelling: no padding, no line breaks, no bits left over.
func decode(s string) ([]byte, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || strings.ContainsAny(s, "\r\n") {
		return nil, errors.New("not base64url without padding: encode it so (RFC 7515), or sign anew")
	}
	return b, nil
}

// cutBefore finds the comma in front of the signatures, which must be the last member of content, a JSON object with such a member.
func cutBefore(content []byte) (comma int, err error) {
	at := bytes.IndexByte(content, '{') + 1
	var name []byte
	for {
		at += len(content[at:]) - len(bytes.TrimLeft(content[at:], space))
		switch content[at] {
		case ',':
			comma = at
			at++
		case '}':
			if string(name) != `"`+signatureKey+`"` || comma == 0 {
				return 0, invalid("the signatures are not the last member of the manifest, behind others: put them last, as libtrust does")
			}
			return comma, nil
		default:
			n := valueLength(content[at:])
			name = content[at : at+n]
			at += n
			at += len(content[at:]) - len(bytes.TrimLeft(content[at:], space+":"))
			at += valueLength(content[at:])
		}
	}
}

// checkFormat tells whether libtrust can put signatures into a payload, a valid JSON object that begins with these members and ends with tail.
func checkFormat(members, tail []byte) error {
	if members[len(members)-1] == '{' {
		return invalid("the manifest is an empty object: there is nothing to sign")
	}
	if len(tail) > maxTail {
		return invalid("the manifest ends in more than %d bytes of space: remove it and sign anew", maxTail)
	}
	// libtrust indents each line of the signatures by what stands in front of the first member, a few times over.
	if first := bytes.TrimLeft(members[1:], space); len(members)-1-len(first) > maxIndent {
		return invalid("the manifest is indented by more than %d bytes: use fewer and sign anew", maxIndent)
	}
	return nil
}

// covers tells whether what a block signs is the document, cut before the signatures, as libtrust would cut its payload.
func (b *block) covers(content []byte, comma int) error {
	if b.formatLength != comma {
		return unverified("it covers %d bytes of the manifest, but there are %d in front of the signatures: the manifest was changed, or indented "+
			"anew, after it was signed; push it as it was signed", b.formatLength, comma)
	}
	if string(bytes.Trim(b.formatTail, space)) != "}" {
		return unverified("its formatTail is not the end of a manifest: sign anew")
	}
	if bytes.IndexByte([]byte(space), content[comma-1]) >= 0 {
		return unverified("there is space between the manifest and its signatures: push it as it was signed")
	}
	return checkFormat(content[:comma], b.formatTail)
}

// cut cuts a payload, a valid JSON object, behind its last member, where libtrust does.
func cut(payload []byte) (members, tail []byte) {
	members = bytes.TrimRight(payload[:bytes.LastIndexByte(payload, '}')], space)
	return members, payload[len(members):]
}
