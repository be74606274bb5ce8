//go:build !unix

package guard

import (
	"errors"
	"os"
	"os/exec"
)

func detach(*exec.Cmd) error { return errors.New("this system has no sessions") }

func stand() {}

func self() (string, error) { return os.Executable() }
