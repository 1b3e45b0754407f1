package s3

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/registryd/registryd/internal/drivers"
)

// maxList is the longest page there is.
const maxList = 1000

// behindGroup sorts behind every key that starts with a group: keys hold nothing above '~'.
const behindGroup = "\x7f"

// List is one ListObjectsV2. It goes on by start-after, not by a continuation token, so that a page can be asked for by any process.
func (d *Driver) List(ctx context.Context, opts drivers.ListOptions) (drivers.Page, error) {
	if opts.Delimiter != "" && opts.Delimiter != "/" {
		return drivers.Page{}, fmt.Errorf("list %s: the delimiter %q is not supported", opts.Prefix, opts.Delimiter)
	}
	if !isPrefix(opts.Prefix) {
		return drivers.Page{}, ctx.Err() // some stores refuse to look for what cannot be there
	}
	ctx, cancel := context.WithTimeout(ctx, smallTimeout)
	defer cancel()
	limit := int32(maxList)
	if opts.Limit > 0 {
		limit = int32(min(opts.Limit, maxList))
	}
	in := &s3.ListObjectsV2Input{Bucket: &d.config.Bucket, Prefix: d.at(opts.Prefix), MaxKeys: &limit}
	if opts.Delimiter != "" {
		in.Delimiter = &opts.Delimiter
	}
	if opts.After != "" {
		in.StartAfter = d.at(startAfter(opts))
	}
	out, err := d.client.ListObjectsV2(ctx, in)
	if err != nil {
		return drivers.Page{}, explain(ctx, "list", opts.Prefix, err)
	}
	var page drivers.Page
	last := ""
	for _, object := range out.Contents {
		key := d.key(aws.ToString(object.Key))
		last = max(last, key)
		if drivers.CheckKey(key) != nil || key <= opts.After {
			continue // folders that other tools made, and stores that begin at start-after itself
		}
		page.Objects = append(page.Objects, drivers.Info{
			Key: key, Size: aws.ToInt64(object.Size), ETag: aws.ToString(object.ETag), ModTime: aws.ToTime(object.LastModified),
		})
	}
	for _, group := range out.CommonPrefixes {
		prefix := d.key(aws.ToString(group.Prefix))
		last = max(last, prefix)
		if prefix > opts.After && !strings.HasPrefix(opts.After, prefix) {
			page.Groups = append(page.Groups, prefix)
		}
	}
	// A full page may be the last one; MinIO says of some that they are when they are not.
	if full := len(out.Contents)+len(out.CommonPrefixes) >= int(limit); full || aws.ToBool(out.IsTruncated) {
		if last == "" {
			return drivers.Page{}, fmt.Errorf("list %s: the store cut off an empty page", opts.Prefix)
		}
		page.Next = last
	}
	return page, nil
}

// isPrefix says whether a key may begin like that.
func isPrefix(s string) bool {
	return s == "" || drivers.CheckKey(s) == nil || drivers.CheckKey(s+"x") == nil
}

// startAfter leaves out the rest of the group that After stands in. A byte that no key can hold, on which stores choke, is replaced by what leads to the
// same place.
func startAfter(opts drivers.ListOptions) string {
	for i := range len(opts.After) {
		if c := opts.After[i]; c < ' ' {
			opts.After = opts.After[:i]
			break
		} else if c > '~' {
			opts.After = opts.After[:i] + behindGroup
			break
		}
	}
	if opts.Delimiter == "" {
		return opts.After
	}
	rest, ok := strings.CutPrefix(opts.After, opts.Prefix)
	if !ok {
		return opts.After
	}
	if i := strings.Index(rest, opts.Delimiter); i >= 0 {
		return opts.Prefix + rest[:i+1] + behindGroup
	}
	return opts.After
}
