package meshtest

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestUnsynced(t *testing.T) {
	for _, c := range []struct{ name, syncz, want, err string }{
		{name: "no proxies", syncz: `[]`},
		{name: "all acknowledged", syncz: `[{"proxy":"a.shop","route_sent":"1","route_acked":"1","cluster_sent":""}]`},
		{name: "in flight", syncz: `[{"proxy":"a.shop","route_sent":"2","route_acked":"1"}]`, want: "a.shop has not acknowledged its route configuration"},
		{name: "never acknowledged", syncz: `[{"proxy":"a.shop","cluster_sent":"2"}]`, want: "a.shop has not acknowledged its cluster configuration"},
		{name: "not JSON", syncz: `oops`, err: "/debug/syncz"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := unsynced([]byte(c.syncz))
			if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("got %q, %v; want %q, %q", got, err, c.want, c.err)
			}
		})
	}
}

func TestReadManifests(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"a.yaml":    "# only a comment\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: two, namespace: x}\n",
		"b.json":    `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"three"}}`,
		"notes.txt": "not a manifest",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	objects, err := readManifests([]string{dir})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, o := range objects {
		names = append(names, o.String())
	}
	if got := strings.Join(names, ", "); got != "ConfigMap one, ConfigMap x/two, ConfigMap three" {
		t.Errorf("read %s", got)
	}
	if want := "a.yaml, document 3"; !strings.HasSuffix(objects[1].source, want) {
		t.Errorf("source %q, want %q", objects[1].source, want)
	}
	if _, err := readManifests([]string{t.TempDir(), filepath.Join(dir, "none")}); err == nil ||
		!strings.Contains(err.Error(), "holds no .yaml") || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("both problems must be told, got %v", err)
	}
}

func TestSidecarsGoWhereIstioWouldInjectThem(t *testing.T) {
	for _, c := range []struct {
		name      string
		namespace map[string]string
		pod       map[string]string
		want      bool
	}{
		{"plain namespace", nil, nil, false},
		{"labelled namespace", map[string]string{"istio-injection": "enabled"}, nil, true},
		{"revision label", map[string]string{"istio.io/rev": "default"}, nil, true},
		{"pod opts out", map[string]string{"istio-injection": "enabled"}, map[string]string{"sidecar.istio.io/inject": "false"}, false},
		{"pod opts in", nil, map[string]string{"sidecar.istio.io/inject": "true"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", Labels: c.pod}}
			bind(pod, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Labels: c.namespace}})
			if hasProxy(pod) != c.want || (pod.Labels[podLabel] == "p") != c.want || pod.Spec.NodeName != nodeName {
				t.Errorf("got %+v", pod)
			}
			bind(pod, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Labels: c.namespace}})
			if len(pod.Spec.Containers) > 1 {
				t.Error("a second sidecar was added")
			}
		})
	}
}

// What a proxy exports decides what faultline may lean on: the default must be
// Istio's.
func TestBootstrapExportsIstiosStatsOnly(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "shop", Labels: map[string]string{"app": "p"}}}
	for _, all := range []bool{false, true} {
		text, err := bootstrap(sidecarNode(pod, "127.20.1.1"), "http://127.20.1.1:15000", "127.20.0.1:15010", all)
		if err != nil {
			t.Fatal(err)
		}
		var config struct {
			Node  struct{ ID string }
			Stats *struct{} `json:"stats_config"`
		}
		if err := json.Unmarshal(text, &config); err != nil {
			t.Fatal(err)
		}
		if config.Node.ID != "sidecar~127.20.1.1~p.shop~shop.svc.cluster.local" {
			t.Errorf("node id %q", config.Node.ID)
		}
		if (config.Stats == nil) != all {
			t.Errorf("all stats %t: stats_config is there: %t", all, config.Stats != nil)
		}
	}
	if _, err := bootstrap(proxyNode{}, "http://nowhere", "x:1", false); err == nil {
		t.Error("an address without a port was taken")
	}
}

func TestCopySparse(t *testing.T) {
	content := append(bytes.Repeat([]byte{0}, 200<<10), []byte("the end")...)
	from, to := filepath.Join(t.TempDir(), "from"), filepath.Join(t.TempDir(), "to")
	if err := os.WriteFile(from, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := copyFile(from, to); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(to); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes, want %d (%v)", len(got), len(content), err)
	}
}

func TestBlocksAreApart(t *testing.T) {
	a, err := takeBlock()
	if err != nil {
		t.Fatal(err)
	}
	b, err := takeBlock()
	if err != nil {
		t.Fatal(err)
	}
	if a.node() == b.node() {
		t.Errorf("two meshes have %s", a.node())
	}
	seen := map[string]bool{a.node(): true}
	for n := range 1000 {
		pod, err := a.pod(n)
		if err != nil {
			t.Fatal(err)
		}
		if seen[pod] || seen[a.outbound(n)] {
			t.Fatalf("pod %d shares %s or %s", n, pod, a.outbound(n))
		}
		seen[pod], seen[a.outbound(n)] = true, true
	}
	if _, err := a.pod(1 << 20); err == nil {
		t.Error("a block has room for a million pods")
	}
	if err := a.release(); err != nil {
		t.Error(err)
	}
	if err := b.release(); err != nil {
		t.Error(err)
	}
}

// The key of a build must change with whatever goes into it.
func TestSourceKey(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", "module a")
	write("go.sum", "one")
	write("main.go", "package main")
	keys := map[string]bool{}
	for _, change := range []func(){func() {}, func() { write("go.sum", "two") }, func() { write("main.go", "package main //") }} {
		change()
		key, err := sourceKey(dir)
		if err != nil || keys[key] {
			t.Errorf("key %s again (%v)", key, err)
		}
		keys[key] = true
		if again, _ := sourceKey(dir); again != key {
			t.Errorf("keys %s and %s of the same sources", key, again)
		}
	}
}

func TestAMissingEnvoyIsTold(t *testing.T) {
	t.Setenv("FAULTLINE_ENVOY", filepath.Join(t.TempDir(), "envoy"))
	if _, err := ensureEnvoy(t.Context(), t.TempDir(), func(string) {}); err == nil || !strings.Contains(err.Error(), "FAULTLINE_ENVOY") {
		t.Errorf("got %v", err)
	}
	t.Setenv("FAULTLINE_ENVOY", "")
	t.Setenv("PATH", t.TempDir())
	_, err := ensureEnvoy(t.Context(), t.TempDir(), func(string) {})
	if err == nil || !strings.Contains(err.Error(), "no Envoy to be found") || !strings.Contains(err.Error(), "set FAULTLINE_ENVOY") {
		t.Errorf("got %v", err)
	}
}
