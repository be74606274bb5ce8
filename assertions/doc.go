// Package assertions holds gomega matchers for resilience tests: for what a load
// got back from a mesh, and for what the proxies of the mesh did meanwhile.
//
//	import . "github.com/faultline-mesh/faultline/assertions"
//
//	Expect(report.During).To(HaveSuccessRate(AtLeast(0.99)))
//	Expect(report.During).To(HaveLatency(P99, AtMost(800*time.Millisecond)))
//	Expect(report.During).To(HaveEjected("payments", AtLeast(1)))
//
// A matcher that does not hold says so in one sentence with units, and in one
// line what it judged by:
//
//	Expected p99 latency to be at most 800ms, but it was 989ms
//	    1000 requests, 50.0% ok (200 ×500, 503 ×500), p50 499ms, p99 989ms
//
// Rules:
//
//   - Matchers of the load take any value with a method LoadResult()
//     loadgen.Result, matchers of the mesh any with MeshChange() observe.Change:
//     a Result and a Change themselves, or a phase of a report.
//   - Bounds are [AtLeast] and [AtMost], or any gomega matcher in their place.
//     Shares are from 0 to 1.
//   - There are three outcomes. Match returns true or false about the system, and
//     an error when the matcher was misused. An error that is a [NoSamples] says
//     that there was too little to judge by: the question stays open.
//   - Matchers keep no state. One value may judge any number of phases, also at
//     once.
package assertions
