package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/faultline-mesh/faultline/meshtest"
)

// upDetached starts this very command again without --detach, in a session of
// its own, and returns when that one says it is ready.
func (f *meshFlags) upDetached(cmd *cobra.Command) error {
	if err := os.MkdirAll(f.dir, 0o755); err != nil {
		return err
	}
	if err := meshtest.CheckDir(f.dir); err != nil {
		return err
	}
	// What takes minutes is made here, where its progress is seen.
	if _, err := meshtest.EnsureAssets(cmd.Context(), newProgress(cmd.ErrOrStderr()).line); err != nil {
		return err
	}
	status := filepath.Join(f.dir, statusFile)
	if err := removeIfThere(status); err != nil {
		return err
	}
	child, err := f.startDetached()
	if err != nil {
		return err
	}
	if err := awaitStatus(cmd.Context(), child, status); err != nil {
		return errors.Join(err, f.said(os.Stderr))
	}
	err = f.said(cmd.OutOrStdout())
	fmt.Fprintf(cmd.OutOrStdout(), "end it with: faultline mesh down --dir %s\n", f.dir)
	return err
}

// startDetached starts the process that holds the mesh; it says what it has to
// say in a file.
func (f *meshFlags) startDetached() (*exec.Cmd, error) {
	log, err := os.Create(filepath.Join(f.dir, logFile))
	if err != nil {
		return nil, err
	}
	defer log.Close() //nolint:errcheck // the child writes it
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	child := exec.Command(self, f.arguments()...)
	child.Stdout, child.Stderr, child.SysProcAttr = log, log, &syscall.SysProcAttr{Setsid: true}
	return child, child.Start()
}

// awaitStatus returns when the child has written that the mesh is ready.
func awaitStatus(ctx context.Context, child *exec.Cmd, status string) error {
	exited := make(chan error, 1)
	go func() { exited <- child.Wait() }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-exited:
			return fmt.Errorf("the mesh did not start: %w", err)
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), child.Process.Signal(syscall.SIGTERM))
		case <-tick.C:
			if _, err := os.Stat(status); err == nil {
				return nil
			}
		}
	}
}

// said copies what the detached process has said.
func (f *meshFlags) said(to io.Writer) error {
	text, err := os.ReadFile(filepath.Join(f.dir, logFile))
	if err == nil {
		_, err = to.Write(text)
	}
	return err
}

func (f *meshFlags) arguments() []string {
	arguments := []string{"mesh", "up", "--dir", f.dir}
	for _, m := range f.manifests {
		arguments = append(arguments, "-f", m)
	}
	for image, executable := range f.images {
		arguments = append(arguments, "--image", image+"="+executable)
	}
	if f.allStats {
		arguments = append(arguments, "--all-stats")
	}
	return arguments
}
