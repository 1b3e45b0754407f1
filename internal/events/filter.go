package events

import "slices"

// Wants says whether the endpoint is to hear of an event: it is not disabled, ignores neither the action nor the media type of the target, and includes the
// repository. Media types are compared as a whole, as CNCF Distribution does: application/octet-stream stands for blobs. A deletion has no media type,
// so only its action can be ignored.
func (e *Endpoint) Wants(event *Event) bool {
	return !e.Disabled && e.wouldWant(event)
}

// wouldWant is Wants of an endpoint that is not disabled.
func (e *Endpoint) wouldWant(event *Event) bool {
	return !slices.Contains(e.IgnoredActions, event.Action) &&
		!slices.Contains(e.IgnoredMediaTypes, event.Target.MediaType) &&
		e.includes(event)
}

func (e *Endpoint) wouldWantAny(events []Event) bool {
	return slices.ContainsFunc(events, func(event Event) bool { return e.wouldWant(&event) })
}

func (e *Endpoint) includes(event *Event) bool {
	if len(e.include) == 0 {
		return true
	}
	return slices.ContainsFunc(e.include, func(p pattern) bool { return p.match(event.Target.Repository) })
}
