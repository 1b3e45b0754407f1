package events

import (
	"strings"
	"time"
)

// typePrefix begins the type of each CloudEvent; kind and action follow: com.github.registryd.manifest.push
const typePrefix = "com.github.registryd."

// cloudEvent is an event in the JSON format of CloudEvents 1.0 (cloudevents/spec, json-format.md). Source and id together name it for ever.
type cloudEvent struct {
	SpecVersion     string         `json:"specversion"`
	ID              string         `json:"id"`
	Source          string         `json:"source"`  // the registry: its URL, or //host
	Type            string         `json:"type"`    // typePrefix, kind, action
	Subject         string         `json:"subject"` // repository[:tag][@digest]
	Time            time.Time      `json:"time"`
	DataContentType string         `json:"datacontenttype"`
	Data            record[target] `json:"data"` // as in distribution-v2, and what OCI 1.1 has brought since
}

type target struct {
	targetV2
	Subject *Descriptor `json:"subject,omitempty"`
}

func inCloudEvents(e *Event) cloudEvent {
	data := target{targetV2: inV2(e).Target, Subject: e.Target.Subject}
	data.ArtifactType = e.Target.ArtifactType
	return cloudEvent{
		SpecVersion:     "1.0",
		ID:              e.ID,
		Source:          e.sourceURI(),
		Type:            typePrefix + string(e.Kind) + "." + string(e.Action),
		Subject:         e.subject(),
		Time:            e.Time,
		DataContentType: "application/json",
		Data:            recordOf(e, data),
	}
}

// sourceURI is never empty, as CloudEvents wants it. The host that the client called, or the node, serves where the registry has no name of its own.
func (e *Event) sourceURI() string {
	if e.Registry != "" {
		return e.Registry
	}
	for _, host := range []string{e.Request.Host, e.Source.Addr} {
		if host != "" && strings.Trim(host, alphanumeric+".-_:[]") == "" { // a client may write anything
			return "//" + host
		}
	}
	return "/v2/"
}

func (e *Event) subject() string {
	subject := string(e.Target.Repository)
	if e.Target.Tag != "" {
		subject += ":" + string(e.Target.Tag)
	}
	if e.Target.Digest != "" {
		subject += "@" + string(e.Target.Digest)
	}
	return subject
}
