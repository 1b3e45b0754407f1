package api

import "net/url"

// maxPage is how many entries of a list a page has at most, and when the client does not say.
const maxPage = 1000

// page is the part of a list that a client asks for.
type page struct {
	n    int    // 0 to maxPage
	last string // the entry that the page comes after; "" for the first page
}

// parsePage reads the parameters n and last (OCI distribution spec, "Listing Tags"). More than maxPage entries are cut to that, which the spec
// allows with a Link to the rest. valid is the grammar of the entries (for last); its error is one of package reference.
// Errors are of type *routeError.
func parsePage(query url.Values, valid func(string) error) (page, error) {
	p := page{n: maxPage, last: query.Get("last")}
	if s := query.Get("n"); s != "" {
		n, ok := digits(s)
		if !ok {
			return page{}, &routeError{code: codePaginationNumberInvalid, message: "n is not a number of entries: use a whole number, 0 or more"}
		}
		p.n = int(min(n, maxPage))
	}
	if p.last != "" {
		if err := valid(p.last); err != nil {
			return page{}, referenceError(err)
		}
	}
	return p, nil
}
