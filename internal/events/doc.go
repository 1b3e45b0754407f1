// Package events tells the outside what happened in the registry.
//
// # The life of an event
//
// An [Event] is made by an [Origin], which knows the request that caused it and the node that saw it. It gets its id there, a ULID that stays the same
// through all retries: whoever receives it twice can tell. What is kept of the events of one push or deletion until they are delivered is their [Note]; that
// is ours alone and has nothing to do with the wire.
//
//	step                                                            if the process dies behind it
//	1  the note is in the journal, before anything is visible       nothing came of it: the relay settles the entry, once it has lapsed
//	2  the push is visible: what it says has happened               the relay finds the entry, sees that, and goes on with 3
//	3  Committed: it is put into the stream of each endpoint that   the consumer group has it
//	   wants it, by one script
//	4  a node takes it from the stream                              it is pending to a node that is gone; another claims it after 45 s
//	5  the endpoint answers 2xx: the commit point of a delivery     likewise, and the endpoint gets it twice
//	6  it is acknowledged; with the last endpoint the entry is      the relay finds done:<entry>, and settles
//	   done, and settled
//	7  the journal entry is deleted, with many others               nothing is left of it
//
// The journal is the record, and all else may be lost at any moment. Redis says who has yet to take what, so that the work can be shared and is not done
// twice; if it is flushed, the relay finds entries that it does not know, and begins with 3 for all endpoints. Every step can be done again, by anybody: an
// entry that is queued is not queued once more, what was acknowledged is not there to be acknowledged. A lost answer of an endpoint or of Redis brings the
// same event again, and never loses one. An event that an endpoint refuses, or does not take in MaxAttempts, is first put among the dead, in the store, and
// then acknowledged like one that was taken.
//
// The relay (relay.go) is whichever node has the lease of that name. Two of them do no harm. It walks the journal, slowly, and asks Redis what it knows of each
// entry. While there is no Redis, or it stays away and no other node that has it takes the lease, it delivers from the journal itself (direct.go). What
// endpoints have taken is then known to it alone: if it dies, its successor sends again what is not settled, which is all that any endpoint has yet to take.
// It holds 200,000 ids; an endpoint that is down until so many wait for it holds up what comes later for the others too, as long as there is no Redis.
//
// To read an entry of another node, and what came of it, costs two requests. So a node without Redis hands over, once a second, the entries that Committed
// told it of, if there are several: as one object in the store (handover.go). The relay reads that before it looks at entries that it does not know, and
// has it removed (directhanded.go). So that it is there in time, what is younger than three seconds is left alone once (directyoung.go). What is handed over
// is a hint and nothing more: it only spares reading an entry that the relay meets in the journal. If it is not written, cannot be read, is there twice, or
// the relay dies after removing it, the walk finds the entries all the same. What nobody takes, the janitor removes after an hour.
//
// Each endpoint has a lane (lane.go) of its own on each node, with a window of messages that it takes from the queue; of one that fails a node holds no more
// than it needs to see whether it works. An event that failed is put off, by [Endpoint.Delay], and others go on; the attempts count for all nodes. One that
// brought some of the events of an entry counts as none, and the node remembers which (progress.go). While the endpoint as a whole is paused nothing is tried,
// and nothing counts.
//
// An endpoint with Ordered has one node that sends to it, by a lease in Redis, and gets the events of a repository one after the other, in the order in
// which they were queued. One that fails is tried again in its place. So a node has up to 512 of them in hand, and if they are all of one repository that
// fails, the others wait as well. What is given up on is left out, and what is replayed comes at the end. A node that was stopped and wakes up may send
// once more what it had under way. Order is that of the queue. After a loss of Redis it is that of the journal; without Redis it is that in which the
// relay learns of pushes, and it learns of those of other nodes some seconds later; among those, it is that of the journal.
//
// Pulls, mounts, and blobs ([Events.Happened]) are in no journal. They go through Redis alone, to each endpoint at most once, and are dropped where Redis is
// away, an attempt fails, or more than 10,000 wait.
//
// An [Endpoint] says who wants to hear of an event ([Endpoint.Wants]), in which [Format], and where. A [Sender] makes one attempt to deliver: it never
// retries by itself, never waits for the next attempt, and keeps nothing. What comes back says whether the event is delivered (nil), is to be tried again,
// is refused for good, or was not tried because the endpoint is paused ([Verdict]).
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
