// Package s3 is the driver contract on a bucket of any S3-compatible store, by its own requests: conditional PUTs, ranged GETs, multipart uploads,
// ListObjectsV2.
//
// # Layout
//
// The object at a key is the object of that name below Config.RootDirectory, and nothing else is kept anywhere.
//
// # Uploads
//
// A Session is a list of parts, named by number and ETag, and a tail: bytes that are no part yet, as an object of their own. What stays below the size of
// one part is a tail alone, at the session's own key: one PUT, and Commit has nothing to do. As soon as more comes, a multipart upload begins to the
// fresh key of that Append; parts go out four at a time from pooled blocks of memory, and the rest becomes the tail. The tail is prepended to what comes
// next; it is streamed from the store for that, at most 5 MiB or, when an upload of one object grows, its first part.
//
// Nothing that a Session names is ever overwritten: tails have a key for each attempt, parts have numbers in a lane that each Append draws at random,
// and Complete names the ETag of every part, so that the bytes under a key are those that were hashed or there are none. A tail goes once the client
// has shown that it holds a later Session.
//
// All uploads of a process share one budget of memory. When it is used up, an upload writes what it has, as a small part or a tail, and waits with
// nothing in its hands.
//
// Commit is CompleteMultipartUpload. When its answer is lost, the repetition finds the upload gone, and the object with the upload's token in its metadata,
// the right size, and the ETag that follows from the parts.
//
// # Retries
//
// Each request is tried up to five times with jittered backoff, as far as the budget for retries of the SDK goes; then the error is ErrUnavailable. A body
// is sent again from memory. A condition that fails at a second attempt is compared with what stands there: it may be our own first attempt.
//
// # Permissions
//
// On the bucket s3:ListBucket and s3:ListBucketMultipartUploads; on its objects s3:GetObject, s3:PutObject, s3:DeleteObject, s3:AbortMultipartUpload; with
// a KMS key kms:GenerateDataKey and kms:Decrypt.
//
// # Stores
//
// Conditional PUTs must be honest: Check proves it and says so when they are not. AWS S3, MinIO, Ceph from Squid on, Cloudflare R2 (uniformparts: true) have
// them. MinIO drops multipart uploads after 24 hours by itself.
// versitygw 1.8 over a directory is honest too, by every Check that was run.
package s3
