package process

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// stampFormat has a fixed width, unlike time.RFC3339Nano.
const stampFormat = "2006-01-02T15:04:05.000000000Z07:00"

// stamper writes whole lines with the time they were completed.
type stamper struct {
	out  io.Writer
	rest []byte
}

// Write never fails the child: it keeps an unfinished line for the next call.
func (s *stamper) Write(p []byte) (int, error) {
	now := time.Now().UTC().Format(stampFormat)
	s.rest = append(s.rest, p...)
	var text bytes.Buffer
	for {
		line, after, found := bytes.Cut(s.rest, []byte("\n"))
		if !found {
			break
		}
		fmt.Fprintf(&text, "%s %s\n", now, line)
		s.rest = after
	}
	s.rest = bytes.Clone(s.rest)
	if _, err := s.out.Write(text.Bytes()); err != nil {
		return 0, err
	}
	return len(p), nil
}

// cutStamp splits a stamped line.
func cutStamp(line string) (at time.Time, text string, ok bool) {
	stamp, text, found := strings.Cut(line, " ")
	if !found {
		return at, line, false
	}
	at, err := time.Parse(stampFormat, stamp)
	return at, text, err == nil
}

// LogOptions choose from a stamped log, as `kubectl logs` does.
type LogOptions struct {
	Since      time.Time // only lines from then on; zero: all
	Tail       int       // only the last so many lines; negative: all
	Timestamps bool      // keep the stamps
	Follow     bool      // go on with new lines until ctx ends
}

// ReadLog writes the chosen lines of a stamped log file to w. Following ends
// without an error when ctx does.
func ReadLog(ctx context.Context, file string, o LogOptions, w io.Writer) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	reader := bufio.NewReader(f)
	lines, partial, err := readLines(reader, "")
	if err != nil {
		return err
	}
	chosen := o.choose(lines)
	if o.Tail >= 0 && len(chosen) > o.Tail {
		chosen = chosen[len(chosen)-o.Tail:]
	}
	for {
		if _, err := io.WriteString(w, strings.Join(chosen, "")); err != nil || !o.Follow {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(20 * time.Millisecond):
		}
		if lines, partial, err = readLines(reader, partial); err != nil {
			return err
		}
		chosen = o.choose(lines)
	}
}

// readLines reads what is there: whole lines, and the beginning of the next.
func readLines(r *bufio.Reader, partial string) (lines []string, rest string, err error) {
	for {
		text, err := r.ReadString('\n')
		partial += text
		if errors.Is(err, io.EOF) {
			return lines, partial, nil
		}
		if err != nil {
			return lines, partial, err
		}
		lines, partial = append(lines, partial), ""
	}
}

// choose picks the lines of the wanted time, with or without their stamps.
func (o LogOptions) choose(lines []string) []string {
	var chosen []string
	for _, line := range lines {
		at, text, stamped := cutStamp(line)
		switch {
		case !stamped:
			chosen = append(chosen, line)
		case at.Before(o.Since):
		case o.Timestamps:
			chosen = append(chosen, line)
		default:
			chosen = append(chosen, text)
		}
	}
	return chosen
}
