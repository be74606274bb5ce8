package sabotage

import (
	"context"
	"syscall"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/faultline-mesh/faultline/loadgen"
)

// What is done to the lab by more than one case.

// signal sends a signal to a process of the lab.
func (s *scene) signal(pid int, err error, signal syscall.Signal) {
	s.Helper()
	if err == nil {
		err = syscall.Kill(pid, signal)
	}
	if err != nil {
		s.Error(err)
	}
}

// holdIstiod stops istiod, and lets writes pass that it would validate.
func (s *scene) holdIstiod() {
	s.Helper()
	pid, err := lab.Pid("istiod")
	s.signal(pid, err, syscall.SIGSTOP)
	s.undo = append(s.undo, func() { s.signal(pid, nil, syscall.SIGCONT) })
}

// unvalidated lets writes pass when istiod does not answer.
func (s *scene) unvalidated() {
	s.Helper()
	const name = "istio-validator-istio-system"
	hook, err := s.in("ValidatingWebhookConfiguration").Get(s.ctx, name, metav1.GetOptions{})
	if err != nil {
		s.Fatal(err)
	}
	hooks, _, err := unstructured.NestedSlice(hook.Object, "webhooks")
	if err != nil {
		s.Fatal(err)
	}
	hooks[0].(map[string]any)["failurePolicy"] = "Ignore"
	hooks[0].(map[string]any)["timeoutSeconds"] = int64(1)
	before := hook.DeepCopy()
	if err := unstructured.SetNestedSlice(hook.Object, hooks, "webhooks"); err != nil {
		s.Fatal(err)
	}
	if _, err := s.in(hook.GetKind()).Update(s.ctx, hook, metav1.UpdateOptions{}); err != nil {
		s.Fatal(err)
	}
	s.undo = append(s.undo, func() { s.bringBack(before) })
}

// beside does something beside the run, which is waited for.
func (s *scene) beside(f func()) { s.work.Go(f) }

// after waits: when a sabotage happens is part of it.
func (s *scene) after(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	<-timer.C
}

// others sends requests that are not the run's until the run is over.
func (s *scene) others(load loadgen.Load) {
	s.Helper()
	ctx, stop := context.WithCancel(s.ctx)
	running, err := load.Start(ctx)
	if err != nil {
		s.Fatal(err)
	}
	s.undo = append(s.undo, func() {
		stop()
		_, _ = running.Wait() // nobody judges these requests
	})
}
