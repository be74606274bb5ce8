package main

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/faultline-mesh/faultline/injector"
	"github.com/faultline-mesh/faultline/meshtest"
)

// promised is how soon a dead run's fault is out and a halt works. Two processors
// that compile and test at the same time get some more.
const promised, patience = time.Second, 5 * time.Second

// istiod STOP | CONT: the signal, to the mesh's istiod. It goes on at the end in
// any case.
func istiod(ts *testscript.TestScript, mesh *meshtest.Mesh, args []string) {
	signals := map[string]syscall.Signal{"STOP": syscall.SIGSTOP, "CONT": syscall.SIGCONT}
	pid := istiodPid(ts, mesh.Dir)
	ts.Check(syscall.Kill(pid, signals[args[0]]))
	ts.Defer(func() { ts.Check(syscall.Kill(pid, syscall.SIGCONT)) })
}

// istiodPid finds the one process of the mesh that was started as istiod.
func istiodPid(ts *testscript.TestScript, dir string) (pid int) {
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	ts.Check(err)
	for _, file := range files {
		line, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(line), "\x00discovery\x00") || !strings.Contains(string(line), dir+"/") {
			continue
		}
		if pid != 0 {
			ts.Fatalf("both %d and %s are istiod", pid, file)
		}
		pid, err = strconv.Atoi(filepath.Base(filepath.Dir(file)))
		ts.Check(err)
	}
	if pid == 0 {
		ts.Fatalf("no process is istiod of %s", dir)
	}
	return pid
}

// clean waits until nothing of any run is in the mesh, and says how long that took.
func clean(ts *testscript.TestScript, mesh *meshtest.Mesh) {
	took := await(ts, func() bool { return len(leftovers(ts, mesh)) == 0 })
	ts.Logf("clean after %s; %s is promised", took, promised)
}

// answers STATUS: waits until the gateway answers a checkout of the one run that
// has something in the mesh, or of none, with that status.
func answers(ts *testscript.TestScript, mesh *meshtest.Mesh, args []string) {
	request, err := http.NewRequest(http.MethodGet, mesh.GatewayURL()+"/checkout", nil)
	ts.Check(err)
	request.Host = "shop.example"
	for _, l := range leftovers(ts, mesh) {
		for name, value := range injector.Headers(l.Run) {
			request.Header.Set(name, value)
		}
	}
	took := await(ts, func() bool {
		response, err := http.DefaultClient.Do(request)
		ts.Check(err)
		_ = response.Body.Close()
		return strconv.Itoa(response.StatusCode) == args[0]
	})
	ts.Logf("%s after %s", args[0], took)
}

func leftovers(ts *testscript.TestScript, mesh *meshtest.Mesh) []injector.Leftover {
	in, err := injector.New(mesh.Config())
	ts.Check(err)
	found, err := in.Leftovers(context.Background())
	ts.Check(err)
	return found
}

// await asks until it is so, and returns how long that took.
func await(ts *testscript.TestScript, so func() bool) time.Duration {
	began := time.Now()
	for !so() {
		if time.Since(began) > patience {
			ts.Fatalf("not within %s", patience)
		}
	}
	return time.Since(began).Round(time.Millisecond)
}

// killguards: SIGKILL to the guards of what this script has started.
func killguards(ts *testscript.TestScript, _ bool, _ []string) {
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	ts.Check(err)
	killed := 0
	for _, file := range files {
		content, err := os.ReadFile(file)
		environ := "\x00" + string(content)
		if err != nil || !strings.Contains(environ, "\x00FAULTLINE_GUARD=") || !strings.Contains(environ, "\x00WORK="+ts.Getenv("WORK")+"\x00") {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		ts.Check(err)
		ts.Check(syscall.Kill(pid, syscall.SIGKILL))
		killed++
	}
	if killed != 1 {
		ts.Fatalf("killed %d guards, want 1", killed)
	}
}

// impersonate USER FILE: a kubeconfig for the mesh as that user.
func impersonate(ts *testscript.TestScript, _ bool, args []string) {
	config, err := clientcmd.LoadFromFile(ts.Getenv("KUBECONFIG"))
	ts.Check(err)
	for _, user := range config.AuthInfos {
		user.Impersonate = args[0]
	}
	ts.Check(clientcmd.WriteToFile(*config, ts.MkAbs(args[1])))
}
