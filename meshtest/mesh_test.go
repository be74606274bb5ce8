package meshtest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/faultline-mesh/faultline/meshtest"
)

// In a child of the tests, ownerEnv makes the test binary start a mesh in the
// directory it names, and hold it until it is killed.
const ownerEnv = "FAULTLINE_TEST_MESH"

// The tests share one mesh with the shop in it; those that break something have
// their own.
var (
	shared *meshtest.Mesh
	shop   string // executable of the shop
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(ownerEnv); dir != "" {
		hold(dir)
	}
	os.Exit(withShop(m))
}

func withShop(m *testing.M) int {
	dir, err := os.MkdirTemp("", "shop-")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // the shop's executable
	shop = filepath.Join(dir, "shop")
	if out, err := exec.Command("go", "build", "-o", shop, "../examples/shop").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the shop: %v\n%s", err, out)
		return 1
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	shared = &meshtest.Mesh{
		Images:   map[string]string{"faultline/shop": shop},
		Progress: func(line string) { fmt.Fprintln(os.Stderr, line) },
	}
	if err := shared.Start(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if err := shared.Stop(ctx); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}()
	if err := shared.Deploy(ctx, "../examples/shop/mesh"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// hold is the child's whole life.
func hold(dir string) {
	mesh := meshtest.Mesh{Dir: dir}
	if err := mesh.Start(context.Background()); err != nil {
		panic(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "held"), []byte(mesh.GatewayURL()), 0o600); err != nil {
		panic(err)
	}
	select {}
}

func client(tb testing.TB) *kubernetes.Clientset {
	tb.Helper()
	c, err := kubernetes.NewForConfig(shared.Config())
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// checkout asks the shop, through the ingress gateway.
func checkout(t *testing.T, header ...string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, shared.GatewayURL()+"/checkout", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = "shop.example"
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

func TestTheShopAnswersThroughTheGateway(t *testing.T) {
	status, body := checkout(t)
	if status != http.StatusOK || !strings.Contains(body, `"service":"payments"`) {
		t.Errorf("got %d %s", status, body)
	}
}

// Routing is Istio's doing, so it shows that programs talk through their sidecars.
func TestVirtualServicesTakeEffect(t *testing.T) {
	for range 20 {
		if status, body := checkout(t, "end-user", "jason"); status != http.StatusOK || !strings.Contains(body, "recommendations-v2-") {
			t.Fatalf("jason got %d %s", status, body)
		}
	}
}

func TestPodsLookAsInACluster(t *testing.T) {
	pods, err := client(t).CoreV1().Pods("shop").List(t.Context(), metav1.ListOptions{LabelSelector: "app=payments"})
	if err != nil {
		t.Fatal(err)
	}
	if len(pods.Items) != 3 {
		t.Fatalf("%d payments pods, want 3", len(pods.Items))
	}
	for _, pod := range pods.Items {
		if pod.Status.Phase != "Running" || !strings.HasPrefix(pod.Status.PodIP, "127.") || len(pod.Status.ContainerStatuses) != 2 {
			t.Errorf("Pod %s: %+v", pod.Name, pod.Status)
		}
		for _, c := range pod.Status.ContainerStatuses {
			if !c.Ready {
				t.Errorf("Pod %s: container %s is not ready", pod.Name, c.Name)
			}
		}
	}
}

func TestLogsOfAppAndSidecar(t *testing.T) {
	checkout(t)
	pod := onePod(t, "app=frontend")
	await(t, "the access log to show a request", func() error {
		log, err := client(t).CoreV1().Pods("shop").GetLogs(pod, logOptions("istio-proxy")).DoRaw(t.Context())
		if err == nil && !strings.Contains(string(log), "GET /checkout") {
			err = fmt.Errorf("it has %d bytes without one", len(log))
		}
		return err
	})
	if _, err := client(t).CoreV1().Pods("shop").GetLogs(pod, logOptions("shop")).DoRaw(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := client(t).CoreV1().Pods("shop").GetLogs(pod, logOptions("nobody")).DoRaw(t.Context()); err == nil {
		t.Error("logs of a container that does not exist were served")
	}
}

func TestKubectl(t *testing.T) {
	kubectl, err := exec.LookPath("kubectl")
	if err != nil {
		t.Skip("kubectl is not installed; install it to check get, logs and port-forward with it")
	}
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), kubectl, append([]string{"--kubeconfig", shared.Kubeconfig()}, args...)...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("kubectl %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	if out := run("get", "pods", "-A"); !strings.Contains(out, "2/2") || !strings.Contains(out, "istio-ingressgateway") {
		t.Errorf("get pods:\n%s", out)
	}
	checkout(t)
	if out := run("-n", "shop", "logs", onePod(t, "app=checkout"), "-c", "istio-proxy", "--tail", "1"); strings.Count(out, "\n") != 1 {
		t.Errorf("logs --tail 1:\n%s", out)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	forward := exec.CommandContext(ctx, kubectl, "--kubeconfig", shared.Kubeconfig(), "-n", "shop",
		"port-forward", onePod(t, "app=checkout"), ":15000", "--address", "127.0.0.1")
	out, err := forward.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := forward.Start(); err != nil {
		t.Fatal(err)
	}
	var port int
	if _, err := fmt.Fscanf(out, "Forwarding from 127.0.0.1:%d -> 15000\n", &port); err != nil {
		t.Fatal(err)
	}
	answer, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/ready", port))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, _ := io.ReadAll(answer.Body); string(body) != "LIVE\n" {
		t.Errorf("Envoy's admin says %q", body)
	}
	cancel()
	_ = forward.Wait() // killed
}

// A pod that gets another label must move to another subset.
func TestLabelChangesReachTheProxies(t *testing.T) {
	pod := onePod(t, "app=recommendations,version=v1")
	label := func(version string) {
		t.Helper()
		patch := fmt.Appendf(nil, `{"metadata":{"labels":{"version":%q}}}`, version)
		if _, err := client(t).CoreV1().Pods("shop").Patch(t.Context(), pod, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	jasonGets := func(part string) func() error {
		return func() error {
			for range 50 {
				if _, body := checkout(t, "end-user", "jason"); strings.Contains(body, part) {
					return nil
				}
			}
			return fmt.Errorf("none of 50 answers came from %s", part)
		}
	}
	label("v2")
	await(t, "jason to reach the relabelled pod", jasonGets("recommendations-v1-"))
	label("v1")
	await(t, "the relabelled pod to leave the subset", func() error {
		for range 50 {
			if _, body := checkout(t, "end-user", "jason"); strings.Contains(body, "recommendations-v1-") {
				return errors.New("it still answers")
			}
		}
		return nil
	})
}

func TestScaling(t *testing.T) {
	scale := func(n int) {
		t.Helper()
		patch := fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, n)
		if _, err := client(t).AppsV1().Deployments("shop").Patch(t.Context(), "inventory", types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
		await(t, fmt.Sprintf("%d inventory pods to be ready", n), func() error {
			d, err := client(t).AppsV1().Deployments("shop").Get(t.Context(), "inventory", metav1.GetOptions{})
			if err == nil && (d.Status.ReadyReplicas != int32(n) || d.Status.Replicas != int32(n)) {
				err = fmt.Errorf("%d of %d are", d.Status.ReadyReplicas, d.Status.Replicas)
			}
			return err
		})
	}
	scale(2)
	scale(1)
}

func TestBadManifestsAreRefusedWhole(t *testing.T) {
	const head = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: refused, namespace: shop}\n"
	const good = "\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: refused, namespace: shop}\n"
	pod := func(container string) string {
		return "apiVersion: v1\nkind: Pod\nmetadata: {name: refused, namespace: shop}\nspec: {containers: [" + container + "]}"
	}
	for _, c := range []struct{ name, manifest, want string }{
		{"an image nobody named", pod("{name: a, image: nginx}"), "--image nginx=PATH"},
		{"a command", pod("{name: a, image: faultline/shop, command: [sh]}"), "container a: command:"},
		{"a volume", pod("{name: a, image: faultline/shop, volumeMounts: [{name: v, mountPath: /v}]}"), "has no volumes"},
		{
			"an unknown workload",
			"apiVersion: batch/v1\nkind: Job\nmetadata: {name: refused}\nspec: {template: {spec: {restartPolicy: Never, containers: []}}}",
			"plays Deployments and Pods only",
		},
		{"an unknown field", head + "spec: {hosts: [payments], http: [{timeouts: 1s, route: [{destination: {host: payments}}]}]}", `.spec.http[0].timeouts`},
		{
			"what istiod's validation refuses", head +
				"spec: {hosts: [payments], http: [{fault: {abort: {httpStatus: 999}}, route: [{destination: {host: payments}}]}]}",
			"HTTP status 999 is not in range",
		},
		{"a kind that does not exist", "apiVersion: example.com/v1\nkind: Nothing\nmetadata: {name: refused}", "has no such kind"},
		{"no name", "apiVersion: v1\nkind: ConfigMap\nmetadata: {namespace: shop}", "metadata.name: is missing"},
		{"no object", "just text", "want a Kubernetes object"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := shared.DeployYAML(t.Context(), c.manifest+good)
			var input *meshtest.InputError
			if !errors.As(err, &input) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "manifests, document 1") {
				t.Errorf("got %v, want an InputError with %q", err, c.want)
			}
			if _, err := client(t).CoreV1().ConfigMaps("shop").Get(t.Context(), "refused", metav1.GetOptions{}); err == nil {
				t.Error("something was written")
			}
		})
	}
}

// A program that exits at once fails the deployment at once, with its words.
func TestACrashIsTold(t *testing.T) {
	began := time.Now()
	err := shared.DeployYAML(t.Context(), `
apiVersion: v1
kind: Pod
metadata: {name: crash, namespace: shop, labels: {app: crash}}
spec:
  containers:
  - {name: app, image: faultline/shop, env: [{name: ROLE, value: nonsense}]}
`)
	if err == nil || !strings.Contains(err.Error(), "Pod shop/crash") || !strings.Contains(err.Error(), "exit status") || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
	if err := client(t).CoreV1().Pods("shop").Delete(t.Context(), "crash", metav1.DeleteOptions{}); err != nil {
		t.Error(err)
	}
	await(t, "the pod to go", func() error {
		if _, err := client(t).CoreV1().Pods("shop").Get(t.Context(), "crash", metav1.GetOptions{}); err == nil {
			return errors.New("it is there")
		}
		entries := schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "workloadentries"}
		objects, err := dynamic.NewForConfig(shared.Config())
		if err != nil {
			return err
		}
		if _, err := objects.Resource(entries).Namespace("shop").Get(t.Context(), "crash", metav1.GetOptions{}); err == nil {
			return errors.New("its WorkloadEntry is there")
		}
		return nil
	})
}

func TestAnExecutableThatIsMissing(t *testing.T) {
	mesh := &meshtest.Mesh{Images: map[string]string{"a": "/nowhere/a"}}
	if err := mesh.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer stop(t, mesh)
	err := mesh.DeployYAML(t.Context(), "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, image: a}]}")
	if err == nil || !strings.Contains(err.Error(), `its executable "/nowhere/a" cannot be run`) {
		t.Errorf("got %v", err)
	}
	t.Run("and a second mesh lives beside the first", func(t *testing.T) {
		if mesh.GatewayURL() == shared.GatewayURL() {
			t.Fatalf("both have %s", mesh.GatewayURL())
		}
		if status, _ := checkout(t); status != http.StatusOK {
			t.Errorf("the first answers %d", status)
		}
		answer, err := http.Get(mesh.GatewayURL())
		if err == nil { // a gateway without a Gateway has no listener
			answer.Body.Close()
			t.Errorf("the second answers %s for the first", answer.Status)
		}
	})
	t.Run("a directory in use is refused", func(t *testing.T) {
		again := &meshtest.Mesh{Dir: mesh.Dir}
		if err := again.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "faultline mesh down --dir") {
			t.Errorf("got %v", err)
		}
		if err := mesh.Exited(); err != nil {
			t.Errorf("the refusal hurt the mesh: %v", err)
		}
	})
}

func TestAPortInUseIsTold(t *testing.T) {
	listener, err := net.Listen("tcp", "0.0.0.0:28080")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	err = shared.DeployYAML(t.Context(), `
apiVersion: v1
kind: Pod
metadata: {name: taken, namespace: shop, labels: {app: taken}}
spec:
  containers:
  - {name: app, image: faultline/shop, ports: [{containerPort: 28080}], env: [{name: ROLE, value: inventory}]}
`)
	if err == nil || !strings.Contains(err.Error(), "port 28080") || !strings.Contains(err.Error(), "in use by another program") {
		t.Errorf("got %v", err)
	}
	if err := client(t).CoreV1().Pods("shop").Delete(t.Context(), "taken", metav1.DeleteOptions{}); err != nil {
		t.Error(err)
	}
}

// The promise: SIGKILL on the owner, and nothing of the mesh survives; the next
// start in the same directory finds its way.
func TestNothingSurvivesTheOwner(t *testing.T) {
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	owner := exec.Command(self)
	owner.Env = append(os.Environ(), ownerEnv+"="+dir)
	owner.Stderr = os.Stderr
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, "the child's mesh", func() error { _, err := os.Stat(filepath.Join(dir, "held")); return err })
	if n := processesOf(t, dir); n < 4 {
		t.Fatalf("the mesh has %d processes, want etcd, kube-apiserver, istiod and Envoy", n)
	}
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = owner.Wait() // killed
	await(t, "every process to end", func() error {
		if n := processesOf(t, dir); n > 0 {
			return fmt.Errorf("%d are there", n)
		}
		return nil
	})
	mesh := &meshtest.Mesh{Dir: dir}
	if err := mesh.Start(t.Context()); err != nil {
		t.Fatalf("start where one was killed: %v", err)
	}
	stop(t, mesh)
	if _, err := meshtest.Owner(dir); !errors.Is(err, meshtest.ErrNoMesh) {
		t.Errorf("after Stop: %v, want ErrNoMesh", err)
	}
}

// processesOf counts the processes that name a directory on their command line.
func processesOf(t *testing.T, dir string) int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, file := range files {
		if line, err := os.ReadFile(file); err == nil && strings.Contains(string(line), dir) {
			n++
		}
	}
	return n
}

func stop(t *testing.T, mesh *meshtest.Mesh) {
	t.Helper()
	if err := mesh.Stop(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
}
