package events

import (
	"encoding/json"
	"fmt"
)

// Format is how events look on the wire.
type Format string

// The formats.
const (
	DistributionV1 Format = "distribution-v1" // CNCF Distribution 2.x
	DistributionV2 Format = "distribution-v2" // CNCF Distribution 3.x; the default
	CloudEvents    Format = "cloudevents"     // CloudEvents 1.0, structured JSON
)

// The media types of the formats.
const (
	MediaTypeV1               = "application/vnd.docker.distribution.events.v1+json"
	MediaTypeV2               = "application/vnd.docker.distribution.events.v2+json"
	MediaTypeCloudEvents      = "application/cloudevents+json; charset=utf-8"
	MediaTypeCloudEventsBatch = "application/cloudevents-batch+json; charset=utf-8"
)

// message is the body of a request to an endpoint.
type message struct {
	mediaType string
	body      []byte
}

// encode writes events as an endpoint gets them. The formats of CNCF Distribution hold any number in one envelope. A CloudEvent stands alone, unless
// batch says that the endpoint takes lists: then also a single one is in a list, so that the endpoint need expect one media type only.
func (f Format) encode(events []Event, batch bool) (message, error) {
	var body any
	mediaType := MediaTypeV2
	switch {
	case f == DistributionV1:
		mediaType, body = MediaTypeV1, envelope(events, inV1)
	case f == DistributionV2:
		body = envelope(events, inV2)
	case f == CloudEvents && batch:
		mediaType, body = MediaTypeCloudEventsBatch, each(events, inCloudEvents)
	case f == CloudEvents && len(events) == 1:
		mediaType, body = MediaTypeCloudEvents, inCloudEvents(&events[0])
	case f == CloudEvents:
		return message{}, fmt.Errorf("write %d events as one CloudEvent: send them one by one, or let the endpoint take batches", len(events))
	default:
		return message{}, fmt.Errorf("write events in the format %q: use distribution-v1, distribution-v2 or cloudevents", f)
	}
	b, err := json.Marshal(body)
	if err != nil {
		return message{}, fmt.Errorf("write events as %s: %w", f, err)
	}
	return message{mediaType, b}, nil
}

func each[T any](events []Event, convert func(*Event) T) []T {
	list := make([]T, len(events))
	for i := range events {
		list[i] = convert(&events[i])
	}
	return list
}
