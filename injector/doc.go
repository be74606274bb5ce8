// Package injector puts faults into an Istio mesh and takes them out again.
//
// A [Fault] is a plain value: an [Effect], on a [Service], made at a [Site]. A
// plan turns faults and the objects in the cluster into edits, and writes
// nothing; an injection writes them; a revert takes them out:
//
//	plan, err := in.Plan(ctx, injector.NewRunID(), faults, limits, time.Now().Add(10*time.Minute))
//	if err != nil {
//		return err // nothing was written
//	}
//	injection, err := in.Inject(ctx, plan)
//	defer func() { err = errors.Join(err, injection.Revert(context.WithoutCancel(ctx))) }()
//
// # What is written
//
// At the Caller site, the VirtualService that rules the service for the callers
// gets, right before each of its HTTP routes, a clone of that route, named
// faultline-<run>-<n>, which has the fault and asks for the run's header in
// every match; several clones where an effect has several parts. The user's own
// routes are never edited. Where no VirtualService rules the service, one of our
// own is created. What routes need beside them, the ServiceEntry of a
// [Blackhole], is written before them and deleted after them.
//
// Callers at a gateway are asked for by name ([Callers]): they come by the
// routes of every VirtualService that is bound to it, and each of those that
// lead to the service gets its clones.
//
// Of a route that delegates to another VirtualService it is the root's that is
// cloned, delegate and all: Istio hands its fault down to the child's routes.
// The response header goes only to those that set no headers of their own.
//
// At the Upstream site an EnvoyFilter of our own, faultline.<run>, puts a fault
// filter before the router in the inbound listener of the chosen pods. A pod is
// chosen by its name when the plan is made: one that is born later has no
// fault. Pods that serve several Services on one port show the fault to the
// callers of all of them.
//
// A request belongs to a run by the header x-faultline-run: <run> or by the
// member faultline-run=<run> of its baggage header. A match can ask only one
// thing of a header, so a route that already asks for one of the two gets its
// clone for the other alone. Headers of the fault's own take their place.
//
// # Rules that always hold
//
//  1. What cannot be decided is refused, with a sentence that says what would
//     be right, and nothing is written. See [RefusedError].
//  2. Every write of an existing object carries the resourceVersion it was made
//     from. On a conflict the edit is planned again on what is there.
//  3. The write that makes an edit also says how to undo it: the label
//     faultline.dev/faulted, and the annotation faultline.dev/run.<run> with
//     who made it, until when, and which routes. There is no other record. The
//     run's Lease, which says that the run is alive, comes before the first
//     write and goes after the last.
//  4. Reverting removes routes by name and the run's own marks, and nothing
//     else: what others changed since stays. When nobody did, spec and metadata
//     are what they were. The label goes with the last run's mark.
//  5. Objects that a run created are deleted, by UID.
//  6. A revert is done only when the object was read back without a trace of
//     the run. Otherwise it is a [NotRevertedError].
//  7. What is about to be written is held against the limits once more.
//  8. A write whose outcome is unknown counts as perhaps written.
//  9. What somebody else takes out is not put back: the run ends. See
//     [Injection.Context].
//  10. The faults of a run that is dead are anyone's to take out; see
//     [Injector.RevertStale]. That it is dead is judged by the API server's clock
//     and one's own monotonic one, never by a client's time of day.
//  11. Where there is a halt flag nothing is written but reverts. See
//     [Injector.Halt].
//
// Whether the proxies have the fault, and whether it fired, is not known here:
// [Edit.ShownIn] is what to ask of their configuration.
package injector
