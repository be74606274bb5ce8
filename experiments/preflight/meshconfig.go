package preflight

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	meshconfig "istio.io/api/mesh/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// Where Istio keeps the configuration of the mesh.
const (
	meshConfigMap = "istio"
	meshConfigKey = "mesh"
)

// meshConfig reads the configuration of the mesh.
func (l *looker) meshConfig(ctx context.Context) error {
	found, err := l.kube.CoreV1().ConfigMaps(RootNamespace).Get(ctx, meshConfigMap, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		found, err = l.ofRevision(ctx, err)
	}
	missing := ""
	switch {
	case apierrors.IsNotFound(err):
		missing = "is not there"
	case apierrors.IsForbidden(err):
		missing = "must not be read"
	case err != nil:
		return fmt.Errorf("get ConfigMap %s/%s: %w", RootNamespace, meshConfigMap, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if missing == "" {
		mesh, err := readMeshConfig([]byte(found.Data[meshConfigKey]))
		if err == nil {
			l.world.Mesh = mesh
			if root := mesh.GetRootNamespace(); root != "" {
				l.world.Root = root
			}
			return nil
		}
		missing = fmt.Sprintf("cannot be understood (%v)", err)
	}
	l.world.Notes = append(l.world.Notes, fmt.Sprintf("ConfigMap %s/%s, the configuration of the mesh, %s: Istio's defaults are taken to be in effect",
		RootNamespace, meshConfigMap, missing))
	return nil
}

// ofRevision finds the configuration of the mesh's only revision, which has its
// name behind a hyphen; without one it returns the error.
func (l *looker) ofRevision(ctx context.Context, missing error) (*corev1.ConfigMap, error) {
	all, err := l.kube.CoreV1().ConfigMaps(RootNamespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, missing
	}
	var found []corev1.ConfigMap
	for _, one := range all.Items {
		if _, has := one.Data[meshConfigKey]; has && strings.HasPrefix(one.Name, meshConfigMap+"-") {
			found = append(found, one)
		}
	}
	if len(found) != 1 {
		return nil, missing
	}
	return &found[0], nil
}

// readMeshConfig reads what the mesh's ConfigMap has under the key mesh. Fields
// that the type does not know are passed over: a newer mesh may have them.
func readMeshConfig(text []byte) (*meshconfig.MeshConfig, error) {
	document, err := yaml.YAMLToJSON(text)
	if err != nil {
		return nil, fmt.Errorf("mesh configuration: %w", err)
	}
	mesh := &meshconfig.MeshConfig{}
	if string(document) == "null" {
		return mesh, nil
	}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(document, mesh); err != nil {
		return nil, fmt.Errorf("mesh configuration: %w", err)
	}
	return mesh, nil
}
