package meshtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// EnsurePrometheus finds a Prometheus server for tests, which is no part of a mesh:
// in $FAULTLINE_PROMETHEUS, on PATH, in the cache, and else in Debian's package
// prometheus, which is fetched and unpacked there without root and without being
// installed, telling progress. Two processes may call it at once.
func EnsurePrometheus(ctx context.Context, progress func(string)) (string, error) {
	if file := os.Getenv("FAULTLINE_PROMETHEUS"); file != "" {
		return file, named(executable(file, "FAULTLINE_PROMETHEUS"), "no Prometheus to be found")
	}
	if file, err := exec.LookPath("prometheus"); err == nil {
		return file, nil
	}
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	cache = filepath.Join(cache, "prometheus")
	unlock, err := lockDir(ctx, cache, progress)
	if err != nil {
		return "", err
	}
	defer unlock()
	binary := filepath.Join(cache, "prometheus")
	if executable(binary, "cache") == nil {
		return binary, nil
	}
	progress("fetching Prometheus (19 MB, Debian's package prometheus), once")
	if err := fetchPrometheus(ctx, binary); err != nil {
		return "", fmt.Errorf("no Prometheus to be found: not in FAULTLINE_PROMETHEUS, not on PATH, not in the cache (%s), and %w; "+
			"set FAULTLINE_PROMETHEUS to a Prometheus ≥ 2.40, or install one", binary, err)
	}
	return binary, nil
}

// fetchPrometheus takes the binary out of the package, and moves it into place
// whole. Where the system's lists of packages do not have it, for nobody has
// fetched them yet, it fetches lists of its own.
func fetchPrometheus(ctx context.Context, binary string) error {
	scratch, err := os.MkdirTemp(filepath.Dir(binary), "package-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch) //nolint:errcheck // scratch
	for _, tool := range []string{"apt-get", "dpkg"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("its Debian package needs %s: %w", tool, err)
		}
	}
	download := func(options ...string) error {
		return inDir(ctx, scratch, "apt-get", append(options, "--quiet=2", "download", "prometheus")...)
	}
	if err := download(); err != nil {
		lists := filepath.Join(scratch, "lists")
		if err := os.MkdirAll(filepath.Join(lists, "partial"), 0o755); err != nil {
			return err
		}
		own := []string{"-o", "Dir::State::lists=" + lists, "-o", "Dir::Cache=" + scratch, "-o", "APT::Sandbox::User="}
		if failed := inDir(ctx, scratch, "apt-get", append(own, "--quiet=2", "update")...); failed != nil {
			return fmt.Errorf("its Debian package could not be had: %w", errors.Join(err, failed))
		}
		if err := download(own...); err != nil {
			return fmt.Errorf("its Debian package could not be had: %w", err)
		}
	}
	packages, err := filepath.Glob(filepath.Join(scratch, "prometheus_*.deb"))
	if err != nil || len(packages) != 1 {
		return errors.Join(err, fmt.Errorf("apt-get left %d packages, want 1", len(packages)))
	}
	if err := inDir(ctx, scratch, "dpkg", "-x", packages[0], "content"); err != nil {
		return err
	}
	return os.Rename(filepath.Join(scratch, "content", "usr", "bin", "prometheus"), binary)
}

// inDir runs a command in a directory; an error has its output.
func inDir(ctx context.Context, dir, name string, args ...string) error {
	command := exec.CommandContext(ctx, name, args...)
	command.Dir = dir
	command.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %v: %w\n%s", name, args[len(args)-min(2, len(args)):], err, out)
	}
	return nil
}
