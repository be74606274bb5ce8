package meshtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A machine of which only the tools that fetch are played.
func TestPrometheusIsFetched(t *testing.T) {
	const apt = `#!/bin/sh
echo "$@" >>"$LOG"
case "$*" in
*update) touch lists ;;
*download*) [ -e lists ] || { echo "no such package"; exit 100; }; touch prometheus_2.42_amd64.deb ;;
esac
`
	const dpkg = `#!/bin/sh
mkdir -p content/usr/bin && printf '#!/bin/sh\n' >content/usr/bin/prometheus && chmod +x content/usr/bin/prometheus
`
	log := machine(t, map[string]string{"apt-get": apt, "dpkg": dpkg})
	told := 0
	for range 2 {
		file, err := EnsurePrometheus(t.Context(), func(string) { told++ })
		if err != nil || file != filepath.Join(os.Getenv("FAULTLINE_CACHE"), "prometheus", "prometheus") {
			t.Fatalf("got %q, %v", file, err)
		}
	}
	asked, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(asked)), "\n")
	if len(lines) != 3 || !strings.HasSuffix(lines[1], "update") || !strings.Contains(lines[1], "Dir::State::lists=") || told != 1 {
		t.Errorf("told %d times, and asked:\n%s", told, asked)
	}
	left, err := filepath.Glob(filepath.Join(os.Getenv("FAULTLINE_CACHE"), "prometheus", "package-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left %q, %v", left, err)
	}
}

func TestPrometheusCannotBeFetched(t *testing.T) {
	for want, tools := range map[string]map[string]string{
		"its Debian package needs apt-get": {},
		"its Debian package needs dpkg":    {"apt-get": "#!/bin/sh\nexit 0\n"},
		"its Debian package could not be had: apt-get [download prometheus]: exit status 100\nno network": {
			"apt-get": "#!/bin/sh\necho no network\nexit 100\n", "dpkg": "#!/bin/sh\n",
		},
		"apt-get left 0 packages, want 1": {"apt-get": "#!/bin/sh\nexit 0\n", "dpkg": "#!/bin/sh\n"},
	} {
		machine(t, tools)
		_, err := EnsurePrometheus(t.Context(), func(string) {})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "set FAULTLINE_PROMETHEUS to a Prometheus ≥ 2.40") {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
	t.Setenv("FAULTLINE_PROMETHEUS", "/none")
	if _, err := EnsurePrometheus(t.Context(), func(string) {}); err == nil || !strings.Contains(err.Error(), "FAULTLINE_PROMETHEUS: stat /none") {
		t.Errorf("got %v", err)
	}
}

// machine makes PATH hold these scripts and what scripts need, and the cache empty.
// It returns the file that $LOG names.
func machine(t *testing.T, scripts map[string]string) string {
	t.Helper()
	bin := t.TempDir()
	for _, tool := range []string{"sh", "touch", "mkdir", "chmod"} {
		for _, dir := range []string{"/usr/bin", "/bin"} {
			if executable(filepath.Join(dir, tool), tool) == nil {
				_ = os.Symlink(filepath.Join(dir, tool), filepath.Join(bin, tool)) // the second time it is there
			}
		}
	}
	for name, content := range scripts {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	log := filepath.Join(bin, "log")
	t.Setenv("LOG", log)
	t.Setenv("PATH", bin)
	t.Setenv("FAULTLINE_CACHE", t.TempDir())
	t.Setenv("FAULTLINE_PROMETHEUS", "")
	return log
}
