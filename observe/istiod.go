package observe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// How istiod is found and asked (istio pilot/pkg/xds/debug.go). To a caller on
// its own loopback, which a port-forward is, it tells about every proxy.
const (
	istiodLabel   = "app=istiod"
	istiodPort    = "15014"
	synczPath     = "/debug/syncz"
	istiodTimeout = 2 * time.Second
)

// ErrNoIstiod is the error of [Mesh.Syncz] when there is no istiod to ask in the
// namespace: it may run elsewhere, outside the cluster for example.
var ErrNoIstiod = errors.New("no Pod with the label app=istiod runs there")

// Sync is what istiod says of one proxy that is connected to it.
type Sync struct {
	Proxy   string            // "namespace/name" of the Pod
	Pending []string          // kinds of configuration that were sent and not acknowledged, such as "routes"; sorted
	Refused map[string]string // the proxy's last refusal of a kind (a NACK), in its words; without one nil
}

// String says it in a clause, such as "its routes are sent and not acknowledged".
func (s Sync) String() string {
	var texts []string
	for _, kind := range slices.Sorted(maps.Keys(s.Refused)) {
		texts = append(texts, fmt.Sprintf("it refused %s (NACK): %s", kind, s.Refused[kind]))
	}
	if len(s.Pending) > 0 {
		texts = append(texts, fmt.Sprintf("its %s are sent and not acknowledged", strings.Join(s.Pending, ", ")))
	}
	if len(texts) == 0 {
		return "it has acknowledged all that was sent to it"
	}
	return strings.Join(texts, ", and ")
}

// Syncz asks every istiod in a namespace, the mesh's root namespace, how far the
// proxies that are connected to it have come, and returns the answers by "namespace/name" of their
// Pods. It takes the rights to list pods and to forward ports there. Each istiod
// knows its own proxies only: with an error, what the others said is returned all
// the same. It takes 2 seconds at most.
func (m *Mesh) Syncz(ctx context.Context, namespace string) (map[string]Sync, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, istiodTimeout, timeoutError(istiodTimeout))
	defer cancel()
	pods, err := m.pods.Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: istiodLabel, FieldSelector: "status.phase=Running"})
	if err != nil {
		return nil, fmt.Errorf("list Pods of %s: %w", namespaceName(namespace), err)
	}
	istiods := slices.DeleteFunc(pods.Items, func(p corev1.Pod) bool { return p.DeletionTimestamp != nil })
	if len(istiods) == 0 {
		return nil, fmt.Errorf("%s: %w", namespaceName(namespace), ErrNoIstiod)
	}
	answers := make([]map[string]Sync, len(istiods))
	errs := inParallel(len(istiods), func(i int) (err error) {
		pod := Proxy{Namespace: istiods[i].Namespace, Pod: istiods[i].Name}
		data, err := m.ask(ctx, http.MethodGet, pod, istiodPort, synczPath, istiodTimeout)
		if err != nil {
			return err
		}
		if answers[i], err = parseSyncz(data); err != nil {
			return fmt.Errorf("syncz of %s: %w", pod, err)
		}
		return nil
	})
	all := map[string]Sync{}
	for _, answer := range answers {
		maps.Copy(all, answer)
	}
	return all, errors.Join(errs...)
}

// parseSyncz reads the answer to /debug/syncz, by "namespace/name".
func parseSyncz(data []byte) (map[string]Sync, error) {
	var answer []struct {
		Proxy     string `json:"proxy"` // name.namespace
		Resources map[string]struct {
			Sent      string `json:"sent"`
			Acked     string `json:"acked"`
			LastError string `json:"lastError"`
		} `json:"resources"` // by the URL of their type
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return nil, err
	}
	all := map[string]Sync{}
	for _, one := range answer {
		name, namespace, known := cutLast(one.Proxy, ".")
		if !known {
			continue
		}
		sync := Sync{Proxy: namespace + "/" + name}
		for url, state := range one.Resources {
			kind := configKind(url)
			if state.Sent != state.Acked {
				sync.Pending = append(sync.Pending, kind)
			}
			if state.LastError != "" {
				if sync.Refused == nil {
					sync.Refused = map[string]string{}
				}
				sync.Refused[kind] = state.LastError
			}
		}
		slices.Sort(sync.Pending)
		all[sync.Proxy] = sync
	}
	return all, nil
}

// configKind says the type of xDS resources in words.
func configKind(url string) string {
	_, kind, _ := cutLast(url, ".")
	words := map[string]string{
		"Cluster": "clusters", "ClusterLoadAssignment": "endpoints", "Listener": "listeners",
		"RouteConfiguration": "routes", "Secret": "secrets", "TypedExtensionConfig": "extensions",
	}
	if word, known := words[kind]; known {
		return word
	}
	return kind
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return "", s, false
}
