#!/bin/sh
# The event sink: keeps each request of events in a file of its own in /events, shows it in the log, then answers. If it cannot, it answers nothing, and
# the event comes again.
set -e
if [ "$QUERY_STRING" != probe ]; then
	file=$(mktemp /events/XXXXXX)
	cat >"$file"
	{ cat "$file"; echo; } >/proc/1/fd/1
fi
printf 'Status: 202 Accepted\r\nContent-Type: text/plain\r\n\r\n'
