// Package corpus holds the test that puts faults into every VirtualService of
// Istio's own samples and tests, on a real API server, and takes them out again.
// It has no code of its own.
package corpus
