package events

import (
	"bytes"
	"encoding/json"
	"net/url"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// consumed is what a consumer of CNCF Distribution's notifications declares, with the target of 2.x or of 3.x.
type consumed[T any] struct {
	Events []struct {
		ID        string    `json:"id,omitempty"`
		Timestamp time.Time `json:"timestamp"`
		Action    string    `json:"action,omitempty"`
		Target    T         `json:"target"`
		Request   struct {
			ID        string `json:"id"`
			Addr      string `json:"addr,omitempty"`
			Host      string `json:"host,omitempty"`
			Method    string `json:"method"`
			UserAgent string `json:"useragent"`
		} `json:"request"`
		Actor struct {
			Name string `json:"name,omitempty"`
		} `json:"actor"`
		Source struct {
			Addr       string `json:"addr,omitempty"`
			InstanceID string `json:"instanceID,omitempty"`
		} `json:"source"`
	} `json:"events,omitempty"`
}

type consumedTarget2 struct {
	oldDescriptor
	Length         int64           `json:"length,omitempty"`
	Repository     string          `json:"repository,omitempty"`
	FromRepository string          `json:"fromRepository,omitempty"`
	URL            string          `json:"url,omitempty"`
	Tag            string          `json:"tag,omitempty"`
	References     []oldDescriptor `json:"references,omitempty"`
}

type consumedTarget3 struct {
	v1.Descriptor
	Length         int64           `json:"length,omitempty"`
	Repository     string          `json:"repository,omitempty"`
	FromRepository string          `json:"fromRepository,omitempty"`
	URL            string          `json:"url,omitempty"`
	Tag            string          `json:"tag,omitempty"`
	References     []v1.Descriptor `json:"references,omitempty"`
}

type oldDescriptor struct {
	MediaType   string            `json:"mediaType,omitempty"`
	Size        int64             `json:"size,omitempty"`
	Digest      digest.Digest     `json:"digest,omitempty"`
	URLs        []string          `json:"urls,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Platform    *v1.Platform      `json:"platform,omitempty"`
}

// TestConsumersUnderstand: what a consumer declares takes in every member, and gives the very same text when it is written out again.
func TestConsumersUnderstand(t *testing.T) {
	t.Parallel()
	for name, event := range samples {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var old consumed[consumedTarget2]
			roundTrip(t, DistributionV1, event, &old)
			var now consumed[consumedTarget3]
			roundTrip(t, DistributionV2, event, &now)
			got := now.Events[0]
			if got.ID != event.ID || !got.Timestamp.Equal(event.Time) || got.Action != string(event.Action) || got.Target.Digest != event.Target.Digest ||
				got.Target.Size != got.Target.Length || got.Target.Repository != repository || got.Target.Tag != string(event.Target.Tag) {
				t.Errorf("a consumer sees %+v of %+v", got, event)
			}
		})
	}
}

func roundTrip(t *testing.T, format Format, event Event, into any) {
	t.Helper()
	m, err := format.encode([]Event{event}, false)
	if err != nil {
		t.Fatal(err)
	}
	strict(t, m.body, into)
	again, err := json.MarshalIndent(into, "", "   ")
	if err != nil {
		t.Fatal(err)
	}
	if want := bytes.TrimSpace(indent(t, m.body)); !bytes.Equal(again, want) {
		t.Errorf("as %s a consumer reads\n%s\nof\n%s", format, again, want)
	}
}

func strict(t *testing.T, b []byte, into any) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
}

// TestCloudEventsAreValid: the attributes that CloudEvents 1.0 requires are there and of their types.
func TestCloudEventsAreValid(t *testing.T) {
	t.Parallel()
	for name, event := range samples {
		m, err := CloudEvents.encode([]Event{event}, false)
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			SpecVersion     string    `json:"specversion"`
			ID              string    `json:"id"`
			Source          string    `json:"source"`
			Type            string    `json:"type"`
			Subject         string    `json:"subject"`
			Time            time.Time `json:"time"`
			DataContentType string    `json:"datacontenttype"`
			Data            json.RawMessage
		}
		strict(t, m.body, &got)
		source, err := url.Parse(got.Source)
		if err != nil || source.Host != "registry.example.com" || got.SpecVersion != "1.0" || got.ID != event.ID || !got.Time.Equal(event.Time) ||
			got.DataContentType != "application/json" || got.Type != "com.github.registryd."+string(event.Kind)+"."+string(event.Action) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}
