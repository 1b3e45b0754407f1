package api

import (
	"math"
	"strconv"
	"strings"
)

// contentRange is where the bytes of a chunk belong, both ends included.
type contentRange struct {
	start, end int64
}

// length is the number of bytes in the range, at least 1.
func (r contentRange) length() int64 { return r.end - r.start + 1 }

// parseContentRange reads the Content-Range header of a chunk: `<start>-<end>` as the OCI distribution spec has it ("Pushing a blob in chunks"),
// or `bytes <start>-<end>/<total or *>` (RFC 9110, section 14.4). An absent header is the caller's to see. Errors are of type *routeError.
func parseContentRange(header string) (contentRange, error) {
	spec := header
	total := int64(math.MaxInt64)
	if rest, ok := cutUnit(header); ok {
		before, after, found := strings.Cut(rest, "/")
		if !found {
			return contentRange{}, badContentRange()
		}
		if spec = before; after != "*" {
			if total, ok = digits(after); !ok {
				return contentRange{}, badContentRange()
			}
		}
	}
	first, last, _ := strings.Cut(spec, "-")
	start, ok1 := digits(first)
	end, ok2 := digits(last)
	if !ok1 || !ok2 || end < start || end >= total {
		return contentRange{}, badContentRange()
	}
	return contentRange{start, end}, nil
}

// cutUnit removes the range unit, whose case means nothing.
func cutUnit(s string) (string, bool) {
	const unit = "bytes "
	if len(s) < len(unit) || !strings.EqualFold(s[:len(unit)], unit) {
		return "", false
	}
	return s[len(unit):], true
}

// digits reads a number of digits only, without a sign, that an int64 holds.
func digits(s string) (int64, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

func badContentRange() error {
	return &routeError{
		code: codeBlobUploadInvalid, message: "the Content-Range header is malformed: write it as <first byte>-<last byte>, such as 0-1048575",
	}
}
