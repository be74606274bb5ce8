package meshtest_test

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/faultline-mesh/faultline/observe"
)

// istiod is found, asked and read as on a cluster.
func TestIstiodIsAPod(t *testing.T) {
	mesh, err := observe.New(shared.Config())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = mesh.Close() }() // nothing follows from it
	all, err := mesh.Syncz(t.Context(), "istio-system")
	if err != nil {
		t.Fatal(err)
	}
	proxies, err := mesh.Proxies(t.Context())
	if err != nil || len(proxies) == 0 {
		t.Fatal(len(proxies), err)
	}
	for _, p := range proxies {
		sync, known := all[p.Namespace+"/"+p.Pod]
		if !known || len(sync.Refused) > 0 {
			t.Errorf("%s: %t, %s", p, known, sync)
		}
	}
	pods := client(t).CoreV1().Pods("istio-system")
	log, err := pods.GetLogs("istiod", logOptions("discovery")).DoRaw(t.Context())
	if err != nil || !strings.Contains(string(log), "Pilot") && !strings.Contains(string(log), "xds") && !strings.Contains(string(log), "ads") {
		t.Errorf("its log: %v, %d bytes", err, len(log))
	}
	pod, err := pods.Get(t.Context(), "istiod", metav1.GetOptions{})
	if err != nil || pod.Status.Phase != "Running" || !pod.Status.ContainerStatuses[0].Ready {
		t.Errorf("%v: %+v", err, pod.Status)
	}
}

// An Envoy knows when it began, and says the same each time.
func TestWhenAnEnvoyBegan(t *testing.T) {
	mesh, err := observe.New(shared.Config())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = mesh.Close() }() // nothing follows from it
	proxies, err := mesh.Proxies(t.Context(), "shop")
	if err != nil || len(proxies) == 0 {
		t.Fatal(len(proxies), err)
	}
	first, err := mesh.Started(t.Context(), proxies[0])
	if err != nil {
		t.Fatal(err)
	}
	again, err := mesh.Started(t.Context(), proxies[0])
	if err != nil || !again.Equal(first) {
		t.Errorf("it began at %s, and then at %s (%v)", first, again, err)
	}
	if !proxies[0].Ready || proxies[0].UID == "" {
		t.Errorf("%+v", proxies[0])
	}
}
