// Plans that `faultline plan -o yaml` wrote, for `faultline run --plan`.

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/faultline-mesh/faultline/experiments"
	"github.com/faultline-mesh/faultline/experiments/manifest"
)

// readPlans reads a plan file, and holds it against the experiments that are to
// be run: each must be as it was planned. No file is no plan.
func readPlans(file string, all []manifest.Read) (map[string]experiments.PlanRecord, error) {
	if file == "" {
		return nil, nil
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	plans, err := parsePlans(file, content)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, e := range all {
		plan, found := plans[e.Name]
		if !found {
			errs = append(errs, fmt.Errorf("%s: experiment %s is not in the plan %s", e.File, e.Name, file))
			continue
		}
		if err := plan.Differs(version, e.Digest); err != nil {
			errs = append(errs, fmt.Errorf("%s: experiment %s is not what was planned in %s, so nothing was written; plan it again: %w", e.File, e.Name, file, err))
		}
	}
	return plans, errors.Join(errs...)
}

// parsePlans reads the plans of a file, by the names of their experiments.
func parsePlans(file string, content []byte) (map[string]experiments.PlanRecord, error) {
	plans := map[string]experiments.PlanRecord{}
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(content)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if len(bytes.TrimSpace(document)) == 0 {
			continue
		}
		var plan experiments.PlanRecord
		if err := yaml.UnmarshalStrict(document, &plan); err != nil || plan.Kind != experiments.PlanKind || plan.APIVersion != manifest.APIVersion {
			return nil, fmt.Errorf("%s: holds something else than plans; write it by `faultline plan -o yaml`: %w", file,
				errors.Join(err, fmt.Errorf("found kind %q of %q, want %q of %q", plan.Kind, plan.APIVersion, experiments.PlanKind, manifest.APIVersion)))
		}
		plans[plan.Metadata.Name] = plan
	}
	return plans, nil
}
