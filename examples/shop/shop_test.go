package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// TestMain turns the test binary into the shop where a test starts it as one.
func TestMain(m *testing.M) {
	if os.Getenv("SHOP_TEST_RUN") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// A mesh routes requests by host name to handlers, as a sidecar would.
type mesh map[string]http.Handler

func (m mesh) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if handler := m[r.Host]; handler != nil {
		handler.ServeHTTP(w, r)
		return
	}
	http.Error(w, "no such host", http.StatusBadGateway)
}

// play returns role, calling its dependencies through the proxy at address.
func play(t *testing.T, address string, env map[string]string) http.Handler {
	t.Helper()
	proxy, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy), DisableKeepAlives: true}}
	service, err := configure(nil, func(name string) string { return env[name] }, client)
	if err != nil {
		t.Fatal(err)
	}
	handler, err := service.handler()
	if err != nil {
		t.Fatal(err)
	}
	return handler
}

// wholeShop is a mesh in which every service answers, with replaced put in.
// Checkout has patience with recommendations for so long.
func wholeShop(t *testing.T, patience string, replaced mesh) mesh {
	t.Helper()
	shop := mesh{}
	server := httptest.NewServer(shop)
	t.Cleanup(server.Close)
	for _, role := range []string{"frontend", "checkout", "payments", "inventory", "recommendations"} {
		shop[role] = play(t, server.URL, map[string]string{
			"ROLE": role, "POD_NAME": role + "-0", "VERSION": "v1", "RECOMMENDATIONS_TIMEOUT": patience,
		})
	}
	maps.Copy(shop, replaced)
	return shop
}

func failing(status int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("x-faultline-run", "7f3a")
		http.Error(w, "fault filter abort", status)
	})
}

func broken(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func TestCheckout(t *testing.T) {
	late := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	for name, tc := range map[string]struct {
		replaced mesh
		status   int
		fallback bool
		run      string
		patience string // a minute, if empty
	}{
		"all is well":                    {status: 200},
		"payments answers 503":           {replaced: mesh{"payments": failing(503)}, status: 503, run: "7f3a"},
		"inventory answers 504":          {replaced: mesh{"inventory": failing(504)}, status: 504, run: "7f3a"},
		"payments answers 500":           {replaced: mesh{"payments": failing(500)}, status: 502, run: "7f3a"},
		"inventory breaks off":           {replaced: mesh{"inventory": http.HandlerFunc(broken)}, status: 502},
		"payments talks no JSON":         {replaced: mesh{"payments": failing(200)}, status: 502, run: "7f3a"},
		"recommendations answers 503":    {replaced: mesh{"recommendations": failing(503)}, status: 200, fallback: true, run: "7f3a"},
		"recommendations is late":        {replaced: mesh{"recommendations": late}, status: 200, fallback: true, patience: "50ms"},
		"checkout itself answers 418":    {replaced: mesh{"checkout": failing(418)}, status: 418, run: "7f3a"},
		"payments 503 and inventory 504": {replaced: mesh{"payments": failing(503), "inventory": failing(504)}, status: 503, run: "7f3a"},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			shop := wholeShop(t, cmp.Or(tc.patience, "1m"), tc.replaced)
			shop.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "http://frontend/checkout", nil))
			body := w.Body.String()
			if w.Code != tc.status {
				t.Errorf("status %d, want %d; body: %s", w.Code, tc.status, body)
			}
			if run := w.Header().Get("x-faultline-run"); run != tc.run {
				t.Errorf("x-faultline-run %q, want %q", run, tc.run)
			}
			if header := w.Header().Get("x-shop-fallback") == "recommendations"; header != tc.fallback {
				t.Errorf("header x-shop-fallback present: %t, want %t", header, tc.fallback)
			}
			if told := strings.Contains(body, `"recommendations":[],"recommendations_fallback":true`); told != tc.fallback {
				t.Errorf("fallback told in body: %t, want %t; body: %s", told, tc.fallback, body)
			}
			if tc.status == 200 && !tc.fallback && w.Header().Get("x-shop-recommendations") != "v1" {
				t.Errorf("x-shop-recommendations %q, want v1", w.Header().Get("x-shop-recommendations"))
			}
		})
	}
}

func TestHeadersReachTheLastService(t *testing.T) {
	sent := http.Header{
		"Baggage":         {"faultline-run=7f3a"},
		"Traceparent":     {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
		"X-Faultline-Run": {"7f3a"},
		"X-Request-Id":    {"r1"},
		"End-User":        {"jason"},
	}
	got := make(chan http.Header, 1)
	shop := wholeShop(t, "1m", mesh{"payments": http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r.Header })})
	r := httptest.NewRequest(http.MethodGet, "http://frontend/checkout", nil)
	r.Header = sent.Clone()
	r.Header.Set("X-Other", "stays here")
	shop.ServeHTTP(httptest.NewRecorder(), r)
	received := <-got
	for name := range sent {
		if received.Get(name) != sent.Get(name) {
			t.Errorf("%s arrived as %q, want %q", name, received.Get(name), sent.Get(name))
		}
	}
	if received.Get("X-Other") != "" {
		t.Error("X-Other was forwarded, and only the listed headers should be")
	}
}

func TestConfigureNamesEveryProblem(t *testing.T) {
	env := map[string]string{"POD_NAME": "p", "PAYMENTS_TIMEOUT": "soon", "INVENTORY_TIMEOUT": "-1s", "FORWARD": "some"}
	_, err := configure([]string{"waiter"}, func(name string) string { return env[name] }, nil)
	const want = "FORWARD: found \"some\", want none, or nothing\nPAYMENTS_TIMEOUT: time: invalid duration \"soon\"\nINVENTORY_TIMEOUT: -1s is not a positive duration"
	if err == nil || err.Error() != want {
		t.Errorf("got error\n%v\nwant\n%s", err, want)
	}
	if _, err := (&service{role: "waiter"}).handler(); err == nil || !strings.Contains(err.Error(), `"waiter" is not`) {
		t.Errorf("unknown role: got error %v", err)
	}
}

// A process of its own uses HTTP_PROXY, answers with its pod and, on SIGTERM,
// first finishes the request it is working on.
func TestProcess(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	proxy := httptest.NewServer(wholeShop(t, "1m", mesh{"checkout": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-release
		_, _ = io.WriteString(w, `{}`)
	})}))
	defer proxy.Close()
	command := exec.CommandContext(t.Context(), os.Args[0])
	command.Env = append(os.Environ(), "SHOP_TEST_RUN=1", "ROLE=frontend", "POD_NAME=frontend-0",
		"LISTEN_ADDR=127.0.0.1:0", "HTTP_PROXY="+proxy.URL, "NO_PROXY=")
	command.Stderr = t.Output()
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("first line %q: %v", line, err)
	}
	_, address, _ := strings.Cut(strings.TrimSpace(line), "listens on ")
	go func() {
		<-arrived
		_ = command.Process.Signal(syscall.SIGTERM)
		for refused := false; !refused; { // the listener is gone, the request is not
			response, err := http.Get("http://" + address + "/healthz")
			if refused = err != nil; !refused {
				_ = response.Body.Close()
			}
		}
		close(release)
	}()
	response, err := http.Get("http://" + address + "/checkout")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var answer reply
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || response.StatusCode != 200 || answer.Pod != "frontend-0" {
		t.Errorf("status %d, answer %+v, error %v; want 200 from frontend-0", response.StatusCode, answer, err)
	}
	if err := command.Wait(); err != nil {
		t.Errorf("exit after SIGTERM: %v", err)
	}
}
