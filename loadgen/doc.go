// Package loadgen sends HTTP requests at a steady rate and keeps a sample of
// each, so that a run can be cut into before, during and after.
//
//	load := loadgen.Load{URL: "http://shop.example/checkout", Rate: 50, Duration: time.Minute}
//	result, err := load.Run(ctx)
//	// result.String(): 3000 requests, 99.9% ok (200 ×2997, 503 ×3), p50 4.1ms, p99 38ms
//
// Rules, in order of importance:
//
//   - The load is open: a schedule made before the first request says when each
//     is sent, however slow the answers are. Latency counts from the time the
//     schedule intended, so a target that stalls cannot make its own delay
//     disappear by holding up the sender.
//   - At most [Load.MaxInFlight] requests are on their way at once. When that is
//     too few, requests leave late. None is left out: the delay is in
//     [Sample.Lag], and in [Sample.Latency] because that counts from the schedule.
//   - When the context ends, so does the load, within milliseconds: requests on
//     their way are cut off and are not samples, since nobody knows how they
//     would have ended. When [Load.Duration] ends, they are awaited.
//   - Connections are kept and reused, redirects are not followed, bodies are
//     read to their end and thrown away, and the proxy variables of the
//     environment (HTTP_PROXY and its like) have no effect.
//   - Every request carries its number in the header X-Vegeta-Seq: a number that
//     a server sees twice was retried on the way.
package loadgen
