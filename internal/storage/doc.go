// Package storage keeps repositories in a store that any number of processes share: blobs, uploads, manifests, tags, referrers, and the check of it all.
// It knows the driver contract and nothing of HTTP.
//
// # Records
//
// Keys are built in keys.go, whose comment lists them. What is mutable is a small JSON record that is changed by compare-and-swap alone (record.go); what
// is deleted is swapped for an empty object, a tombstone, so that a late writer's condition fails. Bytes stand under data/ in an object of a fresh
// name that is written once; the pointer of a digest names it, or holds up to 64 KiB itself.
//
// # What is committed when
//
//   - A blob: its bytes (a fresh object), then its pointer, then its link in the repository. Before the link nobody in the repository sees it. Dying
//     in between leaves data or a pointer that nothing names, which fsck lists.
//   - A manifest: first its entry in the journal (journal.go), by which another process finds what came of it; then everything it refers to is read; then
//     what nobody sees is written: content, catalog leaf, the marks of its tags, its referrer record; then the link, which is the commit point; then each
//     tag. Dying in between leaves a manifest without its tag, and no answer.
//   - A deletion of a manifest: its entry, the tombstone of its link, then its tags, found by their marks. setTag and DeleteManifest say how a push and a deletion
//     that meet come out one after the other.
//   - An upload: a token names a snapshot; checkpoints (checkpoint.go) are numbered and created once, so that one request goes on from each.
//
// All of these can be done again from the start: a request whose answer was lost is repeated, by the client or another node, and comes to the same end.
//
// # What is remembered
//
// A process remembers what does not change (cache.go, place.go), and asks through Facts for what does (facts.go, shared.go). Neither is needed.
//
// # Errors
//
// Failures that a client may hear of are of type *Error; CodeOf sorts all others. Nothing is logged here.
package storage
