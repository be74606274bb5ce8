// Package observe reads what the proxies of an Istio mesh saw: which hosts they
// sent requests to, how those fared, which hosts outlier detection took out and
// put back, and what configuration is in force. It writes nothing, except that
// [Mesh.OverrideRuntime] can switch off what a proxy does.
//
//	mesh, err := observe.New(cfg)
//	...
//	defer mesh.Close()
//	callers, err := mesh.Proxies(ctx, "shop")
//	...
//	recorder, err := mesh.Record(ctx, callers, observe.DefaultInterval)
//	...
//	defer recorder.Stop()
//	// ... let something happen ...
//	change, err := recorder.Cut(ctx)
//	for _, h := range change.Hosts("payments") {
//		fmt.Println(h.Proxy, h.Host.Address, h.Host.Requests, h.Host.Errors)
//	}
//
// What to rely on:
//
//  1. There is one way to a proxy: a port-forward through the API server to
//     the port 15000 of its Pod, held until the [Mesh] is closed. Nothing
//     listens on this machine, and the mesh needs no add-on.
//  2. The counters of a [Host] are there whatever stats a proxy exports. Of
//     [ProxyState].Stats a proxy of a default Istio exports little; a name
//     that is missing was not exported, a name that is zero was.
//  3. Every proxy counts for itself, and ejects for itself. Nothing here adds
//     up proxies.
//  4. A proxy that cannot be read is an error that names it, never a proxy
//     that saw nothing.
//  5. A [Recorder] sees a proxy at intervals: an ejection that is over within
//     one interval is not noticed, and times are those of the readings.
//     What it read over time is a [Series], of bounded size.
//  6. When istiod changes a cluster (a DestinationRule was written), Envoy
//     makes its hosts anew: their counters begin at zero, which is taken into
//     account, and their ejections are over, which shows as a readmission.
package observe
