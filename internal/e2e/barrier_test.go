package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/faultline-mesh/faultline/assertions"
	"github.com/faultline-mesh/faultline/experiments"
	"github.com/faultline-mesh/faultline/injector"
)

// pidOf finds the one process of the mesh whose command line has all the words.
func pidOf(tb testing.TB, words ...string) int {
	tb.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		tb.Fatal(err)
	}
	found := 0
	for _, file := range files {
		line, err := os.ReadFile(file)
		has := func(word string) bool { return bytes.Contains(line, []byte(word)) }
		if err != nil || !has(mesh.Dir) || slices.ContainsFunc(words, func(word string) bool { return !has(word) }) {
			continue
		}
		if found != 0 {
			tb.Fatalf("several processes have %q", words)
		}
		if found, err = strconv.Atoi(filepath.Base(filepath.Dir(file))); err != nil {
			tb.Fatal(err)
		}
	}
	if found == 0 {
		tb.Fatalf("no process has %q", words)
	}
	return found
}

func envoyOf(tb testing.TB, pod string) int {
	tb.Helper()
	return pidOf(tb, "/pods/shop/"+pod+"/envoy.json")
}

func signal(tb testing.TB, pid int, s syscall.Signal) {
	tb.Helper()
	if err := syscall.Kill(pid, s); err != nil {
		tb.Error(err)
	}
}

// bystander deploys a pod that knows the shop's services and takes no part in it.
func bystander(t *testing.T, name string) {
	t.Helper()
	if err := deployBystander(t, name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removeBystander(t, name) })
}

func deployBystander(t *testing.T, name string) error {
	t.Helper()
	return mesh.DeployYAML(t.Context(), fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: shop, labels: {app: bystander}}
spec:
  containers:
  - name: app
    image: faultline/shop
    ports: [{containerPort: 8080, name: http}]
    env: [{name: ROLE, value: inventory}]
`, name))
}

func removeBystander(t *testing.T, name string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	pods := admin(t).CoreV1().Pods("shop")
	_ = pods.Delete(ctx, name, metav1.DeleteOptions{}) // it may be gone already
	eventually(t, name+" is gone", func() bool {
		_, err := pods.Get(ctx, name, metav1.GetOptions{})
		return err != nil
	})
}

// undisturbed is an experiment that is Held when nothing is wrong.
func undisturbed(duration time.Duration) experiments.Experiment {
	e := inventoryDown(duration)
	e.Recovery = time.Second
	return e
}

// withoutValidation lets the API server take Istio's objects while istiod, which
// serves their validation, cannot answer.
func withoutValidation(t *testing.T) {
	t.Helper()
	hooks := admin(t).AdmissionregistrationV1().ValidatingWebhookConfigurations()
	hook, err := hooks.Get(t.Context(), "istio-validator-istio-system", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := hooks.Delete(t.Context(), hook.Name, metav1.DeleteOptions{}); err != nil { // which istiod serves
		t.Fatal(err)
	}
	hook.ResourceVersion, hook.UID = "", ""
	t.Cleanup(func() {
		if _, err := hooks.Create(context.WithoutCancel(t.Context()), hook, metav1.CreateOptions{}); err != nil {
			t.Error(err)
		}
	})
}

// A policy that istiod holds back is not what is measured; once it is in force, it
// is.
func TestAPolicyThatIsHeldBack(t *testing.T) {
	withoutValidation(t)
	istiod := pidOf(t, "discovery", "--monitoringAddr")
	client, err := dynamic.NewForConfig(cluster)
	if err != nil {
		t.Fatal(err)
	}
	rules := client.Resource(schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "destinationrules"}).Namespace("shop")
	errorsInARow := func(n int) {
		patch := fmt.Appendf(nil, `{"spec":{"trafficPolicy":{"outlierDetection":{"consecutive5xxErrors":%d}}}}`, n)
		if _, err := rules.Patch(context.WithoutCancel(t.Context()), "payments", types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(func() { errorsInARow(5) })
	t.Cleanup(func() { signal(t, istiod, syscall.SIGCONT) })
	e := undisturbed(300 * time.Millisecond)
	e.Faults = []injector.Fault{fault("payments", injector.Upstream, injector.Delay{Fixed: time.Millisecond, Percent: 100})}

	signal(t, istiod, syscall.SIGSTOP)
	errorsInARow(7)
	report, err := newRunner(t).Run(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		" proxies did not have the policy that is written, so nothing was injected: Pod shop/checkout-",
		": of DestinationRule shop/payments its cluster outbound|80||payments.shop.svc.cluster.local lacks something: " +
			"outlierDetection.consecutive5xxErrors is 7, and it has 5", "; istiod does not answer",
	} {
		if report.Verdict != experiments.Inconclusive || !strings.Contains(report.Reason, want) {
			t.Errorf("want Inconclusive and %q, got\n%s", want, report)
		}
	}
	signal(t, istiod, syscall.SIGCONT)
	report, err = newRunner(t).Run(t.Context(), e)
	if err != nil || report.Verdict != experiments.Held || report.Policies.Proxies == 0 {
		t.Errorf("%v, %+v\n%s", err, report.Policies, report)
	}
	noLeftovers(t)
}

// Nothing is known of proxies that istiod does not tell anything.
func TestIstiodThatIsHeldBack(t *testing.T) {
	withoutValidation(t)
	istiod := pidOf(t, "discovery", "--monitoringAddr")
	stop := when("inject", func() { signal(t, istiod, syscall.SIGSTOP) })
	t.Cleanup(func() { signal(t, istiod, syscall.SIGCONT) })
	report, err := newRunner(t, stop, experiments.WithBarrierBudget(2*time.Second), experiments.WithRevertBudget(5*time.Second)).
		Run(t.Context(), undisturbed(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		" proxies did not show the fault in time: Pod shop/checkout-", " does not show faultline-" + report.Run,
		": for inventory.shop it has the routes inventory", "; istiod does not answer, so it may not send anything either (",
	} {
		if report.Verdict != experiments.Inconclusive || !strings.Contains(report.Reason, want) {
			t.Errorf("want Inconclusive and %q, got\n%s", want, report)
		}
	}
	noLeftovers(t)
}

// One that hangs among many that do not is named.
func TestOneProxyThatHangs(t *testing.T) {
	bystander(t, "hangs")
	envoy := envoyOf(t, "hangs")
	holding := each(map[string]func(){
		"inject": func() { signal(t, envoy, syscall.SIGSTOP) }, "revert": func() { signal(t, envoy, syscall.SIGCONT) },
	})
	t.Cleanup(func() { signal(t, envoy, syscall.SIGCONT) })
	const budget = 3 * time.Second // less than a reading of the recorder may take, which would be another reason
	report, err := newRunner(t, holding, experiments.WithBarrierBudget(budget)).Run(t.Context(), undisturbed(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	const want = " proxies did not show the fault in time: Pod shop/hangs cannot be read: "
	if report.Verdict != experiments.Inconclusive || !strings.Contains(report.Reason, want) || len(report.Injected.Late) != 1 || report.Injected.Max > time.Second {
		t.Errorf("want Inconclusive and %q, got\n%s", want, report)
	}
	noLeftovers(t)
}

// A pod that is born meanwhile must show the fault, too; one that goes is not
// waited for.
func TestPodsThatComeAndGo(t *testing.T) {
	bystander(t, "goes")
	var failed error
	change := when("during", func() {
		failed = errors.Join(
			admin(t).CoreV1().Pods("shop").Delete(t.Context(), "goes", metav1.DeleteOptions{}), deployBystander(t, "comes"))
	})
	t.Cleanup(func() { removeBystander(t, "comes") })
	report, err := newRunner(t, change).Run(t.Context(), undisturbed(3*time.Second))
	if err = errors.Join(err, failed); err != nil {
		t.Fatal(err)
	}
	if report.Verdict != experiments.Held || !slices.Equal(report.Born, []string{"Pod shop/comes"}) || !slices.Equal(report.Gone, []string{"Pod shop/goes"}) {
		t.Errorf("born %q, gone %q\n%s", report.Born, report.Gone, report)
	}
	if report.Kept.Proxies != report.Injected.Proxies || len(report.Restarts) != 0 {
		t.Errorf("injected %+v, kept %+v, restarts %v", report.Injected, report.Kept, report.Restarts)
	}
	noLeftovers(t)
}

// What a proxy counted before its restart is lost, and so is what it ejected.
func TestAProxyThatRestarts(t *testing.T) {
	for _, step := range []string{experiments.BaselinePhase, experiments.DuringPhase, experiments.RecoveryPhase} {
		t.Run(step, func(t *testing.T) {
			bystander(t, "dies")
			envoy := envoyOf(t, "dies")
			e := undisturbed(3 * time.Second)
			e.Settle, e.Recovery = 3*time.Second, 3*time.Second
			report, err := newRunner(t, when(step, func() { signal(t, envoy, syscall.SIGKILL) })).Run(t.Context(), e)
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]string{
				experiments.BaselinePhase: "nothing was injected, because proxies restarted in the baseline: Pod shop/dies (baseline)",
				experiments.DuringPhase:   "is lost: Pod shop/dies (during)",
				experiments.RecoveryPhase: "is lost: Pod shop/dies (recovery)",
			}[step]
			if report.Verdict != experiments.Inconclusive || !strings.Contains(report.Reason, want) {
				t.Errorf("want Inconclusive and %q, got\n%s", want, report)
			}
			noLeftovers(t)
		})
	}
}

// Requests that meet an empty service say nothing about the fault.
func TestAllPodsOfTheTargetGone(t *testing.T) {
	ctx := context.WithoutCancel(t.Context())
	scale := func(replicas int) {
		patch := fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, replicas)
		_, err := admin(t).AppsV1().Deployments("shop").Patch(ctx, "inventory", types.MergePatchType, patch, metav1.PatchOptions{})
		if err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(func() {
		scale(1)
		eventually(t, "inventory is back", func() bool {
			pods, err := admin(t).CoreV1().Pods("shop").List(ctx, metav1.ListOptions{LabelSelector: "app=inventory"})
			return err == nil && len(pods.Items) == 1 && pods.Items[0].Status.ContainerStatuses != nil && pods.Items[0].Status.ContainerStatuses[0].Ready
		})
	})
	for site, want := range map[injector.Site]string{
		injector.Caller:   "no pod of inventory.shop is left, as Pod shop/",
		injector.Upstream: "no pod of inventory.shop is left, as Pod shop/",
	} {
		scale(1)
		eventually(t, "inventory answers", func() bool {
			report, err := newRunner(t).Run(t.Context(), plain())
			return err == nil && report.Verdict == experiments.Held
		})
		e := on(2*time.Second, 50, fault("inventory", site, injector.Delay{Fixed: 10 * time.Millisecond, Percent: 100}))
		e.SteadyState = []experiments.Matcher{assertions.HaveLatency(assertions.Max, assertions.AtMost(9*time.Second))}
		report, err := newRunner(t, when("during", func() { scale(0) })).Run(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		if report.Verdict != experiments.Inconclusive || !strings.Contains(report.Reason, want) {
			t.Errorf("%v: want Inconclusive and %q, got\n%s", site, want, report)
		}
		noLeftovers(t)
	}
}

// plain is an experiment without faults.
func plain() experiments.Experiment {
	e := inventoryDown(300 * time.Millisecond)
	e.Faults = nil
	e.SteadyState = []experiments.Matcher{assertions.HaveSuccessRate(assertions.AtLeast(1))}
	return e
}

// each calls the function of each step once, when a run comes to it.
func each(steps map[string]func()) experiments.Option {
	return experiments.WithProgress(func(e experiments.Event) {
		if f := steps[e.Step]; f != nil {
			delete(steps, e.Step)
			f()
		}
	})
}
