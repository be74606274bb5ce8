package meshtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/faultline-mesh/faultline/meshtest/internal/process"
)

// Times a pod is given.
const (
	readyLimit = 30 * time.Second       // from start to ready
	stopGrace  = 500 * time.Millisecond // from SIGTERM to SIGKILL
)

// podRun is one pod's life: its containers are processes that start, and end,
// together.
type podRun struct {
	node   *node
	pod    *corev1.Pod
	labels map[string]string // as last told to the wiring
	dir    string
	cancel context.CancelFunc
	done   chan struct{}

	mu       sync.Mutex
	ready    bool
	trouble  error
	restarts int
	ip       string

	processes []*process.Process // of the containers, in their order, while they run
}

func (r *podRun) state() (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ready, r.trouble
}

// loop runs the pod until ctx ends, restarting it, later each time, when one of
// its containers exits.
func (r *podRun) loop(ctx context.Context) {
	defer close(r.done)
	for {
		err := r.once(ctx)
		if ctx.Err() != nil {
			return
		}
		r.set(ctx, false, fmt.Errorf("Pod %s: %w", podKey(r.pod), err))
		r.mu.Lock()
		wait := backoff(r.restarts)
		r.restarts++
		r.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// once runs the pod's containers until the first of them ends.
func (r *podRun) once(ctx context.Context) (err error) {
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return err
	}
	a, err := r.node.wiring.attach(ctx, r.pod)
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.ip = a.IP
	r.mu.Unlock()
	processes, err := r.spawn(a)
	r.hold(processes)
	defer func() {
		r.hold(nil)
		for _, p := range processes {
			err = errors.Join(err, p.Stop(stopGrace))
			r.node.spawner.Forget(p)
		}
	}()
	if err != nil {
		return err
	}
	if err := r.await(ctx, a, processes); err != nil {
		return err
	}
	r.set(ctx, true, nil)
	return firstExit(ctx, processes)
}

// hold remembers the processes that run now.
func (r *podRun) hold(processes []*process.Process) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.processes = processes
}

// spawn starts every container; what was started is returned even with an error.
func (r *podRun) spawn(a *attachment) ([]*process.Process, error) {
	var processes []*process.Process
	for _, c := range r.pod.Spec.Containers {
		command, err := r.command(c, a)
		if err != nil {
			return processes, err
		}
		p, err := r.node.spawner.Start(command)
		if err != nil {
			return processes, err
		}
		processes = append(processes, p)
	}
	return processes, nil
}

func (r *podRun) command(c corev1.Container, a *attachment) (process.Command, error) {
	name := fmt.Sprintf("%s_%s_%s", r.pod.Namespace, r.pod.Name, c.Name)
	log := filepath.Join(r.dir, c.Name+".log")
	if c.Name == proxyContainer {
		config := filepath.Join(r.dir, "envoy.json")
		if err := os.WriteFile(config, a.Bootstrap, 0o600); err != nil {
			return process.Command{}, fmt.Errorf("envoy: %w", err)
		}
		return envoyCommand(r.node.envoy, name, config, r.dir, log), nil
	}
	path, err := r.node.program(c)
	if err != nil {
		return process.Command{}, err
	}
	env, err := containerEnv(r.pod, c, a.IP)
	if err != nil {
		return process.Command{}, err
	}
	return process.Command{
		Name: name, Path: path, Args: c.Args, Dir: r.dir, Log: log, Stamp: true,
		Env: append(append(hostEnv(), a.Env...), env...), // the manifest's own come last and win
	}, nil
}

// await returns when the sidecar has its configuration and every port accepts.
func (r *podRun) await(ctx context.Context, a *attachment, processes []*process.Process) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyLimit, fmt.Errorf("gave up after %s", readyLimit))
	defer cancel()
	probe := func(ctx context.Context) error {
		for _, p := range processes {
			if err := p.Exited(); err != nil {
				return err
			}
		}
		if a.Admin != "" {
			if _, err := get(ctx, http.DefaultClient, adminURL(a.Admin, "ready")); err != nil {
				return fmt.Errorf("%s: %w", proxyContainer, err)
			}
		}
		for _, address := range a.Listens {
			conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
			if err != nil {
				return fmt.Errorf("nothing listens yet (the program must listen on $LISTEN_ADDR): %w", err)
			}
			_ = conn.Close() // it was only a knock
		}
		return nil
	}
	for _, p := range processes {
		if err := p.Ready(ctx, probe); err != nil {
			return err
		}
	}
	return nil
}

// firstExit waits until a process ends, or ctx; then there is no error.
func firstExit(ctx context.Context, processes []*process.Process) error {
	cases := []reflect.SelectCase{{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(ctx.Done())}}
	for _, p := range processes {
		cases = append(cases, reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(p.Done())})
	}
	if chosen, _, _ := reflect.Select(cases); chosen > 0 {
		return processes[chosen-1].Exited()
	}
	return nil
}

// set remembers the pod's state and tells the API server.
func (r *podRun) set(ctx context.Context, ready bool, trouble error) {
	r.mu.Lock()
	r.ready, r.trouble = ready, trouble
	status := podStatus(r.pod, r.node.address, r.ip, ready, trouble, r.restarts)
	r.mu.Unlock()
	patch, err := json.Marshal(map[string]any{"status": status})
	if err == nil {
		err = r.node.patchStatus(ctx, r.pod, patch)
	}
	if err != nil && ctx.Err() == nil {
		r.mu.Lock()
		r.ready, r.trouble = false, fmt.Errorf("status of Pod %s: %w", podKey(r.pod), err)
		r.mu.Unlock()
	}
}

// podStatus is what a kubelet would report.
func podStatus(pod *corev1.Pod, node, ip string, ready bool, trouble error, restarts int) corev1.PodStatus {
	now := metav1.Now()
	is := corev1.ConditionFalse
	if ready {
		is = corev1.ConditionTrue
	}
	status := corev1.PodStatus{Phase: corev1.PodRunning, HostIP: node, PodIP: ip, StartTime: &now}
	if ip == "" {
		status.Phase = corev1.PodPending
	} else {
		status.PodIPs = []corev1.PodIP{{IP: ip}}
		status.HostIPs = []corev1.HostIP{{IP: node}}
	}
	for _, kind := range []corev1.PodConditionType{corev1.PodScheduled, corev1.PodInitialized, corev1.ContainersReady, corev1.PodReady} {
		condition := corev1.PodCondition{Type: kind, Status: is, LastTransitionTime: now}
		if kind == corev1.PodScheduled || kind == corev1.PodInitialized {
			condition.Status = corev1.ConditionTrue
		}
		status.Conditions = append(status.Conditions, condition)
	}
	for _, c := range pod.Spec.Containers {
		state := corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now}}
		if trouble != nil {
			state = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: trouble.Error()}}
		}
		started := ready
		status.ContainerStatuses = append(status.ContainerStatuses, corev1.ContainerStatus{
			Name: c.Name, Image: c.Image, ImageID: c.Image, Ready: ready, Started: &started, RestartCount: int32(restarts), State: state,
		})
	}
	return status
}
