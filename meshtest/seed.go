package meshtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/client-go/dynamic"

	"github.com/faultline-mesh/faultline/meshtest/internal/process"
)

// ensureSeed returns an etcd data directory that already holds Istio's CRDs and
// the namespaces, so that a mesh need not apply them at each start. It is kept
// beside the binary that made it, under a key made of what is in it.
func ensureSeed(ctx context.Context, binary string, progress func(string)) (string, error) {
	sum := sha256.Sum256([]byte(baseManifests))
	seed := filepath.Join(filepath.Dir(binary), "seed-"+hex.EncodeToString(sum[:6]))
	if _, err := os.Stat(seed); err == nil {
		return seed, nil
	}
	progress("preparing an etcd with Istio's CRDs, about 5 s, once per version")
	work, err := os.MkdirTemp(filepath.Dir(binary), "making-seed-")
	if err != nil {
		return "", fmt.Errorf("seed: %w", err)
	}
	defer os.RemoveAll(work) //nolint:errcheck // scratch
	if err := makeSeed(ctx, binary, work); err != nil {
		return "", fmt.Errorf("seed: %w", err)
	}
	return seed, os.Rename(filepath.Join(work, "etcd"), seed)
}

// makeSeed runs etcd and the API server in dir just long enough to apply the base.
func makeSeed(ctx context.Context, binary, dir string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	block, err := takeBlock()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, block.release()) }()
	if err := os.MkdirAll(filepath.Join(dir, "logs"), 0o755); err != nil {
		return err
	}
	spawner, err := process.NewSpawner(filepath.Join(dir, "run"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, spawner.Close()) }()
	c := &controlPlane{binary: binary, dir: dir, address: block.node(), spawner: spawner}
	if err := c.start(); err != nil {
		return err
	}
	if err := c.awaitAPI(ctx); err != nil {
		return err
	}
	if err := c.applyBase(ctx); err != nil {
		return err
	}
	// The API server first: without etcd it lingers. etcd gets the time to write.
	if err := c.api.Stop(0); err != nil {
		return err
	}
	return c.etcd.Stop(30 * time.Second)
}

// applyBase creates what every mesh has: Istio's CRDs and our base objects.
func (c *controlPlane) applyBase(ctx context.Context) error {
	crds, err := exec.CommandContext(ctx, c.binary, "crds").Output()
	if err != nil {
		return fmt.Errorf("print Istio's CRDs: %w", err)
	}
	client, err := dynamic.NewForConfig(c.config)
	if err != nil {
		return err
	}
	a := newApplier(client, c.config)
	for _, text := range []string{string(crds), baseManifests} {
		objects, err := parseManifests("base", []byte(text))
		if err != nil {
			return err
		}
		if err := a.applyAll(ctx, objects); err != nil {
			return err
		}
		if err := a.awaitCRDs(ctx, objects); err != nil {
			return err
		}
	}
	return nil
}

// copySeed copies an etcd data directory, less the files that etcd only
// preallocates.
func copySeed(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(to, strings.TrimPrefix(path, from))
		switch {
		case entry.IsDir():
			return os.MkdirAll(target, 0o700)
		case strings.HasSuffix(path, ".tmp"):
			return nil
		default:
			return copyFile(path, target)
		}
	})
}
