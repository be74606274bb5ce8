package bundle

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestText(t *testing.T) {
	for line, want := range map[string]string{
		`GET /checkout HTTP/1.1 200 - via_upstream`:      `GET /checkout HTTP/1.1 200 - via_upstream`,
		`Authorization: Bearer abc.def-ghi`:              `Authorization: (hidden)`,
		`"authorization": "Basic YWRhOnB3"`:              `"authorization": "(hidden)"`,
		`GET /a?token=s3cret&sku=1`:                      `GET /a?token=(hidden)&sku=1`,
		`GET /a?access_token=s3cret`:                     `GET /a?access_token=(hidden)`,
		`cookie: session=1234; other=5`:                  `cookie: (hidden)`,
		`sent bearer abcdefgh12345`:                      `sent bearer (hidden)`,
		`id eyJhbGciOi.eyJzdWIiOi.SflKxwRJ here`:         `id (hidden) here`,
		`https://ada:pw@shop.example/x`:                  `https://(hidden)@shop.example/x`,
		`password="hunter2" and more`:                    `password="(hidden)" and more`,
		`127.20.1.4:8080 outbound|80||payments.shop.svc`: `127.20.1.4:8080 outbound|80||payments.shop.svc`,
	} {
		if got := Text(line); got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	}
}

func TestJSON(t *testing.T) {
	const config = `{
		"name": "inventory",
		"request_headers_to_add": [{"header": {"key": "Authorization", "value": "Basic YWRhOnB3"}}, {"header": {"key": "x-team", "value": "shop"}}],
		"headers": {"request": {"set": {"authorization": "abc", "x-team": "shop"}}},
		"tls": {"private_key": {"inline_string": "KEY"}, "session_ticket_keys": {"keys": [{"inline_bytes": "KEY"}]}},
		"max_tokens": 5, "note": "https://a:b@c/"
	}`
	const want = `{
		"name": "inventory",
		"request_headers_to_add": [{"header": {"key": "Authorization", "value": "(hidden)"}}, {"header": {"key": "x-team", "value": "shop"}}],
		"headers": {"request": {"set": {"authorization": "(hidden)", "x-team": "shop"}}},
		"tls": {"private_key": "(hidden)", "session_ticket_keys": {"keys": [{"inline_bytes": "(hidden)"}]}},
		"max_tokens": 5, "note": "https://(hidden)@c/"
	}`
	var got, wanted any
	if err := json.Unmarshal(JSON([]byte(config)), &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(want), &wanted); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if JSON([]byte("{")) != nil {
		t.Error("what is no JSON was kept")
	}
}

func full(run string) Bundle {
	return Bundle{
		Run: run, Asked: Asked{Load: "GET http://shop.example/"},
		Proxies: []Proxy{{
			Name: "Pod shop/checkout-1", AccessLog: []string{"one", "two"}, Log: []string{"three"},
			RouteConfig: []json.RawMessage{json.RawMessage(`{"name":"r"}`)}, ClusterConfig: []json.RawMessage{json.RawMessage(`{"name":"c"}`), json.RawMessage(`{"name":"d"}`)},
		}},
		Objects: []Object{{Ref: "VirtualService shop/a", Content: map[string]any{"kind": "VirtualService"}}},
	}
}

func TestWriteAndRead(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "runs")
	for range 2 { // the second one takes the first one's place
		if path, err := Write(dir, full("49c476b4"), []byte(`{"run":"49c476b4"}`), "Deviated"); err != nil || path != filepath.Join(dir, "49c476b4") {
			t.Fatal(path, err)
		}
	}
	kept, err := Read(dir, "49c476b4")
	if err != nil || string(kept.Report) != `{"run":"49c476b4"}` || kept.Bundle.Proxies[0].Dir != "proxies/shop_checkout-1" {
		t.Fatalf("got %+v, %v", kept, err)
	}
	want := []string{
		"bundle.json", "objects.yaml", "proxies/shop_checkout-1/access.log", "proxies/shop_checkout-1/clusters.json",
		"proxies/shop_checkout-1/proxy.log", "proxies/shop_checkout-1/routes.json", "report.json", "report.txt",
	}
	if diff := cmp.Diff(want, kept.Files); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	var clusters []any
	content, err := os.ReadFile(filepath.Join(kept.Dir, "proxies/shop_checkout-1/clusters.json"))
	if err != nil || json.Unmarshal(content, &clusters) != nil || len(clusters) != 2 {
		t.Errorf("got %s, %v", content, err)
	}
	info, err := os.Stat(filepath.Join(kept.Dir, "bundle.json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others may read it: %v, %v", info.Mode(), err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("left in %s: %v, %v", dir, entries, err)
	}
}

func TestLargeConfigurationIsCut(t *testing.T) {
	large := json.RawMessage(`"` + strings.Repeat("x", maxConfig/2) + `"`)
	content := list([]json.RawMessage{large, large, large})
	var all []string
	if err := json.Unmarshal(content, &all); err != nil || len(content) > maxConfig+100 || all[len(all)-1] != "and 2 more, which are too large to keep" {
		t.Errorf("%d bytes, %d documents, %v", len(content), len(all), err)
	}
}

func TestTheLatestAndPrune(t *testing.T) {
	dir := t.TempDir()
	if _, err := Read(dir, ""); err == nil || err.Error() != "no run is kept in "+dir {
		t.Errorf("got %v", err)
	}
	if _, err := Read(dir, "aa"); err == nil || err.Error() != "run aa is not kept in "+dir+", nor is any other" {
		t.Errorf("got %v", err)
	}
	now := time.Now()
	for i, run := range []string{"dd", "aa", "cc", "bb"} { // in this order
		if _, err := Write(dir, full(run), []byte(`{}`), ""); err != nil {
			t.Fatal(err)
		}
		at := now.Add(time.Duration(i-10) * time.Minute)
		if err := os.Chtimes(filepath.Join(dir, run, bundleFile), at, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "notes"), 0o755); err != nil { // of somebody else
		t.Fatal(err)
	}
	if kept, err := Read(dir, ""); err != nil || kept.Bundle.Run != "bb" {
		t.Errorf("got %s, %v", kept.Bundle.Run, err)
	}
	if _, err := Read(dir, "ee"); err == nil || err.Error() != "run ee is not kept in "+dir+"; the latest there are bb, cc, aa, dd" {
		t.Errorf("got %v", err)
	}
	if err := Prune(dir, 2); err != nil {
		t.Fatal(err)
	}
	if left, err := runs(dir); err != nil || !slices.Equal(left, []string{"cc", "bb"}) {
		t.Errorf("left %q, %v", left, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "notes")); err != nil {
		t.Error("what is no run was removed")
	}
}

// An id that would lead out of the directory is none.
func TestIDsAreNoPaths(t *testing.T) {
	for _, run := range []string{"../x", "a/b", ".", "A", "a b"} {
		if _, err := Read(t.TempDir(), run); err == nil || !strings.Contains(err.Error(), "want the id of a run") {
			t.Errorf("%q: got %v", run, err)
		}
		if _, err := Write(t.TempDir(), Bundle{Run: run}, nil, ""); err == nil {
			t.Errorf("%q was written", run)
		}
	}
}

func TestStateDir(t *testing.T) {
	t.Setenv("HOME", "/home/ada")
	for _, test := range []struct{ own, xdg, want string }{
		{"/state", "/xdg", "/state/runs"},
		{"", "/xdg", "/xdg/faultline/runs"},
		{"", "relative", "/home/ada/.local/state/faultline/runs"},
		{"", "", "/home/ada/.local/state/faultline/runs"},
	} {
		t.Setenv("FAULTLINE_STATE", test.own)
		t.Setenv("XDG_STATE_HOME", test.xdg)
		if got, err := StateDir(); err != nil || got != test.want {
			t.Errorf("got %q, %v; want %q", got, err, test.want)
		}
	}
	t.Setenv("HOME", "")
	if _, err := StateDir(); err == nil || !strings.HasSuffix(err.Error(), "set FAULTLINE_STATE") {
		t.Errorf("got %v", err)
	}
}
