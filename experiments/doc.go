// Package experiments proves how services and mesh policies behave while a fault
// is in force.
//
//	runner, err := experiments.NewRunner(config)
//	report, err := runner.Run(ctx, experiments.Experiment{
//		Title:       "checkout stays fast while recommendations is slow",
//		Faults:      []injector.Fault{{On: recommendations, Site: injector.Caller, Effect: slow}},
//		Load:        loadgen.Load{URL: "http://shop.example/checkout", Rate: 50},
//		SteadyState: []experiments.Matcher{HaveSuccessRate(AtLeast(0.99))},
//	})
//
// A run goes through these steps, in this order:
//
//  1. Plan: what would be written is computed; a plan that cannot answer the
//     question is refused, and nothing has been written.
//  2. Baseline: load runs, the steady state must hold. If it does not, the run
//     ends Inconclusive and nothing has been written.
//  3. Inject, then wait until every affected proxy shows the fault.
//  4. During: the steady state and the matchers of During must hold; a match of
//     HaltWhen ends the phase.
//  5. Revert, then wait until every affected proxy has dropped the fault. This
//     happens whatever went before: a halt, a panic, a cancelled context.
//  6. Recovery: the steady state must hold again.
//  7. Verdict: [Held] only if the fault is proven to have been in force and to
//     have fired, every matcher held, and every matcher had samples.
//
// A hypothesis that does not hold is a verdict, not an error. An error means that
// the experiment could not be done, or that a fault could not be taken out.
package experiments
