// Package gotest shows experiments in plain go tests, against the shop on a mesh
// of this machine: `go test ./examples/gotest`.
package gotest
