package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ID tells one process from every other that ever had its pid.
type ID struct {
	Pid   int
	Start uint64 // clock ticks after boot: field 22 of /proc/PID/stat, proc_pid_stat(5)
}

// String renders the ID as a record file holds it.
func (id ID) String() string { return fmt.Sprintf("%d %d", id.Pid, id.Start) }

// Alive reports whether that very process still runs; a zombie does not.
func (id ID) Alive() bool {
	now, err := Identify(id.Pid)
	return err == nil && now == id
}

// Identify looks a running process up by pid.
func Identify(pid int) (ID, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ID{}, fmt.Errorf("process %d: %w", pid, err)
	}
	// The name, in parentheses, may hold spaces: count from behind it.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 20 {
		return ID{}, fmt.Errorf("process %d: /proc stat has %d fields behind the name, want 20", pid, len(fields))
	}
	if fields[0] == "Z" || fields[0] == "X" {
		return ID{}, fmt.Errorf("process %d: has ended", pid)
	}
	start, err := strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return ID{}, fmt.Errorf("process %d: start time: %w", pid, err)
	}
	return ID{Pid: pid, Start: start}, nil
}

// ParseID reads what [ID.String] wrote.
func ParseID(text string) (ID, error) {
	var id ID
	if _, err := fmt.Sscanf(text, "%d %d", &id.Pid, &id.Start); err != nil || id.Pid <= 1 {
		return ID{}, fmt.Errorf("process record %q: want \"PID START\"", text)
	}
	return id, nil
}

// ReadRecord reads the ID in a file.
func ReadRecord(file string) (ID, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return ID{}, err
	}
	return ParseID(string(content))
}

// WriteRecord writes the ID of this very process into a file.
func WriteRecord(file string) error { return writeRecord(file, os.Getpid()) }

func writeRecord(file string, pid int) error {
	id, err := Identify(pid)
	if err != nil {
		return os.WriteFile(file, []byte(ID{Pid: pid}.String()), 0o644) // it has ended already
	}
	return os.WriteFile(file, []byte(id.String()), 0o644)
}

// Sweep kills every process that the records in a directory name and that still
// runs, waits until it is gone, and removes the records. It returns the names of
// those it had to kill. A directory that does not exist holds nothing.
func Sweep(records string) ([]string, error) {
	entries, err := os.ReadDir(records)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("sweep: %w", err)
	}
	var killed []string
	var errs []error
	for _, entry := range entries {
		file := filepath.Join(records, entry.Name())
		if id, err := ReadRecord(file); err == nil && id.Alive() {
			killed = append(killed, entry.Name())
			errs = append(errs, kill(id))
		}
		errs = append(errs, os.Remove(file))
	}
	return killed, errors.Join(errs...)
}

// kill ends a process that is not our child, and its group.
func kill(id ID) error {
	for _, target := range []int{-id.Pid, id.Pid} {
		if err := syscall.Kill(target, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("kill process %d: %w", id.Pid, err)
		}
	}
	return AwaitEnd(id, 5*time.Second)
}

// AwaitEnd waits until a process that is not our child has ended.
func AwaitEnd(id ID, limit time.Duration) error {
	deadline := time.Now().Add(limit)
	for id.Alive() {
		if time.Now().After(deadline) {
			return fmt.Errorf("process %d: still there after %s", id.Pid, limit)
		}
		time.Sleep(pollEvery)
	}
	return nil
}

// End asks a process that is not our child to stop (SIGTERM), and kills it when
// it is still there after limit.
func End(id ID, limit time.Duration) error {
	if err := syscall.Kill(id.Pid, syscall.SIGTERM); err != nil {
		return fmt.Errorf("end process %d: %w", id.Pid, err)
	}
	if AwaitEnd(id, limit) == nil {
		return nil
	}
	return kill(id)
}
