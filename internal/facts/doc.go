// Package facts is the memory that all nodes have in common of records that change: where a tag points, whether a link is there. It stands in Redis, for
// a second, and is never wrong: what storage.Facts promises holds with Redis there, hung, flushed, cut off from some nodes, or gone.
//
// # What stands in Redis
//
// One key per fact, which holds nothing, a lease, or an entry (the version and the value of a record). Each change of it is one script or one DEL:
//
//   - look gives what stands there. Where nothing does, it puts a new lease there, a random token that dies after a second.
//   - fill puts an entry in the place of the lease that its reader knew before it read, and leaves it the rest of that lease's second. If the very same
//     entry stands there already, that is as good. If anything else does, it is deleted.
//   - drop deletes a lease whose reader failed, so that nobody waits for it.
//   - DEL empties the key: after a change, and for a record that is not there or too long to be remembered.
//
// A lease is not exclusive. Whoever finds that of another looks again for up to 100 ms, so that one read of the store serves all, and then reads under
// the same lease. The first to fill wins, and a lease whose reader died or is slow holds nobody up for longer.
//
// # Why it holds
//
// A lease that stands when it is filled has stood since before the read began, since a token never comes back. So:
//
//  1. An entry that stands at some moment was read within the second before it, since it dies with the second of its lease.
//  2. Once a key was emptied or an entry was seen there, all that stands there later was read later than that, or is that entry: leases from before are
//     gone, and those who read under them can fill no more.
//
// Changed empties the key before it returns; by 2 no Fetch that begins afterwards finds anything that was read before. Where Redis cannot be asked, it
// waits until a second after it was called; by 1 the same is true. Keys that it deleted before it failed are only emptied too early.
//
// Fetch gives version v. If it found v in Redis, or filled it, then by 2 nobody finds anything older later. If its fill was refused, somebody else may
// be about to fill an older one, or have done so: therefore fill deletes what it finds. If Redis cannot be asked, others may still find what is
// older: the first Fetch of this process that sees v waits until a second after its read ended, and then by 1 nobody can. Once v has settled in one of
// these ways, nothing older comes back, and no later Fetch of v waits.
//
// # What comes late
//
// A call of Redis has 50 ms, and may be carried out after its caller gave up. A late look leaves a lease that others may read under; its caller must not,
// since its read may have begun before. A late fill puts its entry only where its lease still stands, which is what makes it right at any time. A late DEL,
// drop or refused fill only empties. None of these breaks 1 or 2.
//
// # What is relied upon
//
// At each moment one server answers for a key. One that takes over or comes back may have lost what it was told last, which breaks 2 for what was there
// before: Conn.Trusted is false until all of that has died, an entry found meanwhile is not believed, and its key is read and filled or emptied like any
// other. A master that may not write any more gives nothing, also on connections that are open, as scripts are refused there before they run. One that
// goes on serving some nodes beside its successor is not caught by this: where Redis fails over, the old master must stop taking writes first
// (min-replicas-to-write, or a Cluster's majority).
//
// Clocks run at the same rate within a tenth; what they show does not matter, as long as that of Redis is not set back. Each node on a store that has
// this memory must take part in it: one that changes records without saying so is not waited for.
//
// # A node that remembers nothing
//
// With Options.Forgetful a node reads from the store, and its Changed is that of all others: it waits as long if Redis cannot be asked, since others may
// remember. So what was changed through any node is current on all of them with the answer. Such a node does not settle what it read: while a change
// is under way, it may give the new state before another node gives the old one for the last time. That lasts until the change is answered.
package facts
