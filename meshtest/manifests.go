package meshtest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

// fieldManager is the name under which the mesh writes objects.
const fieldManager = "meshtest"

// manifest is one object and where it was read.
type manifest struct {
	source string // "mesh/payments.yaml, document 2"
	*unstructured.Unstructured
}

func (m manifest) String() string {
	name := m.GetName()
	if m.GetNamespace() != "" {
		name = m.GetNamespace() + "/" + name
	}
	return m.GetKind() + " " + name
}

// readManifests reads YAML and JSON files, and directories of them (not their
// subdirectories), as kubectl apply -f does.
func readManifests(paths []string) ([]manifest, error) {
	var objects []manifest
	var errs []error
	for _, path := range paths {
		files, err := manifestFiles(path)
		errs = append(errs, err)
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			more, err := parseManifests(file, content)
			objects, errs = append(objects, more...), append(errs, err)
		}
	}
	return objects, errors.Join(errs...)
}

func manifestFiles(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("manifests: %w", err)
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	var files []string
	err = filepath.WalkDir(path, func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && file != path:
			return fs.SkipDir
		case slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(file)):
			files = append(files, file)
		}
		return nil
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("manifests: %s holds no .yaml, .yml or .json file", path)
	}
	return files, err
}

// parseManifests reads the documents of one file; all its problems at once.
func parseManifests(source string, content []byte) ([]manifest, error) {
	var objects []manifest
	var errs []error
	reader := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(content)))
	for n := 1; ; n++ {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return objects, errors.Join(errs...)
		}
		where := fmt.Sprintf("%s, document %d", source, n)
		if err != nil {
			return objects, errors.Join(append(errs, fmt.Errorf("%s: %w", where, err))...)
		}
		object, err := parseObject(document)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("%s: %w", where, err))
		case object != nil:
			objects = append(objects, manifest{source: where, Unstructured: object})
		}
	}
}

// parseObject returns nil for a document that holds only comments.
func parseObject(document []byte) (*unstructured.Unstructured, error) {
	asJSON, err := yaml.ToJSON(document)
	if err != nil {
		return nil, err
	}
	if string(bytes.TrimSpace(asJSON)) == "null" {
		return nil, nil //nolint:nilnil // nothing is a legal document
	}
	var content map[string]any
	if err := json.Unmarshal(asJSON, &content); err != nil {
		return nil, fmt.Errorf("want a Kubernetes object: %w", err)
	}
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(asJSON); err != nil {
		return nil, err
	}
	if object.GetName() == "" {
		return nil, fmt.Errorf("%s: metadata.name: is missing", object.GetKind())
	}
	return object, nil
}

// applier writes objects of any kind.
type applier struct {
	client dynamic.Interface
	mapper *restmapper.DeferredDiscoveryRESTMapper
}

func newApplier(client dynamic.Interface, config *rest.Config) *applier {
	cached := memory.NewMemCacheClient(discovery.NewDiscoveryClientForConfigOrDie(config))
	return &applier{client: client, mapper: restmapper.NewDeferredDiscoveryRESTMapper(cached)}
}

// resource finds the endpoint of an object, and gives it the default namespace
// when it needs one and names none.
func (a *applier) resource(m manifest) (dynamic.ResourceInterface, error) {
	kind := m.GroupVersionKind()
	mapping, err := a.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return nil, fmt.Errorf("%s: %s: the mesh's API server has no such kind: %w", m.source, m, err)
	}
	if mapping.Scope.Name() != meta.RESTScopeNameNamespace {
		return a.client.Resource(mapping.Resource), nil
	}
	if m.GetNamespace() == "" {
		m.SetNamespace(metav1.NamespaceDefault)
	}
	return a.client.Resource(mapping.Resource).Namespace(m.GetNamespace()), nil
}

// apply writes one object with strict validation, so that a misspelt field is an
// error rather than dropped. Unless it is a dry run, m becomes what the API
// server made of it.
func (a *applier) apply(ctx context.Context, m manifest, dryRun bool) error {
	resource, err := a.resource(m)
	if err != nil {
		return err
	}
	data, err := m.MarshalJSON()
	if err != nil {
		return err
	}
	force := true
	options := metav1.PatchOptions{FieldManager: fieldManager, Force: &force, FieldValidation: metav1.FieldValidationStrict}
	if dryRun {
		options.DryRun = []string{metav1.DryRunAll}
	}
	live, err := resource.Patch(ctx, m.GetName(), types.ApplyPatchType, data, options)
	if err != nil {
		return fmt.Errorf("%s: %s: %w", m.source, m, err)
	}
	if !dryRun {
		m.Object = live.Object
	}
	return nil
}

// applyAll writes the objects side by side, Namespaces before the rest.
func (a *applier) applyAll(ctx context.Context, objects []manifest) error {
	namespaces, others := split(objects, func(m manifest) bool { return m.GetKind() == "Namespace" })
	for _, stage := range [][]manifest{namespaces, others} {
		errs := make([]error, len(stage))
		var group errgroup.Group
		group.SetLimit(8)
		for i, m := range stage {
			group.Go(func() error { errs[i] = a.apply(ctx, m, false); return nil })
		}
		_ = group.Wait() // collected in errs
		if err := errors.Join(errs...); err != nil {
			return err
		}
	}
	return nil
}

// check asks the API server, and through its webhook istiod, what they think of
// the objects, and writes nothing. Where the namespace is not there yet, because
// it comes with the objects, the default one stands in.
func (a *applier) check(ctx context.Context, objects []manifest) error {
	errs := make([]error, len(objects))
	var group errgroup.Group
	group.SetLimit(8)
	for i, m := range objects {
		group.Go(func() error {
			errs[i] = a.apply(ctx, m, true)
			if apierrors.IsNotFound(errs[i]) && m.GetNamespace() != "" {
				stand := manifest{source: m.source, Unstructured: m.DeepCopy()}
				stand.SetNamespace(metav1.NamespaceDefault)
				errs[i] = a.apply(ctx, stand, true)
			}
			return nil
		})
	}
	_ = group.Wait() // collected in errs
	return errors.Join(errs...)
}

// awaitCRDs returns when every CRD among the objects is served.
func (a *applier) awaitCRDs(ctx context.Context, objects []manifest) error {
	for _, m := range objects {
		if m.GetKind() != "CustomResourceDefinition" {
			continue
		}
		resource, err := a.resource(m)
		if err != nil {
			return err
		}
		err = poll(ctx, func() (bool, error) {
			live, err := resource.Get(ctx, m.GetName(), metav1.GetOptions{})
			return err == nil && strings.Contains(conditions(live), "Established=True"), err
		})
		if err != nil {
			return fmt.Errorf("%s: is not served: %w", m, err)
		}
	}
	a.mapper.Reset()
	return nil
}

// conditions renders status.conditions as "Type=Status …".
func conditions(object *unstructured.Unstructured) string {
	list, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions") // absent counts as none
	var all []string
	for _, item := range list {
		if c, ok := item.(map[string]any); ok {
			all = append(all, fmt.Sprintf("%v=%v", c["type"], c["status"]))
		}
	}
	return strings.Join(all, " ")
}

func split(objects []manifest, chosen func(manifest) bool) (yes, no []manifest) {
	for _, m := range objects {
		if chosen(m) {
			yes = append(yes, m)
		} else {
			no = append(no, m)
		}
	}
	return yes, no
}

// poll asks every 20 ms until the answer is yes or ctx ends; then the error
// carries what the last attempt said.
func poll(ctx context.Context, done func() (bool, error)) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := done()
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		case <-tick.C:
		}
	}
}
