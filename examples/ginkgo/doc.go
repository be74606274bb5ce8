// Package ginkgo shows experiments as ordinary Ginkgo specs, against the shop on a
// mesh of this machine: `go test ./examples/ginkgo`, or `ginkgo ./examples/ginkgo`.
package ginkgo
