package events

import (
	"math/rand/v2"
	"time"
)

// maxRetryAfter is the longest that an endpoint can ask us to stay away.
const maxRetryAfter = time.Hour

// Delay is how long to wait before an event is sent again that failed attempts times in a row, at least once: anything between half of Backoff and
// Backoff doubled as often as it failed (at most MaxBackoff), so that what failed together does not come back together; or longer, if the endpoint said
// so in its last answer (Error.RetryAfter, else 0).
func (e *Endpoint) Delay(attempts int, retryAfter time.Duration) time.Duration {
	most := e.Backoff
	for range attempts {
		if most *= 2; most >= e.MaxBackoff { // MaxBackoff is a day at most: nothing overflows
			most = e.MaxBackoff
			break
		}
	}
	least := min(e.Backoff/2, most)
	return max(least+rand.N(most-least+1), min(retryAfter, maxRetryAfter))
}
