package loadgen_test

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-mesh/faultline/loadgen"
)

func TestValidate(t *testing.T) {
	const good = "http://shop.example/checkout"
	header := func(pairs ...string) map[string]string {
		h := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			h[pairs[i]] = pairs[i+1]
		}
		return h
	}
	tests := []struct {
		name string
		load loadgen.Load
		want string // empty: valid
	}{
		// happy
		{"only a URL", loadgen.Load{URL: good}, ""},
		{"https, port, query", loadgen.Load{URL: "https://shop.example:8443/a?b=c"}, ""},
		{"IPv6", loadgen.Load{URL: "http://[::1]:8080/", ConnectTo: "[::1]:80"}, ""},
		{"everything", loadgen.Load{
			URL: good, ConnectTo: "127.0.0.1:15006", Method: "POST", Header: header("Host", "a", "x-user", "b\tc"),
			Body: "{}", Rate: 0.5, Duration: time.Second, Timeout: time.Second, MaxInFlight: 1,
		}, ""},
		// sad
		{"no URL", loadgen.Load{}, "url: is required, as in http://shop.example/checkout"},
		{"other scheme", loadgen.Load{URL: "ftp://shop"}, `url: "ftp://shop" begins with neither http:// nor https://`},
		{"no scheme", loadgen.Load{URL: "shop/checkout"}, `url: "shop/checkout" begins with neither http:// nor https://`},
		{"no host", loadgen.Load{URL: "http:///checkout"}, `url: "http:///checkout" names no host`},
		{"only a port", loadgen.Load{URL: "http://:80/"}, `url: "http://:80/" names no host`},
		{"port too large", loadgen.Load{URL: "http://shop:65536/"}, `url: "65536" is no port`},
		{"not a URL", loadgen.Load{URL: "http://a b/"}, `url: parse "http://a b/": invalid character " " in host name`},
		{"connectTo without port", loadgen.Load{URL: good, ConnectTo: "127.0.0.1"}, `connectTo: "127.0.0.1" is not host:port`},
		{"connectTo without host", loadgen.Load{URL: good, ConnectTo: ":80"}, `connectTo: ":80" is not host:port`},
		{"connectTo port 0", loadgen.Load{URL: good, ConnectTo: "a:0"}, `connectTo: "a:0" is not host:port`},
		{"method", loadgen.Load{URL: good, Method: "GET /"}, `method: "GET /" is no HTTP method`},
		{"header name", loadgen.Load{URL: good, Header: header("x user", "1")}, `header: "x user" is no header name`},
		{"no header name", loadgen.Load{URL: good, Header: header("", "1")}, `header: "" is no header name`},
		{"header value", loadgen.Load{URL: good, Header: header("x-user", "a\r\nb")}, "header: the value of x-user has a control character in it"},
		{"one header twice", loadgen.Load{URL: good, Header: header("Host", "a", "host", "b")}, "header: Host and host are the same header"},
		{"negative rate", loadgen.Load{URL: good, Rate: -1}, "rate: -1 is not a positive number of requests per second"},
		{"no number", loadgen.Load{URL: good, Rate: math.NaN()}, "rate: NaN is not a positive number of requests per second"},
		{"infinite rate", loadgen.Load{URL: good, Rate: math.Inf(1)}, "rate: +Inf is not a positive number of requests per second"},
		{"duration", loadgen.Load{URL: good, Duration: -time.Second}, "duration: -1s is negative"},
		{"timeout", loadgen.Load{URL: good, Timeout: -time.Second}, "timeout: -1s is negative"},
		{"maxInFlight", loadgen.Load{URL: good, MaxInFlight: -1}, "maxInFlight: -1 is negative"},
		{
			"all at once",
			loadgen.Load{URL: "ftp://shop", Rate: -1, Timeout: -1, Header: header("a b", "", "c", "\x00")},
			"url: \"ftp://shop\" begins with neither http:// nor https://\n" +
				"header: \"a b\" is no header name\n" +
				"header: the value of c has a control character in it\n" +
				"rate: -1 is not a positive number of requests per second\n" +
				"timeout: -1ns is negative",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := ""
			if err := test.load.Validate(); err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("Validate (-want +got):\n%s", diff)
			}
		})
	}
}

func TestInvalidLoadIsNotStarted(t *testing.T) {
	running, err := loadgen.Load{URL: "ftp://shop"}.Start(t.Context())
	if err == nil || running != nil {
		t.Errorf("Start = %v, %v; want nil and an error", running, err)
	}
	result, err := loadgen.Load{}.Run(t.Context())
	if err == nil || result.Requests() != 0 {
		t.Errorf("Run = %v, %v; want no requests and an error", result, err)
	}
}
