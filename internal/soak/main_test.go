package soak

import (
	"flag"
	"testing"

	"github.com/faultline-mesh/faultline/examples/shop/shopmesh"
	"github.com/faultline-mesh/faultline/experiments"
	"github.com/faultline-mesh/faultline/meshtest"
)

var (
	runs = flag.Int("soak.n", 2, "runs that there are to be, in all")
	most = flag.Int("soak.most", 0, "runs that this process does at most; 0: all of them")
	file = flag.String("soak.log", "", "file with a line for each run that is done, so that an interrupted soak goes on; empty: none")

	mesh *meshtest.Mesh
)

func TestMain(m *testing.M) {
	experiments.Main(shopmesh.Around(m, func(shop *meshtest.Mesh) { mesh = shop }))
}
