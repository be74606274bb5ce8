package preflight

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"
	meshconfig "istio.io/api/mesh/v1alpha1"
	"sigs.k8s.io/yaml"
)

// readMeshConfig reads what the mesh's ConfigMap has under the key mesh. Fields
// that the type does not know are passed over: a newer mesh may have them.
func readMeshConfig(text []byte) (*meshconfig.MeshConfig, error) {
	document, err := yaml.YAMLToJSON(text)
	if err != nil {
		return nil, fmt.Errorf("mesh configuration: %w", err)
	}
	mesh := &meshconfig.MeshConfig{}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(document, mesh); err != nil {
		return nil, fmt.Errorf("mesh configuration: %w", err)
	}
	return mesh, nil
}
