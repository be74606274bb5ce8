package experiments

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"strconv"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"
)

// fakeAPI is an API server that keeps objects by their paths. It knows no
// selectors, has no pods unless a test puts some in, forwards no ports, and lets
// nobody watch.
type fakeAPI struct {
	server *httptest.Server
	refuse func(*http.Request) int // the status to answer with instead, or 0
	denies bool                    // the answer to whoever asks for their rights
	logs   map[string]string       // of proxies, by the name of their pod

	mu      sync.Mutex
	objects map[string]*unstructured.Unstructured
	version int
	writes  []string // "PUT virtualservices/inventory", in order
}

// newFakeAPI returns a server with the objects of YAML documents.
func newFakeAPI(t *testing.T, documents ...string) *fakeAPI {
	t.Helper()
	api := &fakeAPI{objects: map[string]*unstructured.Unstructured{}}
	const meshConfig = "{apiVersion: v1, kind: ConfigMap, metadata: {name: istio, namespace: istio-system}}"
	for _, document := range append(documents, meshConfig) {
		var obj unstructured.Unstructured
		if err := yaml.Unmarshal([]byte(document), &obj.Object); err != nil {
			t.Fatal(err)
		}
		api.store(api.pathOf(&obj), &obj)
	}
	api.server = httptest.NewServer(api)
	t.Cleanup(api.server.Close)
	return api
}

func (a *fakeAPI) config() *rest.Config { return &rest.Config{Host: a.server.URL} }

// runner is a Runner for the cluster of a.
func (a *fakeAPI) runner(t *testing.T, options ...Option) *Runner {
	t.Helper()
	r, err := NewRunner(a.config(), options...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (*fakeAPI) pathOf(obj *unstructured.Unstructured) string {
	prefix := "/apis/" + obj.GetAPIVersion()
	if !strings.Contains(obj.GetAPIVersion(), "/") {
		prefix = "/api/" + obj.GetAPIVersion()
	}
	return fmt.Sprintf("%s/namespaces/%s/%ss/%s", prefix, obj.GetNamespace(), strings.ToLower(obj.GetKind()), obj.GetName())
}

func (a *fakeAPI) store(at string, obj *unstructured.Unstructured) {
	a.version++
	obj.SetResourceVersion(strconv.Itoa(a.version))
	if obj.GetUID() == "" {
		obj.SetUID(types.UID("uid-" + strconv.Itoa(a.version)))
	}
	a.objects[at] = obj
}

// change lets f change the VirtualService inventory, as if somebody else did.
func (a *fakeAPI) change(t *testing.T, f func(*unstructured.Unstructured)) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	for at, obj := range a.objects {
		if obj.GetName() == "inventory" && obj.GetKind() == "VirtualService" {
			f(obj)
			a.store(at, obj)
			return
		}
	}
	t.Fatal("there is no VirtualService inventory")
}

// content returns what the VirtualService inventory holds, less what the server
// itself writes.
func (a *fakeAPI) content(t *testing.T) string {
	t.Helper()
	var content []byte
	a.change(t, func(obj *unstructured.Unstructured) {
		obj = obj.DeepCopy()
		obj.SetResourceVersion("")
		var err error
		if content, err = json.Marshal(obj); err != nil {
			t.Error(err)
		}
	})
	return string(content)
}

func (a *fakeAPI) written() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return strings.Join(a.writes, ", ")
}

// raw is an answer that is no object.
type raw string

func (a *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status := 0
	if a.refuse != nil {
		status = a.refuse(r)
	}
	var answer any
	if status == 0 {
		a.mu.Lock()
		defer a.mu.Unlock()
		status, answer = a.serve(r)
	}
	if status >= 300 {
		answer = map[string]any{
			"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status,
			"reason": map[int]string{404: "NotFound", 409: "Conflict", 403: "Forbidden"}[status], "message": http.StatusText(status),
		}
	}
	if text, ok := answer.(raw); ok {
		_, _ = io.WriteString(w, string(text)) // the client may be gone
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // the client may be gone
}

func (a *fakeAPI) serve(r *http.Request) (status int, answer any) {
	at := r.URL.Path
	if strings.HasPrefix(path.Base(at), "selfsubject") {
		if a.denies {
			return http.StatusCreated, map[string]any{"status": map[string]any{"allowed": false}}
		}
		all := []any{"*"}
		return http.StatusCreated, map[string]any{"status": map[string]any{
			"allowed": true, "resourceRules": []any{map[string]any{"verbs": all, "apiGroups": all, "resources": all}},
		}}
	}
	live := a.objects[at]
	if r.Method == http.MethodGet {
		pod := path.Base(path.Dir(at))
		switch kind, isList := kinds[path.Base(at)]; {
		case r.URL.Query().Get("watch") != "":
			return http.StatusForbidden, nil
		case path.Base(at) == "log" && a.logs[pod] != "":
			return http.StatusOK, raw(a.logs[pod])
		case isList:
			return http.StatusOK, a.list(at, kind)
		case live != nil:
			return http.StatusOK, live.Object
		default:
			return http.StatusNotFound, nil
		}
	}
	var body unstructured.Unstructured
	if r.Method != http.MethodDelete {
		if err := json.NewDecoder(r.Body).Decode(&body.Object); err != nil {
			return http.StatusBadRequest, nil
		}
		at = a.pathOf(&body)
		live = a.objects[at]
	}
	if path.Base(path.Dir(at)) != "leases" { // which come and are renewed beside what a test is about
		a.writes = append(a.writes, fmt.Sprintf("%s %s/%s", r.Method, path.Base(path.Dir(at)), path.Base(at)))
	}
	switch {
	case r.Method == http.MethodPost && live != nil,
		r.Method == http.MethodPut && live != nil && live.GetResourceVersion() != body.GetResourceVersion():
		return http.StatusConflict, nil
	case r.Method != http.MethodPost && live == nil:
		return http.StatusNotFound, nil
	case r.Method == http.MethodDelete:
		delete(a.objects, at)
		return http.StatusOK, live.Object
	}
	a.store(at, &body)
	return http.StatusOK, body.Object
}

// kinds are those that the server knows.
var kinds = map[string]string{
	"virtualservices": "VirtualService", "envoyfilters": "EnvoyFilter", "destinationrules": "DestinationRule",
	"services": "Service", "pods": "Pod", "events": "Event", "leases": "Lease", "serviceentries": "ServiceEntry",
}

// list returns the objects of a kind, in all namespaces or in one.
func (a *fakeAPI) list(at, kind string) any {
	inOne := strings.Contains(at, "/namespaces/")
	items := []any{}
	for path, obj := range a.objects {
		if obj.GetKind() == kind && (!inOne || strings.HasPrefix(path, at+"/")) {
			items = append(items, obj.Object)
		}
	}
	group := strings.TrimPrefix(strings.TrimPrefix(path.Dir(at), "/apis/"), "/api/")
	group, _, _ = strings.Cut(group, "/namespaces/")
	return map[string]any{"kind": kind + "List", "apiVersion": group, "metadata": map[string]any{}, "items": items}
}
