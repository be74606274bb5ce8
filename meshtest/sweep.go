package meshtest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/faultline-mesh/faultline/meshtest/internal/process"
)

// What a mesh keeps in its directory beside data and logs.
const (
	temporaryPrefix = "faultline-mesh-"
	runDir          = "run"   // a record per process
	ownerFile       = "owner" // the record of the process that runs the mesh
)

// ErrNoMesh is returned for a directory in which no mesh runs.
var ErrNoMesh = errors.New("no mesh runs here")

// takeDir makes a directory this process's own. It refuses one whose mesh is
// alive, and sweeps what a dead owner left: processes, and data of another run.
func takeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := CheckDir(dir); err != nil {
		return err
	}
	if _, err := process.Sweep(filepath.Join(dir, runDir)); err != nil {
		return err
	}
	for _, old := range []string{"etcd", "pods", "logs", "certs", "kubeconfig", "mesh.yaml"} {
		if err := os.RemoveAll(filepath.Join(dir, old)); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "logs"), 0o755); err != nil {
		return err
	}
	return process.WriteRecord(filepath.Join(dir, ownerFile))
}

// sweepTemporary removes temporary directories whose owners were killed.
func sweepTemporary() error {
	dirs, err := filepath.Glob(filepath.Join(os.TempDir(), temporaryPrefix+"*"))
	if err != nil {
		return err
	}
	var errs []error
	for _, dir := range dirs {
		owner, err := process.ReadRecord(filepath.Join(dir, ownerFile))
		if err != nil || owner.Alive() {
			continue // being made, being removed, or in use
		}
		_, err = process.Sweep(filepath.Join(dir, runDir))
		errs = append(errs, err, os.RemoveAll(dir))
	}
	return errors.Join(errs...)
}

// CheckDir returns an error that says how to end it when a mesh runs in a
// directory, else nil.
func CheckDir(dir string) error {
	pid, err := Owner(dir)
	if err != nil {
		return nil //nolint:nilerr // no owner that could be in the way
	}
	return fmt.Errorf("directory %s: a mesh of process %d runs in it; end it with `faultline mesh down --dir %s`", dir, pid, dir)
}

// Owner returns the pid of the process that runs the mesh in a directory, or
// [ErrNoMesh].
func Owner(dir string) (int, error) {
	owner, err := process.ReadRecord(filepath.Join(dir, ownerFile))
	if errors.Is(err, os.ErrNotExist) || err == nil && !owner.Alive() {
		return 0, fmt.Errorf("directory %s: %w", dir, ErrNoMesh)
	}
	if err != nil {
		return 0, err
	}
	return owner.Pid, nil
}

// Down ends the mesh of another process in a directory: it asks the owner to
// stop, insists after the limit, and sweeps. Where none runs it sweeps and
// returns [ErrNoMesh].
func Down(dir string, limit time.Duration) error {
	file := filepath.Join(dir, ownerFile)
	owner, err := process.ReadRecord(file)
	if err != nil || !owner.Alive() {
		_, err := process.Sweep(filepath.Join(dir, runDir))
		return errors.Join(fmt.Errorf("directory %s: %w", dir, ErrNoMesh), err)
	}
	if err := process.End(owner, limit); err != nil {
		return err
	}
	_, err = process.Sweep(filepath.Join(dir, runDir))
	if removed := os.Remove(file); !errors.Is(removed, os.ErrNotExist) {
		err = errors.Join(err, removed)
	}
	return err
}
