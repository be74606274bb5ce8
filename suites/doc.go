// Package suites runs experiments inside ordinary Ginkgo specs.
//
//	var _ = Describe("recommendations is slow", Serial, func() {
//		It("checkout still answers", func(ctx SpecContext) {
//			report := suites.Run(ctx, cluster, slowRecommendations)
//			Expect(report.During).To(HaveSuccessRate(AtLeast(0.99)))
//		}, SpecTimeout(3*time.Minute))
//	})
//
// The suite's package begins with
//
//	func TestMain(m *testing.M) { experiments.Main(m) }
//
// so that each run has a guard: a process that takes the run's faults out when
// this one is killed. See [experiments.Main].
package suites
