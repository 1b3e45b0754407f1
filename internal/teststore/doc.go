// Package teststore starts the real programs that tests run against: object stores and Redis. They listen on free loopback ports, keep their data in
// temporary folders, and end with the test process, whatever way that ends.
package teststore
