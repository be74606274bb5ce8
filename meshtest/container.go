package meshtest

import (
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// program is the executable that stands for a container's image.
func (n *node) program(c corev1.Container) (string, error) {
	return findProgram(n.images, c)
}

func findProgram(images map[string]string, c corev1.Container) (string, error) {
	file, ok := images[c.Image]
	if !ok {
		known := "none is named"
		if len(images) > 0 {
			known = "named are " + strings.Join(slices.Sorted(maps.Keys(images)), ", ")
		}
		return "", fmt.Errorf("container %s: image: %q stands for no executable (%s); say which with "+
			"`--image %s=PATH`, or Mesh.Images in Go", c.Name, c.Image, known, c.Image)
	}
	path, err := exec.LookPath(file)
	if err != nil {
		return "", fmt.Errorf("container %s: image %s: its executable %q cannot be run: %w", c.Name, c.Image, file, err)
	}
	return filepath.Abs(path)
}

// containerEnv is the environment a manifest asks for.
func containerEnv(pod *corev1.Pod, c corev1.Container, ip string) ([]string, error) {
	var env []string
	var errs []error
	for _, e := range c.Env {
		value := e.Value
		if e.ValueFrom != nil {
			var err error
			if value, err = fieldValue(pod, e.ValueFrom, ip); err != nil {
				errs = append(errs, fmt.Errorf("container %s: env %s: %w", c.Name, e.Name, err))
			}
		}
		env = append(env, e.Name+"="+value)
	}
	return env, errors.Join(errs...)
}

func fieldValue(pod *corev1.Pod, from *corev1.EnvVarSource, ip string) (string, error) {
	if from.FieldRef == nil {
		return "", errors.New("valueFrom: the local mesh knows fieldRef only")
	}
	path := from.FieldRef.FieldPath
	switch path {
	case "metadata.name":
		return pod.Name, nil
	case "metadata.namespace":
		return pod.Namespace, nil
	case "metadata.uid":
		return string(pod.UID), nil
	case "spec.nodeName":
		return nodeName, nil
	case "spec.serviceAccountName":
		return pod.Spec.ServiceAccountName, nil
	case "status.podIP":
		return ip, nil
	}
	if key, ok := strings.CutPrefix(path, "metadata.labels['"); ok {
		return pod.Labels[strings.TrimSuffix(key, "']")], nil
	}
	return "", fmt.Errorf("valueFrom.fieldRef.fieldPath: %q is not known to the local mesh", path)
}

// checkPodSpec says what of a pod the local mesh cannot play; all of it at once.
func checkPodSpec(images map[string]string, spec corev1.PodSpec) error {
	var errs []error
	if len(spec.InitContainers) > 0 {
		errs = append(errs, fmt.Errorf("initContainers: the local mesh runs none, found %s", spec.InitContainers[0].Name))
	}
	for _, c := range spec.Containers {
		if c.Name == proxyContainer {
			continue
		}
		if _, err := findProgram(images, c); err != nil {
			errs = append(errs, err)
		}
		if len(c.Command) > 0 {
			errs = append(errs, fmt.Errorf("container %s: command: the executable of the image is run as it is; use args", c.Name))
		}
		if len(c.EnvFrom) > 0 {
			errs = append(errs, fmt.Errorf("container %s: envFrom: is not known to the local mesh; use env", c.Name))
		}
		if len(c.VolumeMounts) > 0 {
			errs = append(errs, fmt.Errorf("container %s: volumeMounts: the local mesh has no volumes", c.Name))
		}
		if _, err := containerEnv(&corev1.Pod{}, c, ""); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
