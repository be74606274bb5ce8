package sabotage

import (
	"syscall"
	"time"
)

// proxyCases are those in which proxies do not do what the objects say.
func proxyCases() []sabotage {
	return []sabotage{
		{
			name: "config held back", does: "istiod is stopped before the fault is written",
			honest: slowBack, before: (*scene).unvalidated, when: "inject", while: (*scene).holdIstiod,
			want: "Inconclusive", words: "did not show the fault in time",
		},
		{
			name: "one proxy stuck", does: "one of front's two proxies refuses what istiod sends it",
			honest: slowBack, before: (*scene).refuseRoutes,
			want: "Inconclusive", words: "1 of ",
		},
		{
			name: "revert held back", does: "istiod is stopped before the fault is taken out",
			honest: slowBack, before: (*scene).unvalidated, when: "revert", while: (*scene).holdIstiod,
			want: "Inconclusive", words: "did not drop the fault in time",
		},
		{
			name: "proxy restarted", does: "one of front's two proxies is killed in the fault phase, and retries at the gateway hide it",
			honest: slowBack, when: "during", while: func(s *scene) { s.killProxy("front") },
			want: "Inconclusive", words: "Pod lab/front-",
		},
		{
			name: "faulted pod restarted", does: "the proxy that makes the fault is killed in the fault phase",
			honest: flakyBack, when: "during", while: func(s *scene) { s.killProxy("back") },
			want: "Inconclusive", words: "Pod lab/back-",
		},
		{
			name: "faults switched off", does: "every proxy's runtime has fault.http.max_active_faults=0, as after a halt that nobody released",
			honest: slowBack, before: func(s *scene) { s.switchOff("front", -1) },
			want: "Inconclusive", words: "nothing shows that the fault fired",
		},
		{
			name: "faults switched off in one proxy", does: "the runtime of one of front's two proxies has fault.http.max_active_faults=0",
			honest: slowBack, before: func(s *scene) { s.switchOff("front", 0) },
			want: "Inconclusive", words: "did not fire on every proxy",
		},
		{
			name: "all pods of the target gone", does: "back has no pods for a while in the fault phase",
			honest: backDown, when: "during", while: func(s *scene) { s.scale("back-v1", 0); s.scale("back-v2", 0) },
			want: "Inconclusive", words: "back",
		},
		{
			name: "faults switched off in one pod", does: "the same in one of back's pods",
			honest: flakyBack, before: func(s *scene) { s.switchOff("back", 0) },
			want: "Inconclusive", words: "back",
		},
		{
			name: "pod born without the fault", does: "back grows by pods that have no fault, in the fault phase",
			honest: flakyBack, when: "during", while: func(s *scene) { s.scale("back-v1", 4) },
			want: "Inconclusive", words: "the fault was not in all pods",
		},
		{
			name: "ramp without one pod", does: "the fault goes up by a ramp, and it is switched off in one of back's pods",
			honest: rampedBack, before: func(s *scene) { s.switchOff("back", 0) },
			want: "Inconclusive", words: "did not fire on every proxy",
		},
	}
}

// refuseRoutes makes the first proxy of front refuse its routes, as a filter does
// that its version does not know.
func (s *scene) refuseRoutes() {
	s.Helper()
	s.create(`
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: sabotage, namespace: lab}
spec:
  configPatches:
  - applyTo: VIRTUAL_HOST
    match: {context: SIDECAR_OUTBOUND, proxy: {metadata: {NAME: ` + s.pods("front")[0].Name + `}}}
    patch:
      operation: MERGE
      value: {retry_policy: {retry_back_off: {base_interval: 10s, max_interval: 1s}}}
`)
}

// killProxy kills the Envoy of an app's first pod. The pod starts it again.
func (s *scene) killProxy(app string) {
	s.Helper()
	pod := s.pods(app)[0].Name
	pid, err := lab.PodPid("lab", pod, "istio-proxy")
	s.beside(func() {
		s.after(300 * time.Millisecond) // well into the phase
		s.signal(pid, err, syscall.SIGKILL)
	})
	s.undo = append(s.undo, func() {
		eventually(s, pod+" is back", func() bool {
			now, err := lab.PodPid("lab", pod, "istio-proxy")
			return err == nil && now != pid && s.ready(app)
		})
	})
}

// ready reports whether all pods of an app are.
func (s *scene) ready(app string) bool {
	for _, pod := range s.pods(app) {
		for _, c := range pod.Status.Conditions {
			if c.Type == "Ready" && c.Status != "True" {
				return false
			}
		}
	}
	return true
}

// switchOff switches faults off in the proxies of an app, or in the nth of them.
func (s *scene) switchOff(app string, nth int) {
	s.Helper()
	proxies, err := s.mesh.Proxies(s.ctx, "lab")
	if err != nil {
		s.Fatal(err)
	}
	n := 0
	for _, p := range proxies {
		if p.Labels["app"] != app {
			continue
		}
		if n++; nth >= 0 && n != nth+1 {
			continue
		}
		if err := s.mesh.OverrideRuntime(s.ctx, p, "fault.http.max_active_faults", "0"); err != nil {
			s.Fatal(err)
		}
		s.undo = append(s.undo, func() {
			if err := s.mesh.OverrideRuntime(s.ctx, p, "fault.http.max_active_faults", ""); err != nil {
				s.Error(err)
			}
		})
	}
}

// scale changes the number of pods; the undoing waits until they are ready.
func (s *scene) scale(deployment string, replicas int) {
	s.Helper()
	s.undo = append(s.undo, func() {
		if err := lab.Deploy(s.ctx, "testdata/lab"); err != nil {
			s.Error(err)
		}
	})
	s.patch("Deployment", deployment, "spec: {replicas: "+string(rune('0'+replicas))+"}")
}
