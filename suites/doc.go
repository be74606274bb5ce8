// Package suites runs experiments inside ordinary Ginkgo specs.
//
//	var _ = Describe("recommendations is slow", Serial, func() {
//		It("checkout still answers", func(ctx SpecContext) {
//			report := suites.Run(ctx, cluster, slowRecommendations)
//			Expect(report.During).To(HaveSuccessRate(AtLeast(0.99)))
//		}, SpecTimeout(3*time.Minute))
//	})
package suites
