package facts

import "testing"

// TestOtherEntries: what a later release may put in the place of an entry is none, so that the store is asked.
func TestOtherEntries(t *testing.T) {
	t.Parallel()
	for _, entry := range []string{"", "E", "E\x00", "E\x00\x05abc", "F\x00\x01avalue", `{"v":2}`, "e\x00\x01avalue"} {
		if fact, ok := decode(entry); ok || isLease(entry) {
			t.Errorf("%q is read as %+v", entry, fact)
		}
	}
}
