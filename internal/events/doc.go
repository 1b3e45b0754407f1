// Package events tells the outside what happened in the registry.
//
// # The life of an event
//
// An [Event] is made by an [Origin], which knows the request that caused it and the node that saw it. It gets its id there, a ULID that stays the same
// through all retries: whoever receives it twice can tell. Its JSON is what is kept of it until it is delivered; that is ours alone and has nothing to
// do with the wire.
//
// An [Endpoint] says who wants to hear of it ([Endpoint.Wants]), in which [Format], and where. A [Sender] makes one attempt to deliver: it never retries by
// itself, never waits for the next attempt, and keeps nothing. What comes back says whether the event is delivered (nil), is to be tried again, is
// refused for good, or was not tried because the endpoint is paused ([Verdict]). [Endpoint.Delay] says when to try again. Whoever keeps events until
// they are delivered works with these, and can lose nothing that Send has not answered with nil.
//
// # The wire
//
// The formats distribution-v1 and distribution-v2 are those of CNCF Distribution's notifications package, of 2.x and of 3.x, member for member, so that what
// listens to it works unchanged. The format cloudevents is CloudEvents 1.0 in structured JSON.
//
// # Where an endpoint may be
//
// Events say what is in a registry, and a URL that somebody configures must not become a way into the network that the nodes stand in. So addresses are
// checked as they are dialled, after the name was resolved (address.go); redirects are not followed; and proxies that the environment names
// (HTTP_PROXY and the like) are not used, since behind one nobody could check an address.
package events
