package uploadtoken

import "context"

// Claim opens the token; it keeps nobody else from doing the same.
func (h *HMAC) Claim(ctx context.Context, repository, token string, _ bool) (Claim, error) {
	up, err := h.Open(ctx, repository, token)
	if err != nil {
		return nil, err
	}
	return unclaimed{up}, nil
}

// Cancel does nothing: there is nobody to tell.
func (h *HMAC) Cancel(context.Context, Upload) {}

// unclaimed is the Claim of a node that knows no more of an upload than its token says.
type unclaimed struct{ up Upload }

func (u unclaimed) Point() Upload                         { return u.up }
func (u unclaimed) Newest() Upload                        { return u.up }
func (u unclaimed) Lost() <-chan struct{}                 { return nil }
func (u unclaimed) Held(context.Context) bool             { return true }
func (u unclaimed) Reached(Upload)                        {}
func (u unclaimed) Waiting(bool)                          {}
func (u unclaimed) Release(context.Context, Upload, bool) {}
