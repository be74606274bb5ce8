package injector

import "testing"

func TestShowsFault(t *testing.T) {
	run := NewRunID()
	for config, want := range map[string]bool{
		``:                                     false,
		`{"name":"` + routePrefix(run) + `0"}`: true,
		`{"name":"` + routePrefix(run) + `12.everybody"}`:                    true,
		`{"name":"` + filterName(run, 1) + `","typed_config":{}}`:            true,
		`{"name":"` + filterName(run, 2) + `"}`:                              true,
		`{"name":"checkout","cluster":"outbound|80||faultline-demo.shop"}`:   false,
		`{"config":"/apis/v1/virtual-service/` + routePrefix(run) + `shop"}`: false, // istiod's word on where a route is from
		`{"name":"faultline-demo"}`:                                          false,
		`{"name":"faultline-` + run + `"}`:                                   false,
	} {
		if got := ShowsFault([]byte(config)); got != want {
			t.Errorf("%s: %t, want %t", config, got, want)
		}
	}
}
