package main

import (
	"net/http"

	"github.com/registryd/registryd/internal/api"
	"github.com/registryd/registryd/internal/metrics"
)

// observer brings what the api sees to the metrics.
type observer struct{ *metrics.HTTP }

func (o observer) Begin(route, method string) { o.HTTP.Begin(isUpload(route, method)) }

func (o observer) End(x api.Exchange) {
	o.HTTP.End(metrics.Request{
		Route: x.Route, Method: x.Method, Upload: isUpload(x.Route, x.Method),
		Status: x.Status, In: x.In, Out: x.Out, Duration: x.Took,
	})
}

// isUpload tells whether a request may bring bytes of a blob.
func isUpload(route, method string) bool {
	switch method {
	case http.MethodPost:
		return route == "uploads"
	case http.MethodPatch, http.MethodPut:
		return route == "upload"
	}
	return false
}
