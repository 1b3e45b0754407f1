//go:build race

package events

// raceDetector makes everything slower, so that no rate can be expected.
const raceDetector = true
